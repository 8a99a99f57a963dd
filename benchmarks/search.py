"""Queries per second, memory and recall of the index, beside bare faiss, scikit-learn and what the machine allows.

    python benchmarks/search.py

Made data: clusters of a hundred items, 2,048 values each, a centre plus noise of three times its size; 256 queries drawn alike.
Up to 10^6 items, codes are the signs of the floats; 10^7 codes are made as bits (a centre with a quarter of its bits flipped).
Ways: `flat`, `ivf` and `hnsw` over floats, codes, and codes re-ranked by floats (shortlist 100, or the number named), k = 10;
HNSW up to 10^5 items. Before them, codes are searched until the index has chosen its kernel.
Peers: `bare`, the faiss function below each way on the same arrays (`knn`, `knn_hamming`, the IVF or HNSW index), and
scikit-learn's brute force over floats up to 10^5 items.

Each way answers queries one at a time, and 256 at a time. In rounds a way and its bare peer have a tenth of a second of calls
each; the first is not counted where there are more, as threads of the other may still be awake. Single calls bring the two
different queries, so that neither finds in the caches what the other has just read. Medians of rounds' medians. Columns:
`per_second`, queries a second; `billions`, comparisons a second of a way that compares all; `times_float`, times as fast as
`float flat` on the same items; `times_bare`, as fast as its peer (0.95: our layer costs 5 %); `limit`, what bounds an exact way
(measured before each size, the best kept), and `of_limit`, the share of it reached; `bytes`, memory per item, of ids and what
is searched, faiss's lists and links included (to re-rank, floats are read from disk); `recall`, share of the ten nearest by
float; `precision`, share of results from the query's cluster. What does not fit into free memory is left out, with a line
saying so.
The table is printed and written to `benchmarks/results/search.csv`.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from time import perf_counter

import faiss
import numpy as np
import pandas as pd
import psutil
from machine_limits import GIB, Limits, best_of, measure_limits
from reporting import RESULTS, report
from sklearn.neighbors import NearestNeighbors

from unifiedlib.binarization import binarize
from unifiedlib.index import Index
from unifiedlib.index.approximate import EFFORT
from unifiedlib.index.hamming import TIMED_FROM
from unifiedlib.index.search_index import SHORTLIST
from unifiedlib.index.vectors import blocks
from unifiedlib.threads import use_threads

SIZES = (10_000, 100_000, 1_000_000, 10_000_000)
DIM, K, QUERIES, PER_CLUSTER, NOISE = 2048, 10, 256, 100, 3.0
MOST_FLOATS, MOST_IN_GRAPH, MOST_FOR_SKLEARN = 1_000_000, 100_000, 100_000
ROWS_AT_ONCE = 10_000
# Seconds after which a way is measured no more, whatever the number of rounds.
BUDGET = 20.0
# Seconds of calls in a round, where a call takes less.
BLOCK = 0.1
# What `make bench` should show, per way and queries at a time: least times as fast as float flat.
TARGETS = {("binary flat", 1): 15.0, ("binary flat", 256): 2.0}

WAYS = (
    *("float flat", "binary flat", "reranked flat", "reranked flat 300", "scikit-learn"),
    *("float ivf", "binary ivf", "reranked ivf", "float hnsw", "binary hnsw", "reranked hnsw"),
)

Search = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Data:
    """Items, and behind them the queries: floats [n x dim] or None, codes [n x dim/8], cluster of each."""

    floats: np.ndarray | None
    codes: np.ndarray
    clusters: np.ndarray


@dataclass(frozen=True)
class Way:
    """A way to search, its bare peer (or None), what both take, and memory per item."""

    name: str
    search: Search
    bare: Search | None
    queries: np.ndarray
    bytes: float


def made_floats(n_items: int) -> Data:
    """Clustered embeddings and their codes."""
    centres = np.random.default_rng(0).standard_normal((n_items // PER_CLUSTER, DIM), np.float32)
    rng = np.random.default_rng(1)
    clusters = np.arange(n_items + QUERIES) % len(centres)
    floats = np.empty((n_items + QUERIES, DIM), np.float32)
    codes = np.empty((n_items + QUERIES, DIM // 8), np.uint8)
    for rows in blocks(len(floats), ROWS_AT_ONCE):
        block = NOISE * rng.standard_normal((rows.stop - rows.start, DIM), np.float32)
        block += centres[clusters[rows]]
        floats[rows] = block / np.linalg.norm(block, axis=1, keepdims=True)
        codes[rows] = binarize(floats[rows])
    return Data(floats, codes, clusters)


def made_codes(n_items: int) -> Data:
    """Clustered codes alone: their floats would not fit into memory."""
    rng = np.random.default_rng(1)
    centres = rng.integers(0, 256, (n_items // PER_CLUSTER, DIM // 8), np.uint8)
    clusters = np.arange(n_items + QUERIES) % len(centres)
    codes = np.empty((n_items + QUERIES, DIM // 8), np.uint8)
    for rows in blocks(len(codes), ROWS_AT_ONCE):
        flips = rng.integers(0, 256, (2, rows.stop - rows.start, DIM // 8), np.uint8)
        codes[rows] = centres[clusters[rows]] ^ (flips[0] & flips[1])
    return Data(None, codes, clusters)


def fits(way: str, n_items: int, needed: float) -> bool:
    """Whether `needed` bytes are free, with a tenth to spare; else a line says that the way is left out."""
    free = psutil.virtual_memory().available
    if 1.1 * needed <= free:
        return True
    print(
        f"{way} of {n_items:,} items is left out: {needed / GIB:.1f} GiB are needed, {free / GIB:.1f} are free",
        file=sys.stderr,
    )
    return False


def way_of(name: str, data: Data) -> Way | None:
    """Build the index of a way, or None where it is not measured at this size."""
    representation, kind, *shortlist = name.split()
    floats, n_items = data.floats, len(data.codes) - QUERIES
    is_float, item_bytes = representation == "float", 4 * DIM if representation == "float" else DIM // 8
    if (floats is None and name != "binary flat") or (kind == "hnsw" and n_items > MOST_IN_GRAPH):
        return None
    if kind != "flat" and not fits(name, n_items, 1.5 * item_bytes * n_items):
        return None
    vectors = data.codes if representation == "binary" or floats is None else floats
    index = Index.build(vectors[:n_items], representation=representation, kind=kind)
    queries = vectors[n_items:]
    bare = None if representation == "reranked" else bare_peer(index, vectors[:n_items], is_float)
    search = partial(search_index, index, shortlist=int(shortlist[0]) if shortlist else SHORTLIST)
    held = item_bytes + 8 if kind == "flat" else faiss_bytes(index, item_bytes) / n_items + 16
    return Way(name, search, bare, queries, held)


def faiss_bytes(index: Index, item_bytes: int) -> int:
    """What lists or graph take, vectors included."""
    below = index._approximate.faiss_index
    if index.facts.kind == "ivf":
        return len(index) * (item_bytes + 8) + below.nlist * item_bytes
    graph = below.hnsw
    links = 4 * graph.neighbors.size() + 8 * graph.offsets.size() + 4 * graph.levels.size()
    return len(index) * item_bytes + links


def search_index(index: Index, queries: np.ndarray, shortlist: int) -> np.ndarray:
    """What our layer finds: ids [n_query x k]."""
    return index.search(queries, K, shortlist=shortlist).ids


def bare_peer(index: Index, items: np.ndarray, is_float: bool) -> Search:
    """The faiss function below an index, called by itself."""
    graph_or_lists = index._approximate
    if graph_or_lists is not None:
        effort = EFFORT[index.facts.kind]
        if index.facts.kind == "hnsw":
            how = faiss.SearchParametersHNSW(efSearch=effort)
        elif is_float:
            how = faiss.SearchParametersIVF(nprobe=effort)
        else:
            how = None
            graph_or_lists.faiss_index.nprobe = effort
        return lambda queries: graph_or_lists.faiss_index.search(queries, K, params=how)[1]
    if is_float:
        return lambda queries: faiss.knn(queries, items, K, metric=faiss.METRIC_INNER_PRODUCT)[1]
    return lambda queries: faiss.knn_hamming(queries, items, K)[1]


def sklearn_way(data: Data) -> Way | None:
    """scikit-learn's brute force; on unit vectors the Euclidean order is that of inner products."""
    n_items = len(data.codes) - QUERIES
    if data.floats is None or n_items > MOST_FOR_SKLEARN:
        return None
    peer = NearestNeighbors(n_neighbors=K, algorithm="brute").fit(data.floats[:n_items])
    search = partial(peer.kneighbors, return_distance=False)
    return Way("scikit-learn", search, None, data.floats[n_items:], 4 * DIM)


