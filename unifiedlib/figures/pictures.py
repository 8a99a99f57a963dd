"""What a collection looks like: a contact sheet of each task and domain, and how often each label occurs."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from unifiedlib.contract import Collection
from unifiedlib.figures.canvas import new_figure
from unifiedlib.figures.tiles import Row, Tile, sheet, shorten
from unifiedlib.palette import DOMAINS, looks

PARTS = {"train": ("train",), "test": ("query", "query+gallery", "gallery")}


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


def _sheet_row(
    collection: Collection, part: pd.DataFrame, title: str, labels: list[str], taken: set[int], gap: float
) -> Row:
    tiles: list[Tile | None] = []
    for label in labels:
        own = [
            int(item)
            for item in np.sort(part.loc[part["label"] == label, "item"].to_numpy())
            if item not in taken
        ]
        tiles.append(Tile(collection.pixels[own[0]], shorten(label)) if own else None)
        taken.update(own[:1])
    return Row(title, tiles, gap)


def contact_sheet(collection: Collection, task: str, count: int = 10, seed: int = 0) -> Figure:
    """A sheet of one task: a row per part, domain and role, and the same label down each column of a part.

    count: columns; seed: draws the labels. Where a label has no picture of that kind, its place stays empty.
    """
    rows = _rows_of(collection, task)
    drawn = []
    for part, roles in PARTS.items():
        own = rows[rows["role"].isin(roles)]
        labels = _chosen_labels(own, count, seed)
        taken: set[int] = set()
        for role in [role for role in roles if (own["role"] == role).any()]:
            for domain in [
                name for name in DOMAINS if ((own["role"] == role) & (own["domain"] == name)).any()
            ]:
                kind = own[(own["role"] == role) & (own["domain"] == domain)]
                gap = 0.25 if drawn and not taken else 0.0
                title = f"{role}\n{domain}, {len(kind):,}"
                drawn.append(_sheet_row(collection, kind, title, labels, taken, gap))
    label_set = collection.tasks[task].label_set
    return sheet(drawn, f"{task}: down a column, pictures that carry one {label_set}")


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
