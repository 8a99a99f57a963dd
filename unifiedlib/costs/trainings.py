"""What a training takes. Trainings record their steps but no times, so steps as they were are taken again and timed.

A training has three parts: the untouched trunk's features of its pictures (timed as embedding), the first phase on them, and the
second phase on all parameters.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from unifiedlib.contract import Collection
from unifiedlib.costs.timing import Sample, Way, seconds
from unifiedlib.devices import Processes
from unifiedlib.learner import Learner
from unifiedlib.model import EmbeddingModel
from unifiedlib.phases import Phase, Progress, run_phase
from unifiedlib.train_settings import TrainSettings, settings_of
from unifiedlib.training import Training
from unifiedlib.training_data import TrainingData, training_data

PHASES = HEAD_TRAINING, FINE_TUNING = "head training", "fine-tuning"
# Ends the name of a quantity of a specialist trained in batches as large as those of the unified training.
EQUAL_BATCHES = ", equal batches"
NEVER = 10**9


@dataclass(frozen=True)
class Recorded:
    """What a trained model's folder says of its training.

    settings, tasks: as in model.json. steps: {phase: steps taken}, from history.csv.
    """

    variant: str
    settings: TrainSettings
    tasks: tuple[str, ...]
    steps: dict[int, int]

    @classmethod
    def read(cls, folder: Path, variant: str) -> Recorded:
        """Read a model's folder. Raises FileNotFoundError where there is no model, ValueError where nothing was trained."""
        path = folder / "model.json"
        if not path.is_file():
            raise FileNotFoundError(f"{path} is missing: run the train stage for variant '{variant}' first")
        about: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        history = pd.read_csv(folder / "history.csv")
        steps = {int(phase): int(step) for phase, step in history.groupby("phase")["step"].max().items()}
        if not steps:
            raise ValueError(
                f"variant '{variant}' was not trained, so its training costs nothing: leave it out"
            )
        settings = TrainSettings(**settings_of(TrainSettings, about["settings"]))
        return cls(variant, settings, tuple(about["tasks"]), steps)

    def pictures(self, collection: Collection) -> int:
        """Training pictures of its tasks, each of which goes through the untouched trunk once per view of the first phase."""
        labels = collection.labels
        own = labels[(labels["role"] == "train") & labels["task"].isin(self.tasks)]
        return int(own["item"].nunique()) * self.settings.head_views


class _TimedTraining(Training):
    """A training whose trunk features are random numbers: the steps on them take as long, and need no pass over all pictures."""

    def features(self, model: EmbeddingModel) -> tuple[np.ndarray, np.ndarray]:
        is_train = self.collection.labels["role"] == "train"
        items = np.unique(self.collection.labels.loc[is_train, "item"].to_numpy(np.int64))
        shape = (self.settings.head_views, len(items), model.width)
        return items, np.random.default_rng(self.seed).random(shape, np.float32)


@dataclass(frozen=True)
class TimedTraining:
    """A recorded training with steps to take again.

    images: {quantity: images that the whole training sees in that phase}. way: takes some steps of either phase and gives
    core-seconds per image.
    """

    recorded: Recorded
    images: dict[str, int]
    way: Way


def _step_timer(learner: Learner, data: TrainingData, whole: Phase, steps: int) -> Callable[[], float]:
    """Takes some steps of a phase; returns core-seconds per image. Nothing is validated or written."""
    phase = replace(whole, steps=steps, checkpoint=None, validate_every=NEVER)
    seen = sum(sum(phase.mix.counts(step).values()) for step in range(steps))
    return lambda: seconds(lambda: run_phase(learner, data, phase, 0, Progress())) / seen


def timed_training(
    collection: Collection, recorded: Recorded, seed: int, steps: int, scratch: Path, factor: int = 1
) -> TimedTraining:
    """Prepare a variant's training, to take `steps` steps of either phase in each round.

    scratch: a folder for checkpoints, which are not written. Weights start anew and go on from round to round.
    factor: how many times as large batches are, over as many images in all; other than 1 it is a control, whose quantities are
    told apart by `EQUAL_BATCHES`: what larger batches save is not what learning together saves.
    """
    usual = recorded.settings
    settings = replace(
        usual, batch_size=usual.batch_size * factor, head_batch_size=usual.head_batch_size * factor
    )
    processes = Processes("cpu", settings.precision)
    training = _TimedTraining(
        collection, recorded.variant, seed, settings, scratch, recorded.tasks, processes
    )
    data = training_data(collection, training.learned, 0.0, seed)
    learner = training.learner(data)
    timers: dict[str, Callable[[], float]] = {}
    images: dict[str, int] = {}
    for name, phase in zip(
        PHASES, (training.phase_one(learner, data), training.phase_two(learner, data)), strict=True
    ):
        quantity = name if factor == 1 else name + EQUAL_BATCHES
        timers[quantity] = _step_timer(learner, data, phase, steps)
        as_recorded = sum(phase.mix.counts(0).values()) // factor
        images[quantity] = recorded.steps.get(phase.number, 0) * as_recorded

    def way() -> list[Sample]:
        return [Sample(quantity, recorded.variant, timer()) for quantity, timer in timers.items()]

    return TimedTraining(recorded, images, way)
