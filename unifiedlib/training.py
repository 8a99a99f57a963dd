"""Training of a variant: first the new parameters on cached trunk features, then everything on random views."""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, cast

import numpy as np
import pandas as pd
import torch
from timm.models import group_parameters
from torch import Tensor

from unifiedlib.augmentation import AugmentationSettings, random_views
from unifiedlib.checkpoint import load_checkpoint, save_checkpoint
from unifiedlib.contract import Collection
from unifiedlib.features import cached_features
from unifiedlib.model import EmbeddingModel, ModelSettings, save_model, to_images
from unifiedlib.phases import LOG_EVERY, SCHEDULES, History, Phase, run_phase
from unifiedlib.sampling import ClassBalancedSampler
from unifiedlib.training_data import TrainingData, iterations_per_epoch, training_data
from unifiedlib.trunk import trunk_width
from unifiedlib.variants import IMAGENET

OPTIMIZERS = ("adamw", "sgd")
LOWEST = {
    "head_steps": 1,
    "head_batch_size": 1,
    "epochs": 0,
    "batch_size": 1,
    "images_at_once": 1,
    "frozen_stages": 0,
    "checkpoint_every": 1,
}


@dataclass(frozen=True)
class TrainSettings:
    """How a model is trained.

    trunk, weights, dim, temperature: the model, see `ModelSettings`. crop, min_area, colour: views, see `AugmentationSettings`.
    head_steps, head_batch_size, head_learning_rate: the first phase; images per task in a batch.
    epochs, batch_size, learning_rate, trunk_learning_rate: the second phase; the trunk has a rate of its own.
    images_at_once: images of a batch whose gradients the second phase computes together, see `Phase`.
    frozen_stages: how many of the trunk's first stages keep their ImageNet weights.
    images_per_class, catalog_share: see `ClassBalancedSampler`.
    optimizer: `adamw`, or `sgd` as in the paper; momentum: of SGD, or the first beta of AdamW; weight_decay: of either.
    schedule: of the rates in both phases: `cosine` falls to zero along half a cosine, `step` drops to a tenth halfway.
    validation_share: share of each class's training images held out to draw the validation curve.
    checkpoint_every: steps of the second phase between two checkpoints.
    """

    trunk: str
    weights: str
    dim: int
    temperature: float
    crop: int
    min_area: float
    colour: float
    head_steps: int
    head_batch_size: int
    head_learning_rate: float
    epochs: int
    batch_size: int
    images_at_once: int
    learning_rate: float
    trunk_learning_rate: float
    frozen_stages: int
    images_per_class: int
    catalog_share: float
    optimizer: str
    schedule: str
    momentum: float
    weight_decay: float
    validation_share: float
    checkpoint_every: int

    def __post_init__(self) -> None:
        for name, lowest in LOWEST.items():
            if getattr(self, name) < lowest:
                raise ValueError(f"{name} is {getattr(self, name)}; it must be at least {lowest}")
        if self.optimizer not in OPTIMIZERS:
            raise ValueError(f"optimizer is {self.optimizer!r}; choose one of {', '.join(OPTIMIZERS)}")
        if self.schedule not in SCHEDULES:
            raise ValueError(f"schedule is {self.schedule!r}; choose one of {', '.join(SCHEDULES)}")
        if self.checkpoint_every % LOG_EVERY:
            raise ValueError(
                f"checkpoint_every is {self.checkpoint_every}; it must be a multiple of {LOG_EVERY}, "
                "the steps between two rows of the history"
            )
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, float) and not (math.isfinite(value) and value >= 0):
                raise ValueError(f"{field.name} is {value}; it must be a number of at least 0")


def _optimizer(
    settings: TrainSettings, groups: list[tuple[list[torch.nn.Parameter], float]]
) -> torch.optim.Optimizer:
    chosen = [{"params": parameters, "top_rate": rate} for parameters, rate in groups if parameters]
    if settings.optimizer == "sgd":
        return torch.optim.SGD(chosen, lr=0.0, momentum=settings.momentum, weight_decay=settings.weight_decay)
    return torch.optim.AdamW(
        chosen, lr=0.0, betas=(settings.momentum, 0.999), weight_decay=settings.weight_decay
    )


def _new_parameters(model: EmbeddingModel) -> list[torch.nn.Parameter]:
    return [parameter for name, parameter in model.named_parameters() if not name.startswith("trunk.")]


def freeze_stages(model: EmbeddingModel, stages: int) -> list[torch.nn.Parameter]:
    """Take the gradient from the trunk's first `stages` stages (0: from none); returns the trunk's other parameters."""
    matcher = cast(Any, model.trunk).group_matcher(coarse=True)
    groups: dict[int, list[str]] = group_parameters(model.trunk, matcher)
    frozen = {name for number in sorted(groups)[:stages] for name in groups[number]}
    for name, parameter in model.trunk.named_parameters():
        parameter.requires_grad_(name not in frozen)
    return [parameter for parameter in model.trunk.parameters() if parameter.requires_grad]


