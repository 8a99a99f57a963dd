"""The k nearest codes, exactly, by one of two kernels that give the same answer to the bit.

A block of codes at a time, that stays in the processor's cache, is compared with every query: faiss counts the differing bits
(`count`), or a count of our own that is compiled for this processor (`compiled`). Which is faster depends on the processor and
the width, so a process that has much to compare times both once. Then faiss's heap keeps the k smallest of (distance, row): ties
go to the first row, at the cut too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from time import perf_counter
from typing import Literal

import faiss
import numpy as np
import numpy.typing as npt

from unifiedlib.binarization import Codes
from unifiedlib.index.vectors import Rows, nearest_first
from unifiedlib.search import whole_words
from unifiedlib.threads import BYTES_PER_THREAD, one_faiss_thread, share_out

Kernel = Literal["auto", "count", "compiled"]
Counts = npt.NDArray[np.int32]
# Fills counts [n_query x n_block] with the distances of a block of codes.
Counter = Callable[[Codes, Counts], None]

# Queries that pass over a block together, and distances kept of a block: 1 MiB, the second-level cache of a core.
QUERIES_AT_ONCE = 256
DISTANCES_AT_ONCE = 2**18
# Bytes of a block whose rows are picked out: more gains nothing.
COPIED_BYTES = 2**22
# Bytes that a process compares before it compiles and times, which takes about a second; faiss takes a third of one for these.
TIMED_FROM = 2**32


def nearest_codes(
    queries: Codes, gallery: Codes, k: int, rows: Rows | None = None, kernel: Kernel = "auto"
) -> tuple[Counts, Rows]:
    """The k items with the fewest differing bits per query, ordered by (distance, row).

    queries: uint8 [n_query x n_bytes]; gallery: uint8 [n_gallery x n_bytes], may be mapped from a file. rows: the gallery rows
    to search, ascending, all by default; k at most their number. Beside the arrays a few MiB of memory are used.
    Returns distances int32 and gallery rows int64, both [n_query x k].
    """
    n_searched = len(gallery) if rows is None else len(rows)
    if kernel == "auto":
        kernel = _kernel_for(len(queries) * n_searched * queries.shape[1], queries.shape[1])
    counter_of = COUNTERS[kernel]
    tiles = [
        _nearest_of_tile(queries[start : start + QUERIES_AT_ONCE], gallery, k, rows, n_searched, counter_of)
        for start in range(0, len(queries), QUERIES_AT_ONCE)
    ]
    if len(tiles) == 1:
        return tiles[0]
    if not tiles:
        return np.empty((0, k), np.int32), np.empty((0, k), np.int64)
    return np.concatenate([tile[0] for tile in tiles]), np.concatenate([tile[1] for tile in tiles])


@dataclass
class _Compared:
    """The bytes that searches of this process have compared."""

    n_bytes: int = 0


_compared = _Compared()


def _kernel_for(n_to_compare: int, n_bytes: int) -> Kernel:
    """faiss's count, until as much has been compared as it takes to find out which is faster for codes of `n_bytes` bytes."""
    _compared.n_bytes += n_to_compare
    return "count" if _compared.n_bytes < TIMED_FROM else _faster_here(n_bytes)


@cache
def _faster_here(n_bytes: int) -> Kernel:
    """The kernel that takes less time here for 256 queries and 4,096 codes of `n_bytes` bytes: measured once."""
    gallery = np.random.default_rng(0).integers(0, 256, (4096, n_bytes), np.uint8)
    queries = gallery[:QUERIES_AT_ONCE]
    seconds: dict[Kernel, float] = dict.fromkeys(COUNTERS, float("inf"))
    nearest_codes(queries[:1], gallery, 1, kernel="compiled")
    for _ in range(5):
        for kernel in seconds:
            start = perf_counter()
            nearest_codes(queries, gallery, 1, kernel=kernel)
            seconds[kernel] = min(seconds[kernel], perf_counter() - start)
    return min(seconds, key=lambda kernel: seconds[kernel])


