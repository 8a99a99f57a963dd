"""Exact search with faiss's flat indexes, and full rows of distances for the evaluation.

Float embeddings are compared by inner product (higher is nearer), codes by Hamming distance (lower is
nearer). `search_float` and `search_binary` return the k nearest for a reader to look at; among equally near
items their order is faiss's. The metrics must not depend on that order, so the evaluation takes whole rows of
distances, a batch of queries at a time.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import faiss
import numpy as np
import numpy.typing as npt

from unifiedlib.binarization import BITS_PER_BYTE, Codes, Floats, check_codes, check_embeddings

Index = npt.NDArray[np.int64]

QUERIES_PER_BATCH = 1024
FAISS_WORD_BYTES = 8


def _check_k(k: int, n_gallery: int) -> None:
    if k < 1:
        raise ValueError(f"k is {k}; ask for at least 1 result")
    if k > n_gallery:
        raise ValueError(
            f"k = {k} results were asked for, but the gallery holds only {n_gallery} items: lower k"
        )


def _check_widths(queries: npt.NDArray[np.generic], gallery: npt.NDArray[np.generic], unit: str) -> None:
    if queries.shape[1] != gallery.shape[1]:
        raise ValueError(
            f"queries are {queries.shape[1]} {unit} wide and the gallery {gallery.shape[1]}: "
            "both must come from one variant"
        )


def search_float(queries: Floats, gallery: Floats, k: int) -> tuple[Floats, Index]:
    """Find the k gallery items with the highest inner product for each query, exactly (faiss IndexFlatIP).

    queries: float32 [n_query x dim]; gallery: float32 [n_gallery x dim]; with L2-normalised rows the score is
    the cosine.
    Returns scores float32 [n_query x k], highest first, and rows of the gallery int64 [n_query x k].
    Raises ValueError when k exceeds the gallery, widths differ or a value is not finite; TypeError for
    another dtype.
    """
    check_embeddings(queries, "queries")
    check_embeddings(gallery, "gallery embeddings")
    _check_widths(queries, gallery, "values")
    _check_k(k, len(gallery))
    index = faiss.IndexFlatIP(gallery.shape[1])
    index.add(np.ascontiguousarray(gallery))
    scores = np.empty((len(queries), k), np.float32)
    found = np.empty((len(queries), k), np.int64)
    for start in range(0, len(queries), QUERIES_PER_BATCH):
        rows = slice(start, start + QUERIES_PER_BATCH)
        scores[rows], found[rows] = index.search(np.ascontiguousarray(queries[rows]), k)
    return scores, found


def search_binary(queries: Codes, gallery: Codes, k: int) -> tuple[npt.NDArray[np.int32], Index]:
    """Find the k gallery codes with the fewest differing bits for each query (faiss IndexBinaryFlat).

    queries: uint8 [n_query x dim/8]; gallery: uint8 [n_gallery x dim/8].
    Returns Hamming distances int32 [n_query x k], nearest first, and rows of the gallery int64 [n_query x k].
    Raises ValueError when k exceeds the gallery (faiss would pad with -1) or widths differ; TypeError for
    another dtype.
    """
    check_codes(queries, "query codes")
    check_codes(gallery, "gallery codes")
    _check_widths(queries, gallery, "bytes")
    _check_k(k, len(gallery))
    index = faiss.IndexBinaryFlat(gallery.shape[1] * BITS_PER_BYTE)
    index.add(np.ascontiguousarray(gallery))
    distances = np.empty((len(queries), k), np.int32)
    found = np.empty((len(queries), k), np.int64)
    for start in range(0, len(queries), QUERIES_PER_BATCH):
        rows = slice(start, start + QUERIES_PER_BATCH)
        distances[rows], found[rows] = index.search(np.ascontiguousarray(queries[rows]), k)
    return distances, found


@dataclass(frozen=True)
class FloatGallery:
    """Distances from queries to every item of a gallery of embeddings: the negative inner product.

    A matrix product may round the same pair differently in different columns. So gallery items with identical
    embeddings are multiplied once and share the result: what is equal ties exactly.
    """

    distinct: Floats
    copy_of: Index

    @classmethod
    def of(cls, gallery: Floats) -> Self:
        """Prepare a gallery, float32 [n_gallery x dim]."""
        check_embeddings(gallery, "gallery embeddings")
        rows = np.ascontiguousarray(gallery + np.float32(0))  # -0.0 becomes 0.0: equal values, equal bytes
        as_bytes = rows.view(np.dtype((np.void, rows.shape[1] * rows.itemsize))).ravel()
        _, first, copy_of = np.unique(as_bytes, return_index=True, return_inverse=True)
        return cls(rows[first], copy_of.astype(np.int64))

    def distances(self, queries: Floats) -> Floats:
        """Negative inner products, float32 [n_query x n_gallery], for a batch of queries [n_query x dim]."""
        check_embeddings(queries, "queries")
        _check_widths(queries, self.distinct, "values")
        return -(queries @ self.distinct.T)[:, self.copy_of]


@dataclass(frozen=True)
class BinaryGallery:
    """Hamming distances from queries to every item of a gallery of codes, counted by faiss."""

    codes: Codes
    n_bytes: int

    @classmethod
    def of(cls, gallery: Codes) -> Self:
        """Prepare a gallery, uint8 [n_gallery x dim/8]."""
        check_codes(gallery, "gallery codes")
        return cls(_whole_words(gallery), gallery.shape[1])

    def distances(self, queries: Codes) -> npt.NDArray[np.int32]:
        """Hamming distances, int32 [n_query x n_gallery], for a batch of codes [n_query x dim/8]."""
        check_codes(queries, "query codes")
        if queries.shape[1] != self.n_bytes:
            raise ValueError(f"queries are {queries.shape[1]} bytes wide and the gallery {self.n_bytes}")
        padded = _whole_words(queries)
        counts = np.empty((len(padded), len(self.codes)), np.int32)
        faiss.hammings(  # type: ignore[attr-defined]
            *(faiss.swig_ptr(padded), faiss.swig_ptr(self.codes)),
            *(len(padded), len(self.codes), padded.shape[1], faiss.swig_ptr(counts)),
        )
        return counts


def _whole_words(codes: Codes) -> Codes:
    """Pad codes with zero bytes to whole 64-bit words, which faiss counts by; equal padding never differs."""
    missing = -codes.shape[1] % FAISS_WORD_BYTES
    return np.ascontiguousarray(np.pad(codes, ((0, 0), (0, missing))))
