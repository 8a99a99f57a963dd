"""Step time and peak memory of a softmax over 10^3 to 10^6 classes, beside pytorch-metric-learning's NormalizedSoftmaxLoss.

    python benchmarks/classes.py

A step is forward, backward and optimiser step of the head alone, for 128 unit vectors of 256 dimensions (32 classes, 4 images
of each) that take a gradient; without a trunk. Ways, all at temperature 0.05:

- `sampled`: `ProxyHead` over the batch's own classes and a sample, 4,096 in all, drawn within the step; `RowAdamW`;
- `all classes`: `ProxyHead` over all classes, `torch.optim.AdamW`;
- `peer`: `NormalizedSoftmaxLoss`, `torch.optim.AdamW`.

At the largest number, in the first round alone, also SGD with momentum, and `touched`: `sampled` after steps that have touched
every class once, so that the optimiser's state is as large as it gets. A short run touches few classes, a long one all.

Each measurement has a process of its own, with PyTorch's threads set and the C library's memory as it comes. Rounds run all
ways in turn. Time: the median step after a warm-up of each process, and the median of the rounds. Memory: the largest resident
size, less that after the imports, over head, first proxies and every step; the largest of the rounds. The table is printed
and written to `benchmarks/results/classes.csv`.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import torch

ROOT = Path(__file__).parents[1]
SIZES = (1_000, 10_000, 100_000, 1_000_000)
DIM, CLASSES, PER_CLASS, SAMPLED, TEMPERATURE = 256, 32, 4, 4096, 0.05
RATES = {"adamw": 1e-3, "sgd": 0.1}
# Per way and number of classes: least times as fast as the peer, and largest share of its memory.
TARGETS = {("sampled", 1_000_000): (20.0, 1 / 3), ("all classes", 10_000): (1.0, None)}


@dataclass(frozen=True)
class Case:
    """One measurement."""

    way: str
    optimizer: str
    n_classes: int

    @property
    def steps(self) -> tuple[int, int]:
        """Steps to warm up, and steps to measure."""
        if self.way in ("sampled", "touched"):
            return 3, 30
        return {1_000_000: (1, 2), 100_000: (2, 6)}.get(self.n_classes, (3, 20))


def peak_mib() -> float:
    """Largest resident size of this process so far, MiB."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)


class Steps:
    """The head, the optimiser and the steps of a case."""

    def __init__(self, case: Case) -> None:
        import torch

        from unifiedlib.losses import ProxyHead
        from unifiedlib.row_optimizer import RowAdamW, RowSGD

        self.case = case
        self.sparse = case.way in ("sampled", "touched")
        self.head: torch.nn.Module
        if case.way == "peer":
            from pytorch_metric_learning.losses import NormalizedSoftmaxLoss

            self.head = NormalizedSoftmaxLoss(case.n_classes, DIM, temperature=TEMPERATURE)
        else:
            generator = torch.Generator().manual_seed(0)
            self.head = ProxyHead(case.n_classes, DIM, TEMPERATURE, generator, self.sparse)
        rate = RATES[case.optimizer]
        self.optimizer: torch.optim.Optimizer
        if case.optimizer == "sgd":
            kind = RowSGD if self.sparse else torch.optim.SGD
            self.optimizer = kind(self.head.parameters(), lr=rate, momentum=0.9, weight_decay=1e-4)
        else:
            kind = RowAdamW if self.sparse else torch.optim.AdamW
            self.optimizer = kind(self.head.parameters(), lr=rate, weight_decay=1e-4)

    def step(self, number: int, classes: torch.Tensor | None = None) -> float:
        """Seconds of one step; classes: those of the softmax where they are not to be drawn."""
        import torch
        import torch.nn.functional as F  # noqa: N812

        from unifiedlib.losses import sampled_classes

        rng = np.random.default_rng(number)
        drawn = rng.choice(self.case.n_classes, CLASSES, replace=False)
        if classes is not None:
            drawn = classes[:CLASSES].numpy()
        labels = torch.from_numpy(np.repeat(drawn, PER_CLASS))
        embeddings = F.normalize(torch.randn(len(labels), DIM), dim=1).requires_grad_()
        start = perf_counter()
        self.optimizer.zero_grad()
        if self.sparse:
            if classes is None:
                classes = sampled_classes(labels, self.case.n_classes, SAMPLED, rng)
            loss = self.head(embeddings, labels, classes)
        else:
            loss = self.head(embeddings, labels)
        loss.backward()
        self.optimizer.step()
        return perf_counter() - start

    def touch_every_class(self) -> None:
        """Steps over each class once."""
        import torch

        for first in range(0, self.case.n_classes, SAMPLED):
            classes = torch.arange(first, min(first + SAMPLED, self.case.n_classes))
            self.step(first, classes[torch.randperm(len(classes))].sort().values)


def measure(case: Case, threads: int) -> None:
    """Print the median milliseconds of a step and the peak in MiB as JSON; runs in a process of its own."""
    import torch

    import unifiedlib.row_optimizer  # noqa: F401

    if case.way == "peer":
        import pytorch_metric_learning.losses  # noqa: F401
    torch.set_num_threads(threads)
    before = peak_mib()
    steps = Steps(case)
    if case.way == "touched":
        steps.touch_every_class()
    warm_up, measured = case.steps
    seconds = [steps.step(number) for number in range(warm_up + measured)]
    print(json.dumps([1000 * float(np.median(seconds[warm_up:])), peak_mib() - before]))


def measured_apart(case: Case, threads: int) -> tuple[float, float]:
    """Milliseconds and MiB of a case, in a fresh process."""
    command = [sys.executable, __file__, "--threads", str(threads), "--case", json.dumps(asdict(case))]
    environment = os.environ | {"OMP_WAIT_POLICY": "PASSIVE"}
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, env=environment)
    milliseconds, mib = json.loads(done.stdout)
    return milliseconds, mib
