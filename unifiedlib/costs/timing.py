"""Timing in rounds: each round does everything once, so that what slows the machine for a while slows all of it alike.

Everything is done with one thread, and what is taken is the processor's time, not the clock's: core-seconds, of which
core-hours are made. Other processes that share the machine slow the clock, but this much less.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from io import StringIO
from time import process_time

import faiss
import pandas as pd
import torch

from unifiedlib.progress import LOG_VARIABLE

THREADS = 1
CORE_SECONDS = "core-seconds"
COLUMNS = ("round", "quantity", "what", "unit", "value")


@dataclass(frozen=True)
class Sample:
    """One measured value. quantity: what is measured, such as `embedding`; what: of what, such as `unified`."""

    quantity: str
    what: str
    value: float
    unit: str = CORE_SECONDS


# Does some work and returns what it took.
Way = Callable[[], list[Sample]]


def seconds(work: Callable[[], object]) -> float:
    """Core-seconds that a piece of work takes, once."""
    start = process_time()
    work()
    return process_time() - start


@contextmanager
def quiet_core() -> Iterator[None]:
    """One thread for PyTorch and faiss, and no progress on show; both are as before when the block ends."""
    torch_threads, faiss_threads = torch.get_num_threads(), faiss.omp_get_max_threads()
    shown = os.environ.get(LOG_VARIABLE)
    os.environ[LOG_VARIABLE] = "1"
    try:
        with redirect_stdout(StringIO()):
            torch.set_num_threads(THREADS)
            faiss.omp_set_num_threads(THREADS)
            yield
    finally:
        torch.set_num_threads(torch_threads)
        faiss.omp_set_num_threads(faiss_threads)
        os.environ.pop(LOG_VARIABLE)
        if shown is not None:
            os.environ[LOG_VARIABLE] = shown


def in_rounds(ways: Sequence[Way], rounds: int, warm_up: int) -> pd.DataFrame:
    """Measure: a row per round and sample, columns round (from 1), quantity, what, unit, value.

    Each round does every way once and begins with another one, so that none always comes first. warm_up: rounds before, which are
    not counted.
    """
    rows: list[tuple[int, str, str, str, float]] = []
    with quiet_core():
        for number in range(1 - warm_up, rounds + 1):
            first = number % len(ways)
            for way in [*ways[first:], *ways[:first]]:
                found = way()
                if number > 0:
                    rows += [(number, one.quantity, one.what, one.unit, one.value) for one in found]
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    return table.sort_values(["quantity", "what", "round"], kind="stable", ignore_index=True)
