"""How a process uses the machine: CPU threads, set in one place for the libraries that keep their own count, and memory."""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache
from itertools import pairwise
from typing import TypeVar

import faiss
import torch

Answer = TypeVar("Answer")

MIB = 2**20
# Bytes of embeddings or codes that a thread should have to compare: with fewer, waking it costs more than it saves.
BYTES_PER_THREAD = 4 * MIB
# The numbers by which glibc's `mallopt` knows its settings (malloc.h).
TRIM_THRESHOLD, MMAP_THRESHOLD = -1, -3


def use_threads(count: int) -> None:
    """Let PyTorch and faiss use `count` threads, and keep freed memory. Raises ValueError for less than one."""
    if count < 1:
        raise ValueError(f"threads is {count}; it must be at least 1")
    torch.set_num_threads(count)
    faiss.omp_set_num_threads(count)
    keep_freed_memory()


@contextmanager
def one_faiss_thread() -> Iterator[None]:
    """Keep faiss from waking other threads, for work that takes less time than that."""
    before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(1)
    try:
        yield
    finally:
        faiss.omp_set_num_threads(before)


def share_out(work: Callable[[range], Answer], count: int, n_threads: int) -> list[Answer]:
    """What `work` answers to each of `n_threads` even parts of 0..count, in order; each part has a thread, with faiss on one."""
    cuts = [count * share // n_threads for share in range(n_threads + 1)]
    parts = [range(start, stop) for start, stop in pairwise(cuts)]
    return list(_pool(os.getpid(), n_threads).map(work, parts))


@cache
def _pool(process: int, n_threads: int) -> ThreadPoolExecutor:
    """Threads that wait for work; a forked process needs its own."""
    return ThreadPoolExecutor(n_threads, initializer=faiss.omp_set_num_threads, initargs=(1,))


def _c_function(name: str) -> Callable[..., int] | None:
    return getattr(ctypes.CDLL(None), name, None) if sys.platform == "linux" else None


def keep_freed_memory() -> bool:
    """Let this process reuse the memory that it frees, up to 512 MiB, instead of handing it back; True where that is possible.

    By default glibc returns every large block to the system at once, and a step of training frees and asks again for all of
    its activations: it took 1.4 times as long (`benchmarks/allocator.py`). Other systems' C libraries have no such setting;
    there nothing changes.
    """
    mallopt = _c_function("mallopt")
    if mallopt is None:
        return False
    return bool(mallopt(MMAP_THRESHOLD, 1024 * MIB)) and bool(mallopt(TRIM_THRESHOLD, 512 * MIB))


def return_freed_memory() -> None:
    """Hand back to the system what this process keeps: for one that will now wait while others work."""
    trim = _c_function("malloc_trim")
    if trim is not None:
        trim(0)
