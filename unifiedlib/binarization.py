"""From float embeddings to bits and back: one bit per value, set where the value is above zero.

Nothing changes in training. Bits tell items apart where about half of them are set; Zhai & Wu (BMVC 2019, arXiv 1811.12649) put
that down to the LayerNorm before the embedding, which centres each item's values (claim C5-codes tests it).
"""

from __future__ import annotations

from math import isfinite
from typing import cast

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Codes = npt.NDArray[np.uint8]

BITS_PER_BYTE = 8


def check_embeddings(embeddings: npt.NDArray[np.generic], what: str = "embeddings") -> None:
    """Raise unless `embeddings` is a finite float32 array [n x dim], naming the first offending row.

    what: the name that the message gives the array.
    """
    if embeddings.dtype != np.float32:
        raise TypeError(
            f"{what} are {embeddings.dtype}; they must be float32: convert with .astype(np.float32)"
        )
    if embeddings.ndim != 2 or embeddings.shape[1] == 0:
        raise ValueError(
            f"{what} have shape {list(embeddings.shape)}; they must be [n x dim], one row per item"
        )
    values = cast(Floats, embeddings)
    if isfinite(np.vdot(values, values)):  # only if every value is: of a few rows nothing tells sooner
        return
    finite = np.isfinite(embeddings).all(axis=1)
    if not finite.all():
        raise ValueError(f"{what} row {int(np.argmin(finite))} holds NaN or infinity: embed that item again")


def check_codes(codes: npt.NDArray[np.generic], what: str = "codes") -> None:
    """Raise unless `codes` is a uint8 array [n x n_bytes] of packed bits."""
    if codes.dtype != np.uint8:
        raise TypeError(
            f"{what} are {codes.dtype}; they must be uint8 of packed bits: make them with binarize()"
        )
    if codes.ndim != 2 or codes.shape[1] == 0:
        raise ValueError(
            f"{what} have shape {list(codes.shape)}; they must be [n x n_bytes], one row per item"
        )


def binarize(embeddings: Floats) -> Codes:
    """Pack the signs of embeddings: bit i of an item is 1 where its value i is above zero.

    embeddings: float32 [n x dim], dim divisible by 8, no NaN or infinity. Returns uint8 [n x dim/8], the
    lowest bit of a byte first, as faiss reads them.
    Raises TypeError for another dtype; ValueError for another shape, or a value that is not finite (naming
    the row).

    >>> binarize(np.array([[0.5, -0.5, 0.0, 0.1, -1, -1, -1, 2]], np.float32)).tolist()
    [[137]]
    """
    check_embeddings(embeddings)
    if embeddings.shape[1] % BITS_PER_BYTE:
        raise ValueError(
            f"embeddings are {embeddings.shape[1]} wide; a code needs a width divisible by {BITS_PER_BYTE}"
        )
    return np.packbits(embeddings > 0, axis=1, bitorder="little")


def unpack(codes: Codes, dim: int) -> npt.NDArray[np.uint8]:
    """Unpack codes, uint8 [n x dim/8], into bits, uint8 [n x dim] of 0 and 1.

    Raises ValueError when `dim` does not fit the codes.
    """
    check_codes(codes)
    if dim != codes.shape[1] * BITS_PER_BYTE:
        raise ValueError(
            f"codes of {codes.shape[1]} bytes hold {codes.shape[1] * BITS_PER_BYTE} bits, not dim = {dim}"
        )
    return np.unpackbits(codes, axis=1, bitorder="little")


def hamming(queries: Codes, gallery: Codes) -> npt.NDArray[np.int32]:
    """Count the bits that differ between every two codes; the plain reference beside faiss's faster counting.

    queries: uint8 [n_query x n_bytes]; gallery: uint8 [n_gallery x n_bytes]. Returns int32 [n_query x
    n_gallery], each 0 to 8 x n_bytes. Holds n_query x n_gallery x n_bytes bytes while it works: for small
    arrays only.
    """
    check_codes(queries, "query codes")
    check_codes(gallery, "gallery codes")
    if queries.shape[1] != gallery.shape[1]:
        raise ValueError(
            f"query codes are {queries.shape[1]} bytes wide and gallery codes {gallery.shape[1]}"
        )
    differing = np.bitwise_count(queries[:, np.newaxis] ^ gallery[np.newaxis])
    return np.asarray(differing.sum(axis=2, dtype=np.int32))


def bit_balance(codes: Codes) -> npt.NDArray[np.float64]:
    """Share of items that have each bit set: [dim], 0 to 1; near 0 or 1 a bit is all but constant."""
    check_codes(codes)
    if len(codes) == 0:
        raise ValueError("there are no codes: the balance of bits needs at least one item")
    return np.asarray(unpack(codes, codes.shape[1] * BITS_PER_BYTE).mean(axis=0, dtype=np.float64))
