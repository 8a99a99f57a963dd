"""What a collection looks like: a contact sheet of each task and domain, and how often each label occurs."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from unifiedlib.contract import Collection
from unifiedlib.figures.canvas import new_figure
from unifiedlib.figures.tiles import Row, Tile, as_caption, sheet
from unifiedlib.palette import DOMAINS, looks

PARTS = (("train",), ("query", "query+gallery", "gallery"))


def _rows_of(collection: Collection, task: str) -> pd.DataFrame:
    """The task's rows in its evaluation label set, with each item's domain."""
    labels = collection.labels
    rows = labels[(labels["task"] == task) & (labels["label_set"] == collection.tasks[task].label_set)]
    return rows.assign(domain=collection.items["domain"].to_numpy()[rows["item"].to_numpy()])


def _chosen_labels(rows: pd.DataFrame, count: int, seed: int) -> list[str]:
    """Labels that occur in most of the part's rows of the sheet; among equals, drawn at random."""
    kinds = rows.groupby("label")[["domain", "role"]].apply(lambda part: len(part.drop_duplicates()))
    shuffled = kinds.sort_index().sample(frac=1, random_state=seed)
    return sorted(shuffled.sort_values(ascending=False, kind="stable").index[:count])


def _tiles(
    collection: Collection, kind: pd.DataFrame, labels: list[str], taken: set[int]
) -> list[Tile | None]:
    """One picture per label, none of them shown before; None where there is no picture left."""
    tiles: list[Tile | None] = []
    for label in labels:
        items = np.sort(kind.loc[kind["label"] == label, "item"].to_numpy())
        own = [int(item) for item in items if item not in taken][:1]
        tiles.append(Tile(collection.pixels[own[0]]) if own else None)
        taken.update(own)
    return tiles


def _block(
    collection: Collection, rows: pd.DataFrame, roles: tuple[str, ...], labels: list[str]
) -> list[Row]:
    """The sheet's rows of one part, one per role and domain, and below them a row of labels."""
    drawn, taken = [], set[int]()
    for role in roles:
        for domain in DOMAINS:
            kind = rows[(rows["role"] == role) & (rows["domain"] == domain)]
            if len(kind):
                title = f"{role}\n{domain}, {len(kind):,}"
                drawn.append(Row(title, _tiles(collection, kind, labels, taken)))
    last = drawn[-1]
    captioned = [
        Tile(None if tile is None else tile.pixels, as_caption(label))
        for tile, label in zip(last.tiles, labels, strict=True)
    ]
    return [*drawn[:-1], Row(last.title, list(captioned))]


def contact_sheet(collection: Collection, task: str, count: int = 10, seed: int = 0) -> Figure:
    """A sheet of one task: a row per part, domain and role, and the same label down each column of a part.

    count: columns; seed: draws the labels. Where a label has no picture of that kind, its place stays empty.
    """
    rows = _rows_of(collection, task)
    blocks = []
    for roles in PARTS:
        own = rows[rows["role"].isin(roles)]
        blocks.append(_block(collection, own, roles, _chosen_labels(own, count, seed)))
    train, test = blocks
    test[0] = Row(test[0].title, test[0].tiles, gap=0.2)
    label_set = collection.tasks[task].label_set
    return sheet([*train, *test], f"{task}: down a column, pictures that carry one {label_set}")


def contact_sheets(collection: Collection, count: int = 10, seed: int = 0) -> list[Figure]:
    """`contact_sheet` of each task."""
    return [contact_sheet(collection, task, count, seed) for task in collection.tasks]


def label_table(collection: Collection) -> pd.DataFrame:
    """How many training items each label has: columns task, label_set, label, n, most frequent first."""
    rows = collection.labels[collection.labels["role"] == "train"]
    counts = rows.groupby(["task", "label_set", "label"], sort=False).size().rename("n").reset_index()
    return counts.sort_values(
        ["task", "label_set", "n", "label"], ascending=[True, True, False, True], ignore_index=True
    )


def label_frequency(collection: Collection) -> Figure:
    """Training items per label, sorted: how even the classes of each label set are."""
    counts = label_table(collection)
    sets = list(counts.groupby(["task", "label_set"], sort=False))
    figure = new_figure(
        2.7, "Training items per label, most frequent first: flat is balanced, a long tail is not"
    )
    colours = looks(list(collection.tasks))
    panels = figure.subplots(1, len(sets), squeeze=False)[0]
    for axes, ((task, label_set), part) in zip(panels, sets, strict=True):
        n = part["n"].to_numpy()
        axes.fill_between(
            np.arange(len(n) + 1), np.append(n, n[-1]), step="post", color=colours[task].colour, alpha=0.85
        )
        axes.set_title(f"{task} / {label_set}\n{len(n):,} labels, {n.sum():,} items", fontsize=9.5)
        axes.set(xlim=(0, len(n)), ylim=(0, n.max() * 1.1), xlabel="label, by rank")
    panels[0].set_ylabel("training items")
    return figure
