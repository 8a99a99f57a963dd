"""Medians over rounds with 95 % intervals, by a bootstrap that draws whole rounds, so that they stay together."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd

from unifiedlib.bootstrap import CONFIDENCE, Interval
from unifiedlib.costs.measuring import Measured

# A table's seconds by (quantity, what): float64 [n_draws], the median of each draw of rounds.
Medians = dict[tuple[str, str], np.ndarray]


def _draws(n_rounds: int, n_resamples: int, seed: int) -> np.ndarray:
    """Rounds of each draw, int64 [1 + n_resamples x n_rounds]; the first draw is the rounds as they are."""
    drawn = np.random.default_rng(seed).integers(0, n_rounds, (n_resamples, n_rounds))
    return np.vstack([np.arange(n_rounds), drawn])


def median_draws(measured: Measured, n_resamples: int, seed: int) -> Medians:
    """Medians over the rounds as measured (first), then over `n_resamples` draws of them with replacement.

    Raises ValueError for less than one resample.
    """
    if n_resamples < 1:
        raise ValueError(f"n_resamples is {n_resamples}; it must be at least 1")
    timed = measured.rounds[measured.rounds["round"] > 0]
    wide = timed.pivot_table(index="round", columns=["quantity", "what"], values="value").sort_index()
    draws = _draws(len(wide), n_resamples, seed)
    return {
        (str(quantity), str(what)): np.median(wide[quantity, what].to_numpy(np.float64)[draws], axis=1)
        for quantity, what in wide.columns
    }


def interval_of(draws: np.ndarray) -> Interval:
    """The first draw's value, and the interval of the others."""
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(draws[1:], [tail, 1 - tail])
    return Interval(float(draws[0]), float(low), float(high))


def interval(medians: Medians, value: Callable[[Medians], np.ndarray]) -> Interval:
    """The interval of whatever is computed from medians, element by element."""
    return interval_of(value(medians))


def measured_table(measured: Measured, n_resamples: int, seed: int) -> pd.DataFrame:
    """The tidy table: columns quantity, what, value, unit, rounds, low, high.

    value: the median over rounds; low, high: its 95 % interval; of what was counted all three are the same and rounds is 0.
    """
    medians = median_draws(measured, n_resamples, seed)
    rows = []
    for (quantity, what, unit), group in measured.rounds.groupby(["quantity", "what", "unit"], sort=False):
        n_rounds = int((group["round"] > 0).sum())
        counted = float(group["value"].iloc[0])
        found = interval_of(medians[quantity, what]) if n_rounds else Interval(counted, counted, counted)
        rows.append((quantity, what, found.mean, unit, n_rounds, found.low, found.high))
    return pd.DataFrame(rows, columns=["quantity", "what", "value", "unit", "rounds", "low", "high"])
