"""Whole rows of distances from queries to a gallery, for the evaluation.

Float embeddings are compared by inner product, codes by Hamming distance. Metrics must not depend on an order among equally
near items, so the evaluation takes whole rows, a batch of queries at a time. To find the k nearest, see `unifiedlib.index`.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b
from typing import Self

import faiss
import numpy as np
import numpy.typing as npt

from unifiedlib.binarization import Codes, Floats, check_codes, check_embeddings

Index = npt.NDArray[np.int64]

ROWS_AT_ONCE = 1024
FAISS_WORD_BYTES = 8


def _check_widths(queries: npt.NDArray[np.generic], gallery: npt.NDArray[np.generic], unit: str) -> None:
    if queries.shape[1] != gallery.shape[1]:
        raise ValueError(
            f"queries are {queries.shape[1]} {unit} wide and the gallery {gallery.shape[1]}: "
            "both must come from one variant"
        )


@dataclass(frozen=True)
class FloatGallery:
    """Distances from queries to every item of a gallery of embeddings: the negative inner product.

    A matrix product may round the same pair differently in different columns. So an item whose embedding stands
    in an earlier row gets that row's distances: what is equal ties exactly.

    embeddings: float32 [n_gallery x dim], the caller's own array where it is contiguous; copies: rows that repeat
    an earlier one; firsts: for each of them, the first row with its embedding.
    """

    embeddings: Floats
    copies: Index
    firsts: Index

    dtype = np.float32

    @classmethod
    def of(cls, gallery: Floats) -> Self:
        """Prepare a gallery, float32 [n_gallery x dim]. Raises TypeError or ValueError naming what is wrong."""
        check_embeddings(gallery, "gallery embeddings")
        _check_filled(gallery)
        rows = np.ascontiguousarray(gallery)
        first = _first_equal_rows(rows)
        copies = np.flatnonzero(first != np.arange(len(rows)))
        return cls(rows, copies.astype(np.int64), first[copies])

    def __len__(self) -> int:
        """How many items the gallery holds."""
        return len(self.embeddings)

    def distances(self, queries: Floats, out: Floats | None = None) -> Floats:
        """Negative inner products, float32 [n_query x n_gallery], for a batch of queries [n_query x dim].

        out: where to write them; the array that is returned.
        """
        check_embeddings(queries, "queries")
        _check_widths(queries, self.embeddings, "values")
        product = np.matmul(-queries, self.embeddings.T, out=out)
        product[:, self.copies] = product[:, self.firsts]
        return product


@dataclass(frozen=True)
class BinaryGallery:
    """Hamming distances from queries to every item of a gallery of codes, counted by faiss."""

    codes: Codes
    n_bytes: int

    dtype = np.int32

    @classmethod
    def of(cls, gallery: Codes) -> Self:
        """Prepare a gallery, uint8 [n_gallery x dim/8]. Raises TypeError or ValueError naming what is wrong."""
        check_codes(gallery, "gallery codes")
        _check_filled(gallery)
        return cls(whole_words(gallery), gallery.shape[1])

    def __len__(self) -> int:
        """How many items the gallery holds."""
        return len(self.codes)

    def distances(self, queries: Codes, out: npt.NDArray[np.int32] | None = None) -> npt.NDArray[np.int32]:
        """Hamming distances, int32 [n_query x n_gallery], for a batch of codes [n_query x dim/8].

        out: where to write them, contiguous; the array that is returned.
        """
        check_codes(queries, "query codes")
        if queries.shape[1] != self.n_bytes:
            raise ValueError(f"queries are {queries.shape[1]} bytes wide and the gallery {self.n_bytes}")
        padded = whole_words(queries)
        shape = (len(padded), len(self.codes))
        counts = np.empty(shape, np.int32) if out is None else out
        if counts.shape != shape or counts.dtype != np.int32 or not counts.flags.c_contiguous:
            raise ValueError(
                f"out is {counts.dtype} {list(counts.shape)}; it must be contiguous int32 {list(shape)}"
            )
        faiss.hammings(  # type: ignore[attr-defined]
            *(faiss.swig_ptr(padded), faiss.swig_ptr(self.codes)),
            *(len(padded), len(self.codes), padded.shape[1], faiss.swig_ptr(counts)),
        )
        return counts


def _check_filled(gallery: npt.NDArray[np.generic]) -> None:
    if len(gallery) == 0:
        raise ValueError("the gallery is empty: there is nothing to be found")


def _first_equal_rows(rows: Floats) -> Index:
    """For each row the first with the same values, int64 [n]: told by 128-bit digests, so nothing is copied."""
    seen: dict[bytes, int] = {}
    first = np.empty(len(rows), np.int64)
    for start in range(0, len(rows), ROWS_AT_ONCE):
        block = rows[start : start + ROWS_AT_ONCE] + np.float32(0)  # -0.0 becomes 0.0: equal, equal bytes
        for number, row in enumerate(block, start):
            first[number] = seen.setdefault(blake2b(row.tobytes(), digest_size=16).digest(), number)
    return first


def whole_words(codes: Codes) -> Codes:
    """Pad codes with zero bytes to whole 64-bit words, which faiss counts by; equal padding never differs."""
    missing = -codes.shape[1] % FAISS_WORD_BYTES
    return np.ascontiguousarray(np.pad(codes, ((0, 0), (0, missing))) if missing else codes)
