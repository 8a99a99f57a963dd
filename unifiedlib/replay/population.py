"""Simulated users: how often each comes, what they look for, and how easily they are attracted."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from unifiedlib.replay.settings import ReplaySettings

Index = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Visits:
    """Everything that a population asks for; a row for each query that a user issues, users and sessions ascending.

    user, session: numbers from 0; query: row of the task's queries. All int64 [n].
    effects: float64 [n_user], standard normal: each user's own attraction, see `ClickModel.attraction_of`.
    """

    user: Index
    session: Index
    query: Index
    effects: npt.NDArray[np.float64]

    @property
    def n_users(self) -> int:
        """How many users there are; each issues at least one query."""
        return len(self.effects)

    def queries_per_user(self) -> Index:
        """How many queries each user issues, int64 [n_user]."""
        return np.bincount(self.user, minlength=self.n_users).astype(np.int64)


def draw_sessions(n_users: int, power: float, most: int, generator: np.random.Generator) -> Index:
    """Sessions of each user, int64 [n_users], heavy-tailed: P(at least n) = n^-power for n up to `most`."""
    exact = (1 - generator.random(n_users)) ** (-1 / power)
    return np.minimum(exact, most).astype(np.int64)


def mean_sessions(power: float, most: int) -> float:
    """Expected sessions of a user: the sum of P(at least n) over n = 1 … most."""
    return float((np.arange(1, most + 1, dtype=np.float64) ** -power).sum())


def draw_queries(labels: Index, lengths: Index, generator: np.random.Generator) -> Index:
    """Queries of sessions, int64 [sum of lengths]: a session looks for one thing, so its queries carry one label.

    labels: of each of the task's queries, int64 [n_query]; lengths: queries of each session. The label is that of a random
    query, so every query is asked for equally often.
    """
    by_label = np.argsort(labels, kind="stable")
    ordered = labels[by_label]
    intent = labels[generator.integers(0, len(labels), len(lengths))]
    start, stop = (np.searchsorted(ordered, intent, side).repeat(lengths) for side in ("left", "right"))
    return by_label[generator.integers(start, stop)].astype(np.int64)


def draw_visits(
    n_users: int, labels: Index, settings: ReplaySettings, generator: np.random.Generator
) -> Visits:
    """A population of users and what they ask for. labels: what each of the task's queries looks for, int64 [n_query]."""
    sessions = draw_sessions(n_users, settings.sessions_power, settings.most_sessions, generator)
    lengths = generator.geometric(1 / settings.queries_per_session, sessions.sum())
    user = np.arange(n_users).repeat(sessions).repeat(lengths)
    session = np.arange(len(lengths)).repeat(lengths)
    query = draw_queries(labels, lengths, generator)
    return Visits(user, session, query, generator.standard_normal(n_users))
