"""How a benchmark ends: its table printed, and written beside the date and the machine."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import torch

from unifiedlib.provenance import processor

RESULTS = Path(__file__).resolve().parent / "results"


def report(table: pd.DataFrame, target: Path, threads: int, **more: object) -> None:
    """Print a table and write it as CSV. more: what else to say of the run, a column each beside date, machine and threads."""
    about = {
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
        "machine": f"{processor()}, {torch.backends.cpu.get_cpu_capability()}, {os.cpu_count()} cores",
        "threads": threads,
        **more,
    }
    print(table.to_string(index=False, na_rep=""))
    print(" · ".join(f"{key} {value}" for key, value in about.items()))
    target.parent.mkdir(parents=True, exist_ok=True)
    table.assign(**about).to_csv(target, index=False, lineterminator="\n")
