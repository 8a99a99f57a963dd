"""The index: items by id, searched by embedding; built, added to, saved, loaded, filtered."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Self, cast

import numpy as np
import numpy.typing as npt
import pandas as pd

from unifiedlib.binarization import BITS_PER_BYTE, Codes, Floats, binarize, check_codes, check_embeddings
from unifiedlib.index.approximate import EFFORT, Approximate, Kind, check_kind
from unifiedlib.index.facts import IndexFacts, facts_of, vectors_of
from unifiedlib.index.filters import Where, check_tags
from unifiedlib.index.hamming import Counts, nearest_codes
from unifiedlib.index.inner_product import best_pairs, highest_first, largest_norm, nearest_floats
from unifiedlib.index.storage import IndexFileError, read_saved, write_saved
from unifiedlib.index.vectors import (
    Representation,
    Rows,
    Vectors,
    check_array,
    check_representation,
    nearest_first,
)

# Codes looked at before re-ranking, where a search names no number.
SHORTLIST = 100


@dataclass(frozen=True)
class Results:
    """What queries find, nearest first.

    ids: int64 [n_query x k]. distances [n_query x k]: differing bits, int32, lower is nearer, of a `binary` index; else the inner
    product, float32, higher is nearer.
    """

    ids: Rows
    distances: Floats | Counts
    representation: Representation


class Index:
    """Items to search. Make one with `Index.build` or `Index.load`.

    Equally near items come in the order of their ids, at the last place too: of two that tie there, the higher id is left
    out. Flat search is exact; `ivf` and `hnsw` look at some of the items only.
    """

    def __init__(
        self, facts: IndexFacts, vectors: Vectors, tags: pd.DataFrame | None, approximate: Approximate | None
    ) -> None:
        self.facts = facts
        self.tags = tags
        self._vectors = vectors
        self._approximate = approximate

    @classmethod
    def build(
        cls,
        vectors: Floats | Codes,
        ids: npt.ArrayLike | None = None,
        *,
        representation: Representation = "binary",
        kind: Kind = "flat",
        model: str | None = None,
        tags: pd.DataFrame | None = None,
        about: Mapping[str, str] | None = None,
        n_lists: int | None = None,
        links: int = 32,
        seed: int = 0,
    ) -> Self:
        """Index embeddings.

        vectors: float32 [n x dim], or for `binary` also codes, uint8 [n x dim/8]. ids: a whole number from 0 on per item, none
            twice; by default 0, 1, … Where ids ascend, arrays are used as they are, not copied: do not write to them.
        representation: `float`, `binary` (their codes), or `reranked` (codes find a shortlist, floats order it).
        kind: `flat`, `ivf` (n_lists lists, seeded) or `hnsw` (links neighbours per node).
        model: fingerprint of the model; queries must then come from the same one.
        tags: columns id, task, domain, one row per item and task, to filter by.
        Raises TypeError or ValueError naming what breaks the rule: dtype, shape, a row with NaN, an id, a setting.
        """
        check_representation(representation)
        check_kind(kind)
        check_array(vectors, "embeddings")
        if len(vectors) == 0:
            raise ValueError("there are no items to index: give at least one embedding")
        held = Vectors.of(vectors, ids, representation)
        longest = 0.0 if held.floats is None else largest_norm(held.floats)
        facts = IndexFacts(representation, kind, held.dim, model, longest, dict(about or {}))
        checked = None if tags is None else check_tags(tags, held)
        approximate = None
        if kind != "flat":
            approximate = Approximate.build(kind, held.searched, n_lists, links, seed)
        return cls(facts, held, checked, approximate)

    def __len__(self) -> int:
        return len(self._vectors)

    @property
    def ids(self) -> Rows:
        """The ids of all items, int64 [n], ascending."""
        return self._vectors.ids

    def add(
        self,
        vectors: Floats | Codes,
        ids: npt.ArrayLike | None = None,
        *,
        model: str | None = None,
        tags: pd.DataFrame | None = None,
    ) -> None:
        """Add items; arguments as for `build`. By default ids count on from the highest.

        All arrays are copied once. An index with tags stays filterable by those it has; lists of `ivf` keep their centres.
        Raises as `build` does, and when an id is there already; then nothing has changed.
        """
        check_array(vectors, "embeddings")
        self._check_model(model, "embeddings")
        new = Vectors.of(vectors, ids, self.facts.representation, int(self.ids[-1]) + 1)
        if new.dim != self.facts.dim:
            raise ValueError(
                f"embeddings are {new.dim} wide and the index {self.facts.dim}: both must come from one model"
            )
        merged, now = self._vectors.merged(new)
        both = self.tags
        if tags is not None:
            both = check_tags(tags if both is None else pd.concat([both, tags]), merged)
        if self._approximate is not None:
            kept = now[: len(self)][self._approximate.row_of]
            self._approximate.add(new.searched, np.concatenate([kept, now[len(self) :]]))
        longest = 0.0 if new.floats is None else max(self.facts.longest, largest_norm(new.floats))
        self.facts = replace(self.facts, longest=longest)
        self.tags, self._vectors = both, merged

    def save(self, folder: Path) -> None:
        """Save as a folder, in place of an index that is there; a save that is killed leaves that one as it was."""
        held = self._vectors
        writers: dict[str, Callable[[Path], object]] = {}
        for name, array in (("ids", held.ids), ("codes", held.codes), ("floats", held.floats)):
            if array is not None:
                writers[f"{name}.npy"] = partial(np.save, arr=array, allow_pickle=False)
        if self.tags is not None:
            writers["tags.parquet"] = partial(self.tags.to_parquet, index=False)
        if self._approximate is not None:
            writers["rows.npy"] = partial(np.save, arr=self._approximate.row_of, allow_pickle=False)
            writers["faiss.index"] = self._approximate.write
        write_saved(Path(folder), {**asdict(self.facts), "n_items": len(self)}, writers)

    @classmethod
    def load(cls, folder: Path, verify: bool = False) -> Self:
        """Open a saved index. Codes and floats stay on disk, mapped: they are read when they are searched.

        verify: also compare every part with its SHA-256, which reads all of it; its bytes are counted always.
        Raises FileNotFoundError when there is none, IndexFileError for a foreign, truncated or damaged one.
        """
        saved = read_saved(Path(folder), verify)
        try:
            facts, n_items = facts_of(saved)
            vectors = vectors_of(saved, facts, n_items)
            tags = None
            if saved.has("tags.parquet"):
                tags = check_tags(pd.read_parquet(saved.folder / "tags.parquet"), vectors)
            approximate = None
            if facts.kind != "flat":
                row_of = cast(Rows, saved.array("rows.npy", np.int64, (n_items,)))
                if not saved.has("faiss.index"):
                    raise ValueError("faiss.index is not listed")
                approximate = Approximate.read(
                    *(saved.folder / "faiss.index", facts.kind, facts.representation != "float"),
                    *(facts.dim, row_of),
                )
        except IndexFileError:
            raise
        except (KeyError, TypeError, ValueError, OSError) as error:
            raise IndexFileError(f"{folder} is damaged ({error}): save the index again") from error
        return cls(facts, vectors, tags, approximate)

    def search(
        self,
        queries: Floats | Codes,
        k: int,
        *,
        model: str | None = None,
        where: Where | None = None,
        shortlist: int = SHORTLIST,
        effort: int | None = None,
    ) -> Results:
        """The k nearest items of each query.

        queries: float32 [n_query x dim], or for a `binary` index also codes, uint8 [n_query x dim/8].
        model: fingerprint of the model that made them. where: which items may be found.
        shortlist: how many of the nearest codes a `reranked` index orders by their floats, at least k.
        effort: lists to probe (`ivf`) or nodes to keep in view (`hnsw`), more is slower and finds more; where they find fewer
            than k, every item is searched.
        Raises TypeError or ValueError for another dtype or width, NaN (naming the row), another model, or k beyond the items.
        """
        check_array(queries, "queries")
        self._check_model(model, "queries")
        self._check_effort(effort)
        prepared, floats = self._prepared(queries)
        rows = None if where is None else where.rows(self._vectors, self.tags)
        self._check_k(k, len(self) if rows is None else len(rows), where)
        if self.facts.representation != "reranked":
            distances, found = self._nearest(prepared, k, rows, effort)
            return Results(self.ids.take(found), distances, self.facts.representation)
        if shortlist < k:
            raise ValueError(f"shortlist is {shortlist}; it must be at least k = {k}")
        n_listed = min(shortlist, len(self) if rows is None else len(rows))
        _, listed = self._nearest(prepared, n_listed, rows, effort)
        scores, found = best_pairs(floats, cast(Floats, self._vectors.floats), listed, k)
        return Results(self.ids.take(found), scores, self.facts.representation)

    def _nearest(
        self, queries: Floats | Codes, k: int, rows: Rows | None, effort: int | None
    ) -> tuple[Floats | Counts, Rows]:
        approximate = self._approximate
        if approximate is None or (rows is not None and not approximate.takes(len(rows))):
            return self._exact(queries, k, rows)
        chosen = EFFORT[self.facts.kind] if effort is None else effort
        distances, found, short = approximate.search(queries, k, chosen, rows)
        if len(short):
            distances[short], found[short] = self._exact(queries[short], k, rows)
        if self.facts.representation == "float":
            return highest_first(cast(Floats, distances), found, k)
        return nearest_first(cast(Counts, distances), found)

    def _exact(self, queries: Floats | Codes, k: int, rows: Rows | None) -> tuple[Floats | Counts, Rows]:
        held = self._vectors
        if held.codes is not None:
            return nearest_codes(cast(Codes, queries), held.codes, k, rows)
        return nearest_floats(cast(Floats, queries), cast(Floats, held.floats), k, self.facts.longest, rows)

    def _prepared(self, queries: Floats | Codes) -> tuple[Floats | Codes, Floats]:
        """Queries as they are compared with the items, and as floats (empty where they are codes)."""
        representation = self.facts.representation
        if representation == "binary" and queries.dtype == np.uint8:
            check_codes(queries, "query codes")
            self._check_width(queries.shape[1] * BITS_PER_BYTE)
            return cast(Codes, np.ascontiguousarray(queries)), np.empty((0, 0), np.float32)
        check_embeddings(queries, "queries")
        self._check_width(queries.shape[1])
        floats = cast(Floats, np.ascontiguousarray(queries))
        return (floats if representation == "float" else binarize(floats)), floats

    def _check_width(self, dim: int) -> None:
        if dim != self.facts.dim:
            raise ValueError(
                f"queries are {dim} wide and the index {self.facts.dim}: both must come from one model"
            )

    def _check_model(self, model: str | None, what: str) -> None:
        if model != self.facts.model:
            theirs, ours = (name or "an unnamed model" for name in (model, self.facts.model))
            raise ValueError(
                f"{what} come from {theirs}, the index holds embeddings of {ours}: they cannot be compared; "
                "use one model, named in `model`, or build the index again"
            )

    def _check_effort(self, effort: int | None) -> None:
        if effort is None:
            return
        if self.facts.kind == "flat":
            raise ValueError("a flat index looks at every item: leave `effort` out")
        if effort < 1:
            raise ValueError(f"effort is {effort}; it must be at least 1")

    @staticmethod
    def _check_k(k: int, n_found: int, where: Where | None) -> None:
        if k < 1:
            raise ValueError(f"k is {k}; ask for at least 1 result")
        if k > n_found:
            which = "the index holds" if where is None else f"{where} keeps"
            raise ValueError(f"k = {k} results were asked for, but {which} only {n_found:,} items: lower k")
