"""Retrieval grids: a query (blue) and what it finds, right in green with a tick, wrong in red with a cross."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from unifiedlib.contract import Collection
from unifiedlib.figures.tiles import Row, Tile, sheet, shorten
from unifiedlib.palette import QUERY, RIGHT, RIGHT_SIGN, SOFT, WRONG, WRONG_SIGN
from unifiedlib.retrieval import Example, Found


def _distance(found: Found, place: int) -> str:
    if found.representation == "float":
        return f"cosine {found.distances[place]:.2f}"
    return f"{found.distances[place]:.0f} bits"


def _tiles(collection: Collection, found: Found) -> list[Tile | None]:
    tiles: list[Tile | None] = []
    for place, item in enumerate(found.items):
        colour, sign = SOFT, ""
        if found.right is not None:
            colour, sign = (RIGHT, RIGHT_SIGN) if found.right[place] else (WRONG, WRONG_SIGN)
        tiles.append(Tile(collection.pixels[item], _distance(found, place), colour, sign))
    return tiles


def result_grid(
    collection: Collection, query: np.ndarray, caption: str, found: list[Found], title: str
) -> Figure:
    """One query, uint8 [size x size x 3], and its results, a row per representation."""
    rows = [
        Row(
            one.representation,
            [Tile(query, shorten(caption), QUERY) if number == 0 else None, *_tiles(collection, one)],
        )
        for number, one in enumerate(found)
    ]
    return sheet(rows, title)


def example_grid(collection: Collection, chosen: list[Example], task: str) -> Figure:
    """Queries from best to worst, each with a row of results by floats and one by codes."""
    rows = []
    for number, one in enumerate(chosen):
        for place, found in enumerate(one.found):
            query = Tile(collection.pixels[one.item], shorten(one.label), QUERY) if place == 0 else None
            title = (
                f"{found.representation}"
                if place
                else f"P@{collection.tasks[task].k} {one.score:.2f}\n{one.n_relevant} right exist\n\n{found.representation}"
            )
            rows.append(
                Row(title, [query, *_tiles(collection, found)], 0.3 if number and place == 0 else 0.0)
            )
    return sheet(
        rows, f"{task}: queries at equal steps from the best to the worst, and what each finds first"
    )
