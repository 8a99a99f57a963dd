"""The data contract: what a collection is on disk, checked once, for every loader alike.

A collection is a folder with four files:

- `items.parquet`: row i is item i, one image region. Columns `image` (name of the picture), `box` ((x0, y0, x1, y1) in 0..1, or
  null for the whole picture), `domain` (one of `DOMAINS`) and `group` (what must not cross from training into test:
  a product, a person, a scene).
- `labels.parquet`: `item, task, label_set, label, role`. Rows with a test role stand in one label set per task, the one
  that decides relevance: a gallery item is relevant to a query when both carry the same label in that task. Tasks and label
  sets have plain names (`NAME`), since folders and variants are called after them.
- `pixels.npy`: uint8 [n_items x size x size x 3], RGB, memory-mapped when read.
- `collection.json`: tasks, sources and licences, the pictures that were left out and why, settings, fingerprint.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from unifiedlib.files import atomic_folder, large_write, sha256, write_json, write_table

DOMAINS = ("pin", "camera", "scene", "catalog")
ROLES = ("train", "query", "gallery", "query+gallery")
ITEM_COLUMNS = ("image", "box", "domain", "group")
LABEL_COLUMNS = ("item", "task", "label_set", "label", "role")
MERGED = "merged"
NAME = r"[a-z][a-z0-9_]*"
# What a task may not be called: the two variants that are no specialists (`unifiedlib.variants`), and the merged gallery.
RESERVED = ("imagenet", "unified", MERGED)
NO_NAME = "must begin with a small letter and go on with small letters, digits and _: rename it"
FILES = ("items.parquet", "labels.parquet", "pixels.npy", "collection.json")


class ContractError(ValueError):
    """A collection breaks the data contract; the message names the first offending row and the rule."""


@dataclass(frozen=True)
class TaskSpec:
    """How a task is judged.

    k: how many results a reader of this task looks at; the headline metric is precision at k.
    label_set: the label set that decides relevance.
    leave_out_group: whether a query's results leave out the items of its own group.
    """

    k: int
    label_set: str
    leave_out_group: bool = False


@dataclass(frozen=True)
class Collection:
    """A checked collection. `items` and `labels` are the tables; `pixels` is uint8 [n_items x size x size x 3]."""

    name: str
    items: pd.DataFrame
    labels: pd.DataFrame
    pixels: np.ndarray
    tasks: dict[str, TaskSpec]
    left_out: list[dict[str, str]]
    sources: list[dict[str, str]]
    settings: dict[str, object]
    fingerprint: str

    @property
    def folder(self) -> Path:
        """The folder that the collection was read from. Raises ValueError for one that was made in memory."""
        if not isinstance(self.pixels, np.memmap) or self.pixels.filename is None:
            raise ValueError(
                f"collection '{self.name}' was not read from a folder: write it with write_collection first"
            )
        return Path(self.pixels.filename).parent

    def _with_role(self, task: str, part: str) -> np.ndarray:
        if task not in self.tasks:
            raise ValueError(f"collection '{self.name}' has no task '{task}'; it has {', '.join(self.tasks)}")
        rows = self.labels[
            (self.labels["task"] == task) & self.labels["role"].str.contains(part, regex=False)
        ]
        return np.unique(rows["item"].to_numpy(np.int64))

    def queries(self, task: str) -> np.ndarray:
        """Item numbers of a task's queries, int64 [n_query], ascending."""
        return self._with_role(task, "query")

    def gallery(self, task: str) -> np.ndarray:
        """Item numbers of a task's gallery, or of the merged gallery, int64 [n_gallery], ascending."""
        if task == MERGED:
            return np.unique(np.concatenate([self._with_role(name, "gallery") for name in self.tasks]))
        return self._with_role(task, "gallery")

    def eval_labels(self, task: str) -> pd.Series:
        """The labels that decide relevance: index item, value label, one entry per query or gallery item of the task."""
        rows = self.labels[(self.labels["task"] == task) & (self.labels["role"] != "train")]
        return rows.drop_duplicates("item").set_index("item")["label"].sort_index()

    def training_rows(self, task: str) -> pd.DataFrame:
        """The task's training rows: columns item, label_set, label."""
        rows = self.labels[(self.labels["task"] == task) & (self.labels["role"] == "train")]
        return rows[["item", "label_set", "label"]].reset_index(drop=True)

    def test_items(self) -> np.ndarray:
        """Item numbers that are a query or in a gallery of any task, int64, ascending."""
        return np.unique(self.labels.loc[self.labels["role"] != "train", "item"].to_numpy(np.int64))


def _first(bad: pd.Series | np.ndarray) -> int:
    return int(np.flatnonzero(np.asarray(bad))[0])


def _check_columns(frame: pd.DataFrame, columns: tuple[str, ...], table: str) -> None:
    if missing := [name for name in columns if name not in frame.columns]:
        raise ContractError(f"{table} has no column {missing[0]!r}; the contract wants {', '.join(columns)}")


