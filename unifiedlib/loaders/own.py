"""Your own pictures as a collection: from a table of them, or from folders `task/label/picture`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from unifiedlib.contract import LABEL_COLUMNS, Collection, TaskSpec
from unifiedlib.loaders.own_folders import read_folders
from unifiedlib.loaders.own_rows import BOX, DEFAULT_LABEL_SET, OwnRows, checked, first
from unifiedlib.loaders.own_split import SPLITS, codes, deal
from unifiedlib.loaders.own_table import read_table
from unifiedlib.loaders.tables import PictureTables
from unifiedlib.relevance import task_relevance

Index = npt.NDArray[np.int64]


@dataclass(frozen=True)
class OwnSettings:
    """Where your pictures are, and how they are tested.

    source: a table (.csv or .parquet; its `image` paths are relative to its folder), or a folder with `task/label/picture`.
    k: depth of the headline metric, precision at k, at least 1. A task whose queries have fewer matches gets the number of
        matches of its median query, so that at least half of its queries could reach 1.
    split: how rows without a role are dealt. `group`: a share of each label's pictures is tested, and no picture or group is
        on both sides; `label`: whole labels are tested, none of which is trained on.
    test_share: share to test, between 0 and 1. seed: of the dealing, at least 0.
    label_set: the label set that decides relevance in a task that has several and no roles.
    leave_out_group: whether a query's results leave out the pictures of its own group.
    """

    source: Path
    k: int = 10
    split: str = "group"
    test_share: float = 0.3
    seed: int = 0
    label_set: str = DEFAULT_LABEL_SET
    leave_out_group: bool = False

    def __post_init__(self) -> None:
        if self.k < 1:
            raise ValueError(f"k is {self.k}; it must be at least 1")
        if self.split not in SPLITS:
            raise ValueError(f"split is {self.split!r}; choose one of {', '.join(SPLITS)}")
        if not 0 < self.test_share < 1:
            raise ValueError(f"test_share is {self.test_share}; it must lie between 0 and 1")
        if not 0 <= self.seed < 10**16:
            raise ValueError(f"seed is {self.seed}; it must be at least 0 and have at most 16 digits")


def _first_of(numbers: Index) -> Index:
    """For each row, the first row that has the same number."""
    _, where, inverse = np.unique(numbers, return_index=True, return_inverse=True)
    return np.asarray(where[inverse], np.int64)


def _check_items(rows: OwnRows, item: Index) -> None:
    """An item that stands in several rows must say the same of itself in each."""
    earlier = _first_of(item)
    for column in ("domain", "group"):
        values = rows.frame[column].to_numpy()
        if (row := first(values != values[earlier])) is not None:
            raise rows.error(
                row,
                f"{column} is '{values[row]}', but {rows.name(int(earlier[row]))} says '{values[earlier[row]]}' of the same "
                "picture and box: make them equal",
            )


def _check_labels(rows: OwnRows, item: Index) -> None:
    """In one label set of a task an item has one label, and at most one row to train on and one to test with."""
    frame = rows.frame
    place = codes(pd.Series(item), frame["task"], frame["label_set"])
    earlier = _first_of(place)
    labels = frame["label"].to_numpy()
    if (row := first(labels != labels[earlier])) is not None:
        raise rows.error(
            row,
            f"label is '{labels[row]}', but {rows.name(int(earlier[row]))} says '{labels[earlier[row]]}' of the same picture "
            f"and box in {frame['task'].iloc[row]}/{frame['label_set'].iloc[row]}: delete one of the two rows",
        )
    is_test = frame["role"].isin(["query", "gallery", "query+gallery"])
    earlier = _first_of(place * 2 + is_test.to_numpy())
    if (row := first(earlier != np.arange(len(frame)))) is not None:
        roles = {frame["role"].iloc[row], frame["role"].iloc[earlier[row]]}
        remedy = "delete one of the two" if len(roles) == 1 else "write one row with the role 'query+gallery'"
        raise rows.error(
            row, f"repeats {rows.name(int(earlier[row]))} (same picture, box, task and label set): {remedy}"
        )


def _relevance_sets(rows: OwnRows, settings: OwnSettings) -> dict[str, str]:
    """The label set that decides relevance, for each task: that of its test rows, the only one, or the one of the settings."""
    chosen = {}
    for task, part in rows.frame.groupby("task", sort=True):
        if (row := first((rows.frame["task"] == task) & (rows.frame["role"] == ""))) is not None and (
            part["role"] != ""
        ).any():
            raise rows.error(
                row, f"role is empty, but other rows of task '{task}' have one: fill all of them, or none"
            )
        tested = part[~part["role"].isin(["", "train"])]
        names = list((part if tested.empty else tested)["label_set"].unique())
        if len(names) > 1 and not tested.empty:
            row = int(tested.index[(tested["label_set"] != names[0]).argmax()])
            raise rows.error(
                row,
                f"a test row of task '{task}' uses label set '{names[1]}', an earlier one '{names[0]}': test rows of a task "
                "stand in one label set, the one that decides what is right",
            )
        if len(names) > 1 and settings.label_set not in names:
            raise ValueError(
                f"{rows.source}: task '{task}' has the label sets {', '.join(sorted(names))}: set label_set to the one that "
                f"decides what is right (it is '{settings.label_set}')"
            )
        chosen[str(task)] = str(names[0]) if len(names) == 1 else settings.label_set
    return chosen


def _with_roles(rows: OwnRows, sets: dict[str, str], settings: OwnSettings) -> pd.DataFrame:
    """The rows with every role decided; `dropped`: rows of tested items in other label sets than the one that decides."""
    frame = rows.frame.assign(decides=rows.frame["label_set"] == rows.frame["task"].map(sets))
    dealt = frame["role"] == ""
    if not dealt.any():
        return frame.assign(dropped=False)
    forced = frame["role"].mask(~frame["role"].isin(["", "train"]), "test")
    is_test = pd.Series(deal(frame, forced, settings.split, settings.test_share, settings.seed))
    role = frame["role"].mask(dealt, "train").mask(dealt & is_test, "query+gallery")
    return frame.assign(role=role, dropped=dealt & is_test & ~frame["decides"])


def _check_crossing(rows: OwnRows, frame: pd.DataFrame) -> None:
    """The unified embedding trains on every task, so no task may train on a group that any task queries with."""
    group = codes(frame["group"])
    trained = (frame["role"] == "train").to_numpy()
    queries = frame["role"].str.startswith("query").to_numpy()
    if (row := first(queries & np.isin(group, group[trained]))) is not None:
        other = int((trained & (group == group[row])).argmax())
        raise rows.error(
            row,
            f"is a query of the group '{frame['group'].iloc[row]}', which {rows.name(other)} trains on: a group (without "
            "one: a picture) is either trained on or searched with, in all tasks alike",
        )


def _check_task(rows: OwnRows, task: str, labels: pd.DataFrame, remedy: str) -> None:
    """A task needs at least two labels on either side: with one there is nothing to learn, and no result could be wrong."""
    parts = {
        "training": labels["role"] == "train",
        "query": labels["role"].str.contains("query", regex=False),
        "gallery": labels["role"].str.contains("gallery", regex=False),
    }
    for name, chosen in parts.items():
        count = labels.loc[chosen, "label"].nunique()
        if count < (1 if name == "query" else 2):
            has = f"has no {name} rows" if count == 0 else f"has one label only in its {name} rows"
            why = "" if count == 0 else ", so that there is nothing to tell apart"
            raise ValueError(f"{rows.source}: task '{task}' {has}{why}: {remedy}")


def _remedy(rows: OwnRows, task: str, settings: OwnSettings) -> str:
    if (rows.frame.loc[rows.frame["task"] == task, "role"] != "").all():
        return "give more rows that role"
    other = "group" if settings.split == "label" else "label"
    needs = {
        "group": "split 'group' tests labels with at least three pictures (or groups) that hang together with no other",
        "label": "split 'label' tests whole labels and needs several of them that share no picture or group",
    }
    return f"{needs[settings.split]}; add pictures, set split to '{other}', or give roles"


def _task_k(rows: OwnRows, tables: PictureTables, task: str) -> int:
    """The task's `k`, or the number of matches of its median query where that is less."""
    spec = tables.tasks[task]
    pixels = np.empty((0, 1, 1, 3), np.uint8)
    collection = Collection("own", tables.items, tables.labels, pixels, tables.tasks, [], [], {}, "")
    try:
        found = task_relevance(collection, task, task)
    except ValueError:
        raise ValueError(
            f"{rows.source}: no query of task '{task}' has a match: its gallery needs other pictures of the queries' labels"
            + (", from other groups" if spec.leave_out_group else "")
        ) from None
    return max(1, min(spec.k, int(np.median(found.n_relevant)), int(found.n_candidates.min())))


