"""From embeddings on disk to the results of a collection, for every variant and seed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from itertools import islice
from pathlib import Path
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import pandas as pd

from unifiedlib.binarization import Codes, Floats, binarize, check_embeddings
from unifiedlib.bootstrap import Interval, bootstrap_rows
from unifiedlib.claims import judge_claims
from unifiedlib.clusters import query_clusters
from unifiedlib.contract import MERGED, Collection
from unifiedlib.files import write_json, write_table
from unifiedlib.progress import progress
from unifiedlib.relevance import task_relevance
from unifiedlib.results import DECIMALS, metric_means
from unifiedlib.scoring import (
    OWN_GALLERY,
    JudgedGallery,
    Results,
    headline_metric,
    judged_galleries,
    score_queries,
)
from unifiedlib.search import BinaryGallery, FloatGallery
from unifiedlib.variants import seeds_of

Index = npt.NDArray[np.int64]
Vectors = TypeVar("Vectors", Floats, Codes)

FEWEST_RESAMPLES = 100
SCORE_COLUMNS = (
    *("collection", "variant", "seed", "task", "gallery", "representation", "dim", "metric", "k"),
    *("value", "low", "high", "n_query"),
)
QUERY_COLUMNS = (
    "collection",
    "variant",
    "seed",
    "task",
    "gallery",
    "representation",
    "metric",
    "item",
    "cluster",
    "value",
)


@dataclass(frozen=True)
class EvaluationSettings:
    """What the evaluate stage may be told.

    n_resamples: bootstrap resamples, at least 100. margin_c1, margin_c3: difference in the headline metric
    that still counts as equally good in claims C1 and C3, 0 to 1. recall_k: the k of R@k, lowered to the
    gallery's size where that is smaller.
    seed: of the bootstrap. batch_size: the most queries scored at a time.
    """

    n_resamples: int = 2000
    margin_c1: float = 0.01
    margin_c3: float = 0.02
    recall_k: int = 10
    seed: int = 0
    batch_size: int = 1024

    def __post_init__(self) -> None:
        """Raise TypeError or ValueError naming the first setting that breaks its rule."""
        for field in fields(self):
            value = getattr(self, field.name)
            wanted: tuple[type, ...] = (int, float) if field.name.startswith("margin") else (int,)
            if isinstance(value, bool) or not isinstance(value, wanted):
                raise TypeError(
                    f"{field.name} is {value!r}; it must be {' or '.join(kind.__name__ for kind in wanted)}"
                )
        lowest_of = {"n_resamples": FEWEST_RESAMPLES, "recall_k": 1, "batch_size": 1, "seed": 0}
        for name, lowest in lowest_of.items():
            if getattr(self, name) < lowest:
                raise ValueError(f"{name} is {getattr(self, name)}; it must be at least {lowest}")
        for name in ("margin_c1", "margin_c3"):
            if not 0 <= getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}; it must be at least 0 and below 1")


@dataclass(frozen=True)
class StoredEmbeddings:
    """One variant's embeddings: items int64 [n], floats float32 [n x dim], codes uint8 [n x dim/8]."""

    items: Index
    floats: Floats
    codes: Codes

    @property
    def dim(self) -> int:
        """Width of the float embedding, and number of bits of the code."""
        return int(self.floats.shape[1])

    def rows(self, items: Index) -> Index:
        """Row of each item number; every item must be among `items`."""
        return np.searchsorted(self.items, items).astype(np.int64)


def load_embeddings(folder: Path, collection: Collection) -> StoredEmbeddings:
    """Read `items.npy`, `float.npy` and `codes.npy`, and check that they fit each other and the collection.

    Raises FileNotFoundError naming the missing file; TypeError or ValueError when the content does not fit.
    """
    for name in ("items.npy", "float.npy", "codes.npy"):
        if not (folder / name).is_file():
            raise FileNotFoundError(
                f"{folder / name} is missing: run the binarize stage for this variant and seed"
            )
    items, floats, codes = (
        np.load(folder / f"{name}.npy", allow_pickle=False) for name in ("items", "float", "codes")
    )
    if not np.array_equal(items, collection.test_items()):
        raise ValueError(
            f"{folder} does not hold the test items of collection '{collection.name}': binarize it again"
        )
    check_embeddings(floats, f"embeddings in {folder}")
    if len(floats) != len(items):
        raise ValueError(f"{folder} holds {len(items)} items but {len(floats)} embeddings: binarize it again")
    if not np.array_equal(codes, binarize(floats)):
        raise ValueError(f"codes.npy in {folder} are not the codes of its float.npy: binarize it again")
    return StoredEmbeddings(items, floats, codes)


