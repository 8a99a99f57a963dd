"""Training of a variant: first the new parameters on cached trunk features, then everything on random views."""

from __future__ import annotations

import hashlib
import json
import math
import platform
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, cast

import numpy as np
import pandas as pd
import torch
from timm.models import group_parameters
from torch import Tensor

from unifiedlib.augmentation import AugmentationSettings, draw_views, show
from unifiedlib.checkpoint import CheckpointError, Key
from unifiedlib.contract import Collection
from unifiedlib.devices import Processes
from unifiedlib.features import cached_features
from unifiedlib.learner import Learner, head_maker
from unifiedlib.mixing import Mix
from unifiedlib.model import EmbeddingModel, ModelSettings, save_model, to_images
from unifiedlib.optimizers import make_optimizers
from unifiedlib.phases import Phase, Progress, Row, TrainingError, run_phase
from unifiedlib.resuming import Checkpoints
from unifiedlib.sampling import generator_for
from unifiedlib.train_settings import TrainSettings
from unifiedlib.training_data import TrainingData, iterations_per_epoch, training_data
from unifiedlib.trunk import trunk_width
from unifiedlib.variants import IMAGENET, tasks_to_train

# The weights of losses learn this many times as fast as the new parameters: a few hundred steps would hardly move them.
WEIGHTS_RATE = 10.0


def freeze_stages(model: EmbeddingModel, stages: int) -> list[torch.nn.Parameter]:
    """Take the gradient from the trunk's first `stages` stages (0: from none); returns the trunk's other parameters."""
    matcher = cast(Any, model.trunk).group_matcher(coarse=True)
    groups: dict[int, list[str]] = group_parameters(model.trunk, matcher)
    frozen = {name for number in sorted(groups)[:stages] for name in groups[number]}
    for name, parameter in model.trunk.named_parameters():
        parameter.requires_grad_(name not in frozen)
    return [parameter for parameter in model.trunk.parameters() if parameter.requires_grad]


@dataclass(frozen=True)
class Trained:
    """A training's outcome: the model, its history as in history.csv, and this machine's throughput, if it trained here.

    history: columns phase, step, learning_rate, `loss …`, `gradient …`, `accuracy …`. throughput: phase, step,
    images_per_second. processes: how many trained it.
    """

    model: EmbeddingModel
    history: pd.DataFrame
    throughput: pd.DataFrame
    processes: int


