"""What a loader gives to assembly."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from unifiedlib.contract import TaskSpec


@dataclass(frozen=True)
class PictureTables:
    """A data set as tables, before any picture is decoded.

    source: the folder that `image` is relative to. items, labels: see `unifiedlib.contract`; row i of items is item i.
    tasks: how each task is judged. sources: for each source its name, url, commit (or version) and licence.
    """

    source: Path
    items: pd.DataFrame
    labels: pd.DataFrame
    tasks: dict[str, TaskSpec]
    sources: list[dict[str, str]]