def _rows(vectors: Vectors, rows: Index) -> Vectors:
    """The rows of an array, not copied where they are all of them, in order."""
    return vectors if np.array_equal(rows, np.arange(len(vectors))) else vectors[rows]


def _task_frames(
    collection: Collection, stored: StoredEmbeddings, task: str, settings: EvaluationSettings
) -> Iterator[tuple[pd.DataFrame, pd.DataFrame]]:
    """Scores and per-query results of one task, one pair of tables for each representation and gallery."""
    judged = judged_galleries(collection, task, settings.recall_k)
    gallery = stored.rows(collection.gallery(MERGED))
    queries = stored.rows(judged[0].relevance.query_items)
    searched: dict[str, tuple[Floats | Codes, FloatGallery | BinaryGallery]] = {
        "float": (_rows(stored.floats, queries), FloatGallery.of(_rows(stored.floats, gallery))),
        "binary": (_rows(stored.codes, queries), BinaryGallery.of(_rows(stored.codes, gallery))),
    }
    found: list[tuple[dict[str, str | int], JudgedGallery, Results]] = [
        ({"task": task, "gallery": one.name, "representation": representation}, one, values)
        for representation, (vectors, prepared) in searched.items()
        for one, values in zip(
            judged, score_queries(vectors, prepared, judged, settings.batch_size), strict=True
        )
    ]
    yield from result_frames(
        found, query_clusters(collection, task, judged[0].relevance.query_items), settings
    )


def result_frames(
    found: Sequence[tuple[Mapping[str, str | int], JudgedGallery, Results]],
    clusters: Index,
    settings: EvaluationSettings,
) -> Iterator[tuple[pd.DataFrame, pd.DataFrame]]:
    """Scores, with intervals over queries, and per-query results of one task, a pair of tables for each of `found`.

    found: columns that name a measurement ({"task": "lens", "gallery": "merged"}), the gallery that it is about, and what
    `score_queries` gave, [n_metric x n_query]. All must be about the same queries: they share their resamples. clusters: of
    the queries, int64 [n_query].
    """
    stacked = np.concatenate([values for _, _, values in found])
    intervals = iter(bootstrap_rows(stacked, settings.seed, settings.n_resamples, clusters))
    for where, one, values in found:
        own = list(islice(intervals, len(values)))
        yield _score_frame(own, one).assign(**where), _query_frame(values, clusters, one).assign(**where)


def _score_frame(intervals: list[Interval], judged: JudgedGallery) -> pd.DataFrame:
    """One row per metric, with its interval over queries, kept in 0 to 1."""
    return pd.DataFrame(
        {
            "metric": list(judged.cutoffs),
            "k": list(judged.cutoffs.values()),
            "value": [round(interval.mean, DECIMALS) for interval in intervals],
            "low": [round(max(0.0, interval.low), DECIMALS) for interval in intervals],
            "high": [round(min(1.0, interval.high), DECIMALS) for interval in intervals],
            "n_query": len(judged.relevance.query_items),
        }
    )


def _query_frame(values: Results, clusters: Index, judged: JudgedGallery) -> pd.DataFrame:
    """One row per metric and query, from values [n_metric x n_query]."""
    n_metric, n_query = values.shape
    return pd.DataFrame(
        {
            "metric": np.repeat(list(judged.cutoffs), n_query),
            "item": np.tile(judged.relevance.query_items, n_metric),
            "cluster": np.tile(clusters, n_metric),
            "value": values.ravel().round(DECIMALS).astype(np.float32),
        }
    )


