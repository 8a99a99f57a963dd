"""What a query finds: ranked results of single queries with right and wrong marked, to be looked at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from unifiedlib.contract import Collection
from unifiedlib.evaluation import StoredEmbeddings, load_embeddings
from unifiedlib.relevance import task_relevance
from unifiedlib.scoring import MEAN_AVERAGE_PRECISION, OWN_GALLERY, headline_metric
from unifiedlib.search import BinaryGallery, FloatGallery
from unifiedlib.variants import seeds_of


@dataclass(frozen=True)
class Found:
    """The first results of one query, nearest first.

    items: int64 [k]; distances [k]: cosine (float, higher is nearer) or differing bits (binary, lower is nearer);
    right: bool [k], whether each is relevant, or None where that is not known. representation: float or binary.
    """

    items: np.ndarray
    distances: np.ndarray
    right: np.ndarray | None
    representation: str


@dataclass(frozen=True)
class Example:
    """One query and what it finds, once per representation.

    score: its own headline metric; n_relevant: its matches; rank: its place from the best query, 1, to the worst; place: which
    part of the ranking it was chosen from, such as "median".
    """

    item: int
    label: str
    score: float
    n_relevant: int
    found: list[Found]
    rank: int
    place: str


def load_variants(
    collection: Collection, folder: Path, variants: Sequence[str], seeds: Sequence[int]
) -> dict[str, StoredEmbeddings]:
    """The embeddings of each variant, of the first of its seeds. Raises FileNotFoundError where they are missing."""
    return {
        name: load_embeddings(folder / name / f"seed-{seeds_of(name, list(seeds))[0]}", collection)
        for name in variants
    }


def find(
    collection: Collection, stored: StoredEmbeddings, task: str, item: int, k: int, gallery: str | None = None
) -> list[Found]:
    """The first `k` results of a query item in a gallery (the task's own, or "merged"): with floats, then with codes.

    The query itself, and where the task says so its group, are left out. Equal distances come in item order.
    Raises ValueError when the item is no query of the task, has no match, or `k` exceeds what it may find.
    """
    relevance = task_relevance(collection, task, gallery or task)
    place = int(np.searchsorted(relevance.query_items, item))
    if place == len(relevance.query_items) or relevance.query_items[place] != item:
        raise ValueError(
            f"item {item} is no query of task '{task}' with a match in the gallery; choose one of collection.queries('{task}')"
        )
    if not 1 <= k <= (most := int(relevance.n_candidates[place])):
        raise ValueError(f"k is {k}; query item {item} can find 1 to {most} items")
    relevant, candidates = (mask[0] for mask in relevance.masks(slice(place, place + 1)))
    rows, query = stored.rows(relevance.gallery_items), stored.rows(np.array([item]))
    floats = FloatGallery.of(stored.floats[rows]).distances(stored.floats[query])[0]
    bits = BinaryGallery.of(stored.codes[rows]).distances(stored.codes[query])[0]
    results = []
    for representation, distances, sign in (("float", floats, -1), ("binary", bits, 1)):
        order = np.argsort(np.where(candidates, distances.astype(np.float64), np.inf), kind="stable")[:k]
        results.append(
            Found(relevance.gallery_items[order], sign * distances[order], relevant[order], representation)
        )
    return results


def ranked_queries(per_query: pd.DataFrame, task: str, k: int, variant: str) -> pd.DataFrame:
    """The task's queries from best to worst by a variant's floats, means over seeds: columns item, score.

    Ties are ordered by MAP@R, then by item number.
    """
    keep = (
        (per_query["variant"] == variant)
        & (per_query["task"] == task)
        & (per_query["gallery"] == OWN_GALLERY)
    )
    rows = per_query[keep & (per_query["representation"] == "float")]
    wide = rows.pivot_table(index="item", columns="metric", values="value").sort_index()
    if wide.empty:
        raise ValueError(f"there are no results of variant '{variant}' on task '{task}': evaluate it first")
    order = wide.sort_values([headline_metric(k), MEAN_AVERAGE_PRECISION], ascending=False, kind="stable")
    return order[headline_metric(k)].rename("score").reset_index()


def choose_queries(ranked: pd.DataFrame, count: int) -> pd.DataFrame:
    """`count` queries at equal steps from the best to the worst: no one picks them. Adds the columns `rank` and `place`."""
    places = np.unique(np.linspace(0, len(ranked) - 1, min(count, len(ranked))).round().astype(np.int64))
    return ranked.iloc[places].assign(rank=places + 1, place="")


def extreme_queries(ranked: pd.DataFrame, count: int) -> pd.DataFrame:
    """The `count` best queries, the `count` around the median and the `count` worst: successes and failures by rule.

    Adds the columns `rank` (1 = best) and `place` (best, median or worst); a query stands in the first of these that it is in.
    """
    n_query = len(ranked)
    middle = max((n_query - count) // 2, 0)
    starts = {"best": 0, "median": middle, "worst": max(n_query - count, 0)}
    chosen = {
        row: place
        for place, start in reversed(starts.items())
        for row in range(start, min(start + count, n_query))
    }
    rows = sorted(chosen)
    return ranked.iloc[rows].assign(rank=np.array(rows) + 1, place=[chosen[row] for row in rows])


def examples(
    collection: Collection,
    stored: StoredEmbeddings,
    task: str,
    chosen: pd.DataFrame,
    k: int,
) -> list[Example]:
    """Chosen queries of a task with their first `k` results, to be drawn as a grid.

    chosen: columns item, score, rank and place, as `choose_queries` and `extreme_queries` give them.
    """
    relevance = task_relevance(collection, task, task)
    n_relevant = dict(zip(relevance.query_items.tolist(), relevance.n_relevant.tolist(), strict=True))
    labels = collection.eval_labels(task)
    return [
        Example(
            item=row.item,
            label=str(labels[row.item]),
            score=float(row.score),
            n_relevant=n_relevant[row.item],
            found=find(collection, stored, task, row.item, k),
            rank=int(row.rank),
            place=str(row.place),
        )
        for row in chosen.itertuples()
    ]
