"""Published numbers of the public benchmarks, and measured ones beside them."""

from __future__ import annotations

import numpy as np
import pandas as pd

from unifiedlib.results import own_rows
from unifiedlib.scoring import OWN_GALLERY

METRIC = "P@1"
BENCHMARKS = ("cub", "cars", "sop", "inshop")
ZHAI_WU = "Zhai and Wu, Classification is a Strong Baseline for Deep Metric Learning, BMVC 2019, ResNet-50"
PUBLISHED = (
    (2048, "float", (0.6536, 0.8950, 0.7955, 0.8935)),
    (2048, "binary", (0.6367, 0.8929, 0.7803, 0.8876)),
    (512, "float", (0.613, 0.842, 0.782, 0.886)),
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
    search one data set at a time, and of a specialist only that on its own task. P@1 is the share of queries whose first result
    is right, which equals Recall@1.
    Returns columns variant, task, representation, dim, measured, low, high (95 % intervals, averaged over seeds), n_seed,
    n_query, reference, reference_dim (the published dim nearest to `dim`), difference (measured - reference) and source; values
    are in 0..1.
    Raises ValueError when there is no such row.
    """
    published = reference_numbers()
    rows = own_rows(
        scores[
            (scores["metric"] == METRIC)
            & (scores["gallery"] == OWN_GALLERY)
            & scores["task"].isin(published["task"])
        ]
    )
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
