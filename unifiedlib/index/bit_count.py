"""Counts of differing bits, compiled for the processor at hand when this module is imported (half a second).

faiss counts the bits of a word at a time. LLVM, given the loop, counts a vector of words at a time: by looking up nibbles on AVX2
(Muła, Kurz and Lemire, Faster Population Counts Using AVX2 Instructions, 2018), by one instruction where there is one.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit, types
from numba.extending import intrinsic

Words = npt.NDArray[np.uint64]
# Mapped codes are read-only, and a caller's bytes may start anywhere.
WORDS = types.Array(types.uint64, 2, "C", readonly=True, aligned=False)
COUNTS = types.Array(types.int32, 2, "C")


@intrinsic
def _ones(_typing: Any, word: Any) -> Any:
    """LLVM's own count of the bits that are 1 in a word, uint64."""

    def generate(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return builder.ctpop(arguments[0])

    return types.uint64(word), generate


@njit(types.void(WORDS, WORDS, COUNTS), nogil=True)
def count_differing_bits(queries: Words, items: Words, counts: npt.NDArray[np.int32]) -> None:
    """Fill counts [n_query x n_item] with the bits in which each query differs from each item.

    queries: uint64 [n_query x n_word]; items: uint64 [n_item x n_word]. Other threads run on meanwhile.
    """
    n_query, n_word = queries.shape
    for query in range(n_query):
        for item in range(items.shape[0]):
            differing = np.uint64(0)
            for word in range(n_word):
                differing += _ones(queries[query, word] ^ items[item, word])  # type: ignore[call-arg]
            counts[query, item] = differing
