"""Progress that suits its reader: a bar in a terminal or JupyterLab, a line every few seconds in a log."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable, Iterator
from time import monotonic
from typing import TypeVar

from tqdm.auto import tqdm

Item = TypeVar("Item")
LOG_VARIABLE = "UNIFIEDLIB_LOG_PROGRESS"
# A line as `progress` prints it into a log.
PROGRESS_LINE = re.compile(r"^.*: [\d,]+ of [\d,]+, about [\d,]+ s left\n?", re.MULTILINE)


def progress(items: Iterable[Item], total: int, what: str, every: float = 10.0) -> Iterator[Item]:
    """Pass `items` through and show how far they are.

    total: how many items will come. what: named in the display. every: seconds between two lines of a log.
    The runner sets `UNIFIEDLIB_LOG_PROGRESS` where the output of a kernel is a log.
    """
    watched = sys.stderr.isatty() or "ipykernel" in sys.modules
    if watched and os.environ.get(LOG_VARIABLE) != "1":
        yield from tqdm(items, total=total, desc=what, leave=False)
        return
    start = last = monotonic()
    for count, item in enumerate(items, start=1):
        yield item
        now = monotonic()
        if now - last >= every:
            last = now
            left = (now - start) / count * (total - count)
            print(f"{what}: {count:,} of {total:,}, about {left:,.0f} s left", flush=True)
