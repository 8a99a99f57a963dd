"""The k nearest codes, exactly, by one of two kernels that give the same answer to the bit.

`count` lets faiss count differing bits, a block of codes at a time that stays in the processor's cache while every query passes
over it. `product` unpacks a block's bits to bytes and multiplies 8-bit matrices: with a query as +1 and -1 and an item as 1 and
0, the product is what the query's set bits exceed the distance by. Which is faster depends on the processor, so for a batch the
two are timed once. Either way faiss's heap keeps the k smallest of (distance, row): ties go to the first row, at the cut too.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from itertools import pairwise
from time import perf_counter
from typing import Literal

import faiss
import numpy as np
import numpy.typing as npt
import torch

from unifiedlib.binarization import BITS_PER_BYTE, Codes
from unifiedlib.index.vectors import Rows, nearest_first
from unifiedlib.search import whole_words
from unifiedlib.threads import one_faiss_thread

Kernel = Literal["auto", "count", "product"]
Counts = npt.NDArray[np.int32]
# Fills counts [n_query x n_block] with the distances of a block of codes.
Counter = Callable[[Codes, Counts], None]

# Queries that pass over a block together, and distances kept of a block: 1 MiB, the second-level cache of a core.
QUERIES_AT_ONCE = 256
DISTANCES_AT_ONCE = 2**18
# Bytes of a block whose rows are picked out, or whose bits are unpacked: more gains nothing.
COPIED_BYTES = 2**22
# Below so many bytes to compare, a second thread costs more than it saves: about 0.1 ms of counting.
BYTES_PER_THREAD = 2**22
# Fewer queries do not repay the unpacking: at 32, 2,048 bits take as long to unpack as to multiply.
PRODUCT_FROM = 64


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
        kernel = _kernel_for(len(queries), queries.shape[1])
    search = _by_count if kernel == "count" else _by_product
    tiles = [
        search(queries[start : start + QUERIES_AT_ONCE], gallery, k, rows, n_searched)
        for start in range(0, len(queries), QUERIES_AT_ONCE)
    ]
    if len(tiles) == 1:
        return tiles[0]
    if not tiles:
        return np.empty((0, k), np.int32), np.empty((0, k), np.int64)
    return np.concatenate([tile[0] for tile in tiles]), np.concatenate([tile[1] for tile in tiles])


def _kernel_for(n_query: int, n_bytes: int) -> Kernel:
    return "count" if n_query < PRODUCT_FROM else _faster_for_batches(n_bytes)


@cache
def _faster_for_batches(n_bytes: int) -> Kernel:
    """The kernel that is faster here for codes of `n_bytes` bytes, 256 queries at a time: measured once, in some 20 ms.

    Zen 4: `count` 0.23 and `product` 0.10 billion comparisons of 2,048 bits a second and core; processors with matrix units, or
    without a vector instruction that counts bits, may be the other way round.
    """
    generator = np.random.default_rng(0)
    gallery = generator.integers(0, 256, (4096, n_bytes), np.uint8)
    queries = gallery[:QUERIES_AT_ONCE]
    seconds: dict[Kernel, float] = {"count": float("inf"), "product": float("inf")}
    for _ in range(3):
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


def _counter(queries: Codes) -> Counter:
    words = whole_words(queries)
    n_query, n_bytes = words.shape
    pointer = faiss.swig_ptr(words)

    def count(block: Codes, counts: Counts) -> None:
        padded = whole_words(block)
        out = faiss.swig_ptr(counts)
        faiss.hammings(pointer, faiss.swig_ptr(padded), n_query, len(padded), n_bytes, out)  # type: ignore[attr-defined]

    count.__dict__["queries"] = words  # the pointer alone would not keep them
    return count


def _by_count(
    queries: Codes, gallery: Codes, k: int, rows: Rows | None, n_searched: int
) -> tuple[Counts, Rows]:
    """Threads share the queries where there are enough, else the gallery, whose parts are then merged."""
    n_query = len(queries)
    n_threads = min(faiss.omp_get_max_threads(), n_query * n_searched * queries.shape[1] // BYTES_PER_THREAD)

    def scan(own: slice, part: range) -> tuple[Counts, Rows]:
        searched = queries[own]
        at_once = max(1, DISTANCES_AT_ONCE // len(searched))
        if rows is not None:  # these are copied
            at_once = min(at_once, max(1, COPIED_BYTES // searched.shape[1]))
        return _scan(_counter(searched), len(searched), gallery, min(k, len(part)), rows, part, at_once)

    if n_threads < 2:
        with one_faiss_thread():
            return scan(slice(0, n_query), range(n_searched))
    if n_query >= 2 * n_threads:
        shares = [slice(start, stop) for start, stop in _shares(n_query, n_threads)]
        found = list(_pool(os.getpid(), n_threads).map(lambda own: scan(own, range(n_searched)), shares))
        return np.concatenate([one[0] for one in found]), np.concatenate([one[1] for one in found])
    parts = [range(start, stop) for start, stop in _shares(n_searched, n_threads)]
    found = list(_pool(os.getpid(), n_threads).map(lambda part: scan(slice(0, n_query), part), parts))
    return nearest_first(np.hstack([one[0] for one in found]), np.hstack([one[1] for one in found]), k)


def _by_product(
    queries: Codes, gallery: Codes, k: int, rows: Rows | None, n_searched: int
) -> tuple[Counts, Rows]:
    """PyTorch's threads share each product."""
    bits = np.unpackbits(queries, axis=1, bitorder="little").view(np.int8)
    signs = torch.from_numpy(2 * bits - 1)
    n_set = torch.from_numpy(bits.sum(axis=1, dtype=np.int32))[:, None]

    def multiply(block: Codes, counts: Counts) -> None:
        unpacked = torch.from_numpy(np.unpackbits(block, axis=1, bitorder="little").view(np.int8))
        out = torch.from_numpy(counts)
        torch._int_mm(signs, unpacked.T, out=out)
        torch.sub(n_set, out, out=out)

    at_once = max(1, COPIED_BYTES // (queries.shape[1] * BITS_PER_BYTE))
    return _scan(multiply, len(queries), gallery, k, rows, range(n_searched), at_once)


def _shares(count: int, n_shares: int) -> Iterator[tuple[int, int]]:
    """Cut 0..count into `n_shares` even parts."""
    cuts = [count * share // n_shares for share in range(n_shares + 1)]
    yield from pairwise(cuts)


@cache
def _pool(process: int, n_threads: int) -> ThreadPoolExecutor:
    """Threads that wait for work, each with faiss on one thread; a forked process needs its own."""
    return ThreadPoolExecutor(n_threads, initializer=faiss.omp_set_num_threads, initargs=(1,))