class _Nearest:
    """faiss's heaps: the k smallest (distance, row) of each query so far."""

    def __init__(self, n_query: int, k: int) -> None:
        self.distances = np.empty((n_query, k), np.int32)
        self.places = np.empty((n_query, k), np.int64)
        self._heaps = faiss.int_maxheap_array_t()
        self._heaps.nh, self._heaps.k = n_query, k
        self._heaps.val, self._heaps.ids = faiss.swig_ptr(self.distances), faiss.swig_ptr(self.places)
        self._heaps.heapify()

    def offer(self, counts: Counts, first: int) -> None:
        """Distances [n_query x n_block] of the rows from `first` on."""
        self._heaps.addn(counts.shape[1], faiss.swig_ptr(counts), first)  # type: ignore[call-arg]

    def ordered(self) -> tuple[Counts, Rows]:
        """Distances and rows, nearest first."""
        self._heaps.reorder()
        return self.distances, self.places


def _scan(
    counter: Counter, n_query: int, gallery: Codes, k: int, rows: Rows | None, part: range, at_once: int
) -> tuple[Counts, Rows]:
    """Search the places `part` of the gallery, or of its `rows`, block by block."""
    nearest = _Nearest(n_query, k)
    room = np.empty(n_query * min(at_once, max(1, len(part))), np.int32)
    for start in range(part.start, part.stop, at_once):
        stop = min(start + at_once, part.stop)
        block = gallery[start:stop] if rows is None else gallery[rows[start:stop]]
        counts = room[: n_query * (stop - start)].reshape(n_query, stop - start)
        counter(block, counts)
        nearest.offer(counts, start)
    distances, places = nearest.ordered()
    return distances, places if rows is None else rows[places]


def _faiss_counter(queries: Codes) -> Counter:
    words = whole_words(queries)
    n_query, n_bytes = words.shape
    pointer = faiss.swig_ptr(words)

    def count(block: Codes, counts: Counts) -> None:
        padded = whole_words(block)
        out = faiss.swig_ptr(counts)
        faiss.hammings(pointer, faiss.swig_ptr(padded), n_query, len(padded), n_bytes, out)  # type: ignore[attr-defined]

    count.__dict__["queries"] = words  # the pointer alone would not keep them
    return count


def _compiled_counter(queries: Codes) -> Counter:
    from unifiedlib.index.bit_count import count_differing_bits  # which compiles it

    words = whole_words(queries).view(np.uint64)

    def count(block: Codes, counts: Counts) -> None:
        count_differing_bits(words, whole_words(block).view(np.uint64), counts)

    return count


COUNTERS: Mapping[Kernel, Callable[[Codes], Counter]] = {
    "count": _faiss_counter,
    "compiled": _compiled_counter,
}


def _nearest_of_tile(
    queries: Codes,
    gallery: Codes,
    k: int,
    rows: Rows | None,
    n_searched: int,
    counter_of: Callable[[Codes], Counter],
) -> tuple[Counts, Rows]:
    """Threads share the queries where there are enough, else the gallery, whose parts are then merged."""
    n_query = len(queries)
    n_threads = min(faiss.omp_get_max_threads(), n_query * n_searched * queries.shape[1] // BYTES_PER_THREAD)

    def scan(own: range, part: range) -> tuple[Counts, Rows]:
        searched = queries[own.start : own.stop]
        at_once = max(1, DISTANCES_AT_ONCE // len(searched))
        if rows is not None:  # these are copied
            at_once = min(at_once, max(1, COPIED_BYTES // searched.shape[1]))
        return _scan(counter_of(searched), len(searched), gallery, min(k, len(part)), rows, part, at_once)

    every_query, every_item = range(n_query), range(n_searched)
    if n_threads < 2:
        with one_faiss_thread():
            return scan(every_query, every_item)
    if n_query >= 2 * n_threads:
        found = share_out(lambda own: scan(own, every_item), n_query, n_threads)
        return np.concatenate([one[0] for one in found]), np.concatenate([one[1] for one in found])
    found = share_out(lambda part: scan(every_query, part), n_searched, n_threads)
    return nearest_first(np.hstack([one[0] for one in found]), np.hstack([one[1] for one in found]), k)
