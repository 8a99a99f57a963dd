"""Images per second of fine-tuning, beside a bare loop of the same trunk, and what other ways to compute would give.

    python benchmarks/training.py

Random pictures in the sizes of `photos`, three tasks with its numbers of classes, its settings in params.yaml. In turn within
each round, in one process, over as many images in pieces of the same size:

- `fine-tuning`: the second phase of a training as it runs: batches drawn, pixels read, random views, trunk, pool, LayerNorm,
  Linear, all heads, the gradients' lengths every twenty steps, AdamW over all parameters;
- `bare trunk`: forward, backward and AdamW of the trunk alone, with the same stages frozen, on random tensors made before;
- `bare, bf16`: the bare loop under autocast, on a processor with instructions for it, since others take many times as long;
  `bare, channels first`: in PyTorch's usual memory format.

A warm-up round, then medians. `--compile` adds the bare loop through torch.compile (minutes to compile, and it needs a C++
compiler). The table is printed and written to `benchmarks/results/training.csv`.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import redirect_stdout
from dataclasses import replace
from io import StringIO
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter

import numpy as np
import pandas as pd
import torch
from reporting import RESULTS, report

from unifiedlib.contract import Collection, TaskSpec, write_collection
from unifiedlib.model import EmbeddingModel, ModelSettings
from unifiedlib.params import load_params
from unifiedlib.phases import Progress, run_phase
from unifiedlib.threads import use_threads
from unifiedlib.train_settings import TrainSettings
from unifiedlib.training import Training, freeze_stages
from unifiedlib.training_data import training_data

ROOT = Path(__file__).parents[1]
TASKS = {"flashlight": 17, "lens": 50, "shop_the_look": 31}
IMAGES_PER_TASK = 1_000
TARGET = 0.9


def random_collection(folder: Path, size: int) -> Collection:
    """Pictures of noise, `size` pixels square, three tasks, one of them with two label sets, each with a query and its match."""
    rng = np.random.default_rng(0)
    rows = []
    for number, (task, classes) in enumerate(TASKS.items()):
        for place in range(IMAGES_PER_TASK):
            item = number * IMAGES_PER_TASK + place
            role = "query+gallery" if place < 2 else "train"
            rows.append((item, task, "class", "class 0" if place < 2 else f"class {place % classes}", role))
            if task == "shop_the_look" and role == "train":
                rows.append((item, task, "coarse", f"coarse {place % classes // 2}", role))
    n_items = len(TASKS) * IMAGES_PER_TASK
    names = [f"{item}.png" for item in range(n_items)]
    items = pd.DataFrame({"image": names, "box": None, "domain": "pin", "group": names})
    labels = pd.DataFrame(rows, columns=["item", "task", "label_set", "label", "role"])
    tasks = {task: TaskSpec(k=1, label_set="class") for task in TASKS}
    pixels = (rng.integers(0, 255, (size, size, 3)).astype(np.uint8) for _ in range(n_items))
    return write_collection(folder, "noise", items, labels, tasks, pixels, size, [], {})


def fine_tuning(
    collection: Collection, settings: TrainSettings, steps: int, folder: Path
) -> Callable[[], None]:
    """Some steps of the second phase, again and again."""
    training = Training(collection, "unified", 0, settings, folder)
    data = training_data(collection, training.learned, 0.0, 0)
    learner = training.learner(data)
    phase = replace(training.phase_two(learner, data), steps=steps, checkpoint=None, validate_every=10**9)

    def run() -> None:
        with redirect_stdout(StringIO()):
            run_phase(learner, data, phase, 0, Progress())

    return run


def pieces(settings: TrainSettings, steps: int) -> Iterator[int]:
    """Sizes of the pieces that some steps take."""
    images = settings.batch_size * len(TASKS)
    for _ in range(steps):
        yield from (
            min(settings.images_at_once, images - start)
            for start in range(0, images, settings.images_at_once)
        )


def bare(
    settings: TrainSettings,
    steps: int,
    precision: torch.dtype | None = None,
    last: bool = True,
    compiled: bool = False,
) -> Callable[[], None]:
    """A loop of the trunk alone, the same stages of it frozen. last: whether channels come last in memory."""
    layout = torch.channels_last if last else torch.contiguous_format
    made = ModelSettings(settings.trunk, settings.weights, settings.dim, settings.crop)
    model = EmbeddingModel(made, {}, torch.Generator()).train()
    trunk = model.trunk.to(memory_format=layout)
    optimizer = torch.optim.AdamW(freeze_stages(model, settings.frozen_stages), lr=1e-5)
    images = torch.rand(settings.images_at_once, 3, settings.crop, settings.crop).contiguous(
        memory_format=layout
    )
    forward = torch.compile(trunk) if compiled else trunk
    pieces_of_a_step = list(pieces(settings, 1))

    def run() -> None:
        for _ in range(steps):
            optimizer.zero_grad()
            for size in pieces_of_a_step:
                with torch.autocast("cpu", precision or torch.bfloat16, enabled=precision is not None):
                    maps = forward(images[:size])
                maps.float().mean().backward()
            optimizer.step()

    return run


def measure(ways: Mapping[str, Callable[[], None]], rounds: int) -> dict[str, list[float]]:
    """Seconds of each way in every round; each round runs each once, after one that is not counted."""
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(rounds + 1):
        for name, way in ways.items():
            start = perf_counter()
            way()
            if number:
                seconds[name].append(perf_counter() - start)
    return seconds


def main(argv: Sequence[str] | None = None) -> int:
    """The command line; returns the exit status."""
    parser = argparse.ArgumentParser(description="Fine-tuning beside a bare loop of its trunk.")
    parser.add_argument("--steps", type=int, default=4, help="steps of each way in a round")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--compile", action="store_true")
    chosen = parser.parse_args(argv)
    use_threads(chosen.threads)
    params = load_params(ROOT / "params.yaml")
    settings = TrainSettings(**params.train.photos.model_dump())
    with TemporaryDirectory(prefix="training-") as name:
        collection = random_collection(Path(name) / "noise", params.assemble.photos.size)
        ways = {
            "fine-tuning": fine_tuning(collection, settings, chosen.steps, Path(name)),
            "bare trunk": bare(settings, chosen.steps),
            "bare, channels first": bare(settings, chosen.steps, last=False),
        }
        if torch.ops.mkldnn._is_mkldnn_bf16_supported():
            ways["bare, bf16"] = bare(settings, chosen.steps, torch.bfloat16)
        else:
            print("bf16 left out: this processor has no instructions for it")
        if chosen.compile:
            ways["bare, compiled"] = bare(settings, chosen.steps, compiled=True)
        seconds = measure(ways, chosen.rounds)
    images = sum(pieces(settings, chosen.steps))
    rows = [
        (
            way,
            images / median(times),
            median(b / a for a, b in zip(times, seconds["bare trunk"], strict=True)),
        )
        for way, times in seconds.items()
    ]
    table = pd.DataFrame(rows, columns=["way", "images_per_second", "of_bare_trunk"]).round(3)
    table["target"] = [TARGET if way == "fine-tuning" else None for way in table["way"]]
    report(table, RESULTS / "training.csv", chosen.threads, rounds=chosen.rounds)
    return 0


if __name__ == "__main__":
    sys.exit(main())
