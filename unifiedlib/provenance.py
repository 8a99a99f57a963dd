"""Where results come from: the commit, the machine, and how long each stage took, as a report states them."""

from __future__ import annotations

import json
import os
import platform
import subprocess
from pathlib import Path

import pandas as pd
import psutil

from unifiedlib.threads import MIB

SHORT = 12


def commit(root: Path) -> str:
    """The commit of the checkout at `root`, and whether tracked files differ from it; says so where there is no repository."""
    head = _git(root, "rev-parse", "HEAD")
    if head is None:
        return "not a git checkout"
    changed = _git(root, "status", "--porcelain", "--untracked-files=no", "--", ".", ":!dvc.lock")
    return head[:SHORT] + (" and changes that are not committed" if changed else "")


def _git(root: Path, *words: str) -> str | None:
    try:
        done = subprocess.run(["git", "-C", str(root), *words], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip()


def processor(info: Path = Path("/proc/cpuinfo")) -> str:
    """The processor's name, as Linux tells it, else as Python does."""
    lines = info.read_text(encoding="utf-8").splitlines() if info.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def environment(root: Path, threads: int) -> dict[str, str]:
    """What a result was made with: commit, processor, cores, memory, threads, system, Python."""
    return {
        "commit": commit(root),
        "processor": processor(),
        "cores": str(os.cpu_count()),
        "memory": f"{psutil.virtual_memory().total / MIB / 1024:.1f} GiB",
        "threads": str(threads),
        "system": f"{platform.system()} {platform.machine()}",
        "Python": platform.python_version(),
    }


def timings(executed: Path) -> pd.DataFrame:
    """How long each stage took when it was run, from its executed notebook: columns stage, started (UTC), seconds; oldest first.

    executed: `executed/<collection>`. What was restored from DVC's cache tells the times of the run that made it. A notebook
    that was not executed by the runner is left out.
    """
    rows = [row for path in sorted(executed.glob("[0-9][0-9]_*.ipynb")) if (row := _timing(path)) is not None]
    table = pd.DataFrame(rows, columns=["stage", "started", "seconds"])
    return table.sort_values("started", kind="stable", ignore_index=True)


def _timing(path: Path) -> tuple[str, str, float] | None:
    run = json.loads(path.read_text(encoding="utf-8"))["metadata"].get("papermill", {})
    if path.name.endswith((".failed.ipynb", ".running.ipynb")) or run.get("duration") is None:
        return None
    return path.stem, str(run["start_time"])[:16].replace("T", " "), round(float(run["duration"]), 1)
