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

HEAD_TRAINING, FINE_TUNING = "head training", "fine-tuning"
LARGER_BATCHES = "fine-tuning in larger batches"
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
    """A recorded training with steps to take again. images: {phase: images that the whole training sees}."""

    recorded: Recorded
    images: dict[int, int]
    way: Way


def _prepared(
    collection: Collection, recorded: Recorded, seed: int, scratch: Path
) -> tuple[_TimedTraining, Learner, TrainingData]:
    processes = Processes("cpu", recorded.settings.precision)
    training = _TimedTraining(
        collection, recorded.variant, seed, recorded.settings, scratch, recorded.tasks, processes
    )
    data = training_data(collection, training.learned, 0.0, seed)
    return training, training.learner(data), data


def _step_timer(learner: Learner, data: TrainingData, whole: Phase, steps: int) -> Callable[[], float]:
    """Takes some steps of a phase; returns core-seconds per image. Nothing is validated or written."""
    phase = replace(whole, steps=steps, checkpoint=None, validate_every=NEVER)
    seen = sum(sum(phase.mix.counts(step).values()) for step in range(steps))
    return lambda: seconds(lambda: run_phase(learner, data, phase, 0, Progress())) / seen


def timed_training(
    collection: Collection, recorded: Recorded, seed: int, steps: int, scratch: Path
) -> TimedTraining:
    """Prepare a variant's training; its way takes `steps` steps of either phase and gives core-seconds per image.

    scratch: a folder for checkpoints, which are not written. Weights start anew and go on from round to round.
    """
    training, learner, data = _prepared(collection, recorded, seed, scratch)
    phases = {
        HEAD_TRAINING: training.phase_one(learner, data),
        FINE_TUNING: training.phase_two(learner, data),
    }
    timers = {name: _step_timer(learner, data, phase, steps) for name, phase in phases.items()}
    images = {
        phase.number: recorded.steps.get(phase.number, 0) * sum(phase.mix.counts(0).values())
        for phase in phases.values()
    }

    def way() -> list[Sample]:
        return [Sample(name, recorded.variant, timer()) for name, timer in timers.items()]

    return TimedTraining(recorded, images, way)


def larger_batches(
    collection: Collection, recorded: Recorded, factor: int, seed: int, steps: int, scratch: Path
) -> Way:
    """A control: a specialist's second phase in batches `factor` times as large, as large as those of the unified training.

    It tells what a larger batch saves per image, for its fewer steps, from what learning several tasks together saves.
    """
    settings = replace(recorded.settings, batch_size=recorded.settings.batch_size * factor)
    training, learner, data = _prepared(collection, replace(recorded, settings=settings), seed, scratch)
    timer = _step_timer(learner, data, training.phase_two(learner, data), steps)
    return lambda: [Sample(LARGER_BATCHES, recorded.variant, timer())]
