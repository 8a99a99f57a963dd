"""The one form that a user's table and a user's folders are brought into, and the rules that every row must keep."""

from __future__ import annotations

import os
import posixpath
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from difflib import get_close_matches
from pathlib import Path

import numpy as np
import pandas as pd

from unifiedlib.contract import DOMAINS, NAME, RESERVED, ROLES
from unifiedlib.files import inside

MOST_TASKS = 64
DEFAULT_LABEL_SET = "label"
DEFAULT_DOMAIN = "pin"
BOX = ("x0", "y0", "x1", "y1")
TEXTS = ("image", "task", "label", "label_set", "domain", "group", "role")


@dataclass(frozen=True)
class OwnRows:
    """A user's rows, each of which labels one item in one task.

    source: the table or the folder; folder: what `image` is relative to.
    frame: row numbers 0, 1, …; the columns `TEXTS` as texts, `group` and `role` empty where nothing was said; the columns
    `BOX` as floats, all NaN for a whole picture. name: how a message calls a row, such as `row 7`.
    """

    source: Path
    folder: Path
    frame: pd.DataFrame
    name: Callable[[int], str]

    def error(self, row: int, message: str) -> ValueError:
        """The error that names the source and the row."""
        return ValueError(f"{self.source}: {self.name(row)}: {message}")


def suggestion(name: str, choices: Iterable[str]) -> str:
    """`; did you mean 'x'?`, or nothing where no choice is near."""
    close = get_close_matches(name.lower(), list(choices), n=1)
    return f"; did you mean '{close[0]}'?" if close else ""


def first(bad: pd.Series | np.ndarray) -> int | None:
    """The first row that is marked, or None."""
    marked = np.asarray(bad, bool)
    return int(marked.argmax()) if marked.any() else None


def checked(rows: OwnRows) -> OwnRows:
    """The rows with defaults filled in and paths cleaned, when every value keeps its rule.

    Raises ValueError naming the source, the first row that breaks a rule, and the remedy.
    """
    frame = rows.frame
    for column in ("image", "task", "label"):
        if (row := first(frame[column] == "")) is not None:
            raise rows.error(row, f"{column} is empty: fill it in, or delete the row")
    for column, usual in (("label_set", DEFAULT_LABEL_SET), ("domain", DEFAULT_DOMAIN)):
        frame = frame.assign(**{column: frame[column].mask(frame[column] == "", usual)})
    rows = replace(rows, frame=frame)
    _check_names(rows)
    for column, choices, empty in (("domain", DOMAINS, ()), ("role", ROLES, ("",))):
        if (row := first(~frame[column].isin([*choices, *empty]))) is not None:
            value = frame[column].iloc[row]
            raise rows.error(
                row, f"{column} is '{value}', not one of {', '.join(choices)}{suggestion(value, choices)}"
            )
    _check_boxes(rows)
    frame = frame.assign(image=_clean_paths(rows))
    whole = (frame[list(BOX)].to_numpy() == (0.0, 0.0, 1.0, 1.0)).all(axis=1)
    frame.loc[whole, list(BOX)] = np.nan
    return replace(rows, frame=frame.assign(group=frame["group"].mask(frame["group"] == "", frame["image"])))


def _check_names(rows: OwnRows) -> None:
    for column, reserved in (("task", RESERVED), ("label_set", ())):
        names = rows.frame[column]
        if (row := first(~names.str.fullmatch(NAME))) is not None:
            raise rows.error(
                row,
                f"{column} is '{names.iloc[row]}'; a {column} begins with a small letter and goes on with small letters, "
                "digits and _: rename it",
            )
        if (row := first(names.isin(reserved))) is not None:
            raise rows.error(
                row, f"{column} is '{names.iloc[row]}', a name that the pipeline uses itself: rename it"
            )
    if (count := rows.frame["task"].nunique()) > MOST_TASKS:
        raise ValueError(
            f"{rows.source}: there are {count} tasks, and at most {MOST_TASKS} can be learnt: a task is a way of searching; "
            "what makes two pictures match is the label"
        )


