"""Systems that can serve an arm: a variant searched by its floats or its codes, and the lists that it shows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
import numpy.typing as npt

from unifiedlib.contract import Collection
from unifiedlib.evaluation import load_embeddings
from unifiedlib.graded import Grades, decor_grades
from unifiedlib.listing import BATCH, REPRESENTATIONS, check_length, ranked_items
from unifiedlib.relevance import Relevance, task_relevance
from unifiedlib.replay.settings import ReplaySettings
from unifiedlib.replay.streams import stream
from unifiedlib.stages import seed_folder
from unifiedlib.variants import UNIFIED, seeds_of, variants_of

Index = npt.NDArray[np.int64]
SPECIALIST = "specialist"


@dataclass(frozen=True)
class System:
    """What serves an arm: a variant, and the representation that it is searched by, float or binary."""

    variant: str
    representation: str

    def __str__(self) -> str:
        """As params.yaml writes it."""
        return f"{self.variant}/{self.representation}"

    @classmethod
    def parse(cls, text: str, task: str, variants: Sequence[str]) -> Self:
        """Read "unified/float"; the variant `specialist` is that of the task. Raises ValueError for any that is unknown.

        >>> str(System.parse("specialist/binary", "lens", ["lens", "unified"]))
        'lens/binary'
        """
        variant, _, kind = text.partition("/")
        known = task if variant == SPECIALIST else variant
        if known not in variants or kind not in REPRESENTATIONS:
            choices = ", ".join((SPECIALIST, *variants))
            raise ValueError(
                f"there is no system '{text}'; write VARIANT/KIND with a variant of {choices}, and float or binary"
            )
        return cls(known, kind)


@dataclass(frozen=True)
class Contest:
    """Two systems that are compared on one task, and what the comparison is called."""

    name: str
    task: str
    ours: System
    theirs: System


@dataclass(frozen=True)
class Lists:
    """What a system shows for each of a task's queries, nearest first: items int64, true grades uint8, both [n_query x k]."""

    items: Index
    grades: Grades


def contests(collection: Collection, settings: ReplaySettings) -> list[Contest]:
    """Every comparison on every task. Raises ValueError for a task or a system that the collection has not."""
    if unknown := [task for task in settings.tasks if task not in collection.tasks]:
        raise ValueError(
            f"collection '{collection.name}' has no task '{unknown[0]}'; it has {', '.join(collection.tasks)}"
        )
    known = variants_of(collection)
    return [
        Contest(name, task, *(System.parse(text, task, known) for text in pair))
        for task in settings.tasks
        for name, pair in settings.comparisons.items()
    ]


def named_variants(tasks: Sequence[str], comparisons: Mapping[str, Sequence[str]]) -> list[str]:
    """The variants whose embeddings the comparisons need, and the unified one, each once; known or not.

    >>> named_variants(["lens"], {"codes": ["unified/binary", "specialist/float"]})
    ['unified', 'lens']
    """
    named = [text.partition("/")[0] for pair in comparisons.values() for text in pair]
    meant = [tasks if variant == SPECIALIST else [variant] for variant in (UNIFIED, *named)]
    return list(dict.fromkeys(variant for variants in meant for variant in variants))


def _grades(collection: Collection, relevance: Relevance, items: Index) -> Grades:
    """True grades of ranked items, a batch of queries at a time."""
    grades_of, gallery = decor_grades(collection), relevance.gallery_items
    parts = []
    for start in range(0, len(items), BATCH):
        rows = slice(start, start + BATCH)
        whole = grades_of(relevance.query_items[rows], gallery)
        parts.append(np.take_along_axis(whole, np.searchsorted(gallery, items[rows]), axis=1))
    return np.concatenate(parts)


def served_lists(
    collection: Collection,
    folder: Path,
    wanted: Sequence[tuple[str, System]],
    seeds: Sequence[int],
    settings: ReplaySettings,
) -> dict[tuple[str, System, int], Lists]:
    """The lists of each (task, system) and seed; a variant of one seed alone has the same for all of them.

    folder: holds `<variant>/seed-<n>/` as the binarize stage writes it. Raises FileNotFoundError where embeddings are missing,
    ValueError for a k beyond what a query can find.
    """
    judged = {
        task: task_relevance(collection, task, task) for task in dict.fromkeys(task for task, _ in wanted)
    }
    for task, relevance in judged.items():
        check_length(relevance, task, settings.k)
    lists: dict[tuple[str, System, int], Lists] = {}
    for variant in dict.fromkeys(system.variant for _, system in wanted):
        for seed in seeds_of(variant, list(seeds)):
            stored = load_embeddings(seed_folder(folder, variant, seed), collection)
            for task, system in _of(variant, wanted):
                relevance = judged[task]
                order = stream(settings.seed, "ties", task).permutation(len(relevance.gallery_items))
                items = ranked_items(stored, system.representation, relevance, settings.k, order)
                lists[task, system, seed] = Lists(items, _grades(collection, relevance, items))
    return _for_all_seeds(lists, seeds)


def _of(variant: str, wanted: Sequence[tuple[str, System]]) -> Iterator[tuple[str, System]]:
    return (pair for pair in dict.fromkeys(wanted) if pair[1].variant == variant)


def _for_all_seeds(
    lists: Mapping[tuple[str, System, int], Lists], seeds: Sequence[int]
) -> dict[tuple[str, System, int], Lists]:
    filled = dict(lists)
    for (task, system, seed), found in lists.items():
        for other in seeds if seed == seeds[0] else ():
            filled.setdefault((task, system, other), found)
    return filled
