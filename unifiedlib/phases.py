"""One phase of training: a loop over mixed batches, with its rates, losses and validation.

Zhai et al., KDD 2019: a mixed batch takes the same number of images of each task; a label set's loss is the mean over
the images that carry its label; the losses have equal weights and are summed.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from unifiedlib.losses import NO_LABEL
from unifiedlib.model import EmbeddingModel
from unifiedlib.progress import progress
from unifiedlib.sampling import ClassBalancedSampler
from unifiedlib.training_data import TrainingData

LOG_EVERY = 20
History = list[dict[str, float]]


class TrainingError(RuntimeError):
    """Training cannot go on; the message says where it stopped and what is kept."""


def cosine(step: int, steps: int) -> float:
    """Factor of the learning rate at `step` of `steps`: a warm-up over 5 % of the steps, then half a cosine down to 0."""
    warm_up = max(1, steps // 20)
    return min((step + 1) / warm_up, 0.5 * (1 + math.cos(math.pi * step / steps)))


def step_down(step: int, steps: int) -> float:
    """Factor of the learning rate at `step` of `steps`: 1, and a tenth from halfway on (BMVC 2019: at epoch 15 of 30)."""
    return 1.0 if step < steps / 2 else 0.1


SCHEDULES = {"cosine": cosine, "step": step_down}


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

    label: names the training in its progress.
    inputs: what the model gets of the items of a batch, first dimension n, for a step. embed: unit vectors [n x dim] of such
    inputs. embed_whole: unit vectors of items, without augmentation.
    images_at_once: the most images that go through the model, and back, together. A larger batch is taken in pieces whose
    gradients add up to the same, in less memory: the model's BatchNorm is frozen, so no image sees the others of its batch.
    schedule: of the learning rates, one of `SCHEDULES`.
    kept: what is left when the phase fails, for the message. checkpoint: called with steps done and history, or None.
    """

    label: str
    number: int
    steps: int
    optimizer: torch.optim.Optimizer
    samplers: dict[str, ClassBalancedSampler]
    inputs: Callable[[np.ndarray, int], Tensor]
    embed: Callable[[Tensor], Tensor]
    embed_whole: Callable[[np.ndarray], Tensor]
    images_at_once: int
    validate_every: int
    kept: str
    schedule: str = "cosine"
    checkpoint: Callable[[int, History], None] | None = None

    def batch(self, step: int) -> np.ndarray:
        """The mixed batch of a step: each task's own batch, one after the other."""
        return np.concatenate([sampler.batch(step) for sampler in self.samplers.values()])

    def set_rates(self, step: int) -> float:
        """Set the learning rates of a step; returns that of the new parameters."""
        factor = SCHEDULES[self.schedule](step, self.steps)
        for group in self.optimizer.param_groups:
            group["lr"] = group["top_rate"] * factor
        return float(self.optimizer.param_groups[0]["lr"])


def add_gradients(model: EmbeddingModel, phase: Phase, inputs: Tensor, labels: Tensor) -> dict[str, float]:
    """Add the batch's gradients to the parameters, piece by piece; returns each label set's loss over the whole batch.

    inputs: first dimension n. labels: int64 [n x label sets]. A label set's loss is a mean over the images that carry its
    label, so a piece counts by its share of them.
    """
    carried = (labels != NO_LABEL).sum(0).clamp(min=1)
    losses = dict.fromkeys(model.classes, 0.0)
    for start in range(0, len(inputs), phase.images_at_once):
        piece = labels[start : start + phase.images_at_once]
        embeddings = phase.embed(inputs[start : start + phase.images_at_once])
        shares = (piece != NO_LABEL).sum(0) / carried
        parts = {
            key: model.head(key)(embeddings, piece[:, column]) * shares[column]
            for column, key in enumerate(model.classes)
        }
        torch.stack(list(parts.values())).sum().backward()  # type: ignore[no-untyped-call]
        for key, part in parts.items():
            losses[key] += part.item()
    return losses


def run_phase(
    model: EmbeddingModel, data: TrainingData, phase: Phase, start: int, history: History
) -> History:
    """Run a phase from step `start`; returns the history with a row per `LOG_EVERY` steps: mean losses, rate, validation.

    Raises TrainingError when a loss is not finite.
    """
    history = list(history)
    seen: list[dict[str, float]] = []
    for step in progress(
        range(start, phase.steps), phase.steps - start, f"{phase.label}, phase {phase.number}, step"
    ):
        model.train()
        rate = phase.set_rates(step)
        items = phase.batch(step)
        labels = torch.from_numpy(data.labels[items])
        phase.optimizer.zero_grad()
        losses = add_gradients(model, phase, phase.inputs(items, step), labels)
        loss = sum(losses.values())
        if not math.isfinite(loss):
            where = f"phase {phase.number}, step {step}"
            raise TrainingError(f"the loss became {loss} in {where}: lower its learning rate. {phase.kept}")
        phase.optimizer.step()
        seen.append({f"loss {key}": value for key, value in losses.items()})
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