def _items(frame: pd.DataFrame) -> tuple[pd.DataFrame, Index]:
    """The items in the order of their first rows, and the item number of each row."""
    corners = frame[list(BOX)]
    keys = [pd.Series(pd.factorize(frame["image"])[0])]
    if corners.notna().any(axis=None):
        keys += [corners[name].fillna(-1.0).reset_index(drop=True) for name in BOX]
    by_name = _first_of(codes(*keys))
    item, firsts = pd.factorize(by_name)
    table = frame.iloc[firsts].reset_index(drop=True)
    boxes = pd.Series([None] * len(table), dtype=object)
    boxed = np.flatnonzero(table["x0"].notna())
    if len(boxed):
        boxes.iloc[boxed] = pd.Series(
            table.loc[boxed, list(BOX)].to_numpy().tolist(), dtype=object
        ).to_numpy()
    items = pd.DataFrame(
        {"image": table["image"], "box": boxes, "domain": table["domain"], "group": table["group"]}
    )
    return items, item.astype(np.int64)


def own_tables(settings: OwnSettings) -> PictureTables:
    """Your pictures as the tables of a collection, split into training and test.

    The same picture and box in several rows is one item. Pictures are not opened here: those that cannot be read are left out,
    and listed, when the collection is assembled.
    Raises FileNotFoundError for a source that is not there; ValueError for the first thing in it that breaks a rule, naming
    the source, the row and the remedy.
    """
    source = settings.source
    if not source.exists():
        raise FileNotFoundError(
            f"{source} is not there: name a table of pictures (.csv or .parquet), or a folder with task/label/picture"
        )
    rows = checked(read_folders(source) if source.is_dir() else read_table(source))
    items, item = _items(rows.frame)
    _check_items(rows, item)
    _check_labels(rows, item)
    sets = _relevance_sets(rows, settings)
    frame = _with_roles(rows, sets, settings).assign(item=item)
    _check_crossing(rows, frame)
    for task, name in sets.items():
        chosen = frame[(frame["task"] == task) & (frame["label_set"] == name)]
        _check_task(rows, task, chosen, _remedy(rows, task, settings))
    labels = frame.loc[~frame["dropped"], list(LABEL_COLUMNS)].reset_index(drop=True)
    tasks = {task: TaskSpec(settings.k, name, settings.leave_out_group) for task, name in sets.items()}
    about = [{"name": source.resolve().name, "url": "", "commit": "", "licence": "your own"}]
    tables = PictureTables(rows.folder, items, labels, tasks, about)
    depths = {task: _task_k(rows, tables, task) for task in tasks}
    return replace(tables, tasks={task: replace(spec, k=depths[task]) for task, spec in tasks.items()})
