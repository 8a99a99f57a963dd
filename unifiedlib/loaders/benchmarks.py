"""The four public benchmarks together, as one collection of four tasks."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from unifiedlib.loaders.cars import CARS, cars_tables
from unifiedlib.loaders.cub import CUB, cub_tables
from unifiedlib.loaders.inshop import INSHOP, inshop_tables
from unifiedlib.loaders.official import Benchmark, find_official, provide
from unifiedlib.loaders.sop import SOP, sop_tables
from unifiedlib.loaders.tables import PictureTables

BENCHMARKS: dict[str, Benchmark] = {known.task: known for known in (CUB, CARS, SOP, INSHOP)}
TABLES: dict[str, Callable[[Path], PictureTables]] = {
    "cub": cub_tables,
    "cars": cars_tables,
    "sop": sop_tables,
    "inshop": inshop_tables,
}


def official_folder(downloads: Path, dataset: str, into: Path | None = None) -> Path:
    """The folder with the official layout of `cub`, `cars`, `sop` or `inshop`, unpacked once from its official archive.

    Arguments and errors as in `unifiedlib.loaders.official.provide`; ValueError for another data set.
    """
    if dataset not in BENCHMARKS:
        raise ValueError(f"there is no benchmark '{dataset}'; choose one of {', '.join(BENCHMARKS)}")
    return provide(downloads, BENCHMARKS[dataset], into)


def _prefixed(tables: PictureTables, sources: Path) -> pd.Series:
    prefix = tables.source.relative_to(sources)
    return tables.items["image"].map(lambda image: (prefix / image).as_posix())


def benchmarks_tables(sources: Path) -> PictureTables:
    """All four benchmarks as one: tasks `cub`, `cars`, `sop` and `inshop`, each with its own queries and gallery.

    sources: holds each benchmark's official layout in a folder named like the task (`cub/CUB_200_2011/…`), in `unpacked/<task>`,
    or beside one another. Image names are relative to it. Raises FileNotFoundError that names the benchmarks that are missing;
    otherwise as each benchmark's own loader.
    """
    folders = {dataset: find_official(sources, benchmark) for dataset, benchmark in BENCHMARKS.items()}
    if missing := [dataset for dataset, folder in folders.items() if folder is None]:
        wanted = "; ".join(
            f"{dataset} ({BENCHMARKS[dataset].archive}, {BENCHMARKS[dataset].url})" for dataset in missing
        )
        raise FileNotFoundError(
            f"{sources} does not hold {wanted}: unpack each into a folder of its name there"
        )
    parts = [TABLES[dataset](folder) for dataset, folder in folders.items() if folder is not None]
    items = [part.items.assign(image=_prefixed(part, sources)) for part in parts]
    starts = np.cumsum([0, *(len(part.items) for part in parts)])
    labels = [
        part.labels.assign(item=part.labels["item"] + start)
        for part, start in zip(parts, starts[:-1], strict=True)
    ]
    return PictureTables(
        source=sources,
        items=pd.concat(items, ignore_index=True),
        labels=pd.concat(labels, ignore_index=True),
        tasks={task: spec for part in parts for task, spec in part.tasks.items()},
        sources=[source for part in parts for source in part.sources],
    )
