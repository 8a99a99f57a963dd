"""Where a training runs: one process or several, on CPUs or GPUs, started by `torchrun`; built on Lightning Fabric.

A batch is drawn whole, by seed and step, the same in every process; each takes its part. Losses are means over the whole batch,
so the processes' gradients are *added up*, and several processes train what one would with the whole batch.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import cast

import numpy as np
import torch
import torch.distributed as dist
from lightning_fabric import Fabric
from torch import Tensor

DEVICES = ("auto", "cpu", "cuda")
AUTOCAST = {"bf16": torch.bfloat16, "fp16": torch.float16}
# Gradients travel in messages of about this many bytes: few enough for the network, small enough for memory.
MESSAGE = 64 * 2**20


def choose_device(device: str) -> str:
    """`cpu` or `cuda`; `auto` is cuda where there is a GPU. Raises ValueError for another name, or a GPU that is not there."""
    if device not in DEVICES:
        raise ValueError(f"device is {device!r}; choose one of {', '.join(DEVICES)}")
    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if device == "cuda" and not torch.cuda.is_available():
        raise ValueError("device is 'cuda', but PyTorch finds no GPU here: set device to auto or cpu")
    return device


class Processes:
    """The processes that train one model together, as one of them sees it. rank: this one's number; world: how many there are."""

    def __init__(self, device: str = "cpu", precision: str = "fp32", alone: bool = False) -> None:
        """One process, unless `torchrun` has started several and this one is not to work alone.

        device: see `choose_device`. precision: `fp32`, or mixed with `bf16` or `fp16`. Raises ValueError for `fp16` on a CPU.
        """
        kind = choose_device(device)
        if precision == "fp16" and kind == "cpu":
            raise ValueError("precision is 'fp16', which needs a GPU: choose fp32 or bf16 for a CPU")
        started = not alone and int(os.environ.get("WORLD_SIZE", "1")) > 1
        local = int(os.environ.get("LOCAL_WORLD_SIZE", "1")) if started else 1
        self.fabric = Fabric(
            accelerator=kind,
            devices=local,
            num_nodes=int(os.environ["WORLD_SIZE"]) // local if started else 1,
            strategy="ddp" if started else "auto",
        )
        if started:
            self.fabric.launch()
        self.precision = precision
        self.device = self.fabric.device
        self.world, self.rank = self.fabric.world_size, self.fabric.global_rank

    @property
    def is_first(self) -> bool:
        """Whether this process writes the files."""
        return self.rank == 0

    def part(self, batch: np.ndarray) -> np.ndarray:
        """This process's part of a batch: every world-th image, so that each process has some of every task.

        Raises ValueError for a batch that cannot be dealt evenly.
        """
        if len(batch) % self.world:
            raise ValueError(
                f"a batch of {len(batch)} images cannot be dealt evenly to {self.world} processes"
            )
        return batch[self.rank :: self.world]

    def autocast(self) -> AbstractContextManager[object]:
        """In which the trunk computes."""
        if self.precision == "fp32":
            return nullcontext()
        return torch.autocast(self.device.type, AUTOCAST[self.precision])

    def sum(self, values: Tensor) -> Tensor:
        """The sum of a tensor over all processes."""
        if self.world == 1:
            return values
        return cast(Tensor, self.fabric.all_reduce(values, reduce_op="sum"))

    def sum_gradients(self, parameters: Sequence[torch.nn.Parameter]) -> None:
        """Replace each parameter's gradient by its sum over all processes; one that no process has a gradient of keeps none."""
        if self.world == 1:
            return
        have = torch.tensor(
            [one.grad is not None for one in parameters], dtype=torch.float32, device=self.device
        )
        waiting: list[Tensor] = []
        for parameter, count in zip(parameters, self.sum(have).tolist(), strict=True):
            if not count:
                continue
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
            waiting.append(parameter.grad)
            if sum(one.nbytes for one in waiting) >= MESSAGE:
                _sum_together(waiting)
                waiting = []
        _sum_together(waiting)

    def wait(self) -> None:
        """Wait until every process is here."""
        if self.world > 1:
            self.fabric.barrier()

    def agree(self, number: int) -> int:
        """The smallest of the processes' numbers."""
        if self.world == 1:
            return number
        agreed = torch.tensor(number, device=self.device)
        dist.all_reduce(agreed, dist.ReduceOp.MIN)
        return int(agreed)


def _sum_together(gradients: list[Tensor]) -> None:
    if not gradients:
        return
    flat = torch.cat([one.reshape(-1) for one in gradients])
    dist.all_reduce(flat)
    start = 0
    for one in gradients:
        one.copy_(flat[start : start + one.numel()].view_as(one))
        start += one.numel()
