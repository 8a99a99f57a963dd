"""`float.faiss` and `codes.faiss` of an export: exact indexes that any faiss reads, and that answer with item numbers."""

from __future__ import annotations

from pathlib import Path

import faiss
import numpy as np

from unifiedlib.binarization import BITS_PER_BYTE, Codes, Floats
from unifiedlib.evaluation import Index

ROWS_AT_ONCE = 65536


def _fill(index: faiss.Index | faiss.IndexBinary, rows: Floats | Codes, items: Index) -> None:
    """Add rows a block at a time: a memory-mapped array is never held a second time."""
    for start in range(0, len(items), ROWS_AT_ONCE):
        block = slice(start, start + ROWS_AT_ONCE)
        index.add_with_ids(np.ascontiguousarray(rows[block]), items[block])


def write_float_index(path: Path, floats: Floats, items: Index) -> None:
    """Write embeddings, float32 [n x dim], as an exact index by inner product whose ids are `items`, int64 [n]."""
    index = faiss.IndexIDMap2(faiss.IndexFlatIP(floats.shape[1]))
    _fill(index, floats, items)
    faiss.write_index(index, str(path))


def write_code_index(path: Path, codes: Codes, items: Index) -> None:
    """Write codes, uint8 [n x dim/8], as an exact index by Hamming distance whose ids are `items`, int64 [n].

    faiss reads it with `read_index_binary`.
    """
    index = faiss.IndexBinaryIDMap2(faiss.IndexBinaryFlat(codes.shape[1] * BITS_PER_BYTE))
    _fill(index, codes, items)
    faiss.write_index_binary(index, str(path))
