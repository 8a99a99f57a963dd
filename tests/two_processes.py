"""One training by as many processes as `torchrun` has started: the first writes its history and weights to a folder.

torchrun --nproc-per-node 2 tests/two_processes.py COLLECTION CHECKPOINTS OUTPUT '{"classes_per_step": 3}' [show:33]

The last argument kills the second process when it is about to `show` a batch's views (or to `save_checkpoint`) for the 34th time.
"""

from __future__ import annotations

import json
import os
import sys
from dataclasses import replace
from itertools import count
from pathlib import Path
from types import ModuleType

import torch
from small_world import SETTINGS

from unifiedlib import resuming, training
from unifiedlib.contract import load_collection
from unifiedlib.devices import Processes
from unifiedlib.training import Training


def die(module: ModuleType, name: str, times: int) -> None:
    """Let this process die, as by kill -9, instead of calling a module's function once more than `times`."""
    real, calls = getattr(module, name), count()

    def called(*arguments: object) -> object:
        if next(calls) == times:
            os._exit(9)
        return real(*arguments)

    setattr(module, name, called)


def main(data: Path, checkpoints: Path, output: Path, change: dict[str, object], death: str = "") -> None:
    """Train and save."""
    torch.set_num_threads(1)
    processes = Processes("cpu")
    if death and not processes.is_first:
        name, _, times = death.partition(":")
        die(training if name == "show" else resuming, name, int(times))
    settings = replace(SETTINGS, **change)  # type: ignore[arg-type]
    both = Training(load_collection(data), "unified", 0, settings, checkpoints, processes=processes)
    both.run()
    again = both.run()
    if processes.is_first:
        alone = replace(both, processes=Processes("cpu", alone=True))
        whole = alone.run()
        assert again.history.equals(whole.history)
        alone.save(output, whole)


if __name__ == "__main__":
    main(*(Path(argument) for argument in sys.argv[1:4]), json.loads(sys.argv[4]), *sys.argv[5:])
