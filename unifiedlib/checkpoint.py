"""Checkpoint files: weights, optimiser states and what else a training needs to go on, to the bit; no pickle is involved.

A checkpoint is one safetensors file. The one before it is kept beside it, so that a file which the disk has damaged costs a few
steps, not the training. Which files a training has, and which it takes up, is `unifiedlib.resuming`'s concern.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from unifiedlib.files import atomic_path, why_not_written


class CheckpointError(OSError):
    """A checkpoint could not be written, or not be read; the message says why, and what is kept."""


@dataclass(frozen=True)
class Key:
    """What a checkpoint belongs to.

    recipe: names settings, data, variant and seed: all that decides what is trained. machine: names what else decides the last
    digits: versions, threads, device, number of processes.
    """

    recipe: str
    machine: str


@dataclass(frozen=True)
class Stored:
    """What a checkpoint holds besides tensors. step: steps done; finished: whether none is left; state: JSON-able."""

    step: int
    finished: bool
    state: dict[str, object]


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint that was read. weights: by name. optimizers: their states, as `restore_optimizers` takes them."""

    stored: Stored
    weights: dict[str, Tensor]
    optimizers: dict[str, Tensor]


def previous(path: Path) -> Path:
    """Where the checkpoint before the one at `path` is kept."""
    return path.with_name(f"{path.stem}.previous{path.suffix}")


def _optimizer_tensors(optimizers: Sequence[torch.optim.Optimizer]) -> dict[str, Tensor]:
    return {
        f"optimizer/{place}/{number}/{name}": value
        for place, optimizer in enumerate(optimizers)
        for number, entries in optimizer.state_dict()["state"].items()
        for name, value in entries.items()
        if isinstance(value, Tensor)
    }


def save_checkpoint(
    path: Path,
    weights: Mapping[str, Tensor],
    optimizers: Sequence[torch.optim.Optimizer],
    stored: Stored,
    key: Key,
) -> None:
    """Write weights, optimiser states and `stored` as one file, or not at all; the checkpoint before it is kept.

    Raises CheckpointError when the disk is full or fails.
    """
    tensors = {f"model/{name}": value.detach().cpu() for name, value in weights.items()}
    tensors |= {name: value.detach().cpu() for name, value in _optimizer_tensors(optimizers).items()}
    metadata = {
        "recipe": key.recipe,
        "machine": key.machine,
        "step": str(stored.step),
        "finished": str(int(stored.finished)),
        "state": json.dumps(stored.state),
    }
    try:
        with atomic_path(path) as aside:
            save_file({name: value.contiguous() for name, value in tensors.items()}, aside, metadata=metadata)
            if path.exists():
                os.replace(path, previous(path))
    except (OSError, SafetensorError) as error:
        why = why_not_written(path, sum(value.nbytes for value in tensors.values()), error)
        raise CheckpointError(f"{why}: {_kept(path)}") from error


def _kept(path: Path) -> str:
    """What is left where `path` could not be written."""
    kept = list(path.parent.glob(f"{path.name.partition('.')[0]}*{path.suffix}"))
    if not kept:
        return "no earlier checkpoint was written"
    return f"the checkpoint before is kept in {max(kept, key=lambda one: one.stat().st_mtime_ns)}"


def _stored(path: Path, key: Key) -> Stored | None:
    """What the checkpoint at `path` holds besides tensors, or None where it is damaged, which is said, or not of `key`.

    A finished training may have been trained on another machine, or by more processes: its weights are what counts.
    """
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
        found = Stored(int(metadata["step"]), metadata["finished"] == "1", json.loads(metadata["state"]))
        ours = metadata["recipe"] == key.recipe and (found.finished or metadata["machine"] == key.machine)
    except (SafetensorError, OSError, ValueError, KeyError):
        print(f"{path} is damaged")
        return None
    return found if ours else None


def stored_steps(path: Path, key: Key) -> dict[int, Path]:
    """Steps done by the checkpoints at `path` that can be taken up, newest first, and the file of each."""
    files = [one for one in (path, previous(path)) if one.is_file()]
    found = [(one, _stored(one, key)) for one in files]
    return {stored.step: file for file, stored in found if stored is not None}


def read_checkpoint(file: Path, key: Key) -> Checkpoint:
    """The checkpoint in a file of `stored_steps`. Raises CheckpointError when it cannot be read."""
    stored = _stored(file, key)
    try:
        with safe_open(file, framework="pt") as tensors:
            read = {name: tensors.get_tensor(name) for name in tensors.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise CheckpointError(
            f"{file}: the checkpoint cannot be read: {error}; delete it and start again"
        ) from error
    if stored is None:
        raise CheckpointError(f"{file}: the checkpoint changed while it was read; start again")
    weights = {name.removeprefix("model/"): read[name] for name in read if name.startswith("model/")}
    optimizers = {name: value for name, value in read.items() if name.startswith("optimizer/")}
    return Checkpoint(stored, weights, optimizers)


def restore_optimizers(optimizers: Sequence[torch.optim.Optimizer], tensors: Mapping[str, Tensor]) -> None:
    """Give optimisers the states that a checkpoint has of them. tensors: `Checkpoint.optimizers`."""
    for place, optimizer in enumerate(optimizers):
        state = optimizer.state_dict()
        for name, value in tensors.items():
            _, of, number, entry = name.split("/")
            if int(of) == place:
                state["state"].setdefault(int(number), {})[entry] = value
        optimizer.load_state_dict(state)
