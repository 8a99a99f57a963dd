"""Every query of a task against its own and the merged gallery, in batches, float and binary alike.

Queries are scored a batch at a time, so memory holds batch_size x n_gallery distances, never n_query x
n_gallery. The task's own gallery is a part of the merged one, so each distance is computed once for both.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from unifiedlib.contract import MERGED, Collection
from unifiedlib.metrics import Distances, mean_average_precision_at_r, precision_at, rank_with_ties, recall_at
from unifiedlib.relevance import Relevance, task_relevance
from unifiedlib.search import BinaryGallery, FloatGallery

Index = npt.NDArray[np.int64]
Results = npt.NDArray[np.float64]

OWN_GALLERY = "task"
MEAN_AVERAGE_PRECISION = "MAP@R"
OWN_QUERY_R = 0


@dataclass(frozen=True)
class JudgedGallery:
    """One of the two galleries that a task's queries are judged in.

    name: "task" or "merged"; columns: where its items stand in the merged gallery, int64 [n_gallery];
    cutoffs: {metric: its k}, MAP@R with k = 0, since each query has its own R.
    """

    name: str
    relevance: Relevance
    columns: Index
    cutoffs: dict[str, int]


def headline_metric(k: int) -> str:
    """Name of a task's headline metric, precision at the task's k."""
    return f"P@{k}"


def metric_cutoffs(relevance: Relevance, k: int, recall_k: int) -> dict[str, int]:
    """The metrics of a task in a gallery, with their k: P@1, P@k, R@recall_k and MAP@R (k = 0).

    recall_k is lowered to the number of results that every query has; ValueError when k itself is more than
    that.
    """
    shortest = int(relevance.n_candidates.min())
    if k > shortest:
        item = int(relevance.query_items[relevance.n_candidates.argmin()])
        raise ValueError(
            f"k = {k} is larger than the gallery: query item {item} can find only {shortest} items; "
            "lower the task's k"
        )
    recall_k = min(recall_k, shortest)
    return {"P@1": 1, headline_metric(k): k, f"R@{recall_k}": recall_k, MEAN_AVERAGE_PRECISION: OWN_QUERY_R}


def judged_galleries(collection: Collection, task: str, recall_k: int) -> list[JudgedGallery]:
    """The task's own gallery and the merged one, in this order; the queries are the same in both."""
    merged = collection.gallery(MERGED)
    judged = []
    for name, gallery in ((OWN_GALLERY, task), (MERGED, MERGED)):
        relevance = task_relevance(collection, task, gallery)
        columns = np.searchsorted(merged, relevance.gallery_items).astype(np.int64)
        cutoffs = metric_cutoffs(relevance, collection.tasks[task].k, recall_k)
        judged.append(JudgedGallery(name, relevance, columns, cutoffs))
    return judged


def _score_batch(distances: Distances, judged: JudgedGallery, rows: slice) -> Results:
    """All metrics of one batch of queries: [n_metric x n_batch]."""
    relevant, candidates = judged.relevance.masks(rows)
    n_relevant = judged.relevance.n_relevant[rows]
    depth = max(*judged.cutoffs.values(), int(n_relevant.max()))
    ranking = rank_with_ties(distances, relevant, candidates, depth)
    scores = []
    for metric, k in judged.cutoffs.items():
        if metric == MEAN_AVERAGE_PRECISION:
            scores.append(mean_average_precision_at_r(ranking, n_relevant))
        else:
            scores.append(precision_at(ranking, k) if metric.startswith("P@") else recall_at(ranking, k))
    return np.stack(scores)


def score_queries(
    queries: npt.NDArray[np.generic],
    gallery: FloatGallery | BinaryGallery,
    judged: Sequence[JudgedGallery],
    batch_size: int,
) -> list[Results]:
    """Score a task's queries in each of its galleries.

    queries: float32 [n_query x dim] or codes uint8 [n_query x dim/8], in the order of each relevance's
    `query_items`;
    gallery: the merged gallery in the same representation. Returns float64 [n_metric x n_query] for each of
    `judged`, its rows in the order of `cutoffs`. ValueError or TypeError when queries and gallery do not fit,
    or hold NaN.
    """
    scores: list[list[Results]] = [[] for _ in judged]
    for start in range(0, len(queries), batch_size):
        rows = slice(start, start + batch_size)
        distances: Distances = gallery.distances(queries[rows])  # type: ignore[arg-type]
        for part, one in zip(scores, judged, strict=True):
            part.append(_score_batch(distances[:, one.columns], one, rows))
    return [np.concatenate(part, axis=1) for part in scores]
