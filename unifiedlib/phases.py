"""One phase of training: a loop over mixed batches, with its rates, losses and validation.

Zhai et al., KDD 2019: a mixed batch takes the same number of images of each task; a label set's loss is the mean over
the images that carry its label; the losses have equal weights and are summed.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from time import perf_counter

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from unifiedlib.checkpoint import CheckpointError
from unifiedlib.devices import Processes
from unifiedlib.learner import Learner, spread
from unifiedlib.mixing import Mix
from unifiedlib.progress import progress
from unifiedlib.sharding import gathered
from unifiedlib.train_settings import LOG_EVERY
from unifiedlib.training_data import TrainingData

Row = dict[str, float]


class TrainingError(RuntimeError):
    """Training cannot go on; the message says where it stopped and what is kept."""


def cosine(step: int, steps: int) -> float:
    """Factor of the learning rate at `step` of `steps`: a warm-up over 5 % of the steps, then half a cosine down to 0."""
    warm_up = max(1, steps // 20)
    return min((step + 1) / warm_up, 0.5 * (1 + math.cos(math.pi * step / steps)))


def step_down(step: int, steps: int) -> float:
    """Factor of the learning rate at `step` of `steps`: 1, and a tenth from halfway on (BMVC 2019: at epoch 15 of 30)."""
    return 1.0 if step < steps / 2 else 0.1


def constant(step: int, steps: int) -> float:
    """Factor of the learning rate at `step` of `steps`: always 1."""
    return 1.0


SCHEDULES = {"cosine": cosine, "step": step_down, "constant": constant}


@dataclass
class Progress:
    """What a training has gone through. history: rows as in history.csv. throughput: phase, step, images per second.

    The throughput is this process's own and is not kept in checkpoints: it would differ between two runs.
    """

    history: list[Row] = field(default_factory=list)
    throughput: list[Row] = field(default_factory=list)


@dataclass(frozen=True)
class Phase:
    """One phase of training: which images make a batch, how they become embeddings, what is optimised.

    label: names the training in its progress. seed: of the classes that are sampled.
    inputs: what the model gets of this process's part of a batch of items, first dimension n, for a step. pool: pooled features
    [n x width] of such inputs. embed_whole: unit vectors of items, without augmentation.
    images_at_once: the most images that go through the model, and back, together. A larger batch is taken in pieces whose
    gradients add up to the same, in less memory: the model's BatchNorm is frozen, so no image sees the others of its batch.
    schedule: of the learning rates, one of `SCHEDULES`.
    kept: what is left when the phase fails, for the message. checkpoint: called with steps done and history, or None.
    """

    label: str
    number: int
    steps: int
    seed: int
    optimizers: list[torch.optim.Optimizer]
    mix: Mix
    inputs: Callable[[np.ndarray, int], Tensor]
    pool: Callable[[Tensor], Tensor]
    embed_whole: Callable[[np.ndarray], Tensor]
    images_at_once: int
    validate_every: int
    kept: str
    processes: Processes
    schedule: str = "cosine"
    checkpoint: Callable[[int, list[Row]], None] | None = None

    def set_rates(self, step: int) -> float:
        """Set the learning rates of a step; returns that of the new parameters."""
        factor = SCHEDULES[self.schedule](step, self.steps)
        groups = [group for optimizer in self.optimizers for group in optimizer.param_groups]
        for group in groups:
            group["lr"] = group["top_rate"] * factor
        return float(groups[0]["lr"])


@dataclass(frozen=True)
class Piece:
    """Some of a batch's images: this process's inputs and labels, and the labels of the same piece in all processes."""

    inputs: Tensor
    labels: Tensor
    everyone: Tensor


@dataclass
class Measured:
    """What a batch gave: each loss over the whole batch, and the squared length of its gradient to the embeddings."""

    losses: dict[str, float]
    squares: dict[str, float]


def gradient_shares(batches: list[Measured]) -> Row:
    """Each loss's part of the gradients' lengths over some batches, as `gradient <loss>`; they add up to 1."""
    squares = pd.DataFrame([one.squares for one in batches]).sum()
    lengths = {str(name): math.sqrt(value) for name, value in squares.items()}
    total = sum(lengths.values()) or 1.0
    return {f"gradient {name}": length / total for name, length in lengths.items()}


def _pieces(phase: Phase, items: np.ndarray, labels: Tensor, step: int, at_once: int) -> Iterator[Piece]:
    """A batch's pieces: every process has as many, each with as many images."""
    world, rank = phase.processes.world, phase.processes.rank
    inputs = phase.inputs(items, step)
    for start in range(0, len(inputs), at_once):
        everyone = labels[start * world : (start + at_once) * world]
        yield Piece(inputs[start : start + at_once], everyone[rank::world], everyone)


