"""Seconds that ITQ needs to learn a rotation: `unifiedlib.quantizers.learn_itq` against `faiss.ITQTransform`.

    python benchmarks/itq.py                  # 512 bits
    python benchmarks/itq.py --bits 2048      # long, nearly all of it faiss's

Both learn from the same random embeddings, as many values as bits, with one thread, in turn, in the same process. What comes
before the iterations (mean, principal directions) is timed by a run of one iteration, which also warms up. The time of an
iteration is the difference to a run of `--iterations`, divided by the iterations that it has more. Medians over `--rounds` are
printed, with how much each loses: the mean squared distance of unit vectors from their signs.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from datetime import UTC, datetime
from statistics import median
from time import perf_counter

for library in ("OMP", "OPENBLAS", "MKL"):
    os.environ[f"{library}_NUM_THREADS"] = "1"

import faiss  # noqa: E402  # the libraries read these variables once
import numpy as np  # noqa: E402

from unifiedlib.quantizers import learn_itq  # noqa: E402

THREADS, SEED = 1, 0


def ours(training: np.ndarray, iterations: int) -> np.ndarray:
    """Values whose signs are the bits, [n x n_bits]."""
    learned = learn_itq(training, training.shape[1], SEED, iterations)
    assert learned.rotation is not None
    return np.asarray(training @ learned.rotation - learned.thresholds)


def theirs(training: np.ndarray, iterations: int) -> np.ndarray:
    """The same by faiss, with its own principal directions."""
    transform = faiss.ITQTransform(training.shape[1], training.shape[1], True)
    transform.itq.max_iter = iterations
    transform.train(training)
    return np.asarray(transform.apply(training))


def loss(values: np.ndarray) -> float:
    """Mean squared distance of the values, scaled to unit length, from their signs."""
    unit = values / np.linalg.norm(values, axis=1, keepdims=True)
    return float(np.square(np.where(unit > 0, 1, -1) - unit).sum(axis=1).mean())


def seconds(learn: Callable[[np.ndarray, int], np.ndarray], training: np.ndarray, iterations: int) -> float:
    """Wall-clock seconds of one call."""
    start = perf_counter()
    learn(training, iterations)
    return perf_counter() - start


def main() -> None:
    """Measure both and print a line for each."""
    parser = argparse.ArgumentParser(description="ITQ, ours against faiss's.")
    parser.add_argument("--bits", type=int, default=512)
    parser.add_argument("--items", type=int, default=5000)
    parser.add_argument("--iterations", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    faiss.omp_set_num_threads(THREADS)
    vectors = np.random.default_rng(SEED).standard_normal((arguments.items, arguments.bits))
    training = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    about = f"{arguments.bits} bits, {arguments.items} items, {THREADS} thread, {arguments.rounds} rounds"
    print(f"{datetime.now(UTC):%Y-%m-%d}, {os.cpu_count()} cores, {about}")
    sides = {"unifiedlib": ours, "faiss": theirs}
    start: dict[str, list[float]] = {name: [] for name in sides}
    each: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(arguments.rounds):
        for name, learn in sides.items():
            first = seconds(learn, training, 1)
            more = seconds(learn, training, arguments.iterations) - first
            start[name].append(first)
            each[name].append(more / (arguments.iterations - 1))
    for name, learn in sides.items():
        times = f"{median(start[name]):.2f} s with one iteration, {median(each[name]):.3f} s for each more"
        print(f"{name}: {times}, loss {loss(learn(training, arguments.iterations)):.3f}")


if __name__ == "__main__":
    main()
