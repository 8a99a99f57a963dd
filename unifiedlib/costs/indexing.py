"""What an index takes, as floats and as codes: to build it, to add to it, to search it, and its bytes.

Its items are random unit vectors: a flat index compares a query with every one of them, whatever they are.
"""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from unifiedlib.binarization import Floats, binarize
from unifiedlib.costs.timing import Sample, Way, seconds
from unifiedlib.index import Index
from unifiedlib.index.vectors import Representation

FLOAT: Representation = "float"
BINARY: Representation = "binary"
REPRESENTATIONS = (FLOAT, BINARY)
BUILD, ADD = "index build", "index add"
SEARCH, SEARCH_ALONE = "search", "search alone"
VECTOR, INDEX_ITEM = "vector", "index item"
QUERIES_ALONE = 8
WEIGHED = 64


def unit_vectors(n: int, dim: int, seed: int) -> Floats:
    """Random directions, float32 [n x dim]."""
    made = np.random.default_rng(seed).standard_normal((n, dim), np.float32)
    made /= np.linalg.norm(made, axis=1, keepdims=True)
    return made


def timed_index(representation: Representation, items: Floats, queries: Floats, k: int) -> Way:
    """A way that builds a flat index of half of the items, adds the other half, and searches it; seconds per item and query.

    Building and adding start from float embeddings, so those of codes include the binarisation. queries: float32 [n_query x
    dim], searched in one batch, and some of them one by one, for the k nearest.
    """
    half = len(items) // 2

    def way() -> list[Sample]:
        made: list[Index] = []
        build = seconds(lambda: made.append(Index.build(items[:half], representation=representation)))
        index = made[0]
        add = seconds(lambda: index.add(items[half:]))
        batch = seconds(lambda: index.search(queries, k))
        alone = seconds(lambda: [index.search(query[np.newaxis], k) for query in queries[:QUERIES_ALONE]])
        return [
            Sample(BUILD, representation, build / half),
            Sample(ADD, representation, add / (len(items) - half)),
            Sample(SEARCH, representation, batch / len(queries)),
            Sample(SEARCH_ALONE, representation, alone / len(queries[:QUERIES_ALONE])),
        ]

    return way


def _saved_bytes(index: Index, folder: Path) -> int:
    index.save(folder)
    return sum(part.stat().st_size for part in folder.glob("parts-*/*"))


def index_bytes(representation: Representation, dim: int, seed: int) -> int:
    """Bytes that one more item takes in a saved flat index, its id included: what twice as many items take more."""
    vectors = unit_vectors(2 * WEIGHED, dim, seed)
    with TemporaryDirectory() as name:
        few, many = (
            _saved_bytes(Index.build(vectors[:n], representation=representation), Path(name) / str(n))
            for n in (WEIGHED, 2 * WEIGHED)
        )
    return (many - few) // WEIGHED


def byte_samples(dim: int, seed: int) -> list[Sample]:
    """Bytes per item of the float embedding and of its code, and of the index of either."""
    floats = unit_vectors(1, dim, seed)
    vectors = [
        Sample(VECTOR, FLOAT, floats.nbytes, "bytes"),
        Sample(VECTOR, BINARY, binarize(floats).nbytes, "bytes"),
    ]
    return vectors + [
        Sample(INDEX_ITEM, one, index_bytes(one, dim, seed), "bytes") for one in REPRESENTATIONS
    ]
