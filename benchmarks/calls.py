"""What one query of the index costs beside faiss's own work, with the caches warm and after a search has emptied them.

    python benchmarks/calls.py

An index of 10,000 made items, 2,048 values or bits each, answers single queries, k = 10, while something that answers at once
stands in for faiss. Before each query, memory is read: none, 4 MiB, or 64 MiB, as a search does that goes through as much.
Column `microseconds`: the median over 256 queries, three times each. Printed, and written to `benchmarks/results/calls.csv`.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import pandas as pd
from reporting import RESULTS, report
from search import QUERIES, K, made_floats

from unifiedlib.index import Index
from unifiedlib.index.approximate import EFFORT
from unifiedlib.threads import use_threads

N_ITEMS, REPEATS = 10_000, 3
READ_BEFORE = (0, 2**22, 2**26)


class Prompt:
    """In the place of a faiss index: what it would find is known beforehand."""

    def __init__(self, faiss_index: Any) -> None:
        self._faiss_index = faiss_index
        self.answer: tuple[np.ndarray, np.ndarray] | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._faiss_index, name)

    def search(self, *_queries: Any, **_how: Any) -> Any:
        """The answer that was put here."""
        return self.answer


def measure(vectors: np.ndarray, representation: str, kind: str) -> list[dict]:
    """Rows of one way, one for each amount of memory that is read before a query."""
    index = Index.build(vectors[:N_ITEMS], representation=representation, kind=kind)
    below, queries = index._approximate, vectors[N_ITEMS:]
    answers = [below._ask_faiss(queries[row : row + 1], K, EFFORT[kind], None) for row in range(QUERIES)]
    below.faiss_index = prompt = Prompt(below.faiss_index)
    rows = []
    for n_bytes in READ_BEFORE:
        memory, seconds = np.ones(n_bytes // 8), []
        for row in [*range(QUERIES)] * REPEATS:
            prompt.answer = answers[row]
            memory.sum()
            start = perf_counter()
            index.search(queries[row : row + 1], K)
            seconds.append(perf_counter() - start)
        rows.append(
            {
                "way": f"{representation} {kind}",
                "mib_read_before": n_bytes // 2**20,
                "microseconds": round(1e6 * float(np.median(seconds)), 1),
            }
        )
    return rows


def main(argv: Sequence[str] | None = None) -> int:
    """The command line; returns the exit status."""
    parser = argparse.ArgumentParser(description="A query of the index without faiss's part.")
    parser.add_argument("--output", type=Path, default=RESULTS / "calls.csv")
    chosen = parser.parse_args(argv)
    use_threads(1)
    data = made_floats(N_ITEMS)
    rows = []
    for representation, vectors in (("float", data.floats), ("binary", data.codes)):
        for kind in ("ivf", "hnsw"):
            rows += measure(vectors, representation, kind)
    report(pd.DataFrame(rows), chosen.output, 1)
    return 0


if __name__ == "__main__":
    sys.exit(main())
