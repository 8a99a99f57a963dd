"""Step time and peak memory of a softmax over 10^3 to 10^6 classes, beside pytorch-metric-learning's NormalizedSoftmaxLoss.

    python benchmarks/classes.py

A step is forward, backward and optimiser step of the head alone, for 128 unit vectors of 256 dimensions (32 classes, 4 images
of each) that take a gradient; without a trunk. Ways, all at temperature 0.05:

- `sampled`: `ProxyHead` over the batch's own classes and a sample, 4,096 in all, drawn within the step; `RowAdamW`;
- `all classes`: `ProxyHead` over all classes, `torch.optim.AdamW`;
- `peer`: `NormalizedSoftmaxLoss`, `torch.optim.AdamW`.

At the largest number `all classes` is measured in the first round alone; so are SGD with momentum, and `touched`: `sampled` after
steps that have touched every class once, so that the optimiser's state is as large as it gets. A short run touches few
classes, a long one all.

Each measurement has a process of its own, with PyTorch's threads set and the C library's memory as it comes. Rounds run all
ways in turn. Time: the median step after a warm-up of each process, and the median of the rounds. Memory: the largest resident
size over head, first proxies and every step, less that after the imports and one step of a head of 64 classes, which loads the
libraries' code; the largest of the rounds. The table is printed and written to `benchmarks/results/classes.csv`.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from reporting import RESULTS, report

if TYPE_CHECKING:
    import torch

SIZES = (1_000, 10_000, 100_000, 1_000_000)
DIM, CLASSES, PER_CLASS, SAMPLED, TEMPERATURE = 256, 32, 4, 4096, 0.05
RATES = {"adamw": 1e-3, "sgd": 0.1}
# Per way, optimiser and number of classes: least times as fast as the peer, and largest share of its memory.
TARGETS = {("sampled", "adamw", 1_000_000): (20.0, 1 / 3), ("all classes", "adamw", 10_000): (1.0, None)}


@dataclass(frozen=True)
class Case:
    """One measurement."""

    way: str
    optimizer: str
    n_classes: int

    @property
    def sparse(self) -> bool:
        """Whether it samples classes."""
        return self.way in ("sampled", "touched")

    @property
    def steps(self) -> tuple[int, int]:
        """Steps to warm up, and steps to measure."""
        if self.sparse:
            return 3, 30
        return {1_000_000: (1, 2), 100_000: (1, 4)}.get(self.n_classes, (3, 20))


def peak_mib() -> float:
    """Largest resident size of this process so far, MiB."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)


class Steps:
    """The head, the optimiser and the steps of a case. The process that starts the others stays free of PyTorch."""

    def __init__(self, case: Case) -> None:
        import torch

        from unifiedlib.losses import ProxyHead
        from unifiedlib.row_optimizer import RowAdamW, RowSGD

        self.case = case
        self.generator = torch.Generator().manual_seed(0)
        self.head: torch.nn.Module
        if case.way == "peer":
            from pytorch_metric_learning.losses import NormalizedSoftmaxLoss

            self.head = NormalizedSoftmaxLoss(case.n_classes, DIM, temperature=TEMPERATURE)
        else:
            self.head = ProxyHead(case.n_classes, DIM, TEMPERATURE, self.generator, case.sparse)
        parameters, rate = self.head.parameters(), RATES[case.optimizer]
        self.optimizer: torch.optim.Optimizer
        if case.optimizer == "sgd":
            sgd = RowSGD if case.sparse else torch.optim.SGD
            self.optimizer = sgd(parameters, lr=rate, momentum=0.9, weight_decay=1e-4)
        else:
            adamw = RowAdamW if case.sparse else torch.optim.AdamW
            self.optimizer = adamw(parameters, lr=rate, weight_decay=1e-4)

    def step(self, number: int) -> float:
        """Seconds of step `number`."""
        import torch
        from torch.nn.functional import normalize

        from unifiedlib.losses import sampled_classes

        rng = np.random.default_rng(number)
        drawn = rng.choice(self.case.n_classes, CLASSES, replace=False)
        labels = torch.from_numpy(np.repeat(drawn, PER_CLASS))
        embeddings = normalize(torch.randn(len(labels), DIM, generator=self.generator), dim=1)
        embeddings.requires_grad_()
        start = perf_counter()
        self.optimizer.zero_grad()
        if self.case.sparse:
            classes = sampled_classes(labels, self.case.n_classes, SAMPLED, rng)
            loss = self.head(embeddings, labels, classes)
        else:
            loss = self.head(embeddings, labels)
        loss.backward()
        self.optimizer.step()
        return perf_counter() - start

    def touch_every_class(self) -> None:
        """Steps over all classes, `SAMPLED` at a time."""
        import torch

        for classes in torch.arange(self.case.n_classes).split(SAMPLED):
            embeddings = torch.randn(CLASSES * PER_CLASS, DIM, generator=self.generator)
            self.optimizer.zero_grad()
            self.head(embeddings, classes[:CLASSES].repeat(PER_CLASS), classes).backward()
            self.optimizer.step()


