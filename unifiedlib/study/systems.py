"""What is compared: a variant in one representation, and the first results that it gives each query of a task."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

import numpy as np
import numpy.typing as npt

from unifiedlib.contract import Collection
from unifiedlib.evaluation import StoredEmbeddings, load_embeddings
from unifiedlib.listing import REPRESENTATIONS, check_length, ranked_items
from unifiedlib.relevance import task_relevance
from unifiedlib.variants import variants_of

Index = npt.NDArray[np.int64]

SPECIALIST = "specialist"
"""Stands for the variant that was trained on the task alone, whichever task it is."""


@dataclass(frozen=True)
class System:
    """A variant (or `specialist`) in one representation, `float` or `binary`, of one training.

    seed: which training. Raises ValueError for another representation.
    """

    variant: str
    representation: str = "float"
    seed: int = 0

    def __post_init__(self) -> None:
        """Check the representation."""
        if self.representation not in REPRESENTATIONS:
            raise ValueError(
                f"representation is '{self.representation}'; choose one of {', '.join(REPRESENTATIONS)}"
            )

    @classmethod
    def parse(cls, text: str, seed: int = 0) -> Self:
        """A system as a person writes it: a variant, and after a slash the representation where it is not float.

        >>> System.parse("unified/binary")
        System(variant='unified', representation='binary', seed=0)
        """
        variant, _, representation = text.partition("/")
        return cls(variant, representation or "float", seed)

    def on(self, task: str) -> Self:
        """The system that searches on a task: the task's own variant for `specialist`."""
        return replace(self, variant=task) if self.variant == SPECIALIST else self

    @property
    def name(self) -> str:
        """As `parse` reads it."""
        return self.variant if self.representation == "float" else f"{self.variant}/{self.representation}"


@dataclass(frozen=True)
class Lists:
    """The first k results of every query of a task.

    queries: int64 [n_query], item numbers, ascending; items: int64 [n_query x k], nearest first; left_out: int64, queries
    without a match, which nobody can judge.
    """

    queries: Index
    items: Index
    left_out: Index

    def of(self, queries: Index) -> Index:
        """The lists of some queries, [n x k]; all must be among `queries`."""
        return self.items[np.searchsorted(self.queries, queries)]


def load_system(collection: Collection, embedding_folder: Path, system: System) -> StoredEmbeddings:
    """The embeddings of a system. Raises ValueError for an unknown variant, FileNotFoundError for one without embeddings."""
    stored = sorted(path.name for path in embedding_folder.glob("[a-z]*") if path.is_dir())
    if system.variant not in (known := list(dict.fromkeys([*variants_of(collection), *stored]))):
        raise ValueError(
            f"collection '{collection.name}' has no variant '{system.variant}'; choose one of {', '.join(known)}"
        )
    folder = embedding_folder / system.variant / f"seed-{system.seed}"
    if not folder.is_dir():
        raise FileNotFoundError(
            f"variant '{system.variant}' has no embeddings of seed {system.seed} in {embedding_folder}: "
            f"run `dvc repro binarize@{collection.name}`, or name another seed"
        )
    return load_embeddings(folder, collection)


def ranked_lists(
    collection: Collection, stored: StoredEmbeddings, representation: str, task: str, k: int
) -> Lists:
    """The first `k` results of each query of a task in the task's own gallery; equal distances come in item order.

    The query itself, and where the task says so its group, are no results. Raises ValueError where `k` is less than 1, or more
    than some query can find.
    """
    relevance = task_relevance(collection, task, task)
    check_length(relevance, task, k)
    return Lists(
        relevance.query_items, ranked_items(stored, representation, relevance, k), relevance.left_out
    )
