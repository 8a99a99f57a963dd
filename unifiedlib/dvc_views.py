"""What `dvc metrics` and `dvc plots` show: the headline metrics alone, and the training curves, in files made for them.

They lie in `results/metrics` and `results/plots`, folders of their own, so that DVC shows whatever has been run and misses
nothing that has not. All metrics stand in `results/<collection>/metrics.json` and `scores.csv`.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from unifiedlib.figures.training import long_history
from unifiedlib.files import write_json, write_table
from unifiedlib.results import Nested, own_rows, result_table
from unifiedlib.stages import seed_folder
from unifiedlib.variants import IMAGENET, seeds_of

LOSS = "loss "
PLOT_COLUMNS = ("variant", "task", "representation", "value", "low", "high")
CURVE_COLUMNS = ("variant", "label_set", "step", "loss")


def headline_metrics(scores: pd.DataFrame) -> Nested:
    """{variant: {task: {representation: {headline metric: mean over seeds}}}}, specialists on their own task alone."""
    nested: Nested = {}
    for row in own_rows(result_table(scores)).itertuples():
        metrics = nested.setdefault(row.variant, {}).setdefault(row.task, {})
        metrics[row.representation] = {row.metric: row.value}
    return nested


def headline_rows(scores: pd.DataFrame) -> pd.DataFrame:
    """The same as rows to plot, columns `PLOT_COLUMNS`; a task is called by its metric too: "lens P@20"."""
    table = own_rows(result_table(scores))
    return table.assign(task=table["task"] + " " + table["metric"])[list(PLOT_COLUMNS)]


def training_rows(model_folder: Path, variants: Sequence[str], seeds: Sequence[int]) -> pd.DataFrame:
    """Training losses by step, means over seeds, columns `CURVE_COLUMNS`. Raises FileNotFoundError where a history is missing."""
    parts = []
    for variant in variants:
        if variant == IMAGENET:
            continue
        histories = {
            seed: pd.read_csv(seed_folder(model_folder, variant, seed) / "history.csv")
            for seed in seeds_of(variant, list(seeds))
        }
        long = long_history(histories)
        losses = long[long["name"].str.startswith(LOSS)]
        means = losses.groupby(["name", "step"], sort=False, as_index=False)["value"].mean()
        label_set = means["name"].str.removeprefix(LOSS)
        parts.append(means.assign(variant=variant, label_set=label_set, loss=means["value"].round(6)))
    if not parts:
        return pd.DataFrame(columns=list(CURVE_COLUMNS))
    return pd.concat(parts, ignore_index=True)[list(CURVE_COLUMNS)]


def write_views(
    metric_folder: Path,
    plot_folder: Path,
    name: str,
    scores: pd.DataFrame,
    curves: pd.DataFrame | None = None,
) -> None:
    """Write `<name>.json` for `dvc metrics`, `scores/<name>.csv` and, with `curves`, `training/<name>.csv` for `dvc plots`."""
    write_json(metric_folder / f"{name}.json", headline_metrics(scores))
    write_table(plot_folder / "scores" / f"{name}.csv", headline_rows(scores))
    if curves is not None:
        write_table(plot_folder / "training" / f"{name}.csv", curves)