def _check_items(items: pd.DataFrame) -> None:
    _check_columns(items, ITEM_COLUMNS, "items")
    if items.empty:
        raise ContractError("items is empty: a collection needs at least one item")
    if (bad := ~items["domain"].isin(DOMAINS)).any():
        row = _first(bad)
        raise ContractError(
            f"items row {row}: domain {items['domain'].iloc[row]!r} is not one of {', '.join(DOMAINS)}"
        )
    for column in ("image", "group"):
        if (bad := items[column].isna() | (items[column].astype(str) == "")).any():
            raise ContractError(f"items row {_first(bad)}: {column} is empty")
    for row, box in enumerate(items["box"]):
        if box is None or (isinstance(box, float) and np.isnan(box)):
            continue
        x0, y0, x1, y1 = box if len(box) == 4 else (0.0,) * 4
        if not (0 <= x0 < x1 <= 1 and 0 <= y0 < y1 <= 1):
            raise ContractError(
                f"items row {row}: box {list(box)} must be (x0, y0, x1, y1) with 0 <= x0 < x1 <= 1 and so for y"
            )
    keys = items["image"].astype(str) + items["box"].map(lambda box: "" if box is None else str(list(box)))
    if (bad := keys.duplicated()).any():
        row = _first(bad)
        raise ContractError(
            f"items row {row}: {items['image'].iloc[row]!r} with the same box stands in an earlier row"
        )


def _check_names(tasks: Mapping[str, TaskSpec]) -> None:
    for name in tasks:
        if not re.fullmatch(NAME, str(name)):
            raise ContractError(f"task {name!r} {NO_NAME}")
        if name in RESERVED:
            raise ContractError(f"task {name!r} has a name that the pipeline uses itself: rename it")


def _check_item_numbers(numbers: pd.Series, n_items: int) -> None:
    if not pd.api.types.is_integer_dtype(numbers.dtype):
        raise ContractError(
            f"labels: column item is of type {numbers.dtype}; items are counted 0, 1, …: make it an integer type such as int64"
        )
    if (bad := ~numbers.between(0, n_items - 1).fillna(False)).any():
        row = _first(bad)
        raise ContractError(f"labels row {row}: item {numbers.iloc[row]} is not in 0..{n_items - 1}")


def _check_labels(labels: pd.DataFrame, n_items: int, tasks: Mapping[str, TaskSpec]) -> None:
    _check_columns(labels, LABEL_COLUMNS, "labels")
    allowed = {"role": ROLES, "task": tuple(tasks)}
    for column, choices in allowed.items():
        if (bad := ~labels[column].isin(choices)).any():
            row = _first(bad)
            raise ContractError(
                f"labels row {row}: {column} {labels[column].iloc[row]!r} is not one of {', '.join(choices)}"
            )
    _check_item_numbers(labels["item"], n_items)
    for column in ("label_set", "label"):
        if (bad := labels[column].isna() | (labels[column].astype(str) == "")).any():
            raise ContractError(f"labels row {_first(bad)}: {column} is empty")
    odd = [name for name in labels["label_set"].unique() if not re.fullmatch(NAME, str(name))]
    if odd:
        row = _first(labels["label_set"].isin(odd))
        raise ContractError(f"labels row {row}: label_set {labels['label_set'].iloc[row]!r} {NO_NAME}")
    is_test = labels["role"] != "train"
    wanted = labels["task"].map({name: spec.label_set for name, spec in tasks.items()})
    if (bad := is_test & (labels["label_set"] != wanted)).any():
        row = _first(bad)
        raise ContractError(
            f"labels row {row}: role {labels['role'].iloc[row]!r} must use the task's evaluation label set {wanted.iloc[row]!r}, "
            f"not {labels['label_set'].iloc[row]!r}"
        )
    if (bad := labels.assign(is_test=is_test).duplicated(["item", "task", "label_set", "is_test"])).any():
        row = _first(bad)
        item, task, label_set = (labels[name].iloc[row] for name in ("item", "task", "label_set"))
        raise ContractError(f"labels row {row}: item {item} has two labels in {task}/{label_set}")


def _check_tasks(labels: pd.DataFrame, tasks: Mapping[str, TaskSpec]) -> None:
    for name, spec in tasks.items():
        rows = labels[labels["task"] == name]
        if not (rows["role"] == "train").any():
            raise ContractError(f"task {name!r} has no training rows: give some items the role 'train'")
        if spec.k < 1:
            raise ContractError(f"task {name!r}: k is {spec.k}; it must be at least 1")
        for part in ("query", "gallery"):
            if not rows["role"].str.contains(part, regex=False).any():
                raise ContractError(f"task {name!r} has no {part} rows: give some items the role '{part}'")


def _check_crossing(items: pd.DataFrame, labels: pd.DataFrame) -> None:
    """The unified embedding trains on every task, so no task may train on a group that any task queries with."""
    groups = items["group"].iloc[labels["item"].to_numpy()].reset_index(drop=True)
    trained = (labels["role"] == "train").to_numpy()
    queries = labels["role"].str.contains("query", regex=False).to_numpy()
    if (bad := queries & groups.isin(groups[trained]).to_numpy()).any():
        row = _first(bad)
        other = _first(trained & (groups == groups[row]).to_numpy())
        raise ContractError(
            f"labels row {row}: query item {labels['item'].iloc[row]} belongs to group {groups[row]!r}, which task "
            f"{labels['task'].iloc[other]!r} trains on (labels row {other}); a group may not cross from training into test, "
            "neither within a task nor between two"
        )


