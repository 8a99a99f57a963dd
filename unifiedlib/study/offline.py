"""The offline metric on the very queries that were judged, to be laid beside the raters' preference."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from unifiedlib.bootstrap import Interval, paired_bootstrap
from unifiedlib.contract import Collection
from unifiedlib.evaluation import StoredEmbeddings
from unifiedlib.relevance import task_relevance
from unifiedlib.scoring import OWN_GALLERY, JudgedGallery, headline_metric, metric_cutoffs, score_queries
from unifiedlib.search import BinaryGallery, FloatGallery

Values = npt.NDArray[np.float64]
Scores = dict[int, float]


def headline_scores(
    collection: Collection, stored: StoredEmbeddings, representation: str, task: str
) -> Scores:
    """Each query's headline metric in the task's own gallery, ties at their expected value: {query item: P@k}."""
    relevance, k = task_relevance(collection, task, task), collection.tasks[task].k
    columns = np.arange(len(relevance.gallery_items), dtype=np.int64)
    judged = JudgedGallery(OWN_GALLERY, relevance, columns, metric_cutoffs(relevance, k, 1))
    rows, queries = stored.rows(relevance.gallery_items), stored.rows(relevance.query_items)
    if representation == "float":
        found = score_queries(stored.floats[queries], FloatGallery.of(stored.floats[rows]), [judged], 1024)
    else:
        found = score_queries(stored.codes[queries], BinaryGallery.of(stored.codes[rows]), [judged], 1024)
    values = found[0][list(judged.cutoffs).index(headline_metric(k))]
    return dict(zip(relevance.query_items.tolist(), values.tolist(), strict=True))


def offline_difference(
    ours: Sequence[Mapping[int, float]],
    theirs: Sequence[Mapping[int, float]],
    queries: Sequence[int],
    seed: int,
    n_resamples: int,
) -> Interval:
    """Ours minus theirs on some queries, with its interval; one table of scores per training on each side."""
    values = [np.array([[one[query] for query in queries] for one in side]) for side in (ours, theirs)]
    return paired_bootstrap(values[0], values[1], seed, n_resamples)
