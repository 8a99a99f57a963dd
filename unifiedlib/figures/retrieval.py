"""Retrieval grids: a query (blue) and what it finds, right in green with a tick, wrong in red with a cross."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from unifiedlib.contract import Collection
from unifiedlib.evaluation import StoredEmbeddings
from unifiedlib.figures.tiles import Row, Tile, as_caption, sheet
from unifiedlib.palette import QUERY, RIGHT, RIGHT_SIGN, SOFT, WRONG, WRONG_SIGN
from unifiedlib.relevance import task_relevance
from unifiedlib.retrieval import Example, Found, examples, extreme_queries, ranked_queries


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


def _rows(collection: Collection, query: Tile, about: str, found: list[Found], gap: float) -> list[Row]:
    """A row per representation; the query stands in the first, what is known about it below, in the second."""
    rows = []
    for number, one in enumerate(found):
        first = query if number == 0 else Tile(None, about) if number == 1 else None
        rows.append(Row(one.representation, [first, *_tiles(collection, one)], gap if number == 0 else 0.0))
    return rows


def result_grid(
    collection: Collection, query: np.ndarray, caption: str, found: list[Found], title: str
) -> Figure:
    """One query, uint8 [size x size x 3], and its results, a row per representation."""
    about = as_caption(caption)
    return sheet(_rows(collection, Tile(query, "", QUERY), about, found, 0.0), title, margin=0.75)


def _about(one: Example, k: int) -> str:
    """What stands beside a query: how it was chosen, what it shows, how it fared."""
    place = f"{one.place} ({one.rank:,})\n" if one.place else ""
    return f"{place}{as_caption(one.label)}\n\nP@{k}: {one.score:.2f}\n({one.n_relevant} right exist)"


def example_grid(collection: Collection, chosen: list[Example], task: str) -> Figure:
    """Queries, each with a row of results by floats and one by codes; a gap where another part of the ranking begins."""
    rows: list[Row] = []
    k = collection.tasks[task].k
    for number, one in enumerate(chosen):
        begins = number > 0 and one.place != chosen[number - 1].place
        gap = 0.45 if begins else 0.2 if number else 0.0
        rows += _rows(
            collection, Tile(collection.pixels[one.item], "", QUERY), _about(one, k), one.found, gap
        )
    title = f"{task}: the best, the median and the worst queries, and what each finds first"
    return sheet(rows, title, margin=0.75)


def example_grids(
    collection: Collection,
    stored: StoredEmbeddings,
    per_query: pd.DataFrame,
    variant: str,
    count: int,
    k: int = 10,
) -> list[Figure]:
    """`example_grid` of each task: a variant's `count` best, median and worst queries with their first `k` results.

    Fewer where a query may not find as many.
    """
    grids = []
    for task in collection.tasks:
        shown = min(k, int(task_relevance(collection, task, task).n_candidates.min()))
        ranked = ranked_queries(per_query, task, collection.tasks[task].k, variant)
        chosen = examples(collection, stored, task, extreme_queries(ranked, count), shown)
        grids.append(example_grid(collection, chosen, task))
    return grids


def overview_grid(collection: Collection, chosen: dict[str, list[Example]]) -> Figure:
    """A picture for the README: some queries of each task, each with the results of the float embedding in a row."""
    rows: list[Row] = []
    for task, queries in chosen.items():
        for place, one in enumerate(queries):
            query = Tile(collection.pixels[one.item], "", QUERY)
            title = task if place == 0 else ""
            rows.append(
                Row(title, [query, None, *_tiles(collection, one.found[0])], 0.25 if rows and title else 0.0)
            )
    title = "What the unified embedding finds: queries at the first quarter and in the middle, by precision"
    return sheet(rows, title, margin=1.1)