def _check_boxes(rows: OwnRows) -> None:
    corners = rows.frame[list(BOX)].to_numpy(np.float64)
    given = ~np.isnan(corners)
    if (row := first(given.any(axis=1) & ~given.all(axis=1))) is not None:
        missing = BOX[int(given[row].argmin())]
        raise rows.error(
            row, f"{missing} is empty beside other corners: give all of x0, y0, x1, y1, or none of them"
        )
    x0, y0, x1, y1 = corners.T
    fits = (x0 >= 0) & (x0 < x1) & (x1 <= 1) & (y0 >= 0) & (y0 < y1) & (y1 <= 1)
    if (row := first(given[:, 0] & ~fits)) is not None:
        raise rows.error(
            row,
            f"box {corners[row].tolist()} must have 0 <= x0 < x1 <= 1 and so for y: shares of the picture's "
            "width and height, not pixels",
        )


def _clean_paths(rows: OwnRows) -> pd.Series:
    """`image` in one spelling per picture, links followed; ValueError for a path that leads outside the folder."""
    images = rows.frame["image"]
    absolute = images.str.startswith("/") | images.str.contains(r"^[A-Za-z]:[\\/]", regex=True)
    for bad, remedy in (
        (absolute, f"is an absolute path: write it relative to {rows.folder}"),
        (images.str.contains("\\", regex=False), "holds a backslash: write / between folders"),
    ):
        if (row := first(bad)) is not None:
            raise rows.error(row, f"image {images.iloc[row]!r} {remedy}")
    odd = images.str.contains(r"(?:^|/)\.{0,2}(?:/|$)", regex=True)
    if odd.any():
        images = images.mask(odd, images[odd].map(posixpath.normpath))
    if (row := first(images.str.contains(r"^\.\.(?:/|$)", regex=True))) is not None:
        raise rows.error(
            row,
            f"image {rows.frame['image'].iloc[row]!r} leads outside the folder {rows.folder}: "
            "put the picture, or a copy of it, inside",
        )
    return _follow_links(rows, images)


def _follow_links(rows: OwnRows, images: pd.Series) -> pd.Series:
    """Replace each path that goes through a link by the path it leads to. Looks once into each folder that is named."""
    folders = images.str.replace(r"[^/]*$", "", regex=True)
    real: dict[str, str] = {}
    linked: list[str] = []
    root = rows.folder.resolve()
    for folder in folders.unique():
        target = _inside(rows, folder or ".", folders, folder)
        real[folder] = "" if target == "." else f"{target}/"
        try:
            with os.scandir(root / target) as entries:
                linked += [real[folder] + entry.name for entry in entries if entry.is_symlink()]
        except (FileNotFoundError, NotADirectoryError):
            continue
    if changed := {old: new for old, new in real.items() if old != new}:
        moved = folders.isin(list(changed))
        names = images[moved].str.replace(r"^.*/", "", regex=True)
        images = images.mask(moved, folders[moved].map(changed).astype("str") + names)
    if linked and (through := images.isin(linked)).any():
        targets = {path: _inside(rows, path, images, path) for path in images[through].unique()}
        images = images.mask(through, images[through].map(targets))
    return images.astype("str")


def _inside(rows: OwnRows, path: str, column: pd.Series, value: str) -> str:
    """`path` with links followed; the row to blame is the first that has `value` in `column`."""
    try:
        return inside(rows.folder, path, "")
    except (ValueError, RuntimeError) as error:
        row = int((column == value).argmax())
        image = rows.frame["image"].iloc[row]
        if isinstance(error, RuntimeError):
            raise rows.error(
                row, f"image {image!r} is a link, or lies behind one, that leads back to itself: delete it"
            ) from None
        raise rows.error(
            row,
            f"image {image!r} is a link, or lies behind one, that leads outside the folder {rows.folder}: "
            "put the picture, or a copy of it, inside",
        ) from None
