"""Simulated raters: they know the true grade of each result and nothing else, and see it through noise.

A list is worth the discounted mean of its results' grades, 0 to 1. A rater perceives that plus noise, says `neither` where both
lists lie below a floor, `tie` where they lie closer than a just-noticeable difference, else names the better side. Which system a
list came from is not in a study, so a rater cannot know it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt

from unifiedlib.decor.relevance import SAME_PRODUCT
from unifiedlib.graded import GainsOf
from unifiedlib.study.document import Study
from unifiedlib.study.log import LEFT, NEITHER, RIGHT, TIE, Answer
from unifiedlib.study.presentation import screens

Values = npt.NDArray[np.float64]


@dataclass(frozen=True)
class RaterModel:
    """How a simulated rater judges; all but depth in units of a list's worth, 0 to 1.

    noise: standard deviation of what is perceived, drawn anew for each list and screen; tie_threshold: a smaller difference is
    not noticed; neither_threshold: below it a list is bad; depth: how many results of a list are looked at.
    Raises ValueError for a value out of range.
    """

    noise: float
    tie_threshold: float
    neither_threshold: float
    depth: int

    def __post_init__(self) -> None:
        """Check the ranges."""
        for field in fields(self):
            value, lowest = getattr(self, field.name), int(field.name == "depth")
            if not value >= lowest:
                raise ValueError(f"{field.name} is {value}; it must be at least {lowest}")


def true_grades(gains_of: GainsOf, query: int, items: Sequence[int]) -> Values:
    """The true grade of each result, [n], 0 to 3. gains_of: 2^grade - 1, as from `unifiedlib.graded.decor_gains`."""
    gains = gains_of(np.array([query], np.int64), np.array(items, np.int64))[0]
    return np.asarray(np.log2(gains + 1))


def worth(grades: Values, depth: int) -> float:
    """The discounted mean of the first `depth` grades, as a share of the highest grade, 0 to 1.

    The discount of position i is 1 / log2(i + 1), as in DCG; a list shorter than `depth` is looked at whole.

    >>> worth(np.array([3.0, 3.0, 0.0]), 2)
    1.0
    """
    seen = grades[:depth]
    discounts = 1 / np.log2(np.arange(len(seen)) + 2)
    return float(seen @ discounts / (SAME_PRODUCT * discounts.sum()))


def pair_worths(study: Study, gains_of: GainsOf, depth: int) -> Values:
    """What the lists of each pair are truly worth, float64 [n_pair x 2], left and right as in the study."""
    return np.array(
        [
            [worth(true_grades(gains_of, pair.query, items), depth) for items in (pair.left, pair.right)]
            for pair in study.pairs
        ]
    )


def decide(left: float, right: float, model: RaterModel) -> str:
    """The answer of a rater who perceives the lists to be worth `left` and `right`."""
    if max(left, right) < model.neither_threshold:
        return NEITHER
    if abs(left - right) < model.tie_threshold:
        return TIE
    return LEFT if left > right else RIGHT


def simulate_rater(
    study: Study, worths: Values, rater: str, model: RaterModel, seed: Sequence[int]
) -> list[Answer]:
    """The answers of one simulated rater to every screen. worths: from `pair_worths`; seed: of the noise, another per rater."""
    generator = np.random.default_rng(seed)
    answers = []
    for screen in screens(study, rater):
        true = worths[screen.pair][::-1] if screen.mirrored else worths[screen.pair]
        left, right = true + model.noise * generator.standard_normal(2)
        answers.append(Answer(screen.place, screen.pair, decide(float(left), float(right), model)))
    return answers