def measure(case: Case, threads: int) -> None:
    """Print the median milliseconds of a step and the peak in MiB as JSON; runs in a process of its own."""
    import torch

    import unifiedlib.row_optimizer  # noqa: F401

    if case.way == "peer":
        import pytorch_metric_learning.losses  # noqa: F401
    torch.set_num_threads(threads)
    Steps(replace(case, n_classes=64)).step(0)
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


def cases_of(sizes: Sequence[int], number: int) -> list[Case]:
    """What round `number` measures."""
    cases = [Case(way, "adamw", n) for n in sizes for way in ("sampled", "all classes", "peer")]
    if number:
        return [case for case in cases if case.way != "all classes" or case.n_classes < max(sizes)]
    cases.append(Case("touched", "adamw", max(sizes)))
    return cases + [Case(way, "sgd", max(sizes)) for way in ("sampled", "touched", "peer")]


def table_of(found: dict[Case, list[tuple[float, float]]]) -> pd.DataFrame:
    """A row per case, beside the peer with the same optimiser: how many times as fast, and what share of its memory."""
    rows = []
    for case, measured in found.items():
        peer = found[Case("peer", case.optimizer, case.n_classes)]
        ratios = [other[0] / own[0] for own, other in zip(measured, peer, strict=False)]
        peak = max(mib for _, mib in measured)
        fast, share = TARGETS.get((case.way, case.optimizer, case.n_classes), (None, None))
        rows.append(
            {
                "classes": case.n_classes,
                "way": case.way,
                "optimizer": case.optimizer,
                "milliseconds": round(float(np.median([ms for ms, _ in measured])), 2),
                "times_peer": round(float(np.median(ratios)), 2),
                "target_times": fast,
                "peak_mib": round(peak),
                "share_of_peer": round(peak / max(mib for _, mib in peer), 3),
                "target_share": share and round(share, 3),
                "rounds": len(measured),
            }
        )
    table = pd.DataFrame(rows).astype({"target_times": float, "target_share": float})
    return table.sort_values(["classes", "optimizer"], kind="stable")


def main(argv: Sequence[str] | None = None) -> int:
    """The command line; returns the exit status."""
    parser = argparse.ArgumentParser(description="Heads of many classes beside NormalizedSoftmaxLoss.")
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES, help="numbers of classes")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--output", type=Path, default=RESULTS / "classes.csv")
    parser.add_argument("--case", help=argparse.SUPPRESS)
    chosen = parser.parse_args(argv)
    if chosen.case:
        measure(Case(**json.loads(chosen.case)), chosen.threads)
        return 0
    found: dict[Case, list[tuple[float, float]]] = {}
    for number in range(chosen.rounds):
        for case in cases_of(chosen.sizes, number):
            found.setdefault(case, []).append(measured_apart(case, chosen.threads))
            print(number, *asdict(case).values(), *found[case][-1], file=sys.stderr, flush=True)
    report(table_of(found), chosen.output, chosen.threads)
    return 0


if __name__ == "__main__":
    sys.exit(main())
