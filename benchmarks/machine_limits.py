"""What a machine allows: how fast it reads memory, counts bits and multiplies matrices; for `benchmarks/search.py`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields
from functools import partial
from time import perf_counter

import faiss
import numpy as np
import torch

from unifiedlib.index.bit_count import count_differing_bits

GIB = 2**30
# Larger arrays come from memory for every query.
BEYOND_CACHES = 2**28


@dataclass(frozen=True)
class Limits:
    """What the machine allows with the threads given.

    read: GiB a second from memory; counted: billions of comparisons of codes a second by the faster of two counts of bits, in the
    cache and nothing else done: faiss's of single words, and the one that is compiled for this processor; float32: billions of
    comparisons a second by matrix product.
    """

    read: float
    counted: float
    float32: float

    def of(self, way: str, at_once: int, n_items: int, dim: int) -> tuple[str, float | None]:
        """What bounds an exact way, and queries a second at that bound: the memory for one query, arithmetic for many."""
        rate = {"float flat": self.float32, "binary flat": self.counted}.get(way)
        if rate is None:
            return "", None
        arithmetic, n_bytes = rate * 1e9 / n_items, n_items * (4 * dim if way == "float flat" else dim // 8)
        reading = at_once * self.read * GIB / n_bytes if n_bytes > BEYOND_CACHES else float("inf")
        return ("memory", reading) if reading < arithmetic else ("arithmetic", arithmetic)


def best_of(measured: Sequence[Limits]) -> Limits:
    """The highest rates seen: among neighbours a machine never shows more than it can."""
    return Limits(*(max(getattr(one, field.name) for one in measured) for field in fields(Limits)))


def best(function: Callable[[], object], repeats: int = 7) -> float:
    """The shortest of several runs, in seconds, after one that is not counted."""
    function()
    times = []
    for _ in range(repeats):
        start = perf_counter()
        function()
        times.append(perf_counter() - start)
    return min(times)


def faiss_count(queries: np.ndarray, items: np.ndarray, room: np.ndarray) -> None:
    """faiss's distances between words, uint64 [n x n_word]."""
    pointers = (faiss.swig_ptr(array.view(np.uint8)) for array in (queries, items))
    faiss.hammings(*pointers, *room.shape, 8 * items.shape[1], faiss.swig_ptr(room))


def counted_a_second(
    threads: int, n_query: int, n_words: int, count: Callable[[np.ndarray, np.ndarray, np.ndarray], None]
) -> float:
    """Comparisons a second of `n_query` queries with 256 items of `n_words` words that stay in the cache, by all threads."""
    rng = np.random.default_rng(0)
    n_items, n_calls = 256, 400
    items, queries = (rng.integers(0, 2**63, (n, n_words)).astype(np.uint64) for n in (n_items, n_query))
    rooms = [np.empty((n_query, n_items), np.int32) for _ in range(threads)]

    def work(room: np.ndarray) -> None:
        for _ in range(n_calls):
            count(queries, items, room)

    with ThreadPoolExecutor(threads, initializer=faiss.omp_set_num_threads, initargs=(1,)) as pool:
        return threads * n_calls * n_query * n_items / best(lambda: list(pool.map(work, rooms)))


def measure_limits(threads: int, dim: int, n_query: int) -> Limits:
    """Measure the machine with `threads` threads, for comparisons of `dim` bits or values, `n_query` queries at a time."""
    large = torch.ones(2**27)
    read = large.nbytes / GIB / best(large.sum)
    n_words = dim // 64
    counted = max(
        counted_a_second(threads, n_query, 1, faiss_count) / n_words,
        counted_a_second(threads, n_query, n_words, count_differing_bits),
    )
    one, other = torch.ones((n_query, dim)), torch.ones((2048, dim))
    multiplied = n_query * 2048 / best(partial(torch.mm, one, other.T))
    return Limits(read, counted / 1e9, multiplied / 1e9)
