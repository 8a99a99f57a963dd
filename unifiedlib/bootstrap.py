"""95 % intervals by the bootstrap: over queries, and over training seeds where there are several.

The queries stand for all queries that might have been asked, the seeds for all trainings that might have been
run. Each resample draws queries with replacement, the same ones for every seed and every variant. Seeds are
too few to be drawn likewise: an interval from resampling three of them reaches from the lowest to the highest
at most, and where trainings differ much it holds the truth in 75 % of cases, not in 95 %. So the mean over
seeds is moved, in each resample, by a draw of Student's t with S - 1 degrees of freedom times its standard
error, as if trainings were normally distributed. The sum of both parts is what Behrens and Fisher have for a
mean with two sources of error; its intervals hold the truth in 95 % of cases or a little more. The interval is
the 2.5 % to the 97.5 % quantile.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.stats import t as student_t

Values = npt.NDArray[np.floating]
Means = npt.NDArray[np.float64]

CONFIDENCE = 0.95
DRAWS_PER_CHUNK = 1 << 20


@dataclass(frozen=True)
class Interval:
    """A mean and its 95 % interval, all in the unit of the values."""

    mean: float
    low: float
    high: float


def _check_values(values: Values, n_resamples: int) -> None:
    if values.ndim != 2 or 0 in values.shape:
        raise ValueError(
            f"values have shape {list(values.shape)}; they must be [n_row x n_query], neither of them 0"
        )
    if n_resamples < 1:
        raise ValueError(f"n_resamples is {n_resamples}; it must be at least 1")
    if not (finite := np.isfinite(values).all(axis=1)).all():
        raise ValueError(
            f"values row {int(np.argmin(finite))} holds NaN or infinity: leave out queries without a match"
        )


def _counts(n_query: int, n_draws: int, generator: np.random.Generator) -> Means:
    """How often each query is drawn in each resample: [n_draws x n_query], rows add up to n_query."""
    drawn = generator.integers(0, n_query, size=(n_draws, n_query), dtype=np.int64)
    drawn += np.arange(n_draws)[:, np.newaxis] * n_query
    flat = np.bincount(drawn.ravel(), minlength=n_draws * n_query)
    return flat.reshape(n_draws, n_query).astype(np.float64)


def resampled_means(values: Values, n_resamples: int, generator: np.random.Generator) -> Means:
    """Means over resampled queries: float64 [n_resamples x n_row] for values [n_row x n_query].

    Every row sees the same resamples, so differences between rows are paired. Memory stays bounded by working
    in chunks of resamples; the chunks depend on n_query alone, so the same generator state gives the same
    means.
    """
    _check_values(values, n_resamples)
    n_query = values.shape[1]
    columns = values.astype(np.float64).T
    chunk = max(1, DRAWS_PER_CHUNK // n_query)
    sizes = [min(chunk, n_resamples - start) for start in range(0, n_resamples, chunk)]
    return np.concatenate([_counts(n_query, size, generator) @ columns / n_query for size in sizes])


def _quantiles(means: Means) -> tuple[Means, Means]:
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(means, [tail, 1 - tail], axis=0)
    return low, high


def bootstrap_rows(values: Values, seed: int, n_resamples: int) -> list[Interval]:
    """The mean and interval over queries of each row on its own, for values [n_row x n_query]."""
    low, high = _quantiles(resampled_means(values, n_resamples, np.random.default_rng(seed)))
    means = values.astype(np.float64).mean(axis=1)
    return [Interval(float(m), float(a), float(b)) for m, a, b in zip(means, low, high, strict=True)]


def seed_deviations(per_seed: Means, n_resamples: int, generator: np.random.Generator) -> Means:
    """How far the mean over seeds may lie from that over all trainings: float64 [n_resamples], in the values' unit.

    per_seed: a value per seed, [n_seed]. Draws of Student's t with n_seed - 1 degrees of freedom times the standard error; zeros
    for one seed, which tells nothing. The draws are the distribution's own quantiles in random order: with so few degrees of
    freedom its tails are long, and drawn at random they would differ from one generator to the next.
    """
    n_seed = len(per_seed)
    if n_seed == 1:
        return np.zeros(n_resamples)
    shares = (generator.permutation(n_resamples) + 0.5) / n_resamples
    error = per_seed.std(ddof=1) / np.sqrt(n_seed)
    return np.asarray(error * student_t.ppf(shares, n_seed - 1), np.float64)


def bootstrap_mean(values: Values, seed: int, n_resamples: int) -> Interval:
    """The mean over seeds and queries with its interval, for values [n_seed x n_query].

    Query i must be the same query for every seed. With one seed the interval covers the choice of queries
    only, and says nothing about how another training would have come out. Raises ValueError on NaN, or an
    empty or non-2-d array.
    """
    generator = np.random.default_rng(seed)
    over_queries = resampled_means(values, n_resamples, generator).mean(axis=1)
    per_seed = values.astype(np.float64).mean(axis=1)
    low, high = _quantiles(over_queries + seed_deviations(per_seed, n_resamples, generator))
    return Interval(float(values.astype(np.float64).mean()), float(low), float(high))


def paired_bootstrap(first: Values, second: Values, seed: int, n_resamples: int) -> Interval:
    """The mean of first - second with its interval, both on the same resampled queries.

    first: [n_seed x n_query]; second: the same shape, row s trained from the same seed as row s of `first`,
    or [1 x n_query] where it was not trained and has no seeds. Raises ValueError when the shapes do not fit.
    """
    if first.ndim != 2 or second.ndim != 2 or first.shape[1] != second.shape[1]:
        raise ValueError(
            f"cannot pair {list(first.shape)} with {list(second.shape)}: both need the same queries"
        )
    if second.shape[0] not in (1, first.shape[0]):
        raise ValueError(
            f"cannot pair {first.shape[0]} seeds with {second.shape[0]}: use the same seeds, or one row"
        )
    return bootstrap_mean(first.astype(np.float64) - second.astype(np.float64), seed, n_resamples)
