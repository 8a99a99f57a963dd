"""A user's pictures in folders `task/label/picture`, read as rows."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from unifiedlib.loaders.own_rows import BOX, DEFAULT_DOMAIN, DEFAULT_LABEL_SET, OwnRows
from unifiedlib.pictures import FORMATS

LAYOUT = "the layout is task/label/picture, such as lens/red_mug/1.jpg"


def _looks_like_picture(name: str) -> bool:
    return Image.registered_extensions().get(Path(name).suffix.lower()) in FORMATS


def _listed(folder: Path, source: Path) -> tuple[list[str], list[str]]:
    """Names of the folders and of the files in `folder`, each sorted; names that begin with a dot are left out."""
    with os.scandir(folder) as entries:
        visible = [(entry.name, Path(entry).is_dir()) for entry in entries if not entry.name.startswith(".")]
    for name, _ in visible:
        if any("\ud800" <= letter <= "\udfff" for letter in name):
            raise ValueError(f"{source}: the name {name!a} in {folder} is not UTF-8: rename it")
    return sorted(name for name, is_dir in visible if is_dir), sorted(
        name for name, is_dir in visible if not is_dir
    )


def _below(folder: Path, source: Path, wanted: str) -> list[str]:
    """The folders in `folder`, where no picture may lie yet."""
    folders, files = _listed(folder, source)
    if picture := next(filter(_looks_like_picture, files), None):
        where = (folder / picture).relative_to(source).as_posix()
        raise ValueError(f"{source}: {where} lies in no {wanted} folder: {LAYOUT}")
    if not folders:
        raise ValueError(f"{source}: {folder} holds no {wanted} folder: {LAYOUT}")
    return folders


def _pictures(folder: Path, source: Path) -> list[str]:
    folders, files = _listed(folder, source)
    if folders:
        where = (folder / folders[0]).relative_to(source).as_posix()
        raise ValueError(
            f"{source}: {where} is a folder inside a label folder: {LAYOUT}; move its pictures up"
        )
    if not files:
        raise ValueError(f"{source}: {folder} holds no pictures: put some there, or delete the folder")
    return files


def read_folders(source: Path) -> OwnRows:
    """One row per file in `source/task/label/`; every file counts as a picture, and names that begin with a dot do not count.

    Raises ValueError naming the first folder or file that does not fit the layout.
    """
    found = [
        (f"{task}/{label}/{name}", task, label)
        for task in _below(source, source, "task")
        for label in _below(source / task, source, "label")
        for name in _pictures(source / task / label, source)
    ]
    frame = pd.DataFrame(found, columns=["image", "task", "label"], dtype="str")
    frame = frame.assign(
        label_set=DEFAULT_LABEL_SET, domain=DEFAULT_DOMAIN, group="", role="", **dict.fromkeys(BOX, np.nan)
    )
    images = frame["image"]
    return OwnRows(source, source, frame, lambda row: str(images.iloc[row]))
