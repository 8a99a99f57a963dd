"""How a model is trained: the settings of the train stage, checked."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, TypeVar, cast

from unifiedlib.mixing import MIXES
from unifiedlib.other_losses import LOSSES
from unifiedlib.pooling import POOLINGS
from unifiedlib.weighting import WEIGHTINGS

LOG_EVERY = 20
CHOICES = {
    "loss": LOSSES,
    "pooling": POOLINGS,
    "mix": MIXES,
    "weighting": WEIGHTINGS,
    "budget": ("per_task", "total"),
    "optimizer": ("adamw", "sgd"),
    "schedule": ("cosine", "step"),
    "precision": ("fp32", "bf16", "fp16"),
}
LOWEST = {
    "head_steps": 1,
    "head_batch_size": 1,
    "head_views": 1,
    "epochs": 0,
    "batch_size": 1,
    "images_at_once": 1,
    "frozen_stages": 0,
    "images_per_class": 0,
    "classes_per_step": 0,
    "checkpoint_every": 1,
}


@dataclass(frozen=True)
class TrainSettings:
    """How a model is trained.

    trunk, weights, dim, pooling, layer_norm: the model, see `ModelSettings`. crop, min_area, colour: views, see
    `AugmentationSettings`.

    loss: `softmax` is the paper's normalised softmax; the others are pytorch-metric-learning's, see `unifiedlib.other_losses`.
    temperature, margin: of the loss. classes_per_step: the softmax runs over the batch's own classes and a random sample up to
    this number; 0: over all classes.
    mix: how the tasks share a batch, see `Mix`. weighting: of their losses, see `unifiedlib.weighting`. distillation: weight of
    what per-task teachers on the same trunk teach the embedding, see `Teachers`; 0: none.
    images_per_class, catalog_share: see `ClassBalancedSampler`; 0 images per class: batches that are not class-balanced.

    head_steps, head_batch_size, head_learning_rate: the first phase; images per task in a batch. head_views: views of each
    picture whose trunk features it learns from: the whole picture, and random ones.
    epochs, batch_size, learning_rate, trunk_learning_rate: the second phase; the trunk has a rate of its own. batch_size is
    that of one process.
    budget: `per_task`: a variant sees as many images of each task as that task's specialist; `total`: as many in all.
    images_at_once: images of a batch whose gradients the second phase computes together, see `Phase`.
    precision: of the trunk: `fp32`, or mixed with `bf16`, or with `fp16` on a GPU.
    frozen_stages: how many of the trunk's first stages keep their ImageNet weights.
    optimizer: `adamw`, or `sgd` as in BMVC 2019; momentum: of SGD, or the first beta of AdamW; weight_decay: of either.
    schedule: of the rates: half a `cosine` down to zero in each phase, or a `step` to a tenth halfway through the second.
    validation_share: share of each class's training images held out to draw the validation curve.
    checkpoint_every: steps of the second phase between two checkpoints.
    """

    trunk: str
    weights: str
    dim: int
    pooling: str
    layer_norm: bool
    loss: str
    temperature: float
    margin: float
    classes_per_step: int
    mix: str
    weighting: str
    distillation: float
    budget: str
    crop: int
    min_area: float
    colour: float
    head_steps: int
    head_batch_size: int
    head_learning_rate: float
    head_views: int
    epochs: int
    batch_size: int
    images_at_once: int
    precision: str
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
        for name, choices in CHOICES.items():
            if getattr(self, name) not in choices:
                raise ValueError(f"{name} is {getattr(self, name)!r}; choose one of {', '.join(choices)}")
        if self.checkpoint_every % LOG_EVERY:
            raise ValueError(
                f"checkpoint_every is {self.checkpoint_every}; it must be a multiple of {LOG_EVERY}, "
                "the steps between two rows of the history"
            )
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, float) and not (math.isfinite(value) and value >= 0):
                raise ValueError(f"{field.name} is {value}; it must be a number of at least 0")
        self._check_together()

    def _check_together(self) -> None:
        if self.classes_per_step and self.loss != "softmax":
            raise ValueError(
                f"classes_per_step is {self.classes_per_step} and loss {self.loss!r}: only softmax can sample its classes"
            )
        if self.distillation and self.loss != "softmax":
            raise ValueError(
                f"distillation is {self.distillation} and loss {self.loss!r}: teachers teach a softmax alone"
            )
        if self.distillation and self.classes_per_step:
            raise ValueError(
                f"distillation is {self.distillation} and classes_per_step {self.classes_per_step}: "
                "teachers need the scores of all classes; set one of them to 0"
            )


Settings = TypeVar("Settings")


def settings_of(kind: type[Settings], values: Mapping[str, Any]) -> dict[str, Any]:
    """Those of `values` that are fields of a settings class."""
    return {field.name: values[field.name] for field in fields(cast(Any, kind)) if field.name in values}
