"""`items.parquet` of an export: a row per test item, with its place in every task, its embedding and its code."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from unifiedlib.contract import Collection
from unifiedlib.evaluation import StoredEmbeddings

ROWS_PER_GROUP = 4096
# Texts repeat, embeddings do not: a dictionary of them would only cost time.
REPEATED = ("image", "domain", "group")
BIT_ORDER = "bit i of the code, in byte i // 8, is (byte >> (i % 8)) & 1; it is set where value i of the embedding is above 0"


def _task_columns(collection: Collection, items: np.ndarray) -> Iterator[tuple[str, pd.Series]]:
    """`<task>_role` and `<task>_label`, aligned with `items`; missing where an item has no part in the task."""
    tests = collection.labels[collection.labels["role"] != "train"]
    for task in collection.tasks:
        rows = tests[tests["task"] == task].set_index("item")
        for name in ("role", "label"):
            yield f"{task}_{name}", rows[name].astype(str).reindex(items)


def _boxes(boxes: pd.Series) -> pa.Array:
    found = [None if box is None or np.ndim(box) == 0 else [float(edge) for edge in box] for box in boxes]
    return pa.array(found, pa.list_(pa.float64(), 4))


def _texts(column: pd.Series) -> pa.Array:
    return pa.array(column.astype(object), pa.string(), from_pandas=True)


def describing_columns(collection: Collection, items: np.ndarray) -> pa.Table:
    """What is known of `items`, int64 [n]: item, image, box, domain, group, and each task's role and label."""
    rows = collection.items.iloc[items]
    columns: dict[str, pa.Array] = {"item": pa.array(items, pa.int64())}
    for name in ("image", "box", "domain", "group"):
        columns[name] = _boxes(rows[name]) if name == "box" else _texts(rows[name].astype(str))
    for name, column in _task_columns(collection, items):
        columns[name] = _texts(column)
    return pa.table(columns)


def _vectors(floats: np.ndarray) -> pa.Array:
    flat = pa.array(np.ascontiguousarray(floats).reshape(-1), pa.float32())
    return pa.FixedSizeListArray.from_arrays(flat, floats.shape[1])


def _codes(codes: np.ndarray) -> pa.Array:
    content = pa.py_buffer(np.ascontiguousarray(codes))
    return pa.FixedSizeBinaryArray.from_buffers(pa.binary(codes.shape[1]), len(codes), [None, content])


def write_items(
    path: Path, collection: Collection, stored: StoredEmbeddings, rows_per_group: int = ROWS_PER_GROUP
) -> None:
    """Write one row per stored item, in item order, `rows_per_group` of them at a time.

    Columns: those of `describing_columns`; `embedding`, lists of fixed size of dim float32; `code`, dim/8 bytes, in the order
    that `BIT_ORDER` states and faiss reads.
    """
    known = describing_columns(collection, stored.items)
    vector = pa.field("embedding", pa.list_(pa.float32(), stored.dim))
    code = pa.field("code", pa.binary(stored.codes.shape[1]), metadata={"bit_order": BIT_ORDER})
    schema = known.schema.append(vector).append(code)
    texts = [*REPEATED, *(name for name in known.column_names if name.endswith(("_role", "_label")))]
    with pq.ParquetWriter(path, schema, compression="zstd", use_dictionary=texts) as writer:
        for start in range(0, len(stored.items), rows_per_group):
            rows = slice(start, start + rows_per_group)
            columns = known.slice(start, rows_per_group).combine_chunks().columns
            arrays = [*columns, _vectors(stored.floats[rows]), _codes(stored.codes[rows])]
            writer.write_table(pa.Table.from_arrays(arrays, schema=schema))
