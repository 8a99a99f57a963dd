"""From stored embeddings to a study: the lists of two systems on each task, for one training of them or for several."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from pathlib import Path

import numpy as np
import numpy.typing as npt

from unifiedlib.contract import Collection
from unifiedlib.evaluation import StoredEmbeddings
from unifiedlib.study.design import Contest
from unifiedlib.study.systems import Lists, System, load_system, ranked_lists

Index = npt.NDArray[np.int64]
Contests = dict[str, Contest]


@dataclass
class Library:
    """Lists of systems, each made once. k: results in a list."""

    collection: Collection
    embedding_folder: Path
    k: int

    def __post_init__(self) -> None:
        """Begin with nothing loaded."""
        self._stored: dict[tuple[str, int], StoredEmbeddings] = {}
        self._lists: dict[tuple[System, str], Lists] = {}

    def stored(self, system: System) -> StoredEmbeddings:
        """A system's embeddings. Raises as `load_system`."""
        name = (system.variant, system.seed)
        if name not in self._stored:
            self._stored[name] = load_system(self.collection, self.embedding_folder, system)
        return self._stored[name]

    def lists(self, system: System, task: str) -> Lists:
        """A system's lists on a task. Raises as `load_system` and `ranked_lists`."""
        place = (own := system.on(task), task)
        if place not in self._lists:
            stored = self.stored(own)
            self._lists[place] = ranked_lists(self.collection, stored, own.representation, task, self.k)
        return self._lists[place]

    def contests(self, ours: System, theirs: System, tasks: Sequence[str] = ()) -> Contests:
        """Two systems against each other, by task; tasks: all of the collection's where none is named."""
        return {
            task: Contest(
                self.lists(ours, task), self.lists(theirs, task), ours.on(task).name, theirs.on(task).name
            )
            for task in tasks or self.collection.tasks
        }


def differing_in_all(trainings: Sequence[Mapping[str, Contest]]) -> dict[str, Index]:
    """By task, the queries whose two lists differ whichever training they come from."""
    return {
        task: reduce(np.intersect1d, [contests[task].differing() for contests in trainings])
        for task in trainings[0]
    }
