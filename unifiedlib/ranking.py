"""The nearest items of each query with ties counted, in few passes over a batch of distances.

Metrics need no order of the whole gallery: only the first `depth` distances, how many items share the last of
them, and where the relevant items stand. So the nearest distances are selected, not sorted out of all; the
relevant items, few and known by their columns, are looked up; and the rest of a row is only counted, where a
tie at the cut or a relevant item beyond it asks for that.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from unifiedlib.relevance import NO_ITEM, Columns

Distances = npt.NDArray[np.float32 | np.int32]
Counts = npt.NDArray[np.int64]

BLOCK_COLUMNS = 64
MANY_BLOCKS = 8
"""How many times the wanted number of blocks there must be before looking at blocks first pays."""


@dataclass(frozen=True)
class TiedRanking:
    """A batch of ranked lists. A tie group is all candidates of a query at one distance.

    Int64 arrays [n_query x depth], column j about the item at position j + 1:
    before: items ahead of its tie group (s); size: items in the group (m);
    relevant_before: relevant items ahead of the group (c); relevant_inside: relevant items in the group (r).

    Int64 arrays [n_query], about the tie group of the nearest relevant item, at whatever depth; all 0 where
    there is none: first_before, first_size, first_relevant: items ahead of it, in it, and relevant ones in it.
    """

    before: Counts
    size: Counts
    relevant_before: Counts
    relevant_inside: Counts
    first_before: Counts
    first_size: Counts
    first_relevant: Counts

    @property
    def depth(self) -> int:
        """How many positions were ranked; cut-offs beyond it cannot be scored."""
        return int(self.before.shape[1])


def _farthest(distances: Distances) -> float | int:
    """The distance that stands for "removed": beyond all others of its type."""
    return np.inf if distances.dtype == np.float32 else int(np.iinfo(np.int32).max)


def check_batch(distances: Distances, columns: dict[str, Columns], depth: int) -> None:
    """Raise TypeError or ValueError unless distances, columns (by name) and depth are as `rank_with_ties` wants."""
    if distances.dtype not in (np.float32, np.int32):
        raise TypeError(f"distances are {distances.dtype}; they must be float32 or int32")
    if distances.ndim != 2 or 0 in distances.shape:
        raise ValueError(
            f"distances have shape {list(distances.shape)}; they must be [n_query x n_gallery], neither 0"
        )
    n_query, n_gallery = distances.shape
    for name, places in columns.items():
        if places.ndim != 2 or len(places) != n_query:
            raise ValueError(
                f"{name} has shape {list(places.shape)}; it must be [{n_query} x most], a row per query"
            )
        if places.size and not (places.min() >= NO_ITEM and places.max() < n_gallery):
            wrong = int(np.argmax(((places < NO_ITEM) | (places >= n_gallery)).any(axis=1)))
            raise ValueError(f"{name} row {wrong} names a column outside the gallery of {n_gallery} items")
    if not 1 <= depth <= n_gallery:
        raise ValueError(f"{depth} results are to be judged, but the gallery holds {n_gallery} items")
    if distances.dtype == np.float32 and not (finite := np.isfinite(distances).all(axis=1)).all():
        raise ValueError(
            f"distances row {int(np.argmin(finite))} holds NaN or infinity: look in the embeddings for NaN, or "
            "for values too large to be multiplied"
        )


@contextmanager
def without_removed(distances: Distances, removed: Columns) -> Iterator[None]:
    """Within, the removed items are farther than all others; afterwards the distances are as before."""
    rows, places = np.nonzero(removed != NO_ITEM)
    columns = removed[rows, places]
    held = distances[rows, columns]
    distances[rows, columns] = _farthest(distances)
    try:
        yield
    finally:
        distances[rows, columns] = held


def _smallest(distances: torch.Tensor, count: int) -> torch.Tensor:
    """The `count` smallest values of each row, ascending.

    They stand in the `count` blocks of columns with the smallest minima: any item elsewhere is at least as far
    as those minima, of which there are enough. So one pass finds the blocks, and a few blocks are searched.
    """
    n_blocks = distances.shape[1] // BLOCK_COLUMNS
    if n_blocks < MANY_BLOCKS * count:
        return torch.topk(distances, count, dim=1, largest=False).values
    end = n_blocks * BLOCK_COLUMNS
    blocks = distances[:, :end].view(-1, n_blocks, BLOCK_COLUMNS)
    chosen = torch.topk(blocks.amin(2), count, dim=1, largest=False, sorted=False).indices
    inside = blocks.gather(1, chosen[:, :, None].expand(-1, -1, BLOCK_COLUMNS)).flatten(1)
    return torch.topk(torch.cat([inside, distances[:, end:]], 1), count, dim=1, largest=False).values


def _nearest(distances: Distances, depth: int) -> tuple[Distances, Counts]:
    """The first `depth` distances of each row, ascending, and how many in the whole row equal the last."""
    n_taken = min(depth + 1, distances.shape[1])
    taken = _smallest(torch.from_numpy(distances), n_taken).numpy()
    nearest = np.ascontiguousarray(taken[:, :depth])
    last = nearest[:, -1]
    n_last = np.count_nonzero(nearest == last[:, np.newaxis], axis=1)
    for row in np.flatnonzero(taken[:, -1] == last) if n_taken > depth else ():
        n_last[row] = np.count_nonzero(distances[row] == last[row])
    return nearest, n_last


def _relevant_distances(distances: Distances, relevant: Columns) -> Distances:
    """The distances of each query's relevant items, ascending, filled up with the farthest."""
    if relevant.shape[1] == 0:
        return np.full((len(distances), 1), _farthest(distances), distances.dtype)
    own = np.take_along_axis(distances, np.maximum(relevant, 0), axis=1)
    own[relevant == NO_ITEM] = _farthest(distances)
    own.sort(axis=1)
    return own


