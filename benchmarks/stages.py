"""Seconds and peak memory of each stage of a collection, and what the run leaves on disk.

    python benchmarks/stages.py decor

Runs `dvc repro report@COLLECTION` and watches it. A stage that is up to date is not run, so start from `make clean` for a
whole table. A stage's memory is that of its runner, kernel and workers together: the sum of their proportional set sizes, in
which a page that n processes share counts as 1/n of a page in each, read twice a second (Linux only). The table is printed
and written to `benchmarks/results/stages-COLLECTION.csv`.
"""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import psutil

from unifiedlib.params import COLLECTIONS

ROOT = Path(__file__).parents[1]
INTERVAL = 0.5
GIB = 2**30
LEFT_OUT = (".venv", ".git")


@dataclass
class Watch:
    """What has been seen of one stage: when it began and when it was last alive (seconds), and its largest memory (bytes)."""

    began: float
    seen: float
    peak: int = 0


def stage_of(process: psutil.Process) -> str | None:
    """The stage that a process runs, as written after `unifiedlib.runner`, or None when it is not a runner."""
    words = process.cmdline()
    if "unifiedlib.runner" not in words[:4] or not Path(words[0]).name.startswith("python"):
        return None
    return " ".join(
        word for word in words[words.index("unifiedlib.runner") + 1 :] if not word.startswith("--")
    )


def memory(process: psutil.Process) -> int:
    """Proportional set size of a process and all below it, in bytes."""
    total = 0
    for one in [process, *process.children(recursive=True)]:
        try:
            total += one.memory_full_info().pss
        except psutil.NoSuchProcess:
            continue
    return total


def watch(command: Sequence[str]) -> tuple[int, dict[str, Watch]]:
    """Run a command to its end; returns its exit status and what was seen of each stage, in the order they began."""
    stages: dict[str, Watch] = {}
    run = subprocess.Popen(command, cwd=ROOT)
    root = psutil.Process(run.pid)
    while run.poll() is None:
        now = time.monotonic()
        for process in root.children(recursive=True):
            try:
                name = stage_of(process)
                if name is not None:
                    stage = stages.setdefault(name, Watch(now, now))
                    stage.seen, stage.peak = now, max(stage.peak, memory(process))
            except (psutil.NoSuchProcess, psutil.ZombieProcess):
                continue
        time.sleep(INTERVAL)
    return run.returncode, stages


def disk(folder: Path) -> int:
    """Bytes below a folder, environment and git's own left out; a file with several names counts once."""
    found = {}
    for place, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if name not in LEFT_OUT]
        for name in files:
            status = (Path(place) / name).lstat()
            found[status.st_dev, status.st_ino] = status.st_blocks * 512
    return sum(found.values())


def main(argv: Sequence[str] | None = None) -> int:
    """The command line; returns the exit status of the run."""
    parser = argparse.ArgumentParser(description="Seconds and peak memory of each stage of a collection.")
    parser.add_argument("collection", choices=COLLECTIONS)
    collection = parser.parse_args(argv).collection
    start = time.monotonic()
    status, stages = watch([sys.executable, "-m", "dvc", "repro", f"report@{collection}"])
    if status:
        print("the run failed; nothing was written", file=sys.stderr)
        return status
    rows = [(name, stage.seen - stage.began, stage.peak / GIB) for name, stage in stages.items()]
    rows.append(("whole run", time.monotonic() - start, max((row[2] for row in rows), default=0.0)))
    table = pd.DataFrame(rows, columns=["stage", "seconds", "peak_gib"]).round({"seconds": 0, "peak_gib": 2})
    print(table.to_string(index=False))
    print(
        f"disk outside the environment: {disk(ROOT) / GIB:.2f} GiB · {datetime.now(UTC):%Y-%m-%d} · "
        f"{platform.machine()}, {os.cpu_count()} cores"
    )
    target = ROOT / "benchmarks/results" / f"stages-{collection}.csv"
    target.parent.mkdir(parents=True, exist_ok=True)
    table.to_csv(target, index=False, lineterminator="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
