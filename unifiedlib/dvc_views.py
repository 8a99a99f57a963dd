"""What `dvc metrics` and `dvc plots` show: the headline metrics alone, and the training curves, in files made for them.

They lie in `verdicts/`, written by the stage that gathers what has been run, so that DVC shows that and misses nothing that
has not. All metrics stand in `results/<collection>/metrics.json` and `scores.csv`.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from unifiedlib.figures.training import long_history
from unifiedlib.files import write_json, write_table
from unifiedlib.results import Nested, own_rows, result_table
from unifiedlib.variants import IMAGENET

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


def plot_rows(scores: pd.DataFrame) -> pd.DataFrame:
    """The same as rows to plot, columns `PLOT_COLUMNS`; a task is called by its metric too: "lens P@20"."""
    table = own_rows(result_table(scores))
    return table.assign(task=table["task"] + " " + table["metric"])[list(PLOT_COLUMNS)]


def training_rows(folder: Path) -> pd.DataFrame:
    """Training losses by step, means over seeds, columns `CURVE_COLUMNS`, of the variants in `folder`, `models/<collection>`."""
    parts = []
    for variant in sorted(path for path in folder.glob("*") if path.name != IMAGENET):
        paths = {int(path.parent.name.partition("-")[2]): path for path in variant.glob("seed-*/history.csv")}
        long = long_history({seed: pd.read_csv(path) for seed, path in sorted(paths.items())})
        losses = long[long["name"].str.startswith(LOSS)]
        means = losses.groupby(["name", "step"], sort=False, as_index=False)["value"].mean()
        label_set = means["name"].str.removeprefix(LOSS)
        parts.append(means.assign(variant=variant.name, label_set=label_set, loss=means["value"].round(6)))
    if not parts:
        return pd.DataFrame(columns=list(CURVE_COLUMNS))
    return pd.concat(parts, ignore_index=True)[list(CURVE_COLUMNS)]


def write_views(folder: Path, results: Path, models: Path) -> list[str]:
    """Write what DVC shows of all that was evaluated; returns the names, such as `decor` and `decor-ablations`.

    folder: gets `metrics/<name>.json`, `plots/scores/<name>.csv` and, where models were trained under that name,
    `plots/training/<name>.csv`. results: holds a folder with scores.csv and metrics.json per name; models: one per collection.
    """
    names = [path.parent.name for path in sorted(results.glob("*/metrics.json"))]
    for name in names:
        scores = pd.read_csv(results / name / "scores.csv")
        write_json(folder / "metrics" / f"{name}.json", headline_metrics(scores))
        write_table(folder / "plots/scores" / f"{name}.csv", plot_rows(scores))
        if (models / name).is_dir():
            write_table(folder / "plots/training" / f"{name}.csv", training_rows(models / name))
    return names
