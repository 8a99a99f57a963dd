"""Every query of a task against its own and the merged gallery, in batches, float and binary alike.

Queries are scored a batch at a time into one buffer of at most 128 MiB (one query's distances, should they be
more), so memory never holds n_query x n_gallery distances. The task's own gallery is a part of the merged one,
so each distance is computed once for both.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt

from unifiedlib.contract import MERGED, Collection
from unifiedlib.metrics import (
    mean_average_precision_at_r,
    precision_at,
    r_precision,
    recall_at,
    reciprocal_rank,
)
from unifiedlib.ranking import Distances, TiedRanking, rank_with_ties
from unifiedlib.relevance import Relevance, task_relevance
from unifiedlib.search import BinaryGallery, FloatGallery

Index = npt.NDArray[np.int64]
Results = npt.NDArray[np.float64]

OWN_GALLERY = "task"
MEAN_AVERAGE_PRECISION = "MAP@R"
R_PRECISION = "R-precision"
RECIPROCAL_RANK = "MRR"
NO_CUTOFF = 0
LARGEST_BATCH_BYTES = 128 * 2**20


@dataclass(frozen=True)
class JudgedGallery:
    """One of the two galleries that a task's queries are judged in.

    name: "task" or "merged"; columns: where its items stand in the merged gallery, int64 [n_gallery];
    cutoffs: {metric: its k}; 0 for MAP@R and R-precision, since each query has its own R, and for MRR, which looks
    at the whole list.
    """

    name: str
    relevance: Relevance
    columns: Index
    cutoffs: dict[str, int]


def headline_metric(k: int) -> str:
    """Name of a task's headline metric, precision at the task's k."""
    return f"P@{k}"


def metric_cutoffs(relevance: Relevance, k: int, recall_k: int) -> dict[str, int]:
    """The metrics of a task in a gallery, with their k: P@1, P@k, R@recall_k, and MAP@R, R-precision, MRR (k = 0).

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
    cutoffs = {"P@1": 1, headline_metric(k): k, f"R@{recall_k}": recall_k}
    return cutoffs | dict.fromkeys((MEAN_AVERAGE_PRECISION, R_PRECISION, RECIPROCAL_RANK), NO_CUTOFF)


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


def _score(metric: str, k: int, ranking: TiedRanking, n_relevant: Index) -> Results:
    """One metric of one batch of queries: [n_batch]."""
    if metric == MEAN_AVERAGE_PRECISION:
        return mean_average_precision_at_r(ranking, n_relevant)
    if metric == R_PRECISION:
        return r_precision(ranking, n_relevant)
    if metric == RECIPROCAL_RANK:
        return reciprocal_rank(ranking)
    return precision_at(ranking, k) if metric.startswith("P@") else recall_at(ranking, k)


def _score_batch(distances: Distances, judged: JudgedGallery, rows: slice) -> Results:
    """All metrics of one batch of queries: [n_metric x n_batch]."""
    n_relevant = judged.relevance.n_relevant[rows]
    depth = max(*judged.cutoffs.values(), int(n_relevant.max()))
    ranking = rank_with_ties(distances, *judged.relevance.columns(rows), depth)
    return np.stack([_score(metric, k, ranking, n_relevant) for metric, k in judged.cutoffs.items()])


def _is_same(one: JudgedGallery, other: JudgedGallery) -> bool:
    """Whether two galleries are one but for the name, as in a collection of a single task."""
    pairs = [
        (getattr(one.relevance, f.name), getattr(other.relevance, f.name)) for f in fields(one.relevance)
    ]
    same = all(np.array_equal(*pair) for pair in [*pairs, (one.columns, other.columns)])
    return same and one.cutoffs == other.cutoffs


def _check_sizes(n_query: int, n_gallery: int, judged: Sequence[JudgedGallery]) -> None:
    for one in judged:
        wanted, last = len(one.relevance.query_items), int(one.columns.max(initial=-1))
        if n_query != wanted or last >= n_gallery:
            raise ValueError(
                f"{n_query} queries and {n_gallery} gallery items do not fit gallery '{one.name}', judged for "
                f"{wanted} queries and {last + 1} items: embed those in its `query_items` and columns"
            )


def score_queries(
    queries: npt.NDArray[np.generic],
    gallery: FloatGallery | BinaryGallery,
    judged: Sequence[JudgedGallery],
    batch_size: int,
) -> list[Results]:
    """Score a task's queries in each of its galleries.

    queries: float32 [n_query x dim] or codes uint8 [n_query x dim/8], in the order of each relevance's
    `query_items`;
    gallery: the merged gallery in the same representation; batch_size: the most queries at a time, fewer where
    their distances would take more than 128 MiB. Returns float64 [n_metric x n_query] for each of
    `judged`, its rows in the order of `cutoffs`. ValueError or TypeError when queries and gallery do not fit,
    or hold NaN.
    """
    _check_sizes(len(queries), len(gallery), judged)
    if len(judged) == 2 and _is_same(*judged):
        return score_queries(queries, gallery, judged[:1], batch_size) * 2
    scores: list[list[Results]] = [[] for _ in judged]
    for rows, whole in distance_batches(queries, gallery, batch_size):
        for part, one in zip(scores, judged, strict=True):
            part.append(_score_batch(_in_gallery(whole, one.columns), one, rows))
    return [np.concatenate(part, axis=1) for part in scores]


def queries_at_a_time(n_gallery: int, batch_size: int) -> int:
    """`batch_size`, or as many as fit into the buffer's 128 MiB with 4 bytes per distance, but at least one."""
    return max(1, min(batch_size, LARGEST_BATCH_BYTES // (4 * n_gallery)))


def distance_batches(
    queries: npt.NDArray[np.generic], gallery: FloatGallery | BinaryGallery, batch_size: int
) -> Iterator[tuple[slice, Distances]]:
    """Yield a batch's rows and their distances to the whole gallery; the next batch overwrites the distances.

    Arguments as in `score_queries`.
    """
    if batch_size < 1:
        raise ValueError(f"batch_size is {batch_size}; it must be at least 1")
    size = queries_at_a_time(len(gallery), batch_size)
    buffer = np.empty((min(size, len(queries)), len(gallery)), gallery.dtype)
    for start in range(0, len(queries), size):
        rows = slice(start, min(start + size, len(queries)))
        yield rows, gallery.distances(queries[rows], buffer[: rows.stop - start])  # type: ignore[arg-type]


def _in_gallery(distances: Distances, columns: Index) -> Distances:
    """The columns of one gallery, not copied where they are all of them, in order."""
    everything = np.array_equal(columns, np.arange(distances.shape[1]))
    return distances if everything else np.ascontiguousarray(distances[:, columns])