@dataclass(frozen=True)
class Training:
    """One training: a variant of a collection, with a seed.

    checkpoints: a folder that outlives a killed run. tasks: those of an ablation, see `tasks_to_train`. processes: what
    trains, by default this process alone, on a CPU.
    """

    collection: Collection
    variant: str
    seed: int
    settings: TrainSettings
    checkpoints: Path
    tasks: tuple[str, ...] = ()
    processes: Processes = field(default_factory=Processes)

    @property
    def label(self) -> str:
        """Variant and seed, for messages."""
        return f"{self.variant}, seed {self.seed}"

    @property
    def learned(self) -> list[str]:
        """The tasks that this variant learns from."""
        return tasks_to_train(self.variant, self.collection, self.tasks)

    @cached_property
    def key(self) -> Key:
        """A checkpoint is taken up again only under the same key, and a finished one under the same recipe."""
        recipe = [asdict(self.settings), self.collection.fingerprint, self.variant, self.learned, self.seed]
        machine = [
            torch.__version__,
            platform.machine(),
            str(self.processes.device.type),
            torch.get_num_threads(),
            self.processes.world,
        ]
        return Key(*(hashlib.sha256(json.dumps(one).encode()).hexdigest()[:16] for one in (recipe, machine)))

    @property
    def files(self) -> Checkpoints:
        """This training's checkpoints."""
        return Checkpoints(self.checkpoints / self.variant, self.seed, self.key, self.processes)

    def model(self, classes: dict[str, list[str]]) -> EmbeddingModel:
        """A new model; `imagenet` is as wide as its trunk, so that nothing in it is random."""
        settings, size = self.settings, self.collection.pixels.shape[1]
        torch.manual_seed(self.seed)
        plain = self.variant == IMAGENET
        made = ModelSettings(
            trunk=settings.trunk,
            weights=settings.weights,
            dim=trunk_width(settings.trunk) if plain else settings.dim,
            size=size,
            pooling="average" if plain else settings.pooling,
            layer_norm=plain or settings.layer_norm,
            loss=settings.loss,
            temperature=settings.temperature,
            margin=settings.margin,
        )
        generator = torch.Generator().manual_seed(self.seed)
        return EmbeddingModel(made, classes, generator, head_maker(settings, self.processes))

    def learner(self, data: TrainingData) -> Learner:
        """A new model with what its losses need, on this process's device."""
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + 1)
        return Learner(self.model(data.classes), self.settings, generator).to(self.processes.device)

    def _mix(self, data: TrainingData, phase: int, batch_size: int) -> Mix:
        settings, key = self.settings, ("batches", self.seed, phase)
        per_task = batch_size * self.processes.world
        return data.mix(
            self.collection, settings.mix, per_task, settings.images_per_class, settings.catalog_share, key
        )

    def _steps(self, per_task: int) -> int:
        """Steps of a phase, by the budget. per_task: steps in which each task has as many images as its specialist sees."""
        return per_task if self.settings.budget == "per_task" else math.ceil(per_task / len(self.learned))

    def _views(self) -> AugmentationSettings:
        return AugmentationSettings(self.settings.crop, self.settings.min_area, self.settings.colour)

    def features(self, model: EmbeddingModel) -> tuple[np.ndarray, np.ndarray]:
        """The training items of every task, int64 [n], and the untouched trunk's pooled features of them [views x n x width]."""
        is_train = self.collection.labels["role"] == "train"
        items = np.unique(self.collection.labels.loc[is_train, "item"].to_numpy(np.int64))
        views = self.settings.head_views
        if self.processes.is_first:
            cached_features(model, self.collection, items, self.checkpoints, views, self._views())
        self.processes.wait()
        return items, cached_features(model, self.collection, items, self.checkpoints, views, self._views())

    def phase_one(self, learner: Learner, data: TrainingData) -> Phase:
        """Linear and proxies on the untouched trunk's pooled features of whole pictures, and of random views."""
        settings, processes, model = self.settings, self.processes, learner.model
        items, pooled = self.features(model)
        features = torch.from_numpy(pooled)

        def inputs(batch: np.ndarray, step: int) -> Tensor:
            drawn = generator_for("views", self.seed, step).integers(0, len(features), len(batch))
            own, view = processes.part(batch), processes.part(drawn)
            return features[view, np.searchsorted(items, own)].to(processes.device)

        def embed_whole(wanted: np.ndarray) -> Tensor:
            return model.project(features[0, np.searchsorted(items, wanted)].to(processes.device))

        groups = learner.groups()
        rates = dict.fromkeys(groups, settings.head_learning_rate)
        rates["weights"] *= WEIGHTS_RATE
        mix = self._mix(data, 1, settings.head_batch_size)
        steps = self._steps(math.ceil(settings.head_steps / processes.world))
        return Phase(
            label=self.label,
            number=1,
            steps=steps,
            seed=self.seed,
            optimizers=make_optimizers(settings, rates, {**groups, "plain": []}),
            mix=mix,
            inputs=inputs,
            pool=lambda pooled: pooled,
            embed_whole=embed_whole,
            images_at_once=len(mix.samplers) * settings.head_batch_size,
            validate_every=steps,
            kept="Nothing was written.",
            processes=processes,
            # BMVC 2019 drops the rate within the epochs of the second phase.
            schedule="constant" if settings.schedule == "step" else settings.schedule,
        )

    def phase_two(self, learner: Learner, data: TrainingData) -> Phase:
        """Everything, on random views."""
        settings, processes, pixels = self.settings, self.processes, self.collection.pixels
        model, views = learner.model, self._views()
        per_epoch = iterations_per_epoch(self.collection, settings.batch_size * processes.world)
        steps = self._steps(settings.epochs * per_epoch)
        trunk = freeze_stages(model, settings.frozen_stages)
        groups = {**learner.groups(), "trunk": trunk}
        rates = {**dict.fromkeys(groups, settings.learning_rate), "trunk": settings.trunk_learning_rate}
        rates["weights"] *= WEIGHTS_RATE
        optimizers = make_optimizers(settings, rates, groups)
        mix = self._mix(data, 2, settings.batch_size)

        def inputs(batch: np.ndarray, step: int) -> Tensor:
            generator = torch.Generator().manual_seed(self.seed * 1_000_003 + step)
            drawn = draw_views(len(batch), views, generator).part(processes.rank, processes.world)
            return show(to_images(pixels[processes.part(batch)], processes.device), drawn, views.crop)

        def embed_whole(items: np.ndarray) -> Tensor:
            parts = (items[start : start + 128] for start in range(0, len(items), 128))
            return torch.cat([model(to_images(pixels[part], processes.device)) for part in parts])

        def checkpoint(done: int, history: list[Row]) -> None:
            if done % settings.checkpoint_every == 0 and done < steps:
                self._check_finite(learner, done)
                self.files.save(learner, optimizers, done, self._state(learner, mix, history))

        return Phase(
            label=self.label,
            number=2,
            steps=steps,
            seed=self.seed,
            optimizers=optimizers,
            mix=mix,
            inputs=inputs,
            pool=model.pool,
            embed_whole=embed_whole,
            images_at_once=settings.images_at_once,
            validate_every=per_epoch,
            kept=f"The last checkpoint, if any, is kept in {self.files.folder}.",
            processes=processes,
            schedule=settings.schedule,
            checkpoint=checkpoint,
        )

    def _check_finite(self, learner: Learner, done: int) -> None:
        """Raise TrainingError when a weight is not finite: what is kept must be something that training can go on from."""
        for name, value in learner.state_dict().items():
            if not torch.isfinite(value).all():
                raise TrainingError(
                    f"{name} is not finite after step {done} of phase 2: lower its learning rate. "
                    f"The checkpoint before, if any, is kept in {self.files.folder}."
                )

    def _state(self, learner: Learner, mix: Mix, history: list[Row]) -> dict[str, object]:
        """What a checkpoint holds beside tensors."""
        return {
            "history": history,
            "mix": mix.state(),
            "scaler": learner.scaler.state_dict(),
            "processes": self.processes.world,
        }

    def _finish(self, learner: Learner, second: Phase, history: list[Row]) -> None:
        """Keep the weights of a training that has ended."""
        self._check_finite(learner, second.steps)
        try:
            self.files.finish(learner, second.steps, self._state(learner, second.mix, history))
        except CheckpointError as error:
            raise TrainingError(str(error)) from error

    def run(self) -> Trained:
        """Train, or take up a killed training, or pick up one that `python -m unifiedlib.train` has finished."""
        nothing = pd.DataFrame({"phase": [], "step": []})
        if self.variant == IMAGENET:
            history = pd.DataFrame({"phase": [], "step": [], "learning_rate": []})
            return Trained(self.model({}).eval(), history, nothing, 1)
        data = training_data(self.collection, self.learned, self.settings.validation_share, self.seed)
        learner = self.learner(data)
        ended = self.files.take_up_finished(learner)
        if ended is not None:
            print(f"taking up {self.label}, after step {ended.step}, its last")
            history = pd.DataFrame(ended.state["history"])
            return Trained(learner.model.eval(), history, nothing, cast(int, ended.state["processes"]))
        been = self._train(learner, data)
        throughput = pd.DataFrame(been.throughput) if been.throughput else nothing
        return Trained(learner.model.eval(), pd.DataFrame(been.history), throughput, self.processes.world)

    def _train(self, learner: Learner, data: TrainingData) -> Progress:
        """Train from the start, or from the last checkpoint of a killed training."""
        second = self.phase_two(learner, data)
        resumed = self.files.take_up(learner, second.optimizers)
        been, start = Progress(), 0
        if resumed is None:
            run_phase(learner, data, self.phase_one(learner, data), 0, been)
        else:
            print(f"taking up {self.label}, after step {resumed.step}")
            second.mix.load_state(cast(Any, resumed.state["mix"]))
            learner.scaler.load_state_dict(cast(Any, resumed.state["scaler"]))
            been.history.extend(cast(list[Row], resumed.state["history"]))
            start = resumed.step
        run_phase(learner, data, second, start, been)
        self._finish(learner, second, been.history)
        return been

    def save(self, folder: Path, trained: Trained) -> None:
        """Write the model's folder."""
        about = {
            "collection": self.collection.name,
            "fingerprint": self.collection.fingerprint,
            "variant": self.variant,
            "tasks": self.learned,
            "seed": self.seed,
            "processes": trained.processes,
            "settings": asdict(self.settings),
        }
        save_model(folder, trained.model, about, trained.history.to_csv(index=False, lineterminator="\n"))

    def forget(self) -> None:
        """Drop the checkpoints: call it when all that a stage writes is written, since a killed stage loses its output."""
        self.files.forget()