def _groups(nearest: Distances, n_last: Counts) -> tuple[Counts, Counts]:
    """For each position, how many items stand ahead of its tie group, and how many ahead of the next."""
    position = np.arange(nearest.shape[1])
    opens = np.ones(nearest.shape, bool)
    opens[:, 1:] = nearest[:, 1:] != nearest[:, :-1]
    before = np.maximum.accumulate(np.where(opens, position, 0), axis=1)
    until = np.empty_like(before)
    until[:, -1] = before[:, -1] + n_last
    until[:, :-1] = np.where(opens[:, 1:], position[1:], np.iinfo(np.int64).max)
    return before, np.minimum.accumulate(until[:, ::-1], axis=1)[:, ::-1]


def _relevant_counts(own: Distances, nearest: Distances) -> tuple[Counts, Counts]:
    """How many relevant items are nearer than, and as near as, each of the nearest distances."""
    n_own = np.count_nonzero(own < _farthest(own), axis=1)[:, np.newaxis]
    ahead, through = (
        torch.searchsorted(torch.from_numpy(own), torch.from_numpy(nearest), right=right).numpy()
        for right in (False, True)
    )
    ahead = np.minimum(ahead, n_own)
    return ahead, np.minimum(through, n_own) - ahead


def _first_group(
    distances: Distances, nearest: Distances, until: Counts, own: Distances
) -> tuple[Counts, Counts, Counts]:
    """Items ahead of the nearest relevant item's tie group, items in it, and relevant ones in it."""
    first = own[:, :1]
    found = first[:, 0] < _farthest(own)
    before = np.count_nonzero(nearest < first, axis=1)
    in_sight = np.minimum(before, nearest.shape[1] - 1)
    size = until[np.arange(len(until)), in_sight] - before
    for row in np.flatnonzero(found & (before == nearest.shape[1])):
        before[row] = np.count_nonzero(distances[row] < first[row])
        size[row] = np.count_nonzero(distances[row] == first[row])
    relevant = np.count_nonzero(own == first, axis=1)
    return np.where(found, before, 0), np.where(found, size, 0), np.where(found, relevant, 0)


def rank_with_ties(distances: Distances, relevant: Columns, removed: Columns, depth: int) -> TiedRanking:
    """Rank each query's gallery down to `depth`, tie groups whole, and find its nearest relevant item.

    distances: finite float32, or int32 below 2^31 - 1, [n_query x n_gallery], lower is nearer; exactly equal
    ones tie. Written to while this runs and then as before.
    relevant, removed: int64 [n_query x most], gallery columns of each query, each at most once, filled up
    with -1; removed items are no results, even where `relevant` names them.
    depth: the number of positions that will be scored, at most n_gallery. Where fewer candidates are left,
    the removed items fill the last positions, never relevant.
    Raises TypeError for another dtype, ValueError on NaN or infinity (naming the row), shapes or columns that
    do not fit, or a depth beyond the gallery.
    """
    check_batch(distances, {"relevant": relevant, "removed": removed}, depth)
    with without_removed(distances, removed):
        nearest, n_last = _nearest(distances, depth)
        own = _relevant_distances(distances, relevant)
        before, until = _groups(nearest, n_last)
        first = _first_group(distances, nearest, until, own)
    return TiedRanking(before, until - before, *_relevant_counts(own, nearest), *first)
