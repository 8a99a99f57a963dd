"""What an A/B test counts, per user: clicks (click-through) and saves (repins), as propensity and as volume.

**Propensity** is the share of users who did the action at least once, **volume** the number of actions per user. That the paper
measured repin and click-through propensity and volume is known; how it defined them is not: these definitions are ours.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

from unifiedlib.replay.clicks import Actions

Values = npt.NDArray[np.float64]
Index = npt.NDArray[np.int64]

PROPENSITY, VOLUME = "propensity", "volume"
CLICK, REPIN = "click", "repin"
MEASURES = ((CLICK, PROPENSITY), (CLICK, VOLUME), (REPIN, PROPENSITY), (REPIN, VOLUME))


@dataclass(frozen=True)
class Totals:
    """Clicks and repins of each user, int64 [n_user]."""

    clicks: Index
    repins: Index

    @classmethod
    def of(cls, actions: Actions, user: Index, n_users: int) -> Self:
        """Add up the actions of each user's queries. user: int64 [n_query], 0 to n_users - 1."""
        counts = (
            np.bincount(user, weights=done.sum(axis=1), minlength=n_users).astype(np.int64)
            for done in (actions.clicked, actions.saved)
        )
        return cls(*counts)

    def of_users(self, chosen: npt.NDArray[np.bool_]) -> Totals:
        """The totals of some of the users, bool [n_user]."""
        return Totals(self.clicks[chosen], self.repins[chosen])

    def values(self, action: str, measure: str) -> Values:
        """One value per user, float64 [n_user], whose mean is the measure. Raises ValueError for an unknown one."""
        if (action, measure) not in MEASURES:
            known = ", ".join(" ".join(pair) for pair in MEASURES)
            raise ValueError(f"there is no measure '{action} {measure}'; choose one of {known}")
        counts = self.clicks if action == CLICK else self.repins
        return np.asarray(counts > 0 if measure == PROPENSITY else counts, np.float64)

    def each(self) -> Iterator[tuple[str, str, Values]]:
        """Every measure: action, measure, one value per user."""
        return ((action, measure, self.values(action, measure)) for action, measure in MEASURES)
