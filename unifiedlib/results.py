"""Scores made readable: means over seeds, nested for `dvc metrics`, and tables for people."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from unifiedlib.scoring import OWN_GALLERY

DECIMALS = 6
TABLE_COLUMNS = (
    *("variant", "task", "representation", "dim", "metric", "value", "low", "high"),
    *("seed_low", "seed_high", "n_seed", "n_query"),
)

Nested = dict[str, dict[str, dict[str, dict[str, float]]]]


def metric_means(scores: pd.DataFrame) -> Nested:
    """Scores in the tasks' own galleries, {variant: {task: {representation: {metric: mean over seeds}}}}."""
    nested: Nested = {}
    own = scores[scores["gallery"] == OWN_GALLERY]
    keys = ["variant", "task", "representation", "metric"]
    for (variant, task, representation, metric), value in (
        own.groupby(keys, sort=False)["value"].mean().items()
    ):
        metrics = nested.setdefault(variant, {}).setdefault(task, {}).setdefault(representation, {})
        metrics[metric] = round(float(value), DECIMALS)
    return nested


def headlines(scores: pd.DataFrame) -> dict[str, str]:
    """Each task's headline metric by the scores alone: {task: the P@k with the largest k}."""
    precisions = scores[scores["metric"].str.startswith("P@")]
    rows = precisions.sort_values("k", kind="stable").drop_duplicates("task", keep="last")
    found = dict(zip(rows["task"], rows["metric"], strict=True))
    return {task: found[task] for task in scores["task"].unique()}


def result_table(scores: pd.DataFrame, gallery: str = OWN_GALLERY) -> pd.DataFrame:
    """The headline metric of each variant, task and representation, one row each: columns `TABLE_COLUMNS`.

    scores: as in scores.parquet, of one collection; gallery: "task" or "merged".
    value: mean over seeds. low, high: the seeds' 95 % intervals over queries, averaged. seed_low, seed_high:
    the lowest and highest seed, which is how much trainings differ. Raises ValueError when there are no
    scores for the gallery.
    """
    keys = ["variant", "task", "representation", "dim", "metric"]
    return seed_means(scores, keys, gallery)[list(TABLE_COLUMNS)].round(DECIMALS)


def seed_means(scores: pd.DataFrame, keys: Sequence[str], gallery: str = OWN_GALLERY) -> pd.DataFrame:
    """The headline metric in a gallery over seeds, a row for each combination of the columns `keys`; else as `result_table`."""
    wanted = headlines(scores)
    rows = scores[(scores["gallery"] == gallery) & (scores["metric"] == scores["task"].map(wanted))]
    if rows.empty:
        choices = ", ".join(map(str, scores["gallery"].unique())) or "none"
        raise ValueError(f"there are no scores for gallery '{gallery}'; the scores hold {choices}")
    return rows.groupby(list(keys), sort=False, as_index=False).agg(
        value=("value", "mean"),
        low=("low", "mean"),
        high=("high", "mean"),
        seed_low=("value", "min"),
        seed_high=("value", "max"),
        n_seed=("seed", "nunique"),
        n_query=("n_query", "first"),
    )


def own_rows(table: pd.DataFrame) -> pd.DataFrame:
    """A result table without the specialists' rows on tasks that they were not trained for."""
    specialist = table["variant"].isin(table["task"].unique())
    return table[~specialist | (table["variant"] == table["task"])].reset_index(drop=True)


def table_markdown(table: pd.DataFrame) -> str:
    """A result table as Markdown: a line per variant and representation, a column per task.

    A cell reads "mean (low to high)" and is empty where nothing was measured.
    """
    titles = table.drop_duplicates("task").set_index("task")["metric"]
    cells = {
        (row.variant, row.representation, row.task): f"{row.value:.3f} ({row.low:.3f} to {row.high:.3f})"
        for row in table.itertuples()
    }
    lines = [
        " | ".join(["| variant", "representation", *(f"{task} {metric}" for task, metric in titles.items())])
        + " |",
        "|---|---|" + "---|" * len(titles),
    ]
    for variant, representation in dict.fromkeys((key[0], key[1]) for key in cells):
        found = [cells.get((variant, representation, task), "") for task in titles.index]
        lines.append(" | ".join([f"| {variant}", representation, *found]) + " |")
    return "\n".join(lines) + "\n"
