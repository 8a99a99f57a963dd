"""What a loader gives to assembly, and the rule that its paths stay inside its folder."""

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


def inside(folder: Path, relative: str, where: str) -> str:
    """`relative`, cleaned, as a path below `folder`; links are followed.

    where: what named it, for the message, such as `images.csv row 3`. Raises ValueError when it leads outside the folder.
    """
    path = (folder / relative.strip().lstrip("/")).resolve()
    if not path.is_relative_to(folder.resolve()):
        raise ValueError(f"{folder}: {where} names {relative!r}, which leads outside the folder")
    return path.relative_to(folder.resolve()).as_posix()
