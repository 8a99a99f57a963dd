"""How many CPU threads training and search may use, set in one place for the libraries that keep their own count."""

from __future__ import annotations

import faiss
import torch


def use_threads(count: int) -> None:
    """Let PyTorch and faiss use `count` threads. Raises ValueError for less than one."""
    if count < 1:
        raise ValueError(f"threads is {count}; it must be at least 1")
    torch.set_num_threads(count)
    faiss.omp_set_num_threads(count)