def score_variant(
    collection: Collection, embeddings_folder: Path, variant: str, seed: int, settings: EvaluationSettings
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Score one variant and seed on every task of the collection, in both galleries and both representations.

    embeddings_folder: holds `items.npy`, `float.npy` and `codes.npy`. Returns the score rows (columns
    `SCORE_COLUMNS`) and the per-query results (columns `QUERY_COLUMNS`; `item` is the query's item number,
    `cluster` as `query_clusters` has it). Intervals are over queries, drawn by clusters.
    """
    stored = load_embeddings(embeddings_folder, collection)
    pairs = [pair for task in collection.tasks for pair in _task_frames(collection, stored, task, settings)]
    scores = pd.concat([first for first, _ in pairs], ignore_index=True)
    per_query = pd.concat([second for _, second in pairs], ignore_index=True)
    for frame in (scores, per_query):
        frame["collection"], frame["variant"], frame["seed"] = collection.name, variant, seed
    scores["dim"] = stored.dim
    return scores[list(SCORE_COLUMNS)], per_query[list(QUERY_COLUMNS)]


def query_counts(collection: Collection) -> pd.DataFrame:
    """How many queries and gallery items each task has, in its own gallery and in the merged one.

    Columns: task, gallery, n_query, n_cluster, n_left_out, n_gallery.
    n_cluster counts what the bootstrap draws, n_left_out the queries that are not scored because no relevant item is left for
    them.
    """
    rows = []
    for task in collection.tasks:
        for name, gallery in ((OWN_GALLERY, task), (MERGED, MERGED)):
            found = task_relevance(collection, task, gallery)
            clusters = len(np.unique(query_clusters(collection, task, found.query_items)))
            sizes = (len(found.query_items), clusters, len(found.left_out), len(found.gallery_items))
            rows.append((task, name, *sizes))
    return pd.DataFrame(rows, columns=["task", "gallery", "n_query", "n_cluster", "n_left_out", "n_gallery"])


def _embedding_folders(
    root: Path, variants: Sequence[str], seeds: Sequence[int]
) -> dict[tuple[str, int], Path]:
    """The embeddings folder of every variant and seed; FileNotFoundError names all that are missing."""
    for name, values in (("variants", variants), ("seeds", seeds)):
        if not values or len(set(values)) < len(values):
            raise ValueError(f"{name} are {list(values)}: name at least one, and each of them once")
    wanted = {
        (variant, seed): root / variant / f"seed-{seed}"
        for variant in variants
        for seed in seeds_of(variant, list(seeds))
    }
    if missing := [
        f"{variant}/seed-{seed}" for (variant, seed), folder in wanted.items() if not folder.is_dir()
    ]:
        raise FileNotFoundError(
            f"embeddings are missing in {root}: {', '.join(missing)}; run the binarize stage "
            "for them, or leave them out of the variants and seeds to evaluate"
        )
    return wanted


def evaluate_collection(
    collection: Collection,
    embedding_folder: Path,
    result_folder: Path,
    variants: Sequence[str],
    seeds: Sequence[int],
    settings: EvaluationSettings,
) -> pd.DataFrame:
    """Score every variant and seed, judge the claims, and write the results.

    embedding_folder: holds `<variant>/seed-<n>/`; `imagenet` needs the first of the seeds alone.
    result_folder: gets `scores.parquet`, `scores.csv`, `per_query.parquet`, `metrics.json`, `claims.json` and
    `queries.csv` (queries scored and left out).
    Returns the scores, columns `SCORE_COLUMNS`. Values are rounded to 6 decimals; the same embeddings and
    settings give the same files. Raises FileNotFoundError naming every variant and seed without embeddings,
    before anything is scored.
    """
    folders = _embedding_folders(embedding_folder, variants, seeds)
    pairs = [
        score_variant(collection, folder, variant, seed, settings)
        for (variant, seed), folder in progress(folders.items(), len(folders), "evaluating, variant and seed")
    ]
    scores = pd.concat([first for first, _ in pairs], ignore_index=True)
    per_query = pd.concat([second for _, second in pairs], ignore_index=True)
    claims = judge_claims(
        per_query,
        {task: headline_metric(spec.k) for task, spec in collection.tasks.items()},
        margin_c1=settings.margin_c1,
        margin_c3=settings.margin_c3,
        seed=settings.seed,
        n_resamples=settings.n_resamples,
    )
    write_table(result_folder / "scores.parquet", scores)
    write_table(result_folder / "scores.csv", scores)
    write_table(result_folder / "per_query.parquet", per_query)
    write_table(result_folder / "queries.csv", query_counts(collection))
    write_json(result_folder / "metrics.json", metric_means(scores))
    write_json(result_folder / "claims.json", claims)
    return scores
