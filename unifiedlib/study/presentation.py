"""In which order, and with which side where, one rater sees a study: a function of the study and of the rater's name."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

import numpy as np

from unifiedlib.study.document import Study

NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}")
FIRST_UNTIL, SECOND_FROM = 0.5, 0.6
"""Of a pair that is shown twice, the first showing lies in the first half of a rater's screens, the second after 60 %."""


@dataclass(frozen=True)
class Screen:
    """One screen of one rater.

    place: 0, 1, …; pair: its number; mirrored: whether the lists have changed sides, against the study's; repeat: whether the
    rater has seen the pair before, with the sides the other way round.
    """

    place: int
    pair: int
    mirrored: bool
    repeat: bool


@dataclass(frozen=True)
class Shown:
    """What a screen holds: the question, the query, and the lists as they stand, item numbers."""

    question: str
    query: int
    left: list[int]
    right: list[int]


def shown_on(study: Study, screen: Screen) -> Shown:
    """What a rater sees on a screen."""
    pair = study.pairs[screen.pair]
    left, right = (pair.right, pair.left) if screen.mirrored else (pair.left, pair.right)
    return Shown(study.questions[pair.task], pair.query, left, right)


def check_rater(name: str) -> str:
    """The name, if it can be a file's. Raises ValueError where it cannot, or could lead out of the folder."""
    if not NAME.fullmatch(name):
        raise ValueError(
            f"rater is {name!r}; a name has 1 to 40 small letters, digits, - or _, and starts with a letter or digit"
        )
    return name


def screens(study: Study, rater: str) -> list[Screen]:
    """The screens of a rater, in order.

    Half of the raters, by their names, see all lists on the other side. Every rater sees every pair once, and those of
    `study.repeats` a second time, later and mirrored. Raises ValueError for a name that cannot be a rater's.
    """
    digest = hashlib.sha256(f"{study.fingerprint}/{check_rater(rater)}".encode()).digest()
    generator = np.random.default_rng(list(digest))
    mirrored = bool(digest[0] & 1)
    numbers, repeats = np.arange(len(study.pairs)), np.array(study.repeats, np.int64)
    when = generator.random(len(numbers))
    when[repeats] *= FIRST_UNTIL
    again = SECOND_FROM + (1 - SECOND_FROM) * generator.random(len(repeats))
    order = np.argsort(np.concatenate([when, again]), kind="stable")
    pairs = np.concatenate([numbers, repeats])
    shown = []
    for place, number in enumerate(order):
        repeat = bool(number >= len(numbers))
        shown.append(Screen(place, int(pairs[number]), mirrored != repeat, repeat))
    return shown
