"""Calls in processes of their own, which end when this one does."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import Any, TypeVar

Result = TypeVar("Result")


def _end_with(parent: int) -> None:
    """Watch, in a thread, for the death of the process that started this one: a killed run leaves nobody at work."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def in_processes(
    function: Callable[..., Result], calls: Sequence[tuple[Any, ...]], workers: int
) -> list[Result]:
    """`function(*call)` for each call, at most `workers` at a time; results in the order of the calls.

    The function and its arguments must be picklable. The first call that fails ends those that have not begun, and its
    exception is raised.
    """
    if workers < 1:
        raise ValueError(f"workers is {workers}; it must be at least 1")
    with ProcessPoolExecutor(
        workers, mp_context=get_context("spawn"), initializer=_end_with, initargs=(os.getpid(),)
    ) as pool:
        futures = [pool.submit(function, *call) for call in calls]
        try:
            return [future.result() for future in futures]
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
