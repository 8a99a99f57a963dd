"""Retrieval metrics that do not depend on how ties are broken.

Hamming distances tie often, and any order among equally near items is as good as another. So each metric is
its expected value over all orders of tied items, in closed form (after McSherry & Najork, "Computing
information retrieval performance measures efficiently in the presence of tied scores", ECIR 2008).

The notation of the formulas: a group of m equally near items, r of them relevant, stands behind s items, c of
them relevant. At a position i inside the group (s < i <= s + m) the item is relevant with probability r / m.
The metrics:

- P@k: the share of relevant items among the first k; the denominator is always k.
- R@k: whether at least one relevant item is among the first k, as "Recall@k" is meant in metric learning.
- MAP@R: the mean over the first R positions of precision where the item is relevant, else 0, R being the
  query's number of relevant items (Musgrave et al., "A Metric Learning Reality Check", ECCV 2020).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Distances = npt.NDArray[np.float32] | npt.NDArray[np.int32]
Mask = npt.NDArray[np.bool_]
Counts = npt.NDArray[np.int64]
Values = npt.NDArray[np.float64]

BEYOND_ALL = np.iinfo(np.int64).max


@dataclass(frozen=True)
class TiedRanking:
    """A batch of ranked lists: int64 arrays [n_query x depth], column j about the item at position j + 1.

    before: items ahead of its tie group (s); size: items in the group (m);
    relevant_before: relevant items ahead of the group (c); relevant_inside: relevant items in the group (r).
    """

    before: Counts
    size: Counts
    relevant_before: Counts
    relevant_inside: Counts

    @property
    def depth(self) -> int:
        """How many positions were ranked; cut-offs beyond it cannot be scored."""
        return int(self.before.shape[1])


def _sort_keys(distances: Distances, relevant: Mask, candidates: Mask) -> Counts:
    """One integer per item that sorts by distance, candidates first, its relevance in the lowest bit."""
    if distances.dtype == np.float32:
        bits = (distances + np.float32(0)).view(np.int32)  # -0.0 becomes 0.0
        order = np.where(
            bits >= 0, bits, bits ^ np.int32(0x7FFFFFFF)
        )  # IEEE 754 floats in the order of integers
    elif distances.dtype == np.int32:
        order = distances
    else:
        raise TypeError(f"distances are {distances.dtype}; they must be float32 or int32")
    keys = (order.astype(np.int64) << 1) | relevant
    keys[~candidates] = BEYOND_ALL
    return keys


def _check_batch(distances: Distances, relevant: Mask, candidates: Mask, depth: int) -> None:
    shapes = {"distances": distances.shape, "relevant": relevant.shape, "candidates": candidates.shape}
    if len(set(shapes.values())) > 1 or distances.ndim != 2:
        raise ValueError(
            f"distances, relevant and candidates must all be [n_query x n_gallery], not {shapes}"
        )
    if distances.dtype == np.float32 and (bad := np.isnan(distances).any(axis=1)).any():
        raise ValueError(f"distances row {int(np.argmax(bad))} holds NaN: look for NaN in the embeddings")
    if not 1 <= depth <= distances.shape[1]:
        raise ValueError(
            f"{depth} results are to be judged, but the gallery holds {distances.shape[1]} items"
        )


def rank_with_ties(distances: Distances, relevant: Mask, candidates: Mask, depth: int) -> TiedRanking:
    """Rank each query's gallery down to `depth`, tie groups whole.

    distances: float32 or int32 [n_query x n_gallery], lower is nearer; exactly equal ones tie.
    relevant, candidates: bool, the same shape; items that are no candidates are removed from the results.
    depth: the number of positions that will be scored, at most n_gallery.
    Raises ValueError on NaN (naming the row), differing shapes or a depth beyond the gallery.
    """
    _check_batch(distances, relevant, candidates, depth)
    keys = np.sort(_sort_keys(distances, relevant & candidates, candidates), axis=1)
    groups = keys >> 1
    width = int((groups <= groups[:, depth - 1 : depth]).sum(axis=1).max())
    keys, groups = keys[:, :width], groups[:, :width]
    position = np.arange(width)
    opens = np.ones(groups.shape, bool)
    opens[:, 1:] = groups[:, 1:] != groups[:, :-1]
    before = np.maximum.accumulate(np.where(opens, position, 0), axis=1)
    closes = np.roll(opens, -1, axis=1)
    after = np.minimum.accumulate(np.where(closes, position + 1, width)[:, ::-1], axis=1)[:, ::-1]
    hits = np.zeros((len(keys), width + 1), np.int64)
    np.cumsum((keys & 1) & (keys != BEYOND_ALL), axis=1, out=hits[:, 1:])
    relevant_before = np.take_along_axis(hits, before, axis=1)
    relevant_inside = np.take_along_axis(hits, after, axis=1) - relevant_before
    kept = slice(0, depth)
    return TiedRanking(
        before[:, kept], (after - before)[:, kept], relevant_before[:, kept], relevant_inside[:, kept]
    )


def _check_cutoff(ranking: TiedRanking, k: int) -> None:
    if not 1 <= k <= ranking.depth:
        raise ValueError(
            f"k is {k}; it must be 1 to {ranking.depth}, the number of positions that were ranked"
        )


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
    if len(n_relevant) != len(ranking.before):
        raise ValueError(f"n_relevant has {len(n_relevant)} entries for {len(ranking.before)} queries")
    if n_relevant.min(initial=1) < 1 or n_relevant.max(initial=1) > ranking.depth:
        raise ValueError(f"n_relevant must be 1 to {ranking.depth}, the number of positions that were ranked")
    position = np.arange(1, ranking.depth + 1)
    earlier = position - ranking.before - 1
    pairs = earlier * (ranking.relevant_inside - 1) / np.maximum(ranking.size - 1, 1)
    chance = ranking.relevant_inside / ranking.size
    precision = chance * (ranking.relevant_before + 1 + pairs) / position
    inside_cut = position <= n_relevant[:, np.newaxis]
    return np.asarray(np.where(inside_cut, precision, 0.0).sum(axis=1) / n_relevant)
