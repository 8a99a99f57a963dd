"""The four public benchmarks together, as one collection of four tasks, and published numbers to compare with."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from unifiedlib.loaders.cars import CARS, cars_tables
from unifiedlib.loaders.cub import CUB, cub_tables
from unifiedlib.loaders.inshop import INSHOP, inshop_tables
from unifiedlib.loaders.official import UNPACKED, Benchmark, is_official, provide
from unifiedlib.loaders.sop import SOP, sop_tables
from unifiedlib.loaders.tables import PictureTables
from unifiedlib.scoring import OWN_GALLERY

BENCHMARKS: dict[str, Benchmark] = {known.task: known for known in (CUB, CARS, SOP, INSHOP)}
TABLES: dict[str, Callable[[Path], PictureTables]] = {
    "cub": cub_tables,
    "cars": cars_tables,
    "sop": sop_tables,
    "inshop": inshop_tables,
}
METRIC = "P@1"
ZHAI_WU = "Zhai and Wu, Classification is a Strong Baseline for Deep Metric Learning, BMVC 2019, ResNet-50"
PUBLISHED = (
    (2048, "float", (0.6536, 0.8950, 0.7955, 0.8935)),
    (2048, "binary", (0.6367, 0.8929, 0.7803, 0.8876)),
    (512, "float", (0.613, 0.842, 0.782, 0.886)),
)


def official_folder(downloads: Path, dataset: str, into: Path | None = None) -> Path:
    """The folder with the official layout of `cub`, `cars`, `sop` or `inshop`, unpacked once from its official archive.

    Arguments and errors as in `unifiedlib.loaders.official.provide`; ValueError for another data set.
    """
    if dataset not in BENCHMARKS:
        raise ValueError(f"there is no benchmark '{dataset}'; choose one of {', '.join(BENCHMARKS)}")
    return provide(downloads, BENCHMARKS[dataset], into)


def _folder(sources: Path, dataset: str) -> Path | None:
    places = (sources, sources / dataset, sources / UNPACKED / dataset)
    return next((place for place in places if is_official(place, BENCHMARKS[dataset])), None)


def _prefixed(tables: PictureTables, sources: Path) -> pd.Series:
    prefix = tables.source.relative_to(sources)
    return tables.items["image"].map(lambda image: (prefix / image).as_posix())


def benchmarks_tables(sources: Path) -> PictureTables:
    """All four benchmarks as one: tasks `cub`, `cars`, `sop` and `inshop`, each with its own queries and gallery.

    sources: holds each benchmark's official layout in a folder named like the task (`cub/CUB_200_2011/…`), in `unpacked/<task>`,
    or beside one another. Image names are relative to it. Raises FileNotFoundError that names the benchmarks that are missing;
    otherwise as each benchmark's own loader.
    """
    folders = {dataset: _folder(sources, dataset) for dataset in BENCHMARKS}
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


def reference_numbers() -> pd.DataFrame:
    """Published results: columns task, dim, representation, metric, value (0..1) and source, one row each.

    The metric is called P@1, as in this project's scores. The paper calls it Recall@1, the share of queries whose first result is
    right, which is the same number.
    """
    rows = [
        (task, dim, representation, METRIC, value, ZHAI_WU)
        for dim, representation, values in PUBLISHED
        for task, value in zip(BENCHMARKS, values, strict=True)
    ]
    return pd.DataFrame(rows, columns=["task", "dim", "representation", "metric", "value", "source"])


def _nearest(dim: int, published: pd.DataFrame) -> pd.Series:
    """The published row with the same dim, or else the nearest by ratio, the larger one of two that are equally near."""
    ordered = published.sort_values("dim", ascending=False)
    distance = np.abs(np.log(ordered["dim"].to_numpy() / dim))
    return ordered.iloc[int(distance.argmin())]


def beside_reference(scores: pd.DataFrame) -> pd.DataFrame:
    """Measured P@1 of the four benchmarks, mean over seeds, beside the published number.

    scores: rows of `results/<collection>/scores.csv`; only P@1 in a task's own gallery counts, because the published numbers
    search one data set at a time. P@1 is the share of queries whose first result is right, which equals Recall@1.
    Returns columns variant, task, representation, dim, measured, low, high (95 % intervals, averaged over seeds), n_seed,
    n_query, reference, reference_dim (the published dim nearest to `dim`), difference (measured - reference) and source; values
    are in 0..1.
    Raises ValueError when there is no such row.
    """
    published = reference_numbers()
    rows = scores[
        (scores["metric"] == METRIC)
        & (scores["gallery"] == OWN_GALLERY)
        & scores["task"].isin(published["task"])
    ]
    if rows.empty:
        raise ValueError(
            f"the scores hold no {METRIC} of {', '.join(BENCHMARKS)} in their own galleries: nothing to put beside the references"
        )
    keys = ["variant", "task", "representation", "dim"]
    table = rows.groupby(keys, sort=False, as_index=False).agg(
        measured=("value", "mean"),
        low=("low", "mean"),
        high=("high", "mean"),
        n_seed=("seed", "nunique"),
        n_query=("n_query", "first"),
    )
    found = [
        _nearest(
            row.dim,
            published[(published["task"] == row.task) & (published["representation"] == row.representation)],
        )
        for row in table.itertuples()
    ]
    table["reference"] = [float(row["value"]) for row in found]
    table["reference_dim"] = [int(row["dim"]) for row in found]
    table["difference"] = table["measured"] - table["reference"]
    table["source"] = [row["source"] for row in found]
    return table
