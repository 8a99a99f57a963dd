"""From one value per user to a difference with its 95 % interval: the user, not the query, is what is drawn at random.

A bootstrap over users draws as many users as there are, with replacement. All that matters is how often each *value* is drawn,
and those counts are multinomial: the same distribution as drawing users one by one, at the cost of as many draws as there are
distinct values.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.stats import norm

from unifiedlib.bootstrap import CONFIDENCE

Values = npt.NDArray[np.float64]
TAIL = (1 - CONFIDENCE) / 2
CRITICAL = float(norm.ppf(1 - TAIL))


@dataclass(frozen=True)
class Effect:
    """What a test found: a difference and a relative lift, each with its 95 % interval over users.

    ours, theirs: the arms' means; difference: ours - theirs; lift: difference / theirs, NaN where theirs is 0; z: the difference
    in units of its standard error. n_ours, n_theirs: users of each arm.
    """

    ours: float
    theirs: float
    difference: float
    low: float
    high: float
    lift: float
    lift_low: float
    lift_high: float
    z: float
    n_ours: int
    n_theirs: int

    @property
    def is_significant(self) -> bool:
        """Whether the interval of the difference leaves out zero."""
        return self.low > 0 or self.high < 0


def drawn_counts(
    values: npt.NDArray[np.generic], n_drawn: int, n_times: int, generator: np.random.Generator
) -> tuple[npt.NDArray[np.generic], npt.NDArray[np.int64]]:
    """Draw `n_drawn` users with replacement, `n_times` over: the distinct values [m (x …)], and their counts [n_times x m]."""
    distinct, counts = np.unique(values, axis=0, return_counts=True)
    return distinct, generator.multinomial(n_drawn, counts / counts.sum(), size=n_times)


def drawn_moments(
    values: Values, n_drawn: int, n_times: int, generator: np.random.Generator
) -> tuple[Values, Values]:
    """Mean and variance (n - 1) of `n_drawn` users drawn with replacement, each [n_times]."""
    found, counts = drawn_counts(values, n_drawn, n_times, generator)
    distinct = found.astype(np.float64)
    mean = counts @ distinct / n_drawn
    square = counts @ np.square(distinct) / n_drawn
    return mean, np.maximum(square - np.square(mean), 0) * n_drawn / max(n_drawn - 1, 1)


def resampled_means(values: Values, n_resamples: int, generator: np.random.Generator) -> Values:
    """Means over users drawn with replacement, float64 [n_resamples]."""
    return drawn_moments(values, len(values), n_resamples, generator)[0]


def z_of(difference: Values, variance: Values) -> Values:
    """Differences in units of their standard errors; 0 where nothing varies and nothing differs."""
    error = np.sqrt(variance)
    return np.divide(
        difference,
        error,
        out=np.where(difference == 0, 0.0, np.copysign(np.inf, difference)),
        where=error > 0,
    )


def compare(ours: Values, theirs: Values, n_resamples: int, generator: np.random.Generator) -> Effect:
    """Compare two arms, one value per user each. Raises ValueError for an arm of fewer than two users."""
    if min(len(ours), len(theirs)) < 2:
        raise ValueError(f"the arms have {len(ours)} and {len(theirs)} users; each needs at least 2")
    first, second = (resampled_means(values, n_resamples, generator) for values in (ours, theirs))
    low, high = np.quantile(first - second, [TAIL, 1 - TAIL])
    if (second > 0).all():
        lift_low, lift_high = np.quantile(first / second - 1, [TAIL, 1 - TAIL])
        lift = ours.mean() / theirs.mean() - 1
    else:
        lift = lift_low = lift_high = np.nan
    difference = ours.mean() - theirs.mean()
    variance = ours.var(ddof=1) / len(ours) + theirs.var(ddof=1) / len(theirs)
    z = z_of(np.array([difference]), np.array([variance]))[0]
    return Effect(
        ours=float(ours.mean()),
        theirs=float(theirs.mean()),
        difference=float(difference),
        low=float(low),
        high=float(high),
        lift=float(lift),
        lift_low=float(lift_low),
        lift_high=float(lift_high),
        z=float(z),
        n_ours=len(ours),
        n_theirs=len(theirs),
    )
