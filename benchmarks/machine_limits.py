"""What a machine allows: how fast it reads memory, counts bits and multiplies matrices; for `benchmarks/search.py`."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from time import perf_counter

import faiss
import numpy as np
import torch

GIB = 2**30
# Larger arrays come from memory for every query.
BEYOND_CACHES = 2**28


@dataclass(frozen=True)
class Limits:
    """What the machine allows with the threads given.

    read: GiB a second from memory; counted: billions of comparisons of codes a second that faiss's fastest bit count (of single
    words, in the cache) amounts to; int8, float32: billions of comparisons a second by matrix product.
    """

    read: float
    counted: float
    int8: float
    float32: float

    def of(self, way: str, at_once: int, n_items: int, dim: int) -> tuple[str, float | None]:
        """What bounds an exact way, and queries a second at that bound: the memory for one query, arithmetic for many."""
        rate = {"float flat": self.float32, "binary flat": max(self.counted, self.int8)}.get(way)
        if rate is None:
            return "", None
        arithmetic, n_bytes = rate * 1e9 / n_items, n_items * (4 * dim if way == "float flat" else dim // 8)
        reading = at_once * self.read * GIB / n_bytes if n_bytes > BEYOND_CACHES else float("inf")
        return ("memory", reading) if reading < arithmetic else ("arithmetic", arithmetic)


def best(function: Callable[[], object], repeats: int = 7) -> float:
    """The shortest of several runs, in seconds, after one that is not counted."""
    function()
    times = []
    for _ in range(repeats):
        start = perf_counter()
        function()
        times.append(perf_counter() - start)
    return min(times)


def measure_limits(threads: int, dim: int, n_query: int) -> Limits:
    """Measure the machine with `threads` threads, for comparisons of `dim` bits or values, `n_query` queries at a time."""
    rng = np.random.default_rng(0)
    large = torch.ones(2**27)
    read = large.nbytes / GIB / best(large.sum)
    n_words, n_calls = 512, 400
    words, queries = (rng.integers(0, 256, (count, 8), np.uint8) for count in (n_words, n_query))
    rooms = [np.empty((n_query, n_words), np.int32) for _ in range(threads)]

    def count(room: np.ndarray) -> None:
        pointers = (faiss.swig_ptr(queries), faiss.swig_ptr(words))
        for _ in range(n_calls):
            faiss.hammings(*pointers, n_query, n_words, 8, faiss.swig_ptr(room))

    with ThreadPoolExecutor(threads) as pool:
        counted = (
            threads * n_calls * n_query * n_words / (dim / 64) / best(lambda: list(pool.map(count, rooms)))
        )
    rates = []
    for dtype, multiply in ((torch.int8, torch._int_mm), (torch.float32, torch.mm)):
        one, other = (torch.ones((count, dim), dtype=dtype) for count in (n_query, 2048))
        rates.append(n_query * 2048 / best(partial(multiply, one, other.T)) / 1e9)
    return Limits(read, counted / 1e9, *rates)