def seconds_of(ways: Sequence[Search], queries: np.ndarray, at_once: int, rounds: int) -> list[float]:
    """Median seconds per query of each way, in rounds; `at_once` queries in a call."""
    slowest = max(timed(way, queries[:at_once]) for way in ways)
    n_calls = min(len(queries), round(BLOCK / slowest) + 1)
    apart = 0 if at_once > 1 else len(queries) // 2
    medians: list[list[float]] = [[] for _ in ways]
    begun = perf_counter()
    for number in range(rounds):
        for place in range(len(ways))[:: -1 if number % 2 else 1]:
            times = []
            for call in range(n_calls):
                row = 0 if at_once > 1 else (number * n_calls + call + place * apart) % len(queries)
                times.append(timed(ways[place], queries[row : row + at_once]) / at_once)
            medians[place].append(float(np.median(times[min(1, n_calls - 1) :])))
        if perf_counter() - begun > BUDGET:
            break
    return [float(np.median(own)) for own in medians]


def timed(way: Search, queries: np.ndarray) -> float:
    """Seconds that a way takes to answer."""
    start = perf_counter()
    way(queries)
    return perf_counter() - start


def settle_kernels() -> None:
    """Search codes until the index has timed its kernels: what is measured is a process that has done some work."""
    codes = made_codes(PER_CLUSTER).codes
    index = Index.build(np.tile(codes, (200, 1)))
    for _ in range(1 + TIMED_FROM // (QUERIES * len(index) * DIM // 8)):
        index.search(codes[:QUERIES], K)


def rows_of(way: Way, data: Data, exact: np.ndarray | None, rounds: int) -> Iterator[dict]:
    """One row for single queries, one for a batch."""
    n_items = len(data.codes) - QUERIES
    found = way.search(way.queries)
    own, asked = data.clusters[:n_items], data.clusters[n_items:]
    ways = [way.search] if way.bare is None else [way.search, way.bare]
    for at_once in (1, QUERIES):
        seconds = seconds_of(ways, way.queries, at_once, rounds)
        yield {
            "items": n_items,
            "way": way.name,
            "at_once": at_once,
            "per_second": 1 / seconds[0],
            "billions": n_items / seconds[0] / 1e9 if way.name.endswith("flat") else None,
            "times_bare": seconds[1] / seconds[0] if way.bare else None,
            "target_times": TARGETS.get((way.name, at_once)),
            "limit": None,
            "of_limit": None,
            "bytes": way.bytes,
            "recall": None if exact is None else recall(found, exact),
            "precision": float((own[found] == asked[:, np.newaxis]).mean()),
        }


def recall(found: np.ndarray, exact: np.ndarray) -> float:
    """Share of the exact results that were found."""
    return float(np.mean([np.isin(row, own).mean() for row, own in zip(exact, found, strict=True)]))


def measure(n_items: int, rounds: int) -> list[dict]:
    """Rows of all ways at one size; each index is freed before the next is built."""
    if n_items > MOST_FLOATS:
        if not fits("binary flat", n_items, n_items * DIM / 8):
            return []
        data = made_codes(n_items)
    elif not fits("every way", n_items, n_items * DIM * (4 + 2 / 8)):
        return []
    else:
        data = made_floats(n_items)
    exact, rows = None, []
    for name in WAYS:
        way = sklearn_way(data) if name == "scikit-learn" else way_of(name, data)
        if way is None:
            continue
        if name == "float flat":
            exact = way.search(way.queries)
        for row in rows_of(way, data, exact, rounds):
            print(
                *(row[key] for key in ("items", "way", "at_once", "per_second")), file=sys.stderr, flush=True
            )
            rows.append(row)
    return rows


def table_of(rows: list[dict], limits: Limits) -> pd.DataFrame:
    """The rows, each beside float flat on the same items with as many queries at once, and beside what bounds it."""
    for row in rows:
        row["limit"], limit = limits.of(row["way"], row["at_once"], row["items"], DIM)
        row["of_limit"] = row["per_second"] / limit if limit else None
    table = pd.DataFrame(rows)
    flat = table[table["way"] == "float flat"].set_index(["items", "at_once"])["per_second"]
    keys = pd.MultiIndex.from_frame(table[["items", "at_once"]])
    table.insert(5, "times_float", table["per_second"].to_numpy() / flat.reindex(keys).to_numpy())
    optional = ("billions", "times_bare", "target_times", "of_limit", "recall")
    table = table.astype(dict.fromkeys(optional, float))
    decimals = {"per_second": 1, "billions": 4, "times_float": 2, "times_bare": 3, "of_limit": 2}
    return table.round({**decimals, "bytes": 0, "recall": 3, "precision": 3})


def main(argv: Sequence[str] | None = None) -> int:
    """The command line; returns the exit status."""
    parser = argparse.ArgumentParser(
        description="The index beside bare faiss, scikit-learn and the machine's limits."
    )
    parser.add_argument(
        "--sizes", type=int, nargs="+", default=SIZES, help="numbers of items, at least 1,000"
    )
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--output", type=Path, default=RESULTS / "search.csv")
    chosen = parser.parse_args(argv)
    if min(chosen.sizes) < 1000:
        parser.error(f"--sizes: {min(chosen.sizes)} items are too few to measure; take at least 1,000")
    use_threads(chosen.threads)
    settle_kernels()
    rows, seen = [], []
    for size in sorted(chosen.sizes):
        seen.append(measure_limits(chosen.threads, DIM, QUERIES))
        rows += measure(size, chosen.rounds)
    limits = best_of(seen)
    table = table_of(rows, limits)
    measured = {f"limit_{name}": round(value, 2) for name, value in vars(limits).items()}
    report(table, chosen.output, chosen.threads, **measured)
    return 0


if __name__ == "__main__":
    sys.exit(main())
