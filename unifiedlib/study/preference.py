"""Which list raters prefer, and how sure that is: net preference and win rate with 95 % intervals, and a sign test.

Everything is by query: the raters of one query saw the same two lists, so their answers are averaged first, and the bootstrap
draws queries (and reckons with other trainings, where there are several: `unifiedlib.bootstrap`). What raters said about a
pair when they saw it again does not count.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.stats import binomtest

from unifiedlib.bootstrap import Interval, bootstrap_mean, interval_ends, resampled_means, seed_deviations
from unifiedlib.study.judgements import OURS, OUTCOMES, THEIRS, by_task, first_showings
from unifiedlib.study.log import NEITHER, TIE

Values = npt.NDArray[np.float64]

DECIMALS = 6
PREFERENCE_COLUMNS = (
    *(
        "study",
        "task",
        "simulated",
        "n_query",
        "n_rater",
        "n_training",
        "n_judgement",
        "ours",
        "theirs",
        "tie",
    ),
    *("neither", "net", "net_low", "net_high", "win_rate", "win_low", "win_high"),
    *("better_queries", "worse_queries", "sign_p"),
)


@dataclass(frozen=True)
class Preference:
    """What raters prefer on some queries.

    counts: {outcome: answers}; net: share of answers for ours minus share for theirs, -1 to 1; win_rate: share for ours of
    those that prefer one, None where none does; better, worse: queries on which more answers are for ours, or for theirs;
    p_value: of the two-sided sign test over these queries, 1 where there are none.
    """

    counts: dict[str, int]
    net: Interval
    win_rate: Interval | None
    better: int
    worse: int
    p_value: float


def sign_test(better: int, worse: int) -> float:
    """Two-sided p-value of the sign test: how likely so uneven a split is if neither side were better; 1 for none at all.

    >>> sign_test(5, 0)
    0.0625
    """
    return float(binomtest(better, better + worse).pvalue) if better + worse else 1.0


def outcome_shares(judgements: pd.DataFrame, outcome: str) -> Values:
    """Per training and query, the share of answers that are `outcome`: float64 [n_training x n_query].

    Queries ascending. Raises ValueError where a query was not judged for every training.
    """
    rows = judgements.assign(is_so=(judgements["outcome"] == outcome).astype(np.float64))
    table = rows.pivot_table(index="training", columns="query", values="is_so", observed=True)
    missing = table.isna().to_numpy()
    if missing.any():
        training, query = (int(places[0]) for places in np.nonzero(missing))
        raise ValueError(
            f"query {table.columns[query]} was not judged for training {table.index[training]}: judge the same queries for each"
        )
    return np.asarray(table.sort_index().sort_index(axis=1), np.float64)


def win_rate_interval(wins: Values, losses: Values, seed: int, n_resamples: int) -> Interval | None:
    """Wins over wins and losses with its interval, for shares [n_training x n_query]; None where nobody prefers a list.

    The ratio of two resampled means, both of the same queries, moved by what trainings may differ (`seed_deviations`) and kept in
    0 to 1. Trainings and resamples without any preference are left out.
    """
    if not (wins.any() or losses.any()):
        return None
    generator = np.random.default_rng(seed)
    means = resampled_means(np.concatenate([wins, losses]), n_resamples, generator)
    n_training = len(wins)
    won, lost = means[:, :n_training].mean(axis=1), means[:, n_training:].mean(axis=1)
    each_won, each_lost = wins.mean(axis=1), losses.mean(axis=1)
    preferring = each_won + each_lost > 0
    per_training = each_won[preferring] / (each_won + each_lost)[preferring]
    decided = won + lost > 0
    ratios = won[decided] / (won + lost)[decided]
    ratios = np.clip(ratios + seed_deviations(per_training, n_resamples, generator)[decided], 0.0, 1.0)
    low, high = interval_ends(ratios)
    return Interval(float(wins.mean() / (wins.mean() + losses.mean())), float(low), float(high))


def preference(judgements: pd.DataFrame, seed: int, n_resamples: int) -> Preference:
    """What raters prefer on the queries of `judgements`, of one study and task. seed, n_resamples: of the bootstrap."""
    rows = first_showings(judgements)
    wins, losses = (outcome_shares(rows, outcome) for outcome in (OURS, THEIRS))
    net = (wins - losses).mean(axis=0).round(DECIMALS)
    better, worse = int((net > 0).sum()), int((net < 0).sum())
    found = rows["outcome"].value_counts()
    return Preference(
        {outcome: int(found.get(outcome, 0)) for outcome in OUTCOMES},
        bootstrap_mean(wins - losses, seed, n_resamples),
        win_rate_interval(wins, losses, seed, n_resamples),
        better,
        worse,
        sign_test(better, worse),
    )


def _numbers(interval: Interval | None) -> tuple[float, float, float]:
    if interval is None:
        return (np.nan,) * 3
    mean, low, high = (round(value, DECIMALS) + 0.0 for value in (interval.mean, interval.low, interval.high))
    return mean, low, high


def preference_table(judgements: pd.DataFrame, seed: int, n_resamples: int) -> pd.DataFrame:
    """The preference of each study on each of its tasks: columns `PREFERENCE_COLUMNS`."""
    rows: list[Sequence[object]] = []
    for study, task, part in by_task(judgements):
        one = preference(part, seed, n_resamples)
        about = (
            study,
            task,
            bool(part["simulated"].any()),
            *(part[c].nunique() for c in ("query", "rater", "training")),
        )
        counts = [one.counts[name] for name in (OURS, THEIRS, TIE, NEITHER)]
        tail = (
            *_numbers(one.net),
            *_numbers(one.win_rate),
            one.better,
            one.worse,
            round(one.p_value, DECIMALS),
        )
        rows.append((*about, sum(counts), *counts, *tail))
    return pd.DataFrame(rows, columns=list(PREFERENCE_COLUMNS))
