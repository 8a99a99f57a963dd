"""Text lists as public benchmarks publish them, read strictly: whatever is wrong is named with its line."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd


def read_rows(path: Path, columns: Sequence[str], skip: int = 0) -> pd.DataFrame:
    """A text list with one row per line and entries between blanks, all as text, and `line`, where each row stands (from 1).

    columns: names of the entries. skip: lines before the first row. Raises ValueError that names the first line with more or
    fewer entries, and for a file that is empty or no UTF-8 text.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError:
        raise ValueError(f"{path} is no UTF-8 text: it is damaged or not the official list") from None
    rows = [
        (number, line.split()) for number, line in enumerate(lines, start=1) if number > skip and line.strip()
    ]
    for number, entries in rows:
        if len(entries) != len(columns):
            raise ValueError(
                f"{path} line {number} has {len(entries)} entries, not {len(columns)}: {' '.join(columns)}"
            )
    if not rows:
        raise ValueError(f"{path} lists nothing: it is damaged or not the official list")
    table = pd.DataFrame([entries for _, entries in rows], columns=list(columns), dtype=str)
    return table.assign(line=[number for number, _ in rows])


def whole_numbers(path: Path, table: pd.DataFrame, column: str, highest: int | None = None) -> pd.Series:
    """A column of texts as whole numbers from 1 (to `highest`); ValueError names the first line with anything else."""
    numbers = pd.to_numeric(table[column].where(table[column].str.fullmatch(r"[0-9]{1,15}"), "0")).astype(
        "int64"
    )
    bad = (numbers < 1) | (numbers > (highest or np.iinfo(np.int64).max))
    if bad.any():
        row = table[bad].iloc[0]
        up_to = "" if highest is None else f" to {highest}"
        raise ValueError(
            f"{path} line {row['line']}: {column} {row[column]!r} is not a whole number from 1{up_to}"
        )
    return numbers


def refuse_first(bad: pd.Series, path: Path, table: pd.DataFrame, what: str) -> None:
    """Raise ValueError for the first row where `bad` holds: the list, the line, and `what`, a format of the row's columns."""
    if bad.any():
        row = table[bad.to_numpy()].iloc[0]
        raise ValueError(f"{path} line {row['line']}: {what.format(**row.to_dict())}")
