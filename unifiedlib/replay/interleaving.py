"""Team-draft interleaving (Radlinski, Kurup & Joachims, CIKM 2008): both systems in one list, and every user judges between them.

The two lists take turns like captains who pick teams: before each round a coin says who picks first, and each then picks its best
result that is not in the list yet. A click counts for the team whose pick it was. Whoever has more clicks on a query's list is
preferred on it. Each user compares the systems alone, so what differs between users does not blur the comparison.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from unifiedlib.replay.ab import act
from unifiedlib.replay.analysis import CRITICAL, TAIL, drawn_counts, z_of
from unifiedlib.replay.clicks import ClickModel
from unifiedlib.replay.population import Index, Visits
from unifiedlib.replay.systems import Lists

Values = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]
ABSENT = -1
VISITS_AT_ONCE = 65536


@dataclass(frozen=True)
class Draft:
    """Interleaved lists: for each place whether theirs picked it, bool [n x k], and its place in the picker's list, [n x k]."""

    theirs: Mask
    place: Index

    def taken(self, ours: npt.NDArray[np.generic], theirs: npt.NDArray[np.generic]) -> np.ndarray:
        """Something known of both lists' results, each [n x k], such as items or grades, in the interleaved order."""
        picked = (np.take_along_axis(values, self.place, axis=1) for values in (ours, theirs))
        first, second = picked
        return np.where(self.theirs, second, first)


def shared_places(ours: Index, theirs: Index) -> Index:
    """Where each result of ours stands in theirs, int64 [n_query x k], -1 where it does not."""
    same = ours[:, :, np.newaxis] == theirs[:, np.newaxis, :]
    return np.where(same.any(axis=2), same.argmax(axis=2), ABSENT).astype(np.int64)


def team_draft(to_theirs: Index, to_ours: Index, coins: Mask) -> Draft:
    """Interleave pairs of lists to their own length.

    to_theirs: where each of our results stands in theirs, as from `shared_places`; to_ours: the reverse; both int64 [n x k].
    coins: bool [n x n_round], whether theirs picks first in a round of two picks; n_round is k / 2, rounded up.
    Raises ValueError for coins of another shape.
    """
    n, k = to_theirs.shape
    if coins.shape != (n, -(-k // 2)):
        raise ValueError(f"coins have shape {list(coins.shape)}; they must be [{n} x {-(-k // 2)}]")
    gone = (np.zeros((n, k), bool), np.zeros((n, k), bool))
    across, rows = (to_theirs, to_ours), np.arange(n)
    theirs, place = np.empty((n, k), bool), np.empty((n, k), np.int64)
    for position in range(k):
        turn = coins[:, position // 2] ^ (position % 2 == 1)
        best = np.where(turn, gone[1].argmin(axis=1), gone[0].argmin(axis=1))
        theirs[:, position], place[:, position] = turn, best
        for own in (0, 1):
            picked = rows[turn == bool(own)]
            gone[own][picked, best[picked]] = True
            twin = across[own][picked, best[picked]]
            gone[1 - own][picked[twin != ABSENT], twin[twin != ABSENT]] = True
    return Draft(theirs, place)


@dataclass(frozen=True)
class Preferences:
    """Per user: queries on which ours got more clicks minus those on which theirs did, and queries; int64 [n_user]."""

    score: Index
    queries: Index

    def values(self) -> npt.NDArray[np.int64]:
        """Both, [n_user x 2]."""
        return np.stack([self.score, self.queries], axis=1)


@dataclass(frozen=True)
class Preference:
    """Mean preference per query, -1 (always theirs) to 1 (always ours), with its 95 % interval over users, and its z."""

    preference: float
    low: float
    high: float
    z: float
    n_users: int
    n_queries: int


def interleave(
    ours: Lists, theirs: Lists, visits: Visits, model: ClickModel, generator: np.random.Generator
) -> Preferences:
    """Show every query's two lists as one, drafted anew each time, and count who is preferred."""
    to_theirs, to_ours = (
        shared_places(*pair) for pair in ((ours.items, theirs.items), (theirs.items, ours.items))
    )
    signs = []
    for start in range(0, len(visits.user), VISITS_AT_ONCE):
        rows = slice(start, start + VISITS_AT_ONCE)
        query, k = visits.query[rows], ours.items.shape[1]
        coins = generator.integers(0, 2, (len(query), -(-k // 2))).astype(bool)
        draft = team_draft(to_theirs[query], to_ours[query], coins)
        grades = draft.taken(ours.grades[query], theirs.grades[query])
        part = Visits(visits.user[rows], visits.session[rows], query, visits.effects)
        signs.append(credit(act(part, grades, model, generator).clicked, draft.theirs))
    return add_up(np.concatenate(signs), visits.user, visits.n_users)


def credit(clicked: Mask, theirs: Mask) -> Index:
    """Who is preferred on each query, int64 [n]: 1 ours, -1 theirs, 0 neither; arguments bool [n x k]."""
    lead = (clicked & ~theirs).sum(axis=1) - (clicked & theirs).sum(axis=1)
    return np.asarray(np.sign(lead), np.int64)


def add_up(signs: Index, user: Index, n_users: int) -> Preferences:
    """The preferences of each user from those of each query; both int64 [n_query]."""
    score = np.bincount(user, weights=signs, minlength=n_users).astype(np.int64)
    return Preferences(score, np.bincount(user, minlength=n_users).astype(np.int64))


def ratio_moments(pairs: npt.NDArray[np.generic], counts: npt.NDArray[np.int64]) -> tuple[Values, Values]:
    """The mean preference per query and its variance over users (delta method), each [n_times].

    pairs: distinct (score, queries) [m x 2]; counts: how often each was drawn [n_times x m].
    """
    score, queries = pairs.astype(np.float64).T
    n, total = counts.sum(axis=1), counts @ queries
    ratio = counts @ score / total
    squares = (
        counts @ (score**2) - 2 * ratio * (counts @ (score * queries)) + ratio**2 * (counts @ queries**2)
    )
    return ratio, np.maximum(squares, 0) * n / np.maximum(n - 1, 1) / total**2


def preference(found: Preferences, n_resamples: int, generator: np.random.Generator) -> Preference:
    """The mean preference per query; its interval by a bootstrap over users, who bring their queries along."""
    pairs = found.values()
    distinct, counts = drawn_counts(pairs, len(pairs), n_resamples, generator)
    low, high = np.quantile(ratio_moments(distinct, counts)[0], [TAIL, 1 - TAIL])
    mean, variance = ratio_moments(*_as_they_are(pairs))
    z = float(z_of(mean, variance)[0])
    return Preference(float(mean[0]), float(low), float(high), z, len(pairs), int(pairs[:, 1].sum()))


def _as_they_are(pairs: npt.NDArray[np.int64]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    distinct, counts = np.unique(pairs, axis=0, return_counts=True)
    return distinct, counts[np.newaxis].astype(np.int64)


def is_significant(z: Values) -> Mask:
    """Whether a z-test at 5 % finds something."""
    return np.abs(z) > CRITICAL