def check_collection(
    items: pd.DataFrame, labels: pd.DataFrame, pixels: np.ndarray, tasks: Mapping[str, TaskSpec]
) -> None:
    """Raise `ContractError` naming the first row, or task, that breaks the contract."""
    _check_items(items)
    if (
        pixels.dtype != np.uint8
        or pixels.ndim != 4
        or pixels.shape[1] != pixels.shape[2]
        or pixels.shape[3] != 3
    ):
        raise ContractError(
            f"pixels is {pixels.dtype} {list(pixels.shape)}; it must be uint8 [n_items x size x size x 3]"
        )
    if len(pixels) != len(items):
        raise ContractError(
            f"pixels holds {len(pixels)} items, items.parquet {len(items)}: assemble the collection again"
        )
    if not tasks:
        raise ContractError("a collection needs at least one task")
    _check_names(tasks)
    _check_labels(labels, len(items), tasks)
    _check_tasks(labels, tasks)
    _check_crossing(items, labels)


def load_collection(folder: Path) -> Collection:
    """Read and check the collection in `folder`; pixels stay on disk, memory-mapped.

    Raises FileNotFoundError when a file is missing and ContractError when the content breaks the contract.
    """
    for name in FILES:
        if not (folder / name).is_file():
            raise FileNotFoundError(
                f"{folder} holds no collection: {name} is missing; run the assemble stage first"
            )
    about = json.loads((folder / "collection.json").read_text(encoding="utf-8"))
    items = pd.read_parquet(folder / "items.parquet")
    labels = pd.read_parquet(folder / "labels.parquet")
    pixels = np.load(folder / "pixels.npy", mmap_mode="r", allow_pickle=False)
    tasks = {name: TaskSpec(**spec) for name, spec in about["tasks"].items()}
    check_collection(items, labels, pixels, tasks)
    return Collection(
        about["name"],
        items,
        labels,
        pixels,
        tasks,
        about["left_out"],
        about["sources"],
        about["settings"],
        about["fingerprint"],
    )


def _reserved_pixels(path: Path, shape: tuple[int, ...]) -> np.memmap:
    """A new file of black pixels, uint8 of `shape`, memory-mapped, whose place on the disk is taken at once.

    A full disk is then an error here, where it would kill a process that writes to mapped memory.
    """
    pixels = np.lib.format.open_memmap(path, mode="w+", dtype=np.uint8, shape=shape)
    # macOS and Windows have no such call.
    if hasattr(os, "posix_fallocate"):
        with path.open("r+b") as stream:
            os.posix_fallocate(stream.fileno(), 0, path.stat().st_size)
    return pixels


def write_collection(
    folder: Path,
    name: str,
    items: pd.DataFrame,
    labels: pd.DataFrame,
    tasks: Mapping[str, TaskSpec],
    pictures: Iterable[np.ndarray],
    size: int,
    sources: list[dict[str, str]],
    settings: Mapping[str, object],
    left_out: list[dict[str, str]] | None = None,
) -> Collection:
    """Write a collection aside, check it, and only then let it take the place of `folder`.

    pictures: one uint8 [size x size x 3] array per item, in item order; read once, never held together in memory.
    Returns the collection as `load_collection` reads it. Raises ContractError, and WriteError when the disk has no room for the
    pixels; an older `folder` then stays as it was.
    """
    shape = (len(items), size, size, 3)
    with atomic_folder(folder) as aside:
        with large_write(folder, math.prod(shape)):
            pixels = _reserved_pixels(aside / "pixels.npy", shape)
        count = 0
        for count, picture in enumerate(pictures, start=1):
            if count > len(items) or picture.shape != pixels.shape[1:]:
                wanted = f"{len(items)} pictures of {list(pixels.shape[1:])} are wanted"
                raise ContractError(f"picture {count - 1} is {list(picture.shape)}; {wanted}")
            pixels[count - 1] = picture
        if count != len(items):
            raise ContractError(f"{count} pictures came for {len(items)} items")
        pixels.flush()
        write_table(aside / "items.parquet", items[list(ITEM_COLUMNS)])
        write_table(aside / "labels.parquet", labels[list(LABEL_COLUMNS)])
        parts = "".join(sha256(aside / part) for part in FILES[:3]) + json.dumps(
            {k: asdict(v) for k, v in tasks.items()}
        )
        about = {
            "name": name,
            "tasks": {key: asdict(spec) for key, spec in tasks.items()},
            "left_out": left_out or [],
            "sources": sources,
            "settings": dict(settings),
            "fingerprint": hashlib.sha256(parts.encode()).hexdigest(),
        }
        write_json(aside / "collection.json", about)
        load_collection(aside)
    return load_collection(folder)
