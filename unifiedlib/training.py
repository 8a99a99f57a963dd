"""Training of a variant: first the new parameters on cached trunk features, then everything on random views.

Zhai et al., KDD 2019: a mixed batch takes the same number of images of each task; a label set's loss is the mean over
the images that carry its label; the losses have equal weights and are summed.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import cast

import numpy as np
import pandas as pd
import torch
from timm.models import group_parameters
from torch import Tensor

from unifiedlib.augmentation import AugmentationSettings, random_views
from unifiedlib.checkpoint import load_checkpoint, save_checkpoint
from unifiedlib.contract import Collection
from unifiedlib.features import cached_features
from unifiedlib.losses import NO_LABEL
from unifiedlib.model import EmbeddingModel, ModelSettings, save_model, to_images
from unifiedlib.progress import progress
from unifiedlib.sampling import ClassBalancedSampler
from unifiedlib.training_data import TrainingData, iterations_per_epoch, training_data
from unifiedlib.trunk import trunk_width
from unifiedlib.variants import IMAGENET

LOG_EVERY = 20
OPTIMIZERS = ("adamw", "sgd")
LOWEST = {
    "head_steps": 1,
    "head_batch_size": 1,
    "epochs": 0,
    "batch_size": 1,
    "frozen_stages": 0,
    "checkpoint_every": 1,
}
History = list[dict[str, float]]


class TrainingError(RuntimeError):
    """Training cannot go on; the message says where it stopped and what is kept."""


@dataclass(frozen=True)
class TrainSettings:
    """How a model is trained. In both phases the rates fall to zero along half a cosine.

    trunk, weights, dim, temperature: the model, see `ModelSettings`. crop, min_area, colour: views, see `AugmentationSettings`.
    head_steps, head_batch_size, head_learning_rate: the first phase; images per task in a batch.
    epochs, batch_size, learning_rate, trunk_learning_rate: the second phase; the trunk has a rate of its own.
    frozen_stages: how many of the trunk's first stages keep their ImageNet weights.
    images_per_class, catalog_share: see `ClassBalancedSampler`.
    optimizer: `adamw`, or `sgd` as in the paper; momentum: of SGD, or the first beta of AdamW; weight_decay: of either.
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
    learning_rate: float
    trunk_learning_rate: float
    frozen_stages: int
    images_per_class: int
    catalog_share: float
    optimizer: str
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
        if self.checkpoint_every % LOG_EVERY:
            raise ValueError(
                f"checkpoint_every is {self.checkpoint_every}; it must be a multiple of {LOG_EVERY}, "
                "the steps between two rows of the history"
            )
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, float) and not (math.isfinite(value) and value >= 0):
                raise ValueError(f"{field.name} is {value}; it must be a number of at least 0")


