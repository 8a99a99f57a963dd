"""Checkpoints that let a killed training go on where it was, to the bit; no pickle is involved."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from unifiedlib.files import atomic_path


def _optimizer_tensors(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    state = optimizer.state_dict()["state"]
    return {
        f"optimizer/{number}/{name}": value
        for number, entries in state.items()
        for name, value in entries.items()
        if isinstance(value, Tensor)
    }


def save_checkpoint(
    path: Path,
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    step: int,
    history: list[dict[str, float]],
    key: str,
) -> None:
    """Write weights, optimiser state, the number of steps done and the history so far as one file, or not at all.

    key: names the settings, data, variant and seed; only a training with the same key takes the checkpoint up again.
    """
    tensors = {f"model/{name}": tensor.contiguous() for name, tensor in model.state_dict().items()}
    tensors |= {name: tensor.contiguous() for name, tensor in _optimizer_tensors(optimizer).items()}
    metadata = {"key": key, "step": str(step), "history": json.dumps(history)}
    with atomic_path(path) as aside:
        save_file(tensors, aside, metadata=metadata)


def load_checkpoint(
    path: Path, model: nn.Module, optimizer: torch.optim.Optimizer, key: str
) -> tuple[int, list[dict[str, float]]] | None:
    """Restore model and optimiser from `path`; returns the steps done and the history, or None when there is nothing to take up.

    A checkpoint of other settings, or a damaged one, is passed over with one line that says so.
    """
    if not path.is_file():
        return None
    try:
        with safe_open(path, framework="pt") as stored:
            metadata = stored.metadata() or {}
            if metadata.get("key") != key:
                print(f"{path} belongs to other settings or data; training starts anew")
                return None
            tensors = {name: stored.get_tensor(name) for name in stored.keys()}  # noqa: SIM118
    except (SafetensorError, OSError):
        print(f"{path} is damaged; training starts anew")
        return None
    model.load_state_dict(
        {name.removeprefix("model/"): tensor for name, tensor in tensors.items() if name.startswith("model/")}
    )
    state = optimizer.state_dict()
    for name, tensor in tensors.items():
        if name.startswith("optimizer/"):
            _, number, entry = name.split("/")
            state["state"].setdefault(int(number), {})[entry] = tensor
    optimizer.load_state_dict(state)
    return int(metadata["step"]), json.loads(metadata["history"])
