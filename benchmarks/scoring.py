"""Scoring as many items as Stanford Online Products tests with, beside the bare matrix product and two libraries' evaluators.

    python benchmarks/scoring.py

Made unit vectors, 60,000 of 2,048 dimensions, in classes of 2 to 12 items, 5.3 on average; each item searches among all
others. Ways:

- `ours`: `FloatGallery.of` and `score_queries`: P@1, R@10, MAP@R, R-precision and MRR, ties exact;
- `product`: the matrix product alone, in the same batches, into one buffer: what ours cannot do without;
- `pytorch-metric-learning`: `AccuracyCalculator` with its own search by faiss: P@1, MAP@R and R-precision;
- `open-metric-learning`: `RetrievalResults.from_embeddings` and `calc_retrieval_metrics_rr`, all by default but: the first 10
  results, CMC@1, CMC@10, precision@1.

open-metric-learning needs numpy below 2. So it gets an environment of its own, `build/open-metric-learning`, made on the first
run (half a minute, 0.4 GB, from the package index): its pinned version and numpy, while PyTorch and whatever else fits come from
this project's environment, by a `.pth` file that puts that one's packages behind its own.

Each measurement has a process of its own, with the threads of PyTorch, faiss and numpy set; it first imports, warms up on 512
items, and makes the vectors, none of which is timed. Rounds run all ways in turn. Time: the median of the rounds; ratios are of
the same round, then medians. Memory: the largest resident size, whole, and less what it was before the measurement (so beyond
libraries and embeddings); the largest of the rounds. Columns `ours_time` and `ours_added` are ours as a multiple of that
way's, beside the most that they should be. The table is printed and written to `benchmarks/results/scoring.csv`.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import sysconfig
import venv
from collections.abc import Callable, Sequence
from pathlib import Path
from time import perf_counter

import numpy as np
import pandas as pd
import psutil
from reporting import RESULTS, report

ROOT = Path(__file__).parents[1]
PEER = ROOT / "build/open-metric-learning"
PINNED = ("open-metric-learning==4.0.0", "numpy==1.26.4")
BATCH, NOISE, BLOCK, WARM_UP = 1024, 3.3, 512, 512
# Rounding decides between items that are almost equally near.
TOLERANCE = 1e-3
# Per way: the most that ours may take of its time, and of its memory.
TARGETS = {
    "product": (1.15, None),
    "pytorch-metric-learning": (1.0, 0.5),
    "open-metric-learning": (1.0, 0.5),
}

Found = dict[str, float]


def make_items(n_items: int, dim: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Unit vectors float32 [n_items x dim] around their class's direction, class by class, and labels int64 [n_items]."""
    sizes = 2 + np.random.default_rng(seed).binomial(10, 0.33, n_items)
    labels = np.repeat(np.arange(n_items), sizes)[:n_items].astype(np.int64)
    labels[-1] = labels[-2]
    vectors = np.empty((n_items, dim), np.float32)
    for start in range(0, n_items, BLOCK):
        part = labels[start : start + BLOCK]
        classes, place = np.unique(part, return_inverse=True)
        centres = [
            np.random.default_rng((seed, 1, int(one))).standard_normal(dim, np.float32) for one in classes
        ]
        noise = np.random.default_rng((seed, 2, start)).standard_normal((len(part), dim), np.float32)
        block = np.stack(centres)[place] + np.float32(NOISE) * noise
        vectors[start : start + BLOCK] = block / np.linalg.norm(block, axis=1, keepdims=True)
    return vectors, labels


def ours(vectors: np.ndarray, labels: np.ndarray) -> Found:
    """What the evaluate stage does with embeddings in memory."""
    from unifiedlib.relevance import label_relevance
    from unifiedlib.scoring import JudgedGallery, metric_cutoffs, score_queries
    from unifiedlib.search import FloatGallery

    relevance = label_relevance(labels, labels)
    judged = JudgedGallery("task", relevance, np.arange(len(vectors)), metric_cutoffs(relevance, 1, 10))
    values = score_queries(vectors, FloatGallery.of(vectors), [judged], BATCH)[0]
    return dict(zip(judged.cutoffs, values.mean(axis=1).tolist(), strict=True))


def product(vectors: np.ndarray, labels: np.ndarray) -> Found:
    """Every inner product, and nothing else."""
    from unifiedlib.scoring import queries_at_a_time

    size = queries_at_a_time(len(vectors), BATCH)
    buffer = np.empty((size, len(vectors)), np.float32)
    for start in range(0, len(vectors), size):
        batch = vectors[start : start + size]
        np.matmul(batch, vectors.T, out=buffer[: len(batch)])
    return {}


def pytorch_metric_learning(vectors: np.ndarray, labels: np.ndarray) -> Found:
    """The calculator, told to look as deep as MAP@R needs."""
    import torch
    from pytorch_metric_learning.utils.accuracy_calculator import AccuracyCalculator

    names = {
        "precision_at_1": "P@1",
        "mean_average_precision_at_r": "MAP@R",
        "r_precision": "R-precision",
    }
    calculator = AccuracyCalculator(include=tuple(names), k="max_bin_count", device=torch.device("cpu"))
    found = calculator.get_accuracy(torch.from_numpy(vectors), torch.from_numpy(labels))
    return {names[name]: value for name, value in found.items()}