def cosine(step: int, steps: int) -> float:
    """Factor of the learning rate at `step` of `steps`: a warm-up over 5 % of the steps, then half a cosine down to 0."""
    warm_up = max(1, steps // 20)
    return min((step + 1) / warm_up, 0.5 * (1 + math.cos(math.pi * step / steps)))


def _validate(
    model: EmbeddingModel, data: TrainingData, embed: Callable[[np.ndarray], Tensor]
) -> dict[str, float]:
    """Per label set, the share of held-out images whose nearest proxy is their class; no entry where none is held out."""
    if not len(data.held_out):
        return {}
    model.eval()
    labels = torch.from_numpy(data.labels[data.held_out])
    scores = {}
    with torch.no_grad():
        embeddings = embed(data.held_out)
        for column, key in enumerate(model.classes):
            known = labels[:, column] != NO_LABEL
            if known.any():
                right = model.head(key).logits(embeddings[known]).argmax(1) == labels[known, column]
                scores[f"accuracy {key}"] = right.float().mean().item()
    return scores


@dataclass(frozen=True)
class Phase:
    """One phase of training: which images make a batch, how they become embeddings, what is optimised.

    embed: unit vectors [n x dim] of item numbers, for the batch of a step. embed_whole: the same without augmentation.
    kept: what is left when the phase fails, for the message. checkpoint: called with steps done and history, or None.
    """

    number: int
    steps: int
    optimizer: torch.optim.Optimizer
    samplers: dict[str, ClassBalancedSampler]
    embed: Callable[[np.ndarray, int], Tensor]
    embed_whole: Callable[[np.ndarray], Tensor]
    validate_every: int
    kept: str
    checkpoint: Callable[[int, History], None] | None = None

    def batch(self, step: int) -> np.ndarray:
        """The mixed batch of a step: each task's own batch, one after the other."""
        return np.concatenate([sampler.batch(step) for sampler in self.samplers.values()])

    def set_rates(self, step: int) -> float:
        """Set the learning rates of a step; returns that of the new parameters."""
        factor = cosine(step, self.steps)
        for group in self.optimizer.param_groups:
            group["lr"] = group["top_rate"] * factor
        return float(self.optimizer.param_groups[0]["lr"])


def run_phase(
    model: EmbeddingModel, data: TrainingData, phase: Phase, start: int, history: History
) -> History:
    """Run a phase from step `start`; returns the history with a row per `LOG_EVERY` steps: mean losses, rate, validation.

    Raises TrainingError when a loss is not finite.
    """
    history = list(history)
    seen: list[dict[str, float]] = []
    for step in progress(range(start, phase.steps), phase.steps - start, f"phase {phase.number}, step"):
        model.train()
        rate = phase.set_rates(step)
        items = phase.batch(step)
        labels = torch.from_numpy(data.labels[items])
        embeddings = phase.embed(items, step)
        losses = {
            key: model.head(key)(embeddings, labels[:, column]) for column, key in enumerate(model.classes)
        }
        loss = torch.stack(list(losses.values())).sum()
        if not torch.isfinite(loss):
            where = f"phase {phase.number}, step {step}"
            raise TrainingError(
                f"the loss became {loss.item()} in {where}: lower its learning rate. {phase.kept}"
            )
        phase.optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        phase.optimizer.step()
        seen.append({f"loss {key}": value.item() for key, value in losses.items()})
        done = step + 1
        if done % LOG_EVERY == 0 or done == phase.steps:
            row = {
                "phase": phase.number,
                "step": done,
                "learning_rate": rate,
                **pd.DataFrame(seen).mean().to_dict(),
            }
            if done % phase.validate_every < LOG_EVERY or done == phase.steps:
                row |= _validate(model, data, phase.embed_whole)
            history.append(row)
            seen = []
        if phase.checkpoint is not None:
            phase.checkpoint(done, history)
    return history


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
    groups = group_parameters(model.trunk, model.trunk.group_matcher(coarse=True))
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

    def phase_one(self, model: EmbeddingModel, data: TrainingData) -> Phase:
        """Linear and proxies on the untouched trunk's pooled features of whole pictures."""
        settings = self.settings
        items = np.unique(
            self.collection.labels.loc[self.collection.labels["role"] == "train", "item"].to_numpy(np.int64)
        )
        features = torch.from_numpy(cached_features(model, self.collection, items, self.checkpoints))

        def embed(wanted: np.ndarray, step: int = 0) -> Tensor:
            return model.project(features[np.searchsorted(items, wanted)])

        optimizer = _optimizer(settings, [(_new_parameters(model), settings.head_learning_rate)])
        samplers = self._samplers(data, 1, settings.head_batch_size)
        return Phase(
            1,
            settings.head_steps,
            optimizer,
            samplers,
            embed,
            embed,
            settings.head_steps,
            "Nothing was written.",
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
        path = self.checkpoints / self.variant / f"seed-{self.seed}.safetensors"

        def embed(items: np.ndarray, step: int) -> Tensor:
            generator = torch.Generator().manual_seed(self.seed * 1_000_003 + step)
            return cast(Tensor, model(random_views(to_images(pixels[items]), views, generator)))

        def embed_whole(items: np.ndarray) -> Tensor:
            return torch.cat(
                [model(to_images(pixels[items[i : i + 128]])) for i in range(0, len(items), 128)]
            )

        def checkpoint(done: int, history: History) -> None:
            if done % settings.checkpoint_every == 0 and done < steps:
                save_checkpoint(path, model, optimizer, done, history, self.key())

        samplers = self._samplers(data, 2, settings.batch_size)
        kept = f"The last checkpoint, if any, is kept in {path}."
        return Phase(2, steps, optimizer, samplers, embed, embed_whole, per_epoch, kept, checkpoint)

    def run(self) -> tuple[EmbeddingModel, pd.DataFrame]:
        """Train, or take up a killed training; returns the model and its history."""
        if self.variant == IMAGENET:
            return self.model({}).eval(), pd.DataFrame({"phase": [], "step": [], "learning_rate": []})
        data = training_data(self.collection, self.variant, self.settings.validation_share, self.seed)
        model = self.model(data.classes)
        second = self.phase_two(model, data)
        path = self.checkpoints / self.variant / f"seed-{self.seed}.safetensors"
        resumed = load_checkpoint(path, model, second.optimizer, self.key())
        if resumed is None:
            history = run_phase(model, data, self.phase_one(model, data), 0, [])
            start = 0
        else:
            start, history = resumed
            print(f"taking up {self.variant}, seed {self.seed}, after step {start} of {second.steps}")
        history = run_phase(model, data, second, start, history)
        return model.eval(), pd.DataFrame(history)

    def save(self, folder: Path, model: EmbeddingModel, history: pd.DataFrame) -> None:
        """Write the model's folder, then drop the checkpoint that it makes needless."""
        about = {
            "collection": self.collection.name,
            "fingerprint": self.collection.fingerprint,
            "variant": self.variant,
            "seed": self.seed,
            "settings": asdict(self.settings),
        }
        save_model(folder, model, about, history.to_csv(index=False, lineterminator="\n"))
        (self.checkpoints / self.variant / f"seed-{self.seed}.safetensors").unlink(missing_ok=True)
