"""Which machine measured, in words that name no one's computer: processor, cores, memory, threads, versions."""

from __future__ import annotations

import os
import platform
from importlib.metadata import version
from pathlib import Path

CPU_INFO = Path("/proc/cpuinfo")
GIB = 2**30


def processor_name(text: str) -> str:
    """The processor's name in the text of /proc/cpuinfo, or the architecture where it says none.

    >>> processor_name("processor : 0\\nmodel name\\t: AMD EPYC")
    'AMD EPYC'
    """
    for line in text.splitlines():
        name, _, value = line.partition(":")
        if name.strip() == "model name" and value.strip():
            return value.strip()
    return platform.machine()


def _memory_gib() -> float:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / GIB
    except (ValueError, OSError):
        return 0.0


def machine(threads: int) -> dict[str, str | int | float]:
    """The class of this machine: processor, cores, memory_gib (0 where the system does not say), threads, system, versions.

    threads: how many the measurement used.
    """
    text = CPU_INFO.read_text(encoding="utf-8") if CPU_INFO.is_file() else ""
    return {
        "processor": processor_name(text),
        "architecture": platform.machine(),
        "cores": os.cpu_count() or 0,
        "memory_gib": round(_memory_gib(), 1),
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
