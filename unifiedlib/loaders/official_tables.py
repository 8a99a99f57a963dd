"""From the listed pictures of a public benchmark to checked tables.

What is wrong in a list (a name that leads outside, a picture listed twice, a class in training and in test) is an error,
because every score would be wrong. More than `MISSING_ALLOWED` of the listed pictures missing is one too, since then the
download or the unpacking broke off. Fewer are left to assembly, which leaves them out and lists them; those, and counts other
than the published ones, are warned of and noted in `sources`.
"""

from __future__ import annotations

import os
import warnings
from pathlib import Path

import numpy as np
import pandas as pd

from unifiedlib.contract import TaskSpec
from unifiedlib.files import inside
from unifiedlib.loaders.official import Benchmark, BenchmarkWarning
from unifiedlib.loaders.tables import PictureTables

MISSING_ALLOWED = 0.01


def _picture_paths(root: Path, listed: pd.DataFrame) -> tuple[list[str], np.ndarray]:
    """Each listed picture as a path below `root`, and whether the file is there, bool [n_listed].

    Links are followed folder by folder, since asking for each of 120,000 pictures takes long.
    """
    folders: dict[str, tuple[str, dict[str, bool]]] = {}
    paths, there = [], np.zeros(len(listed), dtype=bool)
    for number, (image, where) in enumerate(zip(listed["image"], listed["where"], strict=True)):
        parent, _, name = image.strip().rpartition("/")
        if name in ("", ".", ".."):
            raise ValueError(f"{where} names {image!r}, which is no picture")
        if parent not in folders:
            folder = inside(root, parent, where)
            folders[parent] = folder, _is_link(root / folder)
        folder, links = folders[parent]
        path = name if folder == "." else f"{folder}/{name}"
        there[number] = name in links
        paths.append(inside(root, path, where) if links.get(name) else path)
    return paths, there


def _is_link(folder: Path) -> dict[str, bool]:
    """For each file of a folder, whether it is a link."""
    if not folder.is_dir():
        return {}
    with os.scandir(folder) as entries:
        return {entry.name: entry.is_symlink() for entry in entries if entry.is_file()}


def _check_listed(listed: pd.DataFrame, benchmark: Benchmark) -> None:
    if (bad := listed["image"].duplicated()).any():
        second = listed[bad].iloc[0]
        first = listed[listed["image"] == second["image"]].iloc[0]
        raise ValueError(f"{second['where']} lists {second['image']} again, first listed by {first['where']}")
    is_train = listed["role"] == "train"
    if (bad := ~is_train & listed["label"].isin(listed.loc[is_train, "label"])).any():
        row = listed[bad].iloc[0]
        raise ValueError(
            f"{row['where']}: {benchmark.label_set} {row['label']!r} is tested on, and trained on in other rows"
        )


def _differences(listed: pd.DataFrame, benchmark: Benchmark) -> list[str]:
    """Counts that differ from the published ones, in words."""
    is_train = listed["role"] == "train"
    counts = {
        "training pictures": int(is_train.sum()),
        "queries": int(listed["role"].str.contains("query").sum()),
        "gallery pictures": int(listed["role"].str.contains("gallery").sum()),
        "training classes": listed.loc[is_train, "label"].nunique(),
        "test classes": listed.loc[~is_train, "label"].nunique(),
    }
    return [
        f"{counts[name]:,} {name} where {number:,} were published"
        for name, number in benchmark.published.items()
        if counts[name] != number
    ]


def _note_missing(root: Path, listed: pd.DataFrame, there: np.ndarray, benchmark: Benchmark) -> list[str]:
    n_missing = int((~there).sum())
    if not n_missing:
        return []
    first = listed[~there].iloc[0]
    if n_missing > MISSING_ALLOWED * len(listed):
        raise FileNotFoundError(
            f"{root}: {n_missing:,} of the {len(listed):,} pictures of {benchmark.title} are missing, first {first['image']} "
            f"({first['where']}): download or unpack {benchmark.archive} again"
        )
    return [f"{n_missing:,} listed pictures are missing, first {first['image']}"]


def _labels(listed: pd.DataFrame, benchmark: Benchmark) -> pd.DataFrame:
    numbered = listed.assign(item=np.arange(len(listed)), task=benchmark.task)
    parts = [numbered.assign(label_set=benchmark.label_set)]
    if "category" in listed.columns and benchmark.label_set != "category":
        trained = numbered[numbered["role"] == "train"]
        parts.append(trained.assign(label_set="category", label=trained["category"]))
    columns = ["item", "task", "label_set", "label", "role"]
    return pd.concat(parts, ignore_index=True)[columns]


def picture_tables(benchmark: Benchmark, root: Path, listed: pd.DataFrame) -> PictureTables:
    """Checked tables of a benchmark from its listed pictures.

    listed: columns `where` (list and line, for messages), `image` (path below `root`), `role`, `label` (text, the evaluation
    label) and, where the task trains on categories too, `category`. The group of an item is its label: no class is both trained
    and tested on.
    Raises ValueError for a wrong list and FileNotFoundError when too many pictures are missing; warns with `BenchmarkWarning`
    and writes into `sources` (`note`) what differs from the published benchmark.
    """
    paths, there = _picture_paths(root, listed)
    listed = listed.assign(image=paths)
    _check_listed(listed, benchmark)
    notes = _differences(listed, benchmark) + _note_missing(root, listed, there, benchmark)
    if notes:
        warnings.warn(f"{benchmark.title}: {'; '.join(notes)}", BenchmarkWarning, stacklevel=3)
    items = pd.DataFrame(
        {
            "image": listed["image"].to_numpy(),
            "box": None,
            "domain": benchmark.domain,
            "group": [f"{benchmark.task}/{label}" for label in listed["label"]],
        }
    )
    source = {
        "name": benchmark.title,
        "url": benchmark.url,
        "commit": benchmark.archive,
        "licence": benchmark.licence,
        "note": "; ".join(notes),
    }
    tasks = {benchmark.task: TaskSpec(k=1, label_set=benchmark.label_set)}
    return PictureTables(root, items, _labels(listed, benchmark), tasks, [source])
