from __future__ import annotations

import platform
import subprocess
import sys

import pytest

from unifiedlib.threads import use_threads

FAULTS = """
import resource, unifiedlib, torch
from unifiedlib.threads import use_threads
def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(10):
        kept = [torch.ones(2**22) for _ in range(4)]
        del kept
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
first = faults()
use_threads(1)
faults()
print(first, faults())
"""


def test_no_thread_at_all_is_refused() -> None:
    with pytest.raises(ValueError, match="threads is 0"):
        use_threads(0)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc hands freed memory back at once")
def test_freed_memory_is_used_again() -> None:
    done = subprocess.run([sys.executable, "-c", FAULTS], capture_output=True, text=True, check=True)
    before, after = map(int, done.stdout.split())
    assert before > 1000
    assert after < before / 10
