"""nDCG: how well a ranking does where items are not just right or wrong, but more or less relevant.

    DCG = sum over positions i of gain(i) / log2(i + 1);    nDCG = DCG / DCG of the best order

(Järvelin & Kekäläinen, "Cumulated gain-based evaluation of IR techniques", ACM TOIS 2002). Any order of tied
items is as good as another, so each of them counts with the mean gain of its tie group: that is the expected
value over all their orders (McSherry & Najork, ECIR 2008). The denominator is of the query's own candidates,
sorted by gain, cut at the same k; a query all of whose candidates have no gain cannot be judged.

Rows are sorted whole, since every item may have a gain: for a gallery of tens of thousands that takes longer
than the distances do. `decor` is the collection with graded truth (`unifiedlib.decor.relevance`).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from unifiedlib.contract import Collection
from unifiedlib.decor import DecorSettings, World
from unifiedlib.decor.relevance import true_relevance
from unifiedlib.ranking import Distances, check_batch, without_removed
from unifiedlib.relevance import Columns, Index, Relevance
from unifiedlib.scoring import distance_batches
from unifiedlib.search import BinaryGallery, FloatGallery

Values = npt.NDArray[np.float64]
GainsOf = Callable[[Index, Index], Values]
"""From query items [n_query] and gallery items [n_gallery] to gains [n_query x n_gallery]."""
Grades = npt.NDArray[np.uint8]
GradesOf = Callable[[Index, Index], Grades]
"""From query items [n_query] and gallery items [n_gallery] to grades [n_query x n_gallery]."""


def exponential_gains(grades: npt.NDArray[np.generic]) -> Values:
    """The usual gains 2^grade - 1, float64 of the same shape (Burges et al., "Learning to rank", ICML 2005).

    >>> exponential_gains(np.array([0, 1, 2, 3])).tolist()
    [0.0, 1.0, 3.0, 7.0]
    """
    return np.asarray(np.exp2(grades.astype(np.float64)) - 1)


def _check_gains(gains: Values, shape: tuple[int, ...]) -> None:
    if gains.shape != shape:
        raise ValueError(
            f"gains have shape {list(gains.shape)}; distances have {list(shape)}: both must be alike"
        )
    if not (right := (np.isfinite(gains) & (gains >= 0)).all(axis=1)).all():
        raise ValueError(f"gains row {int(np.argmin(right))} holds a negative or infinite gain, or NaN")


def _group_means(distances: Distances, gains: Values) -> Values:
    """For ranked lists, ascending in distance: each position's mean gain over its tie group."""
    opens = np.ones(distances.shape, bool)
    opens[:, 1:] = distances[:, 1:] != distances[:, :-1]
    starts = np.flatnonzero(opens)
    sizes = np.diff(starts, append=distances.size)
    return np.repeat(np.add.reduceat(gains.ravel(), starts) / sizes, sizes).reshape(gains.shape)


def normalized_dcg(distances: Distances, gains: Values, removed: Columns, k: int | None = None) -> Values:
    """Expected nDCG of each query over all orders of tied items, [n_query], 0 to 1.

    distances: float32 or int32 [n_query x n_gallery], lower is nearer, written to as by `rank_with_ties`;
    gains: float64 of the same shape, at least 0, as from `exponential_gains`; removed: int64 [n_query x most],
    the columns of items that are no results, filled up with -1;
    k: only the first k positions count (nDCG@k), 1 to n_gallery; None for the whole list.
    Raises ValueError naming the row where all candidates have no gain, a gain is negative or not finite, or a
    distance is not finite; and for shapes or a k that do not fit.
    """
    check_batch(distances, {"removed": removed}, distances.shape[-1] if k is None else k)
    gains = np.array(gains, np.float64)
    _check_gains(gains, distances.shape)
    rows, places = np.nonzero(removed >= 0)
    gains[rows, removed[rows, places]] = 0
    position = np.arange(1, distances.shape[1] + 1)
    discounts = np.where(position <= (k or len(position)), 1 / np.log2(position + 1), 0.0)
    ideal = np.sort(gains, axis=1)[:, ::-1] @ discounts
    if not (ideal > 0).all():
        row = int(np.argmin(ideal > 0))
        raise ValueError(f"no candidate of query {row} has a gain: leave the query out, and count it")
    with without_removed(distances, removed):
        order = np.argsort(distances, axis=1, kind="stable")
        ranked = np.take_along_axis(distances, order, axis=1)
    expected = _group_means(ranked, np.take_along_axis(gains, order, axis=1))
    return np.asarray(expected @ discounts / ideal)


def score_graded(
    queries: npt.NDArray[np.generic],
    gallery: FloatGallery | BinaryGallery,
    relevance: Relevance,
    gains_of: GainsOf,
    k: int | None = None,
    batch_size: int = 1024,
) -> Values:
    """nDCG of each query against one gallery, a batch at a time: float64 [n_query].

    queries: embeddings or codes in the order of `relevance.query_items`; gallery: those of
    `relevance.gallery_items`; gains_of: gives a batch's gains; k: as in `normalized_dcg`. Queries without a
    match by label are left out as everywhere (`relevance.left_out`).
    Raises ValueError when sizes do not fit, or as `normalized_dcg`, the row counted within its batch.
    """
    if (len(queries), len(gallery)) != (len(relevance.query_items), len(relevance.gallery_items)):
        raise ValueError(
            f"{len(queries)} queries and {len(gallery)} gallery items do not fit a relevance of "
            f"{len(relevance.query_items)} and {len(relevance.gallery_items)}"
        )
    values = [
        normalized_dcg(
            distances,
            gains_of(relevance.query_items[rows], relevance.gallery_items),
            relevance.columns(rows)[1],
            k,
        )
        for rows, distances in distance_batches(queries, gallery, batch_size)
    ]
    return np.concatenate(values)


def decor_grades(collection: Collection) -> GradesOf:
    """The drawn world's true relevance: 3 for the same product, 2 for its style, 1 for kin, 0 for anything else.

    Raises ValueError for a collection that is not `decor`.
    """
    if collection.name != "decor":
        raise ValueError(
            f"collection '{collection.name}' has no graded truth: only 'decor' is drawn from one"
        )
    chosen = {name: value for name, value in collection.settings.items() if name != "size"}
    world = World(DecorSettings(**chosen))  # type: ignore[arg-type]
    return lambda queries, gallery: true_relevance(world, queries.tolist(), gallery.tolist())


def decor_gains(collection: Collection) -> GainsOf:
    """The gains of the drawn world's true relevance, 2^grade - 1: 7 for the same product, 3 for its style, 1 for kin.

    Raises ValueError for a collection that is not `decor`.
    """
    grades_of = decor_grades(collection)
    return lambda queries, gallery: exponential_gains(grades_of(queries, gallery))