def add_gradients(
    learner: Learner, phase: Phase, items: np.ndarray, labels: Tensor, step: int, lengths: bool = False
) -> Measured:
    """Add the batch's gradients to the parameters, piece by piece and over all processes; returns the losses of the batch.

    items: of the whole batch, int64 [n]. labels: int64 [n x label sets]. A loss is a mean over the images that it is about, so
    a piece counts by its share of them. lengths: whether the gradients' lengths are wanted, too.
    """
    processes, carried = phase.processes, learner.carried(labels)
    present = [name for name, count in carried.items() if count]
    classes = learner.sample(labels, ("classes", phase.seed, phase.number, step))
    losses, squares = (torch.zeros(len(present), device=processes.device) for _ in range(2))
    at_once = len(items) if learner.whole_batch else phase.images_at_once
    for piece in _pieces(phase, items, labels, step, at_once):
        with processes.autocast():
            pooled = phase.pool(piece.inputs)
            embeddings = learner.model.project(pooled)
        if not embeddings.requires_grad:
            # Cached features without a Linear behind them: only the proxies learn, but who pulls at the embeddings is measured.
            embeddings.requires_grad_()
        found = _losses(learner, processes, pooled.float(), embeddings.float(), piece, classes)
        own, everyone = learner.carried(piece.labels), learner.carried(piece.everyone)
        parts = {}
        for name in present:
            if learner.whole_batch:
                parts[name] = found[name] / processes.world
            elif learner.sharded(name):
                parts[name] = spread(found[name], processes.world) * (everyone[name] / carried[name])
            else:
                parts[name] = found[name] * (own[name] / carried[name])
        if lengths:
            squares += _squares(parts, embeddings)
        total = learner.combine(parts, len(piece.everyone) / len(items) / processes.world)
        learner.scaler.scale(total).backward()  # type: ignore[no-untyped-call]
        losses += torch.stack([parts[name].detach() for name in present])
    processes.sum_gradients(learner.summed())
    both = processes.sum(torch.stack([losses, squares])).tolist()
    return Measured(*(dict(zip(present, row, strict=True)) for row in both))


def _losses(
    learner: Learner,
    processes: Processes,
    pooled: Tensor,
    embeddings: Tensor,
    piece: Piece,
    classes: dict[str, Tensor],
) -> dict[str, Tensor]:
    """Each loss of this process's images, or, where images see each other, of those of all processes."""
    labels = piece.labels.to(processes.device)
    if learner.whole_batch and processes.world > 1:
        pooled, embeddings, labels = gathered(pooled), gathered(embeddings), gathered(labels)
    return learner.losses(pooled, embeddings, labels, classes)


def _squares(parts: dict[str, Tensor], embeddings: Tensor) -> Tensor:
    """Squared length of each loss's gradient with respect to the embeddings."""
    found = [
        torch.autograd.grad(part, embeddings, retain_graph=True, allow_unused=True)[0]
        for part in parts.values()
    ]
    return torch.stack(
        [embeddings.new_zeros(()).float() if one is None else one.float().square().sum() for one in found]
    )


def _mean_losses(seen: list[Measured]) -> dict[str, float]:
    """Each loss, the mean over the steps that have it."""
    return {str(name): value for name, value in pd.DataFrame([one.losses for one in seen]).mean().items()}


