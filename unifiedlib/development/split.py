"""The development split of a collection: part of what it trains on is held out, and searched as its test pictures would be.

Whoever chooses settings by the test pictures has, in the end, trained on them. A development split never touches them.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from unifiedlib.contract import LABEL_COLUMNS, Collection, write_collection
from unifiedlib.loaders.stl_split import deal
from unifiedlib.sampling import generator_for

Index = npt.NDArray[np.int64]
BOTH = "query+gallery"


def _is_open(collection: Collection, task: str) -> bool:
    """Whether test asks for labels that training has not: then whole labels are held out, else groups."""
    asked = set(collection.eval_labels(task).loc[collection.queries(task)])
    return not asked & set(_main_rows(collection, task)["label"])


def _main_rows(collection: Collection, task: str) -> pd.DataFrame:
    """A task's training rows in the label set that it is judged by: columns item, label."""
    rows = collection.training_rows(task)
    return rows.loc[rows["label_set"] == collection.tasks[task].label_set, ["item", "label"]]


def _trained_gallery(collection: Collection, task: str) -> Index:
    """Items of the task's gallery that are trained on too, such as catalogue pictures: they stay, and are searched."""
    return np.intersect1d(collection.gallery(task), collection.labels.query("role == 'train'")["item"])


def _held_out(collection: Collection, task: str, share: float, seed: int) -> Index:
    """Training items of a task that become its test: of groups (or labels) drawn by chance until they hold `share` of them."""
    rows = _main_rows(collection, task).drop_duplicates("item")
    rows = rows[~rows["item"].isin(_trained_gallery(collection, task))].set_index("item")
    units = rows["label"] if _is_open(collection, task) else collection.items["group"].loc[rows.index]
    generator = generator_for("development", seed, collection.name, task)
    drawn = deal(units.value_counts(sort=False).sort_index(), share, generator)
    return np.sort(units.index[units.isin(drawn)].to_numpy(np.int64))


def _roles(collection: Collection, task: str, items: Index) -> list[str]:
    """What each held-out item is: query, gallery or both, "" for neither; as test pictures of its domain are."""
    queries, gallery = collection.queries(task), collection.gallery(task)
    if np.array_equal(queries, gallery):
        return [BOTH] * len(items)
    if len(_trained_gallery(collection, task)):
        return ["query"] * len(items)
    domains = collection.items["domain"]
    asked, found = set(domains.iloc[queries]), set(domains.iloc[gallery])
    return [
        "+".join([*(["query"] if one in asked else []), *(["gallery"] if one in found else [])])
        for one in domains.iloc[items]
    ]


def development_labels(collection: Collection, share: float, seed: int) -> pd.DataFrame:
    """The label rows of a development split, by the collection's item numbers; columns as in labels.parquet.

    Of each task, groups that hold `share` of its training items become test: queries and gallery by the roles that test
    items of their domain have. Where test asks for labels that training has not, whole labels do. Gallery items that are trained
    on (catalogue pictures) stay in both. Nothing of a group that is held out of one task is trained on in any. No test item is
    used, unless it is trained on.
    Raises ValueError for a share outside (0, 1), or one that leaves a task without training items or queries.
    """
    if not 0 < share < 1:
        raise ValueError(f"share is {share}; it must lie between 0 and 1")
    labels, groups = collection.labels, collection.items["group"]
    held = {task: _held_out(collection, task, share, seed) for task in collection.tasks}
    out = set(groups.iloc[np.concatenate(list(held.values()))])
    trained = labels[labels["role"].eq("train") & ~groups.iloc[labels["item"]].isin(out).to_numpy()]
    parts = [trained]
    for task, items in held.items():
        rows = _main_rows(collection, task).drop_duplicates("item").set_index("item").loc[items].reset_index()
        rows = rows.assign(
            task=task, label_set=collection.tasks[task].label_set, role=_roles(collection, task, items)
        )
        searched = labels["task"].eq(task) & labels["role"].eq("gallery")
        parts += [
            rows[rows["role"] != ""],
            labels[searched & labels["item"].isin(_trained_gallery(collection, task))],
        ]
        if not trained["task"].eq(task).any():
            raise ValueError(f"share {share} leaves task '{task}' without training items: choose another")
        if not rows["role"].str.contains("query", regex=False).any():
            raise ValueError(f"share {share} leaves task '{task}' without queries: choose another")
    return pd.concat(parts, ignore_index=True)[list(LABEL_COLUMNS)]


def write_development(collection: Collection, folder: Path, share: float, seed: int) -> Collection:
    """Write a collection's development split as a collection of its own. Raises as `development_labels`, and ContractError."""
    labels = development_labels(collection, share, seed)
    kept, numbers = np.unique(labels["item"].to_numpy(np.int64), return_inverse=True)
    items = collection.items.iloc[kept].reset_index(drop=True)

    def pictures() -> Iterator[np.ndarray]:
        yield from (collection.pixels[item] for item in kept)

    return write_collection(
        folder,
        collection.name,
        items,
        labels.assign(item=numbers),
        collection.tasks,
        pictures(),
        collection.pixels.shape[1],
        collection.sources,
        {"development_of": collection.fingerprint, "share": share, "seed": seed},
    )
