"""Which items a search may find: those of a task, of a domain, or with given ids."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from unifiedlib.index.vectors import Rows, Vectors

TAG_COLUMNS = ("id", "task", "domain")


def check_tags(tags: pd.DataFrame, vectors: Vectors) -> pd.DataFrame:
    """The columns id, task and domain of `tags`, one row per item and task, in the order of ids.

    Raises ValueError naming the missing column, the first empty place, or an id that is not in the index.
    """
    if missing := [name for name in TAG_COLUMNS if name not in tags.columns]:
        raise ValueError(f"tags have no column {missing[0]!r}; they need {', '.join(TAG_COLUMNS)}")
    for name in TAG_COLUMNS:
        if (empty := tags[name].isna()).any():
            raise ValueError(f"tags row {int(np.argmax(empty))}: {name} is empty")
    vectors.rows_of(tags["id"].to_numpy())
    kept = tags[list(TAG_COLUMNS)].drop_duplicates()
    return kept.sort_values(list(TAG_COLUMNS), ignore_index=True)


@dataclass(frozen=True)
class Where:
    """A filter: items that meet every condition given.

    task, domain: of the index's tags; an item in the galleries of several tasks is found in each. ids: those that may be found.

    >>> Where(domain="catalog")
    Where(task=None, domain='catalog', ids=None)
    """

    task: str | None = None
    domain: str | None = None
    ids: npt.ArrayLike | None = None

    def rows(self, vectors: Vectors, tags: pd.DataFrame | None) -> Rows:
        """Rows that may be found, int64, ascending.

        Raises ValueError for a task or domain that no item has (naming the choices), and for an id that is not in the index.
        """
        keep = np.ones(len(vectors), bool)
        named = {"task": self.task, "domain": self.domain}
        if wanted := {column: value for column, value in named.items() if value is not None}:
            keep &= self._tagged(wanted, vectors, tags)
        if self.ids is not None:
            listed = np.zeros(len(vectors), bool)
            listed[vectors.rows_of(self.ids)] = True
            keep &= listed
        return np.flatnonzero(keep)

    @staticmethod
    def _tagged(wanted: dict[str, str], vectors: Vectors, tags: pd.DataFrame | None) -> npt.NDArray[np.bool_]:
        if tags is None:
            raise ValueError("this index has no tags: build it with tags to filter by task or domain")
        fits = np.ones(len(tags), bool)
        for column, value in wanted.items():
            own = (tags[column] == value).to_numpy()
            if not own.any():
                choices = ", ".join(sorted(tags[column].unique()))
                raise ValueError(f"no item of this index has the {column} {value!r}; choose one of {choices}")
            fits &= own
        keep = np.zeros(len(vectors), bool)
        keep[vectors.rows_of(tags["id"].to_numpy()[fits])] = True
        return keep
