"""Search that looks at some of the items only: faiss's inverted lists (IVF) and neighbour graphs (HNSW), for floats and codes."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, partial
from importlib import import_module
from math import isqrt
from pathlib import Path
from typing import Any, Literal, Self, cast, get_args

import numpy as np
import numpy.typing as npt

from unifiedlib.binarization import BITS_PER_BYTE, Floats
from unifiedlib.index.inner_product import pair_scores
from unifiedlib.index.vectors import Rows, blocks

# Its type stubs know a part of what is used here, and some of that wrongly.
faiss: Any = import_module("faiss")
Kind = Literal["flat", "ivf", "hnsw"]

# Lists probed, or nodes of the graph kept in view, where a search names no effort.
EFFORT = {"ivf": 16, "hnsw": 128}
# Items drawn per list to place the lists' centres; faiss warns below 39.
TRAINING_PER_LIST = 40
# Where a filter keeps a smaller share, the kept rows are searched one by one: a graph's paths would lead through others.
LEAST_SHARE = 0.1
FAISS_TYPES = {
    ("ivf", False): faiss.IndexIVFFlat,
    ("ivf", True): faiss.IndexBinaryIVF,
    ("hnsw", False): faiss.IndexHNSWFlat,
    ("hnsw", True): faiss.IndexBinaryHNSW,
}


def check_kind(kind: str) -> None:
    """Raise ValueError unless `kind` is flat, ivf or hnsw."""
    if kind not in get_args(Kind):
        raise ValueError(f"kind is {kind!r}; choose one of {', '.join(get_args(Kind))}")


@dataclass
class Approximate:
    """A faiss index, which numbers items as they came. row_of: int64 [n], the row of each of its numbers."""

    kind: Kind
    faiss_index: Any
    row_of: Rows

    def __post_init__(self) -> None:
        self._floats = self._stored_floats()

    @classmethod
    def build(
        cls,
        kind: Kind,
        vectors: npt.NDArray[np.generic],
        n_lists: int | None = None,
        links: int = 32,
        seed: int = 0,
    ) -> Self:
        """Index rows of float32 embeddings or uint8 codes.

        n_lists (ivf): the root of the number of items by default. links (hnsw): neighbours per node and layer. seed: draws the
        training items and first centres of lists. The same input gives the same index, with any number of threads.
        """
        is_binary, width = vectors.dtype == np.uint8, vectors.shape[1]
        dim = width * BITS_PER_BYTE if is_binary else width
        if kind == "hnsw":
            index = _graph(is_binary, dim, links)
        else:
            chosen = isqrt(len(vectors)) if n_lists is None else n_lists
            if not 1 <= chosen <= len(vectors):
                raise ValueError(f"n_lists is {chosen}; {len(vectors)} items fill 1 to {len(vectors)} lists")
            index = _lists(is_binary, dim, chosen, seed)
            index.train(_sample(vectors, chosen * TRAINING_PER_LIST, seed))
        made = cls(kind, index, np.empty(0, np.int64))
        made.add(vectors, np.arange(len(vectors)))
        return made

    @property
    def is_binary(self) -> bool:
        """Whether it holds codes."""
        return bool(isinstance(self.faiss_index, faiss.IndexBinary))

    def add(self, vectors: npt.NDArray[np.generic], row_of: Rows) -> None:
        """Add items. row_of: the row of every item, those before included."""
        for block in blocks(len(vectors), 2**16):
            self.faiss_index.add(np.ascontiguousarray(vectors[block]))
        self.row_of, self._floats = row_of, self._stored_floats()

    def takes(self, n_kept: int) -> bool:
        """Whether it can search under a filter that keeps `n_kept` items; else they are searched exactly."""
        can_select = not (self.kind == "ivf" and self.is_binary)
        return can_select and n_kept >= LEAST_SHARE * len(self.row_of)

    def search(
        self, queries: npt.NDArray[np.generic], k: int, effort: int, rows: Rows | None
    ) -> tuple[npt.NDArray[np.generic], Rows, Rows]:
        """About the k nearest of each query: distances and rows, both [n_query x k]; and the queries it found fewer for.

        These are numbered, int64, and their distances and rows mean nothing. Inner products are those of `pair_scores`, so
        that they do not depend on the kind: lists score each pair by itself, a graph several at once, which rounds otherwise.
        """
        selector = None
        if rows is not None:
            kept = np.zeros(len(self.row_of), bool)
            kept[rows] = True
            selector = faiss.IDSelectorBitmap(np.packbits(kept[self.row_of], bitorder="little"))
        distances, numbers = self._ask_faiss(queries, k, effort, selector)
        if self._floats is not None:
            distances = pair_scores(cast(Floats, queries), self._floats, numbers)
        short = [query for query, last in enumerate(numbers[:, -1].tolist()) if last < 0]
        return distances, self.row_of.take(numbers), np.array(short, np.int64)

    def _ask_faiss(
        self, queries: npt.NDArray[np.generic], k: int, effort: int, selector: Any
    ) -> tuple[npt.NDArray[np.generic], Rows]:
        """faiss's distances and numbers, both [n_query x k]; number -1 where it found fewer."""
        if self.kind == "ivf" and self.is_binary:  # its search takes no parameters
            self.faiss_index.nprobe = effort
            distances, numbers = self.faiss_index.search(queries, k)
        else:
            looked_at = max(effort, k) if self.kind == "hnsw" else effort
            parameters = _unfiltered if selector is None else partial(_parameters, selector=selector)
            how = parameters(self.kind, looked_at)
            distances, numbers = _faiss_search(self.faiss_index)(queries, k, params=how)
        return distances, numbers

    def _stored_floats(self) -> Floats | None:
        """A graph's embeddings as faiss holds them, by its numbers, float32 [n x dim]: a search has just read those it finds."""
        if self.kind != "hnsw" or self.is_binary:
            return None
        stored = faiss.downcast_index(self.faiss_index.storage)
        return cast(
            Floats, faiss.rev_swig_ptr(stored.get_xb(), stored.ntotal * stored.d).reshape(-1, stored.d)
        )

    def write(self, path: Path) -> None:
        """Write faiss's own file."""
        write = faiss.write_index_binary if self.is_binary else faiss.write_index
        write(self.faiss_index, str(path))

    @classmethod
    def read(cls, path: Path, kind: Kind, is_binary: bool, dim: int, row_of: Rows) -> Self:
        """Read what `write` wrote. Raises ValueError when it is another kind of file, or does not fit.

        row_of: int64 [n], the row of each of faiss's numbers; not one is missing or twice, since faiss reads rows unchecked.
        """
        if not _is_permutation(row_of):
            raise ValueError("rows.npy does not name each row once")
        read = faiss.read_index_binary if is_binary else faiss.read_index
        try:
            index = read(str(path))
        except RuntimeError as error:
            raise ValueError(f"{path} is damaged or not faiss's: {str(error).splitlines()[-1]}") from error
        wanted = FAISS_TYPES[kind, is_binary]
        if type(index) is not wanted or index.d != dim or index.ntotal != len(row_of):
            raise ValueError(
                f"{path} holds a {type(index).__name__} of {index.ntotal:,} items, {index.d} wide; "
                f"wanted is a {wanted.__name__} of {len(row_of):,}, {dim} wide"
            )
        return cls(kind, index, row_of)