def open_metric_learning(vectors: np.ndarray, labels: np.ndarray) -> Found:
    """Its retrieval results and metrics; a data set of labels alone stands for the pictures."""
    import torch
    from oml.interfaces.datasets import IQueryGalleryLabeledDataset
    from oml.metrics import calc_retrieval_metrics_rr
    from oml.retrieval import RetrievalResults

    class Labels(IQueryGalleryLabeledDataset):
        extra_data: dict[str, object] = {}  # noqa: RUF012

        def __len__(self) -> int:
            return len(labels)

        def get_labels(self) -> torch.Tensor:
            return torch.from_numpy(labels)

        def get_query_ids(self) -> torch.Tensor:
            return torch.arange(len(labels))

        get_gallery_ids = get_query_ids

    results = RetrievalResults.from_embeddings(torch.from_numpy(vectors), Labels(), n_items=10)
    found = calc_retrieval_metrics_rr(
        results, cmc_top_k=(1, 10), precision_top_k=(1,), map_top_k=(), verbose=False
    )
    return {"P@1": float(found["precision"][1]), "R@10": float(found["cmc"][10])}


WAYS: dict[str, Callable[[np.ndarray, np.ndarray], Found]] = {
    "ours": ours,
    "product": product,
    "pytorch-metric-learning": pytorch_metric_learning,
    "open-metric-learning": open_metric_learning,
}


def peak_mib() -> float:
    """Largest resident size of this process so far, MiB."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)


def measure(way: str, n_items: int, dim: int, seed: int, threads: int) -> None:
    """Print seconds, MiB added, MiB in all and the metrics as JSON; runs in a process of its own."""
    import torch

    torch.set_num_threads(threads)
    WAYS[way](*make_items(WARM_UP, dim, seed + 1))
    items = make_items(n_items, dim, seed)
    before, start = psutil.Process().memory_info().rss / 2**20, perf_counter()
    found = WAYS[way](*items)
    seconds = perf_counter() - start
    print(json.dumps([seconds, peak_mib() - before, peak_mib(), found]))


def peer_python() -> Path:
    """The Python of open-metric-learning's environment, which is made where it is missing or half made."""
    python, stamp = PEER / "bin/python", PEER / "installed.txt"
    if stamp.is_file() and stamp.read_text(encoding="utf-8") == " ".join(PINNED):
        return python
    print(f"installing {' and '.join(PINNED)} into {PEER}", file=sys.stderr, flush=True)
    shutil.rmtree(PEER, ignore_errors=True)
    venv.create(PEER, with_pip=True)
    own = next(PEER.glob("lib/python*/site-packages"))
    (own / "project.pth").write_text(sysconfig.get_path("purelib") + "\n", encoding="utf-8")
    subprocess.run([python, "-m", "pip", "install", "-qq", *PINNED], check=True)
    stamp.write_text(" ".join(PINNED), encoding="utf-8")
    return python


def measured_apart(way: str, chosen: argparse.Namespace) -> tuple[float, float, float, Found]:
    """What `measure` prints, from a fresh process."""
    python = peer_python() if way == "open-metric-learning" else Path(sys.executable)
    sizes = {name: str(getattr(chosen, name)) for name in ("items", "dim", "seed", "threads")}
    words = [word for name, value in sizes.items() for word in (f"--{name}", value)]
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), sizes["threads"])
    environment = os.environ | threads | {"OMP_WAIT_POLICY": "PASSIVE", "PYTHONPATH": str(ROOT)}
    command = [python, __file__, "--way", way, *words]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, env=environment)
    seconds, added, whole, found = json.loads(done.stdout.splitlines()[-1])
    return seconds, added, whole, found


def check_agreement(found: dict[str, tuple[float, float, float, Found]]) -> None:
    """Raise ValueError where a library's metric is not ours: then they did not measure the same thing."""
    for way, (_, _, _, metrics) in found.items():
        for name, value in metrics.items():
            if abs(value - (own := found["ours"][3][name])) > TOLERANCE:
                raise ValueError(f"{way} finds {name} {value:.6f} and ours {own:.6f}: look for what differs")


def table_of(rounds: list[dict[str, tuple[float, float, float, Found]]]) -> pd.DataFrame:
    """A row per way: its time and memory, ours as a multiple of them, and the metrics that it found."""
    added = {way: max(one[way][1] for one in rounds) for way in rounds[0]}
    rows = []
    for way in rounds[0]:
        slower, larger = TARGETS.get(way, (None, None))
        rows.append(
            {
                "way": way,
                "seconds": round(float(np.median([one[way][0] for one in rounds])), 2),
                "ours_time": round(float(np.median([one["ours"][0] / one[way][0] for one in rounds])), 3),
                "most_time": slower,
                "added_mib": round(added[way]),
                "ours_added": None if way == "product" else round(added["ours"] / added[way], 3),
                "most_added": larger,
                "whole_mib": round(max(one[way][2] for one in rounds)),
                **{name: round(value, 6) for name, value in rounds[0][way][3].items()},
                "rounds": len(rounds),
            }
        )
    return pd.DataFrame(rows)


def main(argv: Sequence[str] | None = None) -> int:
    """The command line; returns the exit status."""
    parser = argparse.ArgumentParser(description="Scoring beside the matrix product and two libraries.")
    parser.add_argument("--items", type=int, default=60_000)
    parser.add_argument("--dim", type=int, default=2048)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--output", type=Path, default=RESULTS / "scoring.csv")
    parser.add_argument("--way", choices=tuple(WAYS), help=argparse.SUPPRESS)
    chosen = parser.parse_args(argv)
    if chosen.way:
        measure(chosen.way, chosen.items, chosen.dim, chosen.seed, chosen.threads)
        return 0
    rounds: list[dict[str, tuple[float, float, float, Found]]] = []
    for number in range(chosen.rounds):
        rounds.append({})
        for way in WAYS:
            rounds[-1][way] = measured_apart(way, chosen)
            print(number, way, *rounds[-1][way], file=sys.stderr, flush=True)
        check_agreement(rounds[-1])
    report(table_of(rounds), chosen.output, chosen.threads, items=chosen.items, dim=chosen.dim)
    return 0


if __name__ == "__main__":
    sys.exit(main())
