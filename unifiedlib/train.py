"""Trains a variant on several devices or hosts, for the pipeline to pick up:

    torchrun --nproc-per-node 8 -m unifiedlib.train --collection photos --variant unified
    dvc repro train-photos@photos-unified

Settings are those of params.yaml; `batch_size` is that of each process, so that eight processes take an eighth of the steps.
What is trained lies as a finished checkpoint in `.checkpoints`, where the notebook of the train stage finds it, writes the model
and shows how it went. Without `torchrun` one process trains. A killed run goes on from its last checkpoint when the same command
is given again.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import cast

from unifiedlib import paths
from unifiedlib.contract import load_collection
from unifiedlib.devices import Processes
from unifiedlib.params import COLLECTIONS, ParameterError, load_params
from unifiedlib.phases import TrainingError
from unifiedlib.stage_parameters import stage_parameters
from unifiedlib.threads import use_threads
from unifiedlib.train_settings import TrainSettings, settings_of
from unifiedlib.training import Training
from unifiedlib.variants import IMAGENET


def trainings(collection: str, variant: str, seeds: Sequence[int], device: str | None) -> list[Training]:
    """The trainings of a variant, as the train stage would do them, in these processes.

    seeds: none: those of params.yaml. device: none: that of params.yaml.
    """
    params = load_params(paths.resolve("params.yaml"))
    values = stage_parameters(params, "train", collection, variant)
    if variant == IMAGENET:
        raise ParameterError(f"variant '{IMAGENET}' has nothing to train; choose another")
    use_threads(params.threads)
    settings = TrainSettings(**settings_of(TrainSettings, values))
    processes = Processes(device or str(values["device"]), settings.precision)
    data = load_collection(paths.resolve(str(values["data_folder"])))
    checkpoints = paths.resolve(str(values["checkpoint_folder"]))
    wanted = list(seeds) or cast(list[int], values["seeds"])
    tasks = tuple(cast(list[str], values["tasks"]))
    return [Training(data, variant, seed, settings, checkpoints, tasks, processes) for seed in wanted]


def main(argv: Sequence[str] | None = None) -> int:
    """The command line; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="torchrun -m unifiedlib.train", description="Train a variant on several devices or hosts."
    )
    parser.add_argument("--collection", required=True, choices=COLLECTIONS)
    parser.add_argument("--variant", required=True, help="as in params.yaml; an ablation, too")
    parser.add_argument("--seed", type=int, action="append", default=[], help="may be given several times")
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), help="instead of that in params.yaml")
    chosen = parser.parse_args(argv)
    try:
        for training in trainings(chosen.collection, chosen.variant, chosen.seed, chosen.device):
            training.run()
            if training.processes.is_first:
                print(
                    f"{training.label}: trained by {training.processes.world}, in {training.files.finished_file}"
                )
    except (ValueError, OSError, TrainingError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
