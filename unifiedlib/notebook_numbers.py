"""The number that a stage's notebook carries: the place of its stage, but for those that are listed here."""

from __future__ import annotations

from unifiedlib.params import STAGE_FOLDERS

NUMBERS = {"costs": 11}


def notebook_number(stage: str) -> int:
    """The number of a stage's notebook, as in `11_costs.ipynb`."""
    return NUMBERS.get(stage, 1 + list(STAGE_FOLDERS).index(stage))