@dataclass(frozen=True)
class Training:
    """One training: a variant of a collection, with a seed. `checkpoints` is a folder that outlives a killed run."""

    collection: Collection
    variant: str
    seed: int
    settings: TrainSettings
    checkpoints: Path

    @property
    def label(self) -> str:
        """Variant and seed, for messages."""
        return f"{self.variant}, seed {self.seed}"

    @property
    def checkpoint_file(self) -> Path:
        """Where this training's checkpoint lies, if there is one."""
        return self.checkpoints / self.variant / f"seed-{self.seed}.safetensors"

    def key(self) -> str:
        """Names all that shapes the outcome: a checkpoint is taken up again only under the same key."""
        threads = torch.get_num_threads()
        about = [
            asdict(self.settings),
            self.collection.fingerprint,
            self.variant,
            self.seed,
            torch.__version__,
            threads,
        ]
        return hashlib.sha256(json.dumps(about).encode()).hexdigest()[:16]

    def model(self, classes: dict[str, list[str]]) -> EmbeddingModel:
        """A new model; `imagenet` is as wide as its trunk, so that nothing in it is random."""
        settings, size = self.settings, self.collection.pixels.shape[1]
        torch.manual_seed(self.seed)
        dim = trunk_width(settings.trunk) if self.variant == IMAGENET else settings.dim
        made = ModelSettings(settings.trunk, settings.weights, dim, settings.temperature, size)
        return EmbeddingModel(made, classes, torch.Generator().manual_seed(self.seed))

    def _samplers(self, data: TrainingData, phase: int, batch_size: int) -> dict[str, ClassBalancedSampler]:
        settings = self.settings
        key = ("batches", self.seed, phase)
        return data.samplers(
            self.collection, batch_size, settings.images_per_class, settings.catalog_share, key
        )

    def features(self, model: EmbeddingModel) -> tuple[np.ndarray, np.ndarray]:
        """The training items of every task, int64 [n], and the untouched trunk's pooled features of them [n x width]."""
        is_train = self.collection.labels["role"] == "train"
        items = np.unique(self.collection.labels.loc[is_train, "item"].to_numpy(np.int64))
        return items, cached_features(model, self.collection, items, self.checkpoints)

    def phase_one(self, model: EmbeddingModel, data: TrainingData) -> Phase:
        """Linear and proxies on the untouched trunk's pooled features of whole pictures."""
        settings = self.settings
        items, pooled = self.features(model)
        features = torch.from_numpy(pooled)

        def inputs(wanted: np.ndarray, step: int = 0) -> Tensor:
            return features[np.searchsorted(items, wanted)]

        def embed_whole(wanted: np.ndarray) -> Tensor:
            return model.project(inputs(wanted))

        optimizer = _optimizer(settings, [(_new_parameters(model), settings.head_learning_rate)])
        samplers = self._samplers(data, 1, settings.head_batch_size)
        return Phase(
            label=self.label,
            number=1,
            steps=settings.head_steps,
            optimizer=optimizer,
            samplers=samplers,
            inputs=inputs,
            embed=model.project,
            embed_whole=embed_whole,
            images_at_once=len(samplers) * settings.head_batch_size,
            validate_every=settings.head_steps,
            kept="Nothing was written.",
            schedule=settings.schedule,
        )

    def phase_two(self, model: EmbeddingModel, data: TrainingData) -> Phase:
        """Everything, on random views."""
        settings, pixels = self.settings, self.collection.pixels
        views = AugmentationSettings(settings.crop, settings.min_area, settings.colour)
        per_epoch = iterations_per_epoch(self.collection, settings.batch_size)
        steps = settings.epochs * per_epoch
        trunk = freeze_stages(model, settings.frozen_stages)
        optimizer = _optimizer(
            settings,
            [(_new_parameters(model), settings.learning_rate), (trunk, settings.trunk_learning_rate)],
        )
        path = self.checkpoint_file

        def inputs(items: np.ndarray, step: int) -> Tensor:
            generator = torch.Generator().manual_seed(self.seed * 1_000_003 + step)
            return random_views(to_images(pixels[items]), views, generator)

        def embed_whole(items: np.ndarray) -> Tensor:
            return torch.cat(
                [model(to_images(pixels[items[i : i + 128]])) for i in range(0, len(items), 128)]
            )

        def checkpoint(done: int, history: History) -> None:
            if done % settings.checkpoint_every == 0 or done == steps:
                save_checkpoint(path, model, optimizer, done, history, self.key())

        samplers = self._samplers(data, 2, settings.batch_size)
        return Phase(
            label=self.label,
            number=2,
            steps=steps,
            optimizer=optimizer,
            samplers=samplers,
            inputs=inputs,
            embed=model,
            embed_whole=embed_whole,
            images_at_once=settings.images_at_once,
            validate_every=per_epoch,
            kept=f"The last checkpoint, if any, is kept in {path}.",
            schedule=settings.schedule,
            checkpoint=checkpoint,
        )

    def run(self) -> tuple[EmbeddingModel, pd.DataFrame]:
        """Train, or take up a killed training; returns the model and its history."""
        if self.variant == IMAGENET:
            return self.model({}).eval(), pd.DataFrame({"phase": [], "step": [], "learning_rate": []})
        data = training_data(self.collection, self.variant, self.settings.validation_share, self.seed)
        model = self.model(data.classes)
        second = self.phase_two(model, data)
        path = self.checkpoint_file
        resumed = load_checkpoint(path, model, second.optimizer, self.key())
        if resumed is None:
            history = run_phase(model, data, self.phase_one(model, data), 0, [])
            start = 0
        else:
            start, history = resumed
            print(f"taking up {self.label}, after step {start} of {second.steps}")
        history = run_phase(model, data, second, start, history)
        return model.eval(), pd.DataFrame(history)

    def save(self, folder: Path, model: EmbeddingModel, history: pd.DataFrame) -> None:
        """Write the model's folder."""
        about = {
            "collection": self.collection.name,
            "fingerprint": self.collection.fingerprint,
            "variant": self.variant,
            "seed": self.seed,
            "settings": asdict(self.settings),
        }
        save_model(folder, model, about, history.to_csv(index=False, lineterminator="\n"))

    def forget(self) -> None:
        """Drop the checkpoint: call it when all that a stage writes is written, since a killed stage loses its output."""
        self.checkpoint_file.unlink(missing_ok=True)
