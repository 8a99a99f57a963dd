"""The click model: users look at ranks with falling probability, click what attracts them, and save some of what they click.

    P(click at rank r) = P(examine r) x P(attracted | true grade of the result)

The position-based model (Craswell, Zoeter, Taylor & Ramsey, WSDM 2008, compare it with others). Users differ: in log-odds, a
user's attraction is the common one plus an effect of their own. A save (a repin) follows a click.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt
from scipy.special import expit, logit

from unifiedlib.graded import Grades
from unifiedlib.replay.settings import ReplaySettings, check_shares

Shares = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]
N_NODES = 64


def examination_by_power(power: float, k: int) -> Shares:
    """Probability that each rank is looked at, [k]: 1 / rank^power.

    >>> examination_by_power(1.0, 4).round(2).tolist()
    [1.0, 0.5, 0.33, 0.25]
    """
    return np.arange(1, k + 1, dtype=np.float64) ** -power


@dataclass(frozen=True)
class Actions:
    """What happened to each result shown: bool [n_query x k]. What was saved was clicked."""

    clicked: Mask
    saved: Mask


@dataclass(frozen=True)
class ClickModel:
    """The assumptions about users.

    examination: [k], probability that a rank is looked at. attraction, save: by grade, [n_grade]: probability of a click on
    what is looked at, and of a save of what is clicked. user_effect: standard deviation of a user's log-odds of attraction.
    """

    examination: Shares
    attraction: Shares
    save: Shares
    user_effect: float

    def __post_init__(self) -> None:
        """Raise ValueError for a probability outside 0..1, or another number of saves than of grades."""
        for name in ("examination", "attraction", "save"):
            check_shares(name, getattr(self, name).tolist())
        check_shares("save", self.save.tolist(), len(self.attraction))

    @classmethod
    def of(cls, settings: ReplaySettings) -> Self:
        """The model that the settings describe."""
        ranks = examination_by_power(settings.examination_power, settings.k)
        examination = np.array(settings.examination) if settings.examination else ranks
        attraction, save = np.array(settings.attraction), np.array(settings.save)
        return cls(examination, attraction, save, settings.user_effect)

    def attraction_of(self, effects: Shares) -> Shares:
        """Each user's attraction by grade, [n_user x n_grade]; effects: standard normal, [n_user]."""
        return np.asarray(expit(logit(self.attraction) + self.user_effect * effects[:, np.newaxis]))

    def mean_attraction(self) -> Shares:
        """Attraction by grade over all users, [n_grade], by Gauss-Hermite quadrature."""
        nodes, weights = np.polynomial.hermite_e.hermegauss(N_NODES)
        return np.asarray(weights @ self.attraction_of(nodes) / weights.sum())

    def click_probabilities(self, grades: Grades, attraction: Shares) -> Shares:
        """Probability of a click on each result, [n_query x k].

        grades: uint8 [n_query x k]; attraction: by grade, [n_grade] for all, or [n_query x n_grade] of each query's user.
        """
        own = np.broadcast_to(attraction, (len(grades), len(self.attraction)))
        return np.asarray(np.take_along_axis(own, grades.astype(np.int64), axis=1) * self.examination)

    def expected_clicks(self, grades: Grades) -> Shares:
        """Expected clicks of each query over all users, [n_query]: a sum, no simulation."""
        return np.asarray(self.click_probabilities(grades, self.mean_attraction()).sum(axis=1))

    def expected_saves(self, grades: Grades) -> Shares:
        """Expected saves of each query over all users, [n_query]."""
        clicks = self.click_probabilities(grades, self.mean_attraction())
        return np.asarray((clicks * self.save[grades]).sum(axis=1))

    def act(self, grades: Grades, attraction: Shares, generator: np.random.Generator) -> Actions:
        """Draw clicks and saves of every result shown; arguments as in `click_probabilities`.

        One number per result decides both: below P(click) it is clicked, below P(click) x P(save | click) saved too.
        """
        clicks = self.click_probabilities(grades, attraction)
        drawn = generator.random(grades.shape)
        return Actions(drawn < clicks, drawn < clicks * self.save[grades])
