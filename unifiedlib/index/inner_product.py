"""The k highest inner products, exactly, with ties that do not hang on how a matrix product rounds.

faiss scores a single query pair by pair, always in the same way. For more it may multiply matrices, whose kernels sum a product's
terms in an order that depends on the number of queries and on the column, so two equal embeddings may get scores that differ in
the last bits. There it chooses candidates, a few more than k, whose pairs are then scored one by one as well. Results are ordered
by (score, row). Where a tie at the cut, or rounding, could have hidden an item, every pair of that query is scored.
"""

from __future__ import annotations

import faiss
import numpy as np
import numpy.typing as npt

from unifiedlib.binarization import Floats
from unifiedlib.index.vectors import ROWS_AT_ONCE, Rows, blocks, nearest_first, rises
from unifiedlib.threads import BYTES_PER_THREAD, share_out

# Candidates beyond k, at least, or this share of k: so far behind the cut, scores seldom lie as near to it as rounding reaches.
SPARE, SPARE_SHARE = 8, 0.5
# Half the distance of 1.0 to the next float32: the relative error of one operation.
UNIT_ROUNDOFF = 2.0**-24
# Pairs of one query that are scored by themselves at a time.
PAIRS_AT_ONCE = 2**20


def pair_scores(queries: Floats, gallery: Floats, rows: Rows) -> Floats:
    """The inner product of each query with its own rows of the gallery, float32 [n_query x n].

    queries: float32 [n_query x dim]; rows: int64 [n_query x n]. A pair's score depends on nothing but the pair.
    """
    rows = np.ascontiguousarray(rows)
    scores = np.empty(rows.shape, np.float32)
    arrays = [faiss.swig_ptr(array) for array in (scores, queries, gallery, rows)]
    faiss.fvec_inner_products_by_idx(*arrays, queries.shape[1], *rows.shape)  # type: ignore[attr-defined]
    return scores


def best_pairs(queries: Floats, gallery: Floats, rows: Rows, k: int) -> tuple[Floats, Rows]:
    """Of each query's own candidate rows, int64 [n_query x n], the k with the highest score, ordered by (score, row)."""
    return highest_first(pair_scores(queries, gallery, rows), rows, k)


def highest_first(scores: Floats, rows: Rows, k: int) -> tuple[Floats, Rows]:
    """Both arrays, [n_query x n], ordered by (score, row), the highest score first, and cut after the first k."""
    if rises(scores[:, ::-1]):
        return scores[:, :k], rows[:, :k]
    below, ordered = nearest_first(-scores, rows, k)
    return -below, ordered


def rounding_of(queries: Floats, longest: float) -> npt.NDArray[np.float64]:
    """How far two scores of one pair may lie apart, in whatever order each sums its terms, per query: [n_query].

    A sum of dim products is off by at most dim x roundoff x the sum of their sizes, which the product of the norms bounds
    (Higham, Accuracy and Stability of Numerical Algorithms, section 3.1). longest: the length of the longest embedding.
    """
    norms = np.sqrt(np.einsum("qd,qd->q", queries, queries, dtype=np.float64))
    return np.asarray(2 * (queries.shape[1] + 1) * UNIT_ROUNDOFF * norms * longest)


def largest_norm(embeddings: Floats) -> float:
    """The length of the longest embedding, read a block at a time; 0 of none."""
    norms = (np.linalg.norm(embeddings[block], axis=1).max() for block in blocks(len(embeddings)))
    return float(max(norms, default=0.0))


def _candidates(queries: Floats, gallery: Floats, k: int, rows: Rows | None) -> tuple[Floats, Rows]:
    """faiss's k best of the gallery, or of its `rows`, which are copied a block at a time; highest score first."""
    if rows is None:
        return _best_of(queries, gallery, k)
    best, places = np.empty((len(queries), 0), np.float32), np.empty((len(queries), 0), np.int64)
    for block in blocks(len(rows), max(ROWS_AT_ONCE, k)):
        own, where = _best_of(queries, gallery[rows[block]], min(k, block.stop - block.start))
        best, places = _cut(np.hstack([best, own]), np.hstack([places, rows[block][where]]), k)
    return best, places


def _best_of(queries: Floats, gallery: Floats, k: int) -> tuple[Floats, Rows]:
    """faiss's k best, whose threads share the queries; where there are more threads, these share the gallery."""

    def search(part: range) -> tuple[Floats, Rows]:
        searched = gallery[part.start : part.stop]
        scores, found = faiss.knn(queries, searched, min(k, len(part)), metric=faiss.METRIC_INNER_PRODUCT)
        return scores, found + part.start

    n_threads = min(faiss.omp_get_max_threads(), len(queries) * gallery.nbytes // BYTES_PER_THREAD)
    if n_threads <= len(queries):
        return search(range(len(gallery)))
    found = share_out(search, len(gallery), n_threads)
    return _cut(np.hstack([one[0] for one in found]), np.hstack([one[1] for one in found]), k)


def _cut(scores: Floats, rows: Rows, k: int) -> tuple[Floats, Rows]:
    """The k highest scores of each query, highest first, and their rows."""
    order = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    return np.take_along_axis(scores, order, axis=1), np.take_along_axis(rows, order, axis=1)


def _every_pair(query: Floats, gallery: Floats, k: int, rows: Rows | None) -> tuple[Floats, Rows]:
    """`best_pairs` of all rows for one query, float32 [1 x dim]."""
    n_searched = len(gallery) if rows is None else len(rows)
    kept = np.empty((1, 0), np.int64)
    for block in blocks(n_searched, PAIRS_AT_ONCE):
        own = np.arange(block.start, block.stop) if rows is None else rows[block]
        _, kept = best_pairs(query, gallery, np.hstack([kept, own[np.newaxis]]), k)
    return best_pairs(query, gallery, kept, k)


def nearest_floats(
    queries: Floats, gallery: Floats, k: int, longest: float, rows: Rows | None = None
) -> tuple[Floats, Rows]:
    """The k items with the highest inner product per query, ordered by (score, row): equal scores go to the first row.

    queries: float32 [n_query x dim]; gallery: float32 [n_gallery x dim], may be mapped from a file. longest: the length of its
    longest embedding (`largest_norm`). rows: the gallery rows to search, ascending, all by default; k at most their number.
    Returns scores float32 and gallery rows int64, both [n_query x k].
    """
    n_searched = len(gallery) if rows is None else len(rows)
    if len(queries) == 0:
        return np.empty((0, k), np.float32), np.empty((0, k), np.int64)
    alone = len(queries) == 1
    n_candidates = min(k + (1 if alone else max(SPARE, round(SPARE_SHARE * k))), n_searched)
    nearly, candidates = _candidates(queries, gallery, n_candidates, rows)
    hidden = nearly[:, -1].astype(np.float64)
    if alone:
        scores, found = highest_first(nearly, candidates, k)
    else:
        rounding = rounding_of(queries, longest)
        # The rest lie below the cut, however they were rounded.
        n_near = (nearly >= (nearly[:, k - 1] - 2 * rounding)[:, np.newaxis]).sum(axis=1)
        scores, found = best_pairs(queries, gallery, candidates[:, : n_near.max()], k)
        hidden += rounding
    if n_candidates < n_searched:
        for query in np.flatnonzero(scores[:, -1] <= hidden):
            own = _every_pair(queries[query : query + 1], gallery, k, rows)
            scores[query], found[query] = own[0][0], own[1][0]
    return scores, found
