"""Sheets of small pictures: rows of tiles with borders, marks and captions, on one pair of axes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from unifiedlib.figures.canvas import new_figure
from unifiedlib.palette import INK, SOFT, WIDTH

PITCH = 1.06
"""From one tile to the next, in widths of a tile; captions take more."""
LINE_HEIGHT = 0.145
"""Height of a line of a caption, in widths of a tile."""
LONGEST_LINE = 15


@dataclass(frozen=True)
class Tile:
    """One picture, uint8 [size x size x 3], or a text where `pixels` is None.

    caption: stands below the picture, or in its place. colour: of its border. sign: in its corner.
    """

    pixels: np.ndarray | None
    caption: str = ""
    colour: str | None = None
    sign: str = ""


@dataclass(frozen=True)
class Row:
    """Tiles from left to right; None leaves a place empty. `gap`: space above, in widths of a tile."""

    title: str
    tiles: list[Tile | None]
    gap: float = 0.0

    @property
    def height(self) -> float:
        """Height in widths of a tile, captions included."""
        captions = [tile.caption for tile in self.tiles if tile is not None and tile.pixels is not None]
        n_lines = max((caption.count("\n") + 1 for caption in captions if caption), default=0)
        return PITCH + n_lines * LINE_HEIGHT + (0.06 if n_lines else 0)


def shorten(text: str, length: int = LONGEST_LINE) -> str:
    """Text of at most `length` characters; the middle of a longer one becomes one sign.

    >>> shorten("product-000123", 9)
    'prod…0123'
    """
    if len(text) <= length:
        return text
    head = (length - 1) // 2
    return f"{text[:head]}…{text[len(text) - (length - 1 - head) :]}"


def as_caption(label: str) -> str:
    """A label as a caption: its parts below each other, none of them too long.

    >>> as_caption("mug / scandinavian").splitlines()
    ['mug', 'scandinavian']
    """
    return "\n".join(shorten(part) for part in label.split(" / "))


def _draw(axes: Axes, tile: Tile, left: float, top: float, font: float) -> None:
    if tile.pixels is None:
        axes.text(left + 0.5, top + 0.04, tile.caption, ha="center", va="top", fontsize=font, color=INK)
        return
    axes.imshow(tile.pixels, extent=(left, left + 1, top + 1, top), interpolation="antialiased")
    if tile.colour is not None:
        place = (left + 0.02, top + 0.02)
        axes.add_patch(Rectangle(place, 0.96, 0.96, fill=False, edgecolor=tile.colour, linewidth=2.6))
    if tile.sign:
        badge = {"facecolor": tile.colour or INK, "edgecolor": "none", "boxstyle": "round,pad=0.15"}
        where = (left + 0.87, top + 0.15)
        axes.text(*where, tile.sign, color="white", ha="center", va="center", fontsize=font, bbox=badge)
    if tile.caption:
        below = (left + 0.5, top + 1.04)
        axes.text(*below, tile.caption, ha="center", va="top", fontsize=font, color=SOFT, linespacing=1.05)


def sheet(rows: list[Row], title: str, margin: float = 1.6) -> Figure:
    """Draw rows of tiles, the pictures as large as the page allows.

    margin: width kept for the rows' titles, in widths of a tile.
    """
    n_columns = max(len(row.tiles) for row in rows)
    width = n_columns * PITCH + margin
    bottoms = np.cumsum([row.gap + row.height for row in rows])
    inch = WIDTH / width
    figure = new_figure(float(bottoms[-1]) * inch + 0.45, title)
    axes = figure.add_subplot()
    font = float(np.clip(9.2 * inch, 6.0, 8.5))
    for row, bottom in zip(rows, bottoms, strict=True):
        top = float(bottom) - row.height
        axes.text(0, top + 0.5, row.title, va="center", fontsize=font + 1, color=INK, linespacing=1.25)
        for column, tile in enumerate(row.tiles):
            if tile is not None:
                _draw(axes, tile, margin + column * PITCH, top, font)
    axes.set(xlim=(0, width), ylim=(float(bottoms[-1]), -0.03), aspect="equal")
    axes.axis("off")
    return figure
