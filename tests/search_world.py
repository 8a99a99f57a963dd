"""A small collection and embeddings for the tests of the evaluation, built in memory."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from unifiedlib.binarization import binarize
from unifiedlib.contract import ITEM_COLUMNS, LABEL_COLUMNS, Collection, TaskSpec

Row = tuple[str, str, str, str]


def make_collection(rows: list[Row], tasks: dict[str, TaskSpec]) -> Collection:
    """Item i from row i, (group, task, label, role); an item of several tasks is added by `with_label`."""
    items = pd.DataFrame(
        [(f"{number}.png", None, "pin", group) for number, (group, *_) in enumerate(rows)],
        columns=list(ITEM_COLUMNS),
    )
    labels = pd.DataFrame(
        [
            (number, task, tasks[task].label_set, label, role)
            for number, (_, task, label, role) in enumerate(rows)
        ],
        columns=list(LABEL_COLUMNS),
    )
    pixels = np.zeros((len(rows), 1, 1, 3), np.uint8)
    return Collection("toy", items, labels, pixels, tasks, [], [], {}, "none")


def with_label(collection: Collection, item: int, task: str, label: str, role: str) -> Collection:
    """The collection with one more row of labels."""
    row = pd.DataFrame(
        [(item, task, collection.tasks[task].label_set, label, role)], columns=list(LABEL_COLUMNS)
    )
    labels = pd.concat([collection.labels, row], ignore_index=True)
    return replace(collection, labels=labels)


def three_task_collection(seed: int = 0) -> Collection:
    """30 queries and 40 gallery items in each of the three tasks, 4 labels, groups of about 3 items."""
    generator = np.random.default_rng(seed)
    specs = {
        "flashlight": TaskSpec(5, "category", leave_out_group=True),
        "lens": TaskSpec(5, "category"),
        "shop_the_look": TaskSpec(1, "product"),
    }
    rows = [
        (f"group {generator.integers(70)}", task, f"label {generator.integers(4)}", role)
        for task in specs
        for role, count in (("query", 30), ("gallery", 40))
        for _ in range(count)
    ]
    return make_collection(rows, specs)


def write_embeddings(folder: Path, collection: Collection, signal: float, seed: int, dim: int = 64) -> None:
    """Unit vectors of noise plus `signal` times their label's direction, and their codes."""
    generator = np.random.default_rng(seed)
    items = collection.test_items()
    label = collection.labels.drop_duplicates("item").set_index("item")["label"].loc[items]
    centres = np.random.default_rng(99).standard_normal((8, dim))
    vectors = (
        generator.standard_normal((len(items), dim)) + signal * centres[pd.factorize(label, sort=True)[0]]
    )
    floats = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    folder.mkdir(parents=True)
    np.save(folder / "items.npy", items)
    np.save(folder / "float.npy", floats)
    np.save(folder / "codes.npy", binarize(floats))