def _task_losses(seen: list[Measured], tasks: list[str]) -> dict[str, float]:
    """Each task's loss, the mean over its label sets and the steps seen."""
    means = _mean_losses(seen)
    return {
        task: float(np.mean([value for name, value in means.items() if name.startswith(f"{task}/")]))
        for task in tasks
    }


def _row(phase: Phase, learner: Learner, done: int, rate: float, seen: list[Measured]) -> Row:
    """A row of the history. seen: what the steps since the row before gave."""
    means = _mean_losses(seen)
    row = {"phase": phase.number, "step": done, "learning_rate": rate}
    row |= {f"loss {name}": value for name, value in means.items()}
    row |= gradient_shares(seen[-phase.mix.cycle :])
    weights = learner.weighting.weights()
    if set(weights.values()) != {1.0}:
        row |= {f"weight {key}": value for key, value in weights.items()}
    if phase.mix.mix == "loss":
        row |= {f"images {task}": float(count) for task, count in phase.mix.counts(done - 1).items()}
    return row


def validate(learner: Learner, data: TrainingData, embed: Callable[[np.ndarray], Tensor]) -> Row:
    """Per label set, the share of held-out images whose nearest proxy is their class; no entry where none is held out."""
    if not len(data.held_out):
        return {}
    learner.eval()
    with torch.no_grad():
        return learner.accuracy(embed(data.held_out), data.labels[data.held_out])


def _take_step(phase: Phase, learner: Learner, data: TrainingData, step: int, lengths: bool) -> Measured:
    learner.train()
    for optimizer in phase.optimizers:
        optimizer.zero_grad()
    items = phase.mix.batch(step)
    gradnorm = learner.weighting.needs_norms
    labels = torch.from_numpy(data.labels[items])
    measured = add_gradients(learner, phase, items, labels, step, lengths or gradnorm)
    loss = sum(measured.losses.values())
    if not math.isfinite(loss):
        where = f"phase {phase.number}, step {step}"
        raise TrainingError(f"the loss became {loss} in {where}: lower its learning rate. {phase.kept}")
    for optimizer in phase.optimizers:
        learner.scaler.step(optimizer)
    learner.scaler.update()
    if gradnorm:
        own = {key: measured.losses[key] for key in measured.losses if key in learner.model.classes}
        learner.weighting.update(own, {key: math.sqrt(measured.squares[key]) for key in own})
    return measured


def run_phase(learner: Learner, data: TrainingData, phase: Phase, start: int, been: Progress) -> None:
    """Run a phase from step `start`; `been` gets a row per `LOG_EVERY` steps: mean losses, gradient shares, rate, validation.

    Raises TrainingError when a loss or a weight is not finite, or a checkpoint cannot be written.
    """
    seen: list[Measured] = []
    began = perf_counter()
    steps = range(start, phase.steps)
    shown = progress(steps, len(steps), f"{phase.label}, phase {phase.number}, step")
    for step in shown if phase.processes.is_first else steps:
        rate = phase.set_rates(step)
        done = step + 1
        next_row = min(phase.steps, done + -done % LOG_EVERY)
        log = done == next_row
        seen.append(_take_step(phase, learner, data, step, lengths=next_row - done < phase.mix.cycle))
        if log:
            row = _row(phase, learner, done, rate, seen)
            images = len(seen) * sum(phase.mix.counts(step).values())
            speed = images / (perf_counter() - began)
            been.throughput.append({"phase": phase.number, "step": done, "images_per_second": speed})
            if done % phase.validate_every < LOG_EVERY or done == phase.steps:
                row |= validate(learner, data, phase.embed_whole)
            been.history.append(row)
            phase.mix.update(_task_losses(seen, list(phase.mix.samplers)), done)
            seen = []
        if phase.checkpoint is not None and log:
            try:
                phase.checkpoint(done, been.history)
            except CheckpointError as error:
                raise TrainingError(str(error)) from error
        if log:
            began = perf_counter()
