"""What a variant learns from: its label sets as class numbers, the batches of each task, and the images held out to validate."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from unifiedlib.contract import Collection
from unifiedlib.losses import NO_LABEL
from unifiedlib.mixing import Mix
from unifiedlib.sampling import ClassBalancedSampler, generator_for

MIN_IMAGES_TO_HOLD_OUT = 4


@dataclass(frozen=True)
class TrainingData:
    """The training side of a collection for some of its tasks.

    classes: class names per label set, keyed `task/label_set`; the order of its keys is the order of the columns of `labels`.
    labels: int64 [n_items x n_label_sets], class numbers, `NO_LABEL` where a label set says nothing of an item. Row i is item i.
    trained, held_out: item numbers, int64, ascending, disjoint. An item that any task of the collection holds out is trained on
    by no variant: so those that share a task see the same images of it.
    main: per task, the column that its batches are balanced by.
    """

    classes: dict[str, list[str]]
    labels: np.ndarray
    trained: np.ndarray
    held_out: np.ndarray
    main: dict[str, int]

    def mix(
        self,
        collection: Collection,
        mix: str,
        per_task: int,
        images_per_class: int,
        catalog_share: float,
        key: tuple[int | str, ...],
    ) -> Mix:
        """Mixed batches, from one sampler per task. per_task: images of each task in a uniform batch."""
        catalog = (collection.items["domain"] == "catalog").to_numpy()
        samplers, sizes = {}, {}
        for task, column in self.main.items():
            items = self.trained[self.labels[self.trained, column] != NO_LABEL]
            _, numbers = np.unique(self.labels[items, column], return_inverse=True)
            sizes[task] = len(items)
            samplers[task] = ClassBalancedSampler(
                items, numbers, catalog[items], per_task, images_per_class, catalog_share, (*key, task)
            )
        return Mix(mix, samplers, sizes, per_task, images_per_class)


def _hold_out(rows: pd.DataFrame, share: float, key: tuple[int | str, ...]) -> np.ndarray:
    """Items to validate on: `share` of each class with at least `MIN_IMAGES_TO_HOLD_OUT` images, rounded by chance."""
    chosen = []
    for label, items in rows.groupby("label", sort=True)["item"]:
        if len(items) >= MIN_IMAGES_TO_HOLD_OUT:
            generator = generator_for(*key, str(label))
            count = math.floor(len(items) * share + generator.random())
            chosen.append(generator.choice(np.sort(items.to_numpy()), count, replace=False))
    return np.unique(np.concatenate(chosen)) if chosen else np.empty(0, np.int64)


def _held_out(collection: Collection, share: float, seed: int) -> np.ndarray:
    """Items to validate on, of all tasks of the collection, whichever of them a variant learns from."""
    if not 0 <= share < 0.5:
        raise ValueError(f"validation_share is {share}; it must lie in [0, 0.5)")
    chosen = [np.empty(0, np.int64)]
    for task, spec in collection.tasks.items():
        rows = collection.training_rows(task)
        main = rows[rows["label_set"] == spec.label_set]
        chosen.append(_hold_out(main, share, ("hold out", seed, collection.name, task)))
    return np.unique(np.concatenate(chosen))


def training_data(
    collection: Collection, tasks: Sequence[str], validation_share: float, seed: int
) -> TrainingData:
    """The training data of `tasks`. The images held out of a task are the same whatever other tasks are learned.

    Raises ValueError for a share outside [0, 0.5), and for a task without training items.
    """
    out = _held_out(collection, validation_share, seed)
    classes: dict[str, list[str]] = {}
    columns: list[np.ndarray] = []
    main: dict[str, int] = {}
    for task in tasks:
        rows = collection.training_rows(task)
        label_set = collection.tasks[task].label_set
        if label_set not in set(rows["label_set"]):
            raise ValueError(
                f"task '{task}' has no training items in its label set '{label_set}': label some items with role 'train'"
            )
        for name, part in rows.groupby("label_set", sort=True):
            numbers, names = pd.factorize(part["label"], sort=True)
            column = np.full(len(collection.items), NO_LABEL, np.int64)
            column[part["item"].to_numpy()] = numbers
            if name == label_set:
                main[task] = len(columns)
            classes[f"{task}/{name}"] = [str(label) for label in names]
            columns.append(column)
    labels = np.stack(columns, axis=1)
    labelled = np.flatnonzero((labels != NO_LABEL).any(axis=1))
    trained, held_out = np.setdiff1d(labelled, out), np.intersect1d(labelled, out)
    return TrainingData(classes, labels, trained, held_out, main)


def iterations_per_epoch(collection: Collection, batch_size: int) -> int:
    """Iterations that an epoch takes, `batch_size` images of a task each: enough to go through the largest task's data once.

    It depends on the collection, not on the variant, so a specialist sees as many images of its task as the unified embedding.
    """
    largest = max(collection.training_rows(task)["item"].nunique() for task in collection.tasks)
    return math.ceil(int(largest) / batch_size)
