"""Which checkpoints a training has, and how a killed one is taken up, by one process or by several together.

A training under way has a file for each way in which it was run (machine, threads, number of processes), since only the same way
goes on to the bit; with label sets spread over processes each process has a file of its own. A training that has ended has one
file, with the weights alone, which any machine and any number of processes takes up.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from unifiedlib.checkpoint import (
    Key,
    Stored,
    read_checkpoint,
    restore_optimizers,
    save_checkpoint,
    stored_steps,
)
from unifiedlib.devices import Processes
from unifiedlib.learner import Learner

SUFFIX = ".safetensors"


@dataclass(frozen=True)
class Checkpoints:
    """The checkpoints of one training, as one of its processes sees them.

    folder: of the variant, shared by all processes. seed: with the key's recipe it names this training's files; trainings by
    other settings, or of other data, have files of their own in the same folder.
    """

    folder: Path
    seed: int
    key: Key
    processes: Processes

    @property
    def name(self) -> str:
        """What the names of all files of this training begin with."""
        return f"seed-{self.seed}-{self.key.recipe}"

    @property
    def finished_file(self) -> Path:
        """Where the weights lie when the training has ended."""
        return self.folder / f"{self.name}{SUFFIX}"

    @property
    def shared_file(self) -> Path:
        """Where a training under way keeps its checkpoint, where all processes hold the same."""
        return self.folder / f"{self.name}-{self.key.machine}{SUFFIX}"

    def unfinished_file(self, learner: Learner) -> Path:
        """Where this process keeps its checkpoint of a training under way."""
        if not learner.is_sharded:
            return self.shared_file
        part = f"part-{self.processes.rank + 1}-of-{self.processes.world}"
        return self.folder / f"{self.shared_file.stem}.{part}{SUFFIX}"

    def save(
        self,
        learner: Learner,
        optimizers: Sequence[torch.optim.Optimizer],
        step: int,
        state: dict[str, object],
    ) -> None:
        """Write a checkpoint of a training under way. step: steps done. Raises CheckpointError when the disk fails."""
        path = self.unfinished_file(learner)
        if self.processes.is_first or path != self.shared_file:
            save_checkpoint(path, learner.state_dict(), optimizers, Stored(step, False, state), self.key)
        self.processes.wait()

    def finish(self, learner: Learner, step: int, state: dict[str, object]) -> None:
        """Write the weights of a training that has ended. Raises CheckpointError when the disk fails."""
        whole = learner.whole_state()
        if self.processes.is_first:
            save_checkpoint(self.finished_file, whole, [], Stored(step, True, state), self.key)
        self.processes.wait()

    def _agreed(self, steps: dict[int, Path]) -> int:
        """The newest step whose checkpoint every process has, of the steps that each has; -1 when there is none."""
        newest = max(steps, default=-1)
        step, ahead = self.processes.agree(newest), -self.processes.agree(-newest)
        if self.processes.agree(int(step in steps)):
            return step
        if ahead >= 0 and self.processes.is_first:
            print(
                f"{self.folder}: not every process finds a checkpoint of the same step there; training starts anew. "
                "On several hosts, let this folder lie on a disk that they share."
            )
        return -1

    def take_up_finished(self, learner: Learner) -> Stored | None:
        """Give the learner the weights of a training that has ended; None where it has not.

        Raises CheckpointError when they cannot be read.
        """
        steps = stored_steps(self.finished_file, self.key)
        step = self._agreed(steps)
        if step < 0:
            return None
        found = read_checkpoint(steps[step], self.key)
        learner.load_whole_state(found.weights)
        return found.stored

    def take_up(self, learner: Learner, optimizers: Sequence[torch.optim.Optimizer]) -> Stored | None:
        """Give learner and optimisers the newest checkpoint that every process has; None where there is none.

        Raises CheckpointError when it cannot be read.
        """
        path = self.unfinished_file(learner)
        steps = stored_steps(path, self.key)
        step = self._agreed(steps)
        if step < 0:
            self._name_others()
            return None
        found = read_checkpoint(steps[step], self.key)
        learner.load_state_dict(found.weights)
        restore_optimizers(optimizers, found.optimizers)
        self.processes.wait()
        if steps[step] != path and (self.processes.is_first or path != self.shared_file):
            # Else the next checkpoint would push out the one that all processes have.
            os.replace(steps[step], path)
        return found.stored

    def _name_others(self) -> None:
        """Say which checkpoints are left alone because they were made in another way."""
        if not self.processes.is_first:
            return
        for other in sorted(self.folder.glob(f"{self.name}-*{SUFFIX}")):
            if self.key.machine not in other.name:
                print(
                    f"{other} was made by another machine, thread count or number of processes: it is kept, and training "
                    "starts anew"
                )

    def forget(self) -> None:
        """Remove every file of this training, those that a killed process left half-written included."""
        for pattern in (f"{self.name}*", f".{self.name}*"):
            for file in self.folder.glob(pattern):
                file.unlink(missing_ok=True)