def _is_permutation(rows: Rows) -> bool:
    """Whether the numbers are 0 to n - 1, each once."""
    if len(rows) and not (rows.min() >= 0 and rows.max() < len(rows)):
        return False
    return bool((np.bincount(rows, minlength=len(rows)) == 1).all())


def _parameters(kind: Kind, effort: int, selector: Any = None) -> Any:
    if kind == "hnsw":
        return faiss.SearchParametersHNSW(efSearch=effort, sel=selector)
    return faiss.SearchParametersIVF(nprobe=effort, sel=selector)


@cache
def _unfiltered(kind: Kind, effort: int) -> Any:
    """Made once: faiss's constructor would be a good part of our own time for a query."""
    return _parameters(kind, effort)


def _faiss_search(index: Any) -> Any:
    """faiss's own search, in whose place `faiss.contrib.torch_utils` puts one without `params`.

    pytorch-metric-learning imports that, and it changes faiss for the whole process.
    """
    return getattr(index, "search_numpy", index.search)


def _graph(is_binary: bool, dim: int, links: int) -> Any:
    if links < 2:
        raise ValueError(f"links is {links}; a node needs at least 2 neighbours")
    if is_binary:
        return faiss.IndexBinaryHNSW(dim, links)
    return faiss.IndexHNSWFlat(dim, links, faiss.METRIC_INNER_PRODUCT)


def _lists(is_binary: bool, dim: int, n_lists: int, seed: int) -> Any:
    if is_binary:
        index = faiss.IndexBinaryIVF(faiss.IndexBinaryFlat(dim), dim, n_lists)
    else:
        index = faiss.IndexIVFFlat(faiss.IndexFlatIP(dim), dim, n_lists, faiss.METRIC_INNER_PRODUCT)
    index.cp.seed = seed
    index.cp.min_points_per_centroid = 1  # a small collection is no mistake
    return index


def _sample(vectors: npt.NDArray[np.generic], count: int, seed: int) -> npt.NDArray[np.generic]:
    """`count` rows drawn without replacement, in order; all of them where there are no more."""
    if count >= len(vectors):
        return np.ascontiguousarray(vectors)
    rows = np.random.default_rng(seed).choice(len(vectors), count, replace=False)
    return np.ascontiguousarray(vectors[np.sort(rows)])
