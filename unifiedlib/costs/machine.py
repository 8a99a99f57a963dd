"""Which machine measured, in words that name no one's computer: processor, cores, memory, threads, versions."""

from __future__ import annotations

import os
import platform
from importlib.metadata import version

import psutil

from unifiedlib.provenance import processor

GIB = 2**30


def machine(threads: int) -> dict[str, str | int | float]:
    """The class of this machine: processor, cores, memory_gib, threads, system, versions.

    threads: how many the measurement used.
    """
    return {
        "processor": processor(),
        "architecture": platform.machine(),
        "cores": os.cpu_count() or 0,
        "memory_gib": round(psutil.virtual_memory().total / GIB, 1),
        "threads": threads,
        "system": platform.system(),
        "python": platform.python_version(),
        **{name: version(name) for name in ("torch", "numpy", "faiss-cpu")},
    }


def in_words(about: dict[str, str | int | float]) -> str:
    """A machine in one line: "AMD EPYC, 2 cores, 23.4 GiB, measured with 1 thread"."""
    plural = "" if about["threads"] == 1 else "s"
    return (
        f"{about['processor']}, {about['cores']} cores, {about['memory_gib']} GiB of memory, "
        f"measured with {about['threads']} thread{plural}"
    )
