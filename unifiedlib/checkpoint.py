"""Checkpoints that let a killed training go on where it was, to the bit; no pickle is involved.

A checkpoint is one safetensors file. The one before it is kept beside it, so that a file which the disk has damaged costs a few
steps, not the training. With label sets sharded over several processes each process keeps a file of its own.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from shutil import disk_usage

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from unifiedlib.files import atomic_path

MIB = 2**20


class CheckpointError(OSError):
    """A checkpoint could not be written; the message says why, and what is kept."""


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
        raise CheckpointError(_why(path, tensors, error)) from error


def _why(path: Path, tensors: dict[str, Tensor], error: Exception) -> str:
    needed = sum(value.nbytes for value in tensors.values()) / MIB
    free = disk_usage(path.parent).free / MIB if path.parent.is_dir() else 0.0
    reason = (
        f"the disk is full ({needed:,.0f} MiB are needed, {free:,.0f} are free)"
        if free < needed
        else f"writing failed ({error})"
    )
    kept = [one for one in (path, previous(path)) if one.exists()]
    left = f"the checkpoint before is kept in {kept[0]}" if kept else "no earlier checkpoint was written"
    return f"{path}: the checkpoint could not be written: {reason}; mend that and start again: {left}"


def _read(path: Path, key: Key, with_tensors: bool = True) -> tuple[Stored, dict[str, Tensor]] | None:
    """A checkpoint that belongs to `key`, or None, with one line that says why, when there is none to take up.

    A finished training may have been trained on another machine, or by more processes: its weights are what counts.
    """
    if not path.is_file():
        return None
    try:
        with safe_open(path, framework="pt") as stored:
            metadata = stored.metadata() or {}
            finished = metadata.get("finished") == "1"
            if metadata.get("recipe") != key.recipe or (
                metadata.get("machine") != key.machine and not finished
            ):
                print(
                    f"{path} was made by another machine, thread count or number of processes; training starts anew"
                )
                return None
            names = stored.keys() if with_tensors else []
            tensors = {name: stored.get_tensor(name) for name in names}
            return Stored(int(metadata["step"]), finished, json.loads(metadata["state"])), tensors
    except (SafetensorError, OSError, ValueError, KeyError):
        print(f"{path} is damaged")
        return None


def stored_step(path: Path, key: Key) -> int:
    """Steps done by the newest checkpoint that can be taken up, or -1."""
    for one in (path, previous(path)):
        found = _read(one, key, with_tensors=False)
        if found is not None:
            return found[0].step
    return -1


def load_checkpoint(
    path: Path,
    module: nn.Module,
    optimizers: Sequence[torch.optim.Optimizer],
    key: Key,
    step: int | None = None,
) -> Stored | None:
    """Restore module and optimisers from the newest checkpoint at `path` that is whole, or None when there is none to take up.

    step: take up this step's checkpoint alone.
    """
    for one in (path, previous(path)):
        found = _read(one, key)
        if found is None or (step is not None and found[0].step != step):
            continue
        stored, tensors = found
        module.load_state_dict(
            {
                name.removeprefix("model/"): value
                for name, value in tensors.items()
                if name.startswith("model/")
            }
        )
        for place, optimizer in enumerate(optimizers):
            _restore(optimizer, f"optimizer/{place}/", tensors)
        return stored
    return None


def _restore(optimizer: torch.optim.Optimizer, prefix: str, tensors: dict[str, Tensor]) -> None:
    state = optimizer.state_dict()
    for name, value in tensors.items():
        if name.startswith(prefix):
            number, entry = name.removeprefix(prefix).split("/")
            state["state"].setdefault(int(number), {})[entry] = value
    optimizer.load_state_dict(state)


def drop_checkpoints(path: Path) -> None:
    """Remove a checkpoint and the one before it."""
    for one in (path, previous(path)):
        one.unlink(missing_ok=True)
