from __future__ import annotations

import platform
import subprocess
import sys

import faiss
import pytest

from unifiedlib.threads import one_faiss_thread, share_out, use_threads

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


def fail_with_one_thread() -> None:
    with one_faiss_thread():
        raise RuntimeError(f"failed with {faiss.omp_get_max_threads()} thread")


def test_faiss_has_its_threads_back_after_an_error() -> None:
    before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(2)
    with pytest.raises(RuntimeError, match="failed with 1 thread"):
        fail_with_one_thread()
    assert faiss.omp_get_max_threads() == 2
    faiss.omp_set_num_threads(before)


def test_shares_are_even_whole_and_in_order_and_faiss_has_one_thread_in_each() -> None:
    parts = share_out(lambda part: (part, faiss.omp_get_max_threads()), 10, 3)
    assert [part for part, _ in parts] == [range(3), range(3, 6), range(6, 10)]
    assert {n_threads for _, n_threads in parts} == {1}


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc hands freed memory back at once")
def test_freed_memory_is_used_again() -> None:
    done = subprocess.run([sys.executable, "-c", FAULTS], capture_output=True, text=True, check=True)
    before, after = map(int, done.stdout.split())
    assert before > 1000
    assert after < before / 10
