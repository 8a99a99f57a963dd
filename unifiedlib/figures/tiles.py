"""Sheets of small pictures: rows of tiles with borders, marks and captions, on one pair of axes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from unifiedlib.figures.canvas import new_figure
from unifiedlib.palette import INK, SOFT, WIDTH

PITCH = 1.34
"""Height of a row, in widths of a tile: the picture, and a caption of two lines."""
ROW_TITLE = 1.75
"""Width kept for the titles of rows, in widths of a tile."""


@dataclass(frozen=True)
class Tile:
    """One picture, uint8 [size x size x 3]; colour of its border, and a sign in its corner, where it has one."""

    pixels: np.ndarray
    caption: str = ""
    colour: str | None = None
    sign: str = ""


@dataclass(frozen=True)
class Row:
    """Tiles from left to right; None leaves a place empty. `gap`: extra space above, in widths of a tile."""

    title: str
    tiles: list[Tile | None]
    gap: float = 0.0


def shorten(text: str, length: int = 16) -> str:
    """Text of at most `length` characters; the middle of a longer one is replaced by a dot.

    >>> shorten("product-000123", 9)
    'prod…0123'
    """
    if len(text) <= length:
        return text
    head = (length - 1) // 2
    return f"{text[:head]}…{text[len(text) - (length - 1 - head) :]}"


def _draw(axes: Axes, tile: Tile, left: float, top: float, font: float) -> None:
    axes.imshow(tile.pixels, extent=(left, left + 1, top + 1, top), interpolation="antialiased")
    if tile.colour is not None:
        border = Rectangle(
            (left + 0.02, top + 0.02), 0.96, 0.96, fill=False, edgecolor=tile.colour, linewidth=2.6
        )
        axes.add_patch(border)
    if tile.sign:
        badge = {"facecolor": tile.colour or INK, "edgecolor": "none", "boxstyle": "round,pad=0.15"}
        where = (left + 0.87, top + 0.15)
        axes.text(*where, tile.sign, color="white", ha="center", va="center", fontsize=font, bbox=badge)
    if tile.caption:
        axes.text(
            left + 0.5,
            top + 1.04,
            tile.caption,
            ha="center",
            va="top",
            fontsize=font,
            color=SOFT,
            linespacing=1.05,
        )


def sheet(rows: list[Row], title: str) -> Figure:
    """Draw rows of tiles, the pictures as large as the page allows."""
    n_columns = max(len(row.tiles) for row in rows)
    width = n_columns * 1.06 + ROW_TITLE
    tops = np.cumsum([row.gap + (PITCH if number else 0) for number, row in enumerate(rows)])
    height = float(tops[-1]) + PITCH
    inch = WIDTH / width
    figure = new_figure(height * inch + 0.5, title)
    axes = figure.add_subplot()
    font = float(np.clip(8.6 * inch, 5.5, 8.0))
    for row, top in zip(rows, tops, strict=True):
        axes.text(
            0, top + 0.5, row.title, va="center", fontsize=min(9.0, font + 1.5), color=INK, linespacing=1.25
        )
        for column, tile in enumerate(row.tiles):
            if tile is not None:
                _draw(axes, tile, ROW_TITLE + column * 1.06, float(top), font)
    axes.set(xlim=(0, width), ylim=(height, -0.03), aspect="equal")
    axes.axis("off")
    return figure
