"""Retrieval metrics that do not depend on how ties are broken.

Hamming distances tie often, and any order among equally near items is as good as another. So each metric is
its expected value over all orders of tied items, computed exactly (after McSherry & Najork, "Computing
information retrieval performance measures efficiently in the presence of tied scores", ECIR 2008).

The notation of the formulas: a group of m equally near items, r of them relevant, stands behind s items, c of
them relevant. At a position i inside the group (s < i <= s + m) the item is relevant with probability r / m.
R is the query's number of relevant items. The metrics:

- P@k: the share of relevant items among the first k; the denominator is always k.
- R@k: whether at least one relevant item is among the first k, as "Recall@k" is meant in metric learning.
- R-precision: P@k with k = R; the denominator is R.
- MAP@R: the mean over the first R positions of precision where the item is relevant, else 0 (Musgrave et al.,
  "A Metric Learning Reality Check", ECCV 2020); the denominator is R.
- MRR: one over the position of the first relevant item, at whatever depth it stands.

Each function gives one value per query. Means are over the queries that have a relevant item at all; those
that have none are left out before and counted (`unifiedlib.relevance`). For graded relevance see
`unifiedlib.graded`.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from unifiedlib.ranking import Counts, TiedRanking

Values = npt.NDArray[np.float64]


def _check_cutoff(ranking: TiedRanking, k: int) -> None:
    if not 1 <= k <= ranking.depth:
        raise ValueError(
            f"k is {k}; it must be 1 to {ranking.depth}, the number of positions that were ranked"
        )


def _check_n_relevant(ranking: TiedRanking, n_relevant: Counts) -> None:
    if len(n_relevant) != len(ranking.before):
        raise ValueError(f"n_relevant has {len(n_relevant)} entries for {len(ranking.before)} queries")
    if n_relevant.min(initial=1) < 1 or n_relevant.max(initial=1) > ranking.depth:
        raise ValueError(f"n_relevant must be 1 to {ranking.depth}, the number of positions that were ranked")


def precision_at(ranking: TiedRanking, k: int) -> Values:
    """Expected P@k of each query, [n_query], 0 to 1.

    It is (c + r (k - s) / m) / k for the group that position k falls into. The denominator is k, so a query
    with fewer than k relevant items cannot reach 1.
    """
    _check_cutoff(ranking, k)
    last = k - 1
    slots = k - ranking.before[:, last]
    share = ranking.relevant_inside[:, last] * slots / ranking.size[:, last]
    return (ranking.relevant_before[:, last] + share) / k


def recall_at(ranking: TiedRanking, k: int) -> Values:
    """Probability that a relevant item is among the first k, for each query, [n_query], 0 to 1.

    1 when c > 0; otherwise, with t = k - s slots left for the group, 1 - C(m - r, t) / C(m, t)
    (hypergeometric).
    """
    _check_cutoff(ranking, k)
    last = k - 1
    slots = k - ranking.before[:, last]
    size, inside = ranking.size[:, last], ranking.relevant_inside[:, last]
    missed = np.ones(len(size))
    for drawn in range(int(slots.max(initial=0))):
        left = np.maximum(size - drawn, 1)
        missed = np.where(drawn < slots, missed * np.maximum(size - inside - drawn, 0) / left, missed)
    return np.where(ranking.relevant_before[:, last] > 0, 1.0, 1.0 - missed)


def mean_average_precision_at_r(ranking: TiedRanking, n_relevant: Counts) -> Values:
    """Expected MAP@R of each query, [n_query], 0 to 1.

    n_relevant: R of each query, int64 [n_query], 1 to the ranked depth.

    At position i, the t-th of its group, the item is relevant with probability r / m. If it is, the t - 1
    items ahead of it in the group hold (t - 1) (r - 1) / (m - 1) relevant ones on average. So the expected
    precision where relevant is r / m (c + 1 + (t - 1) (r - 1) / (m - 1)) / i. Its sum over i = 1..R, divided
    by R, is exact by linearity of expectation; a cut-off inside a group needs no special case.
    """
    _check_n_relevant(ranking, n_relevant)
    position = np.arange(1, ranking.depth + 1)
    earlier = position - ranking.before - 1
    pairs = earlier * (ranking.relevant_inside - 1) / np.maximum(ranking.size - 1, 1)
    chance = ranking.relevant_inside / ranking.size
    precision = chance * (ranking.relevant_before + 1 + pairs) / position
    inside_cut = position <= n_relevant[:, np.newaxis]
    return np.asarray(np.where(inside_cut, precision, 0.0).sum(axis=1) / n_relevant)


def r_precision(ranking: TiedRanking, n_relevant: Counts) -> Values:
    """Expected R-precision of each query, [n_query], 0 to 1: (c + r (R - s) / m) / R at position R.

    n_relevant: R of each query, int64 [n_query], 1 to the ranked depth; it is the denominator.
    """
    _check_n_relevant(ranking, n_relevant)
    at = (np.arange(len(n_relevant)), n_relevant - 1)
    share = ranking.relevant_inside[at] * (n_relevant - ranking.before[at]) / ranking.size[at]
    return np.asarray((ranking.relevant_before[at] + share) / n_relevant)


def reciprocal_rank(ranking: TiedRanking) -> Values:
    """Expected reciprocal rank of the first relevant item of each query, [n_query], above 0, at most 1.

    It does not depend on the ranked depth. Raises ValueError naming a query without any relevant item.

    Of the m - r + 1 places that the first of r relevant items may take in its group, it takes the t-th with
    probability C(m - t, r - 1) / C(m, r); so the value is the sum of that over (s + t).
    """
    if len(missing := np.flatnonzero(ranking.first_relevant < 1)):
        raise ValueError(f"query {int(missing[0])} has no relevant item: leave it out, and count it")
    groups = np.stack([ranking.first_before, ranking.first_size, ranking.first_relevant], axis=1)
    kinds, kind_of = np.unique(groups, axis=0, return_inverse=True)
    values = np.array([_expected_reciprocal(*map(int, kind)) for kind in kinds])
    return np.asarray(values[kind_of.ravel()], np.float64)


def _expected_reciprocal(before: int, size: int, relevant: int) -> float:
    """E[1 / rank] of the first of `relevant` items placed at random among `size`, behind `before` others.

    No relevant item is among the first t with probability C(m - t, r) / C(m, r), the product over u = 1..t of
    (m - r - u + 1) / (m - u + 1). Given that, the next is relevant with probability r / (m - t).
    """
    earlier = np.arange(size - relevant + 1)
    left = size - earlier
    missed = np.cumprod(np.concatenate([[1.0], (left[:-1] - relevant) / left[:-1]]))
    return float((missed * relevant / left / (before + earlier + 1)).sum())
