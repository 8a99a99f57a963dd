"""One training by as many processes as `torchrun` has started: the first writes its history and weights to a folder.

torchrun --nproc-per-node 2 tests/two_processes.py COLLECTION CHECKPOINTS OUTPUT '{"classes_per_step": 3}'
"""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

import torch
from small_world import SETTINGS

from unifiedlib.contract import load_collection
from unifiedlib.devices import Processes
from unifiedlib.training import Training


def main(data: Path, checkpoints: Path, output: Path, change: dict[str, object]) -> None:
    """Train and save."""
    torch.set_num_threads(1)
    processes = Processes("cpu")
    settings = replace(SETTINGS, **change)  # type: ignore[arg-type]
    training = Training(load_collection(data), "unified", 0, settings, checkpoints, processes=processes)
    trained = training.run()
    if processes.is_first:
        if settings.classes_per_step:
            training = replace(training, processes=Processes("cpu", alone=True))
            trained = training.run()
        training.save(output, trained)


if __name__ == "__main__":
    main(*(Path(argument) for argument in sys.argv[1:4]), json.loads(sys.argv[4]))
