"""How many users a method needs: power by simulation and in closed form, and the smallest effect that can be found.

A large population is simulated once under both systems. Tests are drawn from it with replacement, so the effect that they look
for is the population's, and is known. Each is judged by a z-test at 5 %, which the A/A check calibrates.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.stats import norm

from unifiedlib.replay.analysis import CRITICAL, drawn_counts, drawn_moments, z_of
from unifiedlib.replay.interleaving import Preferences, is_significant, ratio_moments

Values = npt.NDArray[np.float64]
Draw = Callable[[int, int, np.random.Generator], Values]
"""From users of a test, number of tests, and a generator, to each test's z."""


@dataclass(frozen=True)
class Method:
    """A way to compare two systems, on a population whose outcome is known.

    effect: the population's; low, high: its 95 % interval, for the population is a sample, too; error: times 1 / √n, the
    standard error of a test of n users. draw: simulates tests.
    """

    effect: float
    low: float
    high: float
    error: float
    draw: Draw


def ab_method(ours: Values, theirs: Values) -> Method:
    """A/B by a measure: what each user of a population would have done under either system, [n_user] each.

    A test of n users shows each half one system, so its variance is (var ours + var theirs) / (n / 2).
    """

    def draw(n_users: int, n_times: int, generator: np.random.Generator) -> Values:
        half = n_users // 2
        (first, one), (second, other) = (
            drawn_moments(values, n, n_times, generator)
            for values, n in ((ours, half), (theirs, n_users - half))
        )
        return z_of(first - second, one / half + other / (n_users - half))

    paired = ours - theirs
    spread = float(CRITICAL * paired.std(ddof=1) / np.sqrt(len(paired)))
    error = np.sqrt(2 * (ours.var(ddof=1) + theirs.var(ddof=1)))
    effect = float(paired.mean())
    return Method(effect, effect - spread, effect + spread, float(error), draw)


def interleaving_method(found: Preferences) -> Method:
    """Interleaving: every user of a test sees both systems."""
    pairs = found.values()

    def draw(n_users: int, n_times: int, generator: np.random.Generator) -> Values:
        return z_of(*ratio_moments(*drawn_counts(pairs, n_users, n_times, generator)))

    distinct, counts = np.unique(pairs, axis=0, return_counts=True)
    mean, variance = ratio_moments(distinct, counts[np.newaxis].astype(np.int64))
    effect, spread = float(mean[0]), float(CRITICAL * np.sqrt(variance[0]))
    error = float(np.sqrt(variance[0] * len(pairs)))
    return Method(effect, effect - spread, effect + spread, error, draw)


def simulated_power(method: Method, n_users: int, n_times: int, generator: np.random.Generator) -> float:
    """Share of `n_times` simulated tests of n_users that come out significant."""
    return float(is_significant(method.draw(n_users, n_times, generator)).mean())


def closed_form_power(effect: float, error: float, n_users: npt.ArrayLike) -> Values:
    """Power of a two-sided z-test at 5 %, by the normal approximation, for each number of users.

    >>> closed_form_power(0.0, 1.0, [100]).round(3).tolist()
    [0.05]
    """
    if error == 0:
        return np.where(np.asarray(n_users) > 0, float(effect != 0), 0.0)
    shift = abs(effect) / error * np.sqrt(np.asarray(n_users, np.float64))
    return np.asarray(norm.cdf(shift - CRITICAL) + norm.cdf(-shift - CRITICAL))


def reach_of(power: float) -> float:
    """How many standard errors an effect must measure to be found with this power: 2.8 for 80 %."""
    return CRITICAL + float(norm.ppf(power))


def users_needed(effect: float, error: float, power: float) -> float:
    """Users of a test that finds the effect with this power; infinite for no effect.

    >>> users_needed(0.1, 1.0, 0.8)
    785.0
    """
    return float(np.ceil((reach_of(power) * error / effect) ** 2)) if effect else np.inf


def detectable_effect(error: float, n_users: int, power: float) -> float:
    """The minimum detectable effect: the smallest that n_users find with this power."""
    return float(reach_of(power) * error / np.sqrt(n_users))


def needed_range(method: Method, power: float) -> tuple[float, float]:
    """Fewest and most users needed if the effect lies anywhere in its interval; infinite where that holds zero."""
    sizes = sorted((abs(method.low), abs(method.high)))
    fewest = users_needed(sizes[1], method.error, power)
    holds_zero = method.low <= 0 <= method.high
    return fewest, np.inf if holds_zero else users_needed(sizes[0], method.error, power)
