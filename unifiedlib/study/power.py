"""How many judgements are needed: the width of the interval of the net preference, by number of queries and of raters."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from unifiedlib.bootstrap import bootstrap_mean
from unifiedlib.study.judgements import OURS, THEIRS, by_task, first_showings

Values = npt.NDArray[np.float64]

POWER_COLUMNS = ("study", "task", "simulated", "n_query", "n_rater", "half_width", "n_judgement", "net")
SIZES = (10, 20, 40, 80, 160, 320, 640)
N_DRAWS = 20
N_RESAMPLES = 200
DECIMALS = 6


def net_by_rater(judgements: pd.DataFrame) -> Values:
    """What each rater said about each query of one study, task and training: 1 ours, -1 theirs, else 0; [n_rater x n_query].

    Raters and queries ascending. Raises ValueError where a rater did not judge a query.
    """
    rows = first_showings(judgements)
    said = rows.assign(net=rows["outcome"].map({OURS: 1.0, THEIRS: -1.0}).fillna(0.0))
    table = said.pivot_table(index="rater", columns="query", values="net", observed=True)
    if table.isna().to_numpy().any():
        raise ValueError(
            "some rater did not judge some query: the power curve needs every rater's answers to all queries"
        )
    return np.asarray(table, np.float64)


def half_width(net: Values, n_query: int, n_rater: int, seed: Sequence[int]) -> float:
    """Half the width of the 95 % interval with so many queries and raters: the mean over `N_DRAWS` draws of both.

    net: float64 [all raters x all queries], as from `net_by_rater`.
    """
    generator = np.random.default_rng(seed)
    widths = []
    for number in range(N_DRAWS):
        raters = generator.permutation(len(net))[:n_rater]
        queries = generator.permutation(net.shape[1])[:n_query]
        means = net[np.ix_(raters, queries)].mean(axis=0, keepdims=True)
        interval = bootstrap_mean(means, number, N_RESAMPLES)
        widths.append((interval.high - interval.low) / 2)
    return float(np.mean(widths))


def sizes_below(n_query: int) -> list[int]:
    """Numbers of queries to be looked at: doubled from ten on, and all of them.

    >>> sizes_below(100)
    [10, 20, 40, 80, 100]
    """
    return [*(size for size in SIZES if size < n_query), n_query]


def _rows(
    part: pd.DataFrame, raters: Sequence[int], seed: int
) -> Iterator[tuple[int, int, float, int, float]]:
    net = net_by_rater(part)
    for n_rater in raters:
        for n_query in sizes_below(net.shape[1]):
            width = half_width(net, n_query, n_rater, [seed, n_rater, n_query])
            yield (
                n_query,
                n_rater,
                round(width, DECIMALS),
                n_query * n_rater,
                round(float(net.mean()), DECIMALS),
            )


def power_table(judgements: pd.DataFrame, raters: Sequence[int], seed: int) -> pd.DataFrame:
    """Half-widths for each study and task, by numbers of queries and of `raters`: columns `POWER_COLUMNS`.

    judgements: of one training. net: the net preference over all raters and queries, to be told from zero.
    """
    rows = []
    for study, task, part in by_task(judgements):
        for row in _rows(part, raters, seed):
            rows.append((study, task, bool(part["simulated"].any()), *row))
    return pd.DataFrame(rows, columns=list(POWER_COLUMNS))
