"""Drawing a study: which queries are asked, which list stands where, which pairs are shown twice."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from unifiedlib.study.document import Key, LeftOut, Pair, Study
from unifiedlib.study.systems import Lists

Index = npt.NDArray[np.int64]

QUESTION = "Which list fits the picture better?"
QUESTIONS = {
    "flashlight": "Which list is more like the picture: what would you rather browse?",
    "lens": "Which list is more like what the photo shows: what would you rather browse?",
    "shop_the_look": "Which list finds the very product of the picture, and finds it sooner?",
}
QUERIES, SIDES, REPEATS = range(3)


@dataclass(frozen=True)
class Design:
    """How a study is drawn.

    n_queries: the most queries of each task; k: results in a list; repeat_share: share of the pairs that each rater sees twice, 0
    to 1; seed: of every draw. Raises ValueError for values out of range.
    """

    n_queries: int
    k: int
    repeat_share: float = 0.1
    seed: int = 0

    def __post_init__(self) -> None:
        """Check the ranges."""
        for name in ("n_queries", "k"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}; it must be at least 1")
        if not 0 <= self.repeat_share <= 1:
            raise ValueError(f"repeat_share is {self.repeat_share}; it must be 0 to 1")
        if self.seed < 0:
            raise ValueError(f"seed is {self.seed}; it must be at least 0")


@dataclass(frozen=True)
class Contest:
    """The lists of both systems on one task, over the same queries, and what the systems are called."""

    ours: Lists
    theirs: Lists
    ours_name: str
    theirs_name: str

    def differing(self) -> Index:
        """The queries whose two lists are not the same, order included, int64 ascending."""
        return np.asarray(self.ours.queries[(self.ours.items != self.theirs.items).any(axis=1)])


def draw_queries(differing: Mapping[str, Index], design: Design) -> dict[str, Index]:
    """Of each task up to `n_queries` of the queries whose lists differ, ascending; the same seed draws the same.

    Raises ValueError where no task has any: then there is nothing to judge.
    """
    if not any(len(queries) for queries in differing.values()):
        raise ValueError(
            "both lists are the same for every query: there is nothing to judge; compare other systems"
        )
    drawn = {}
    for number, (task, queries) in enumerate(differing.items()):
        generator = np.random.default_rng([design.seed, QUERIES, number])
        drawn[task] = np.sort(generator.permutation(queries)[: design.n_queries])
    return drawn


def _balanced(count: int, generator: np.random.Generator) -> npt.NDArray[np.bool_]:
    """`count` coin tosses, half of them heads; of an odd number the last is fair."""
    heads = count // 2 + int(count % 2 and generator.random() < 0.5)
    return np.asarray(generator.permutation(np.arange(count) < heads))


def _task_pairs(
    contest: Contest, task: str, queries: Index, start: int, ours_left: npt.NDArray[np.bool_]
) -> list[Pair]:
    pairs = []
    both = zip(queries, contest.ours.of(queries), contest.theirs.of(queries), ours_left, strict=True)
    for number, (query, ours, theirs, is_left) in enumerate(both, start):
        left, right = (ours, theirs) if is_left else (theirs, ours)
        pairs.append(
            Pair(number=number, task=task, query=int(query), left=left.tolist(), right=right.tolist())
        )
    return pairs


def _repeats(pairs: list[Pair], design: Design) -> list[int]:
    """The pairs that are shown twice: the share of each task's, rounded."""
    chosen: list[int] = []
    for number, task in enumerate(dict.fromkeys(pair.task for pair in pairs)):
        own = [pair.number for pair in pairs if pair.task == task]
        generator = np.random.default_rng([design.seed, REPEATS, number])
        chosen += sorted(generator.permutation(own)[: round(design.repeat_share * len(own))].tolist())
    return chosen


def _left_out(contest: Contest, n_drawn: int) -> LeftOut:
    n_judged, no_match = len(contest.ours.queries), len(contest.ours.left_out)
    n_differing = len(contest.differing())
    return LeftOut(
        n_query=n_judged + no_match,
        no_match=no_match,
        same_lists=n_judged - n_differing,
        not_drawn=n_differing - n_drawn,
    )


def make_study(
    contests: Mapping[str, Contest],
    queries: Mapping[str, Index],
    design: Design,
    collection: str,
    data_folder: str,
) -> tuple[Study, Key]:
    """A study and its key.

    contests: by task; queries: those to be asked, as from `draw_queries`. collection: its fingerprint; data_folder: where it
    lies. In each task our list stands left in half of the pairs.
    """
    pairs: list[Pair] = []
    ours_left: list[bool] = []
    for number, (task, contest) in enumerate(contests.items()):
        generator = np.random.default_rng([design.seed, SIDES, number])
        sides = _balanced(len(queries[task]), generator)
        pairs += _task_pairs(contest, task, queries[task], len(pairs), sides)
        ours_left += sides.tolist()
    study = Study(
        collection=collection,
        data_folder=data_folder,
        k=design.k,
        seed=design.seed,
        questions={task: QUESTIONS.get(task, QUESTION) for task in contests},
        pairs=pairs,
        repeats=_repeats(pairs, design),
        left_out={task: _left_out(one, len(queries[task])) for task, one in contests.items()},
    )
    key = Key(
        study=study.fingerprint,
        ours={task: one.ours_name for task, one in contests.items()},
        theirs={task: one.theirs_name for task, one in contests.items()},
        ours_left=ours_left,
    )
    return study, key
