"""From a picture to what looks like it: a model and an index of what it embedded, kept together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
import pandas as pd
import torch
from matplotlib.figure import Figure

from unifiedlib import paths
from unifiedlib.contract import MERGED, Collection, load_collection
from unifiedlib.embedding import embed
from unifiedlib.evaluation import StoredEmbeddings, load_embeddings
from unifiedlib.figures.retrieval import result_grid
from unifiedlib.fingerprint import model_fingerprint
from unifiedlib.index.approximate import Kind
from unifiedlib.index.filters import Where
from unifiedlib.index.queries import Picture, query_pixels
from unifiedlib.index.search_index import SHORTLIST, Index
from unifiedlib.index.vectors import Representation, Rows
from unifiedlib.model import EmbeddingModel, load_model, to_images
from unifiedlib.retrieval import Found

# Items that are embedded again to see whether stored embeddings are the model's, and the least cosine of the two: another
# processor rounds otherwise, by less than a thousandth of this margin.
PROBED, SAME_COSINE = 4, 0.999


@dataclass(frozen=True)
class Matches:
    """What a picture finds, nearest first. ids: int64 [k]; distances: [k], see `Results`; query: its pixels as embedded."""

    ids: Rows
    distances: np.ndarray
    representation: Representation
    query: np.ndarray


class SearchEngine:
    """Searches with pictures. Make one with `SearchEngine.load`, or with `SearchEngine.build` from a collection."""

    def __init__(self, model: EmbeddingModel, fingerprint: str, index: Index) -> None:
        """fingerprint: of the model. Raises ValueError when the index holds another model's embeddings."""
        if index.facts.model != fingerprint:
            raise ValueError(
                f"the index holds embeddings of model {index.facts.model or 'unknown'}, not of {fingerprint}: "
                "load the model that it was built with, or build it again"
            )
        self.model, self.fingerprint, self.index = model, fingerprint, index

    @classmethod
    def load(cls, model_folder: Path | str, index_folder: Path | str, verify: bool = False) -> Self:
        """A saved model and a saved index of its embeddings; relative folders are below the repository's root.

        verify: compare every part of the index with its checksum. Raises as `load_model` and `Index.load` do, and ValueError
        when the index holds another model's embeddings.
        """
        folder = paths.resolve(model_folder)
        index = Index.load(paths.resolve(index_folder), verify)
        return cls(load_model(folder, heads=False), model_fingerprint(folder), index)

    @classmethod
    def build(
        cls,
        model_folder: Path | str,
        embedding_folder: Path | str,
        collection: Collection,
        *,
        representation: Representation = "reranked",
        kind: Kind = "flat",
        seed: int = 0,
    ) -> Self:
        """An engine over the galleries of all tasks, from embeddings that the binarize stage has stored.

        An id is the item's number in the collection. Each item is tagged with its domain and the tasks whose gallery holds it.
        Raises FileNotFoundError for a missing file, ValueError when the embeddings are not the collection's or not the model's.
        """
        folder = paths.resolve(model_folder)
        model = load_model(folder, heads=False)
        stored = load_embeddings(paths.resolve(embedding_folder), collection)
        _check_made_by(model, folder, stored, collection)
        items = collection.gallery(MERGED)
        fingerprint = model_fingerprint(folder)
        index = Index.build(
            stored.floats[stored.rows(items)],
            items,
            representation=representation,
            kind=kind,
            model=fingerprint,
            tags=_gallery_tags(collection),
            about={"collection": collection.name, "collection_fingerprint": collection.fingerprint},
            seed=seed,
        )
        return cls(model, fingerprint, index)

    def search(
        self,
        picture: Picture,
        k: int = 10,
        *,
        box: Sequence[float] | None = None,
        where: Where | None = None,
        shortlist: int = SHORTLIST,
        effort: int | None = None,
    ) -> Matches:
        """The k items nearest to a picture, or to a box in it.

        picture: a file's path, a picture of Pillow's, or RGB pixels uint8 [height x width x 3]. box: (x0, y0, x1, y1) in 0..1.
        where, shortlist, effort: as for `Index.search`. Raises as `query_pixels` and `Index.search` do.
        """
        pixels = query_pixels(picture, self.model.settings.size, box)
        with torch.inference_mode():
            images = to_images(pixels[np.newaxis], next(self.model.parameters()).device)
            embedding = self.model(images).cpu().numpy()
        found = self.index.search(
            embedding, k, model=self.fingerprint, where=where, shortlist=max(shortlist, k), effort=effort
        )
        return Matches(found.ids[0], found.distances[0], found.representation, pixels)

    def show(self, matches: Matches, collection: Collection | None = None) -> Figure:
        """The query and what it finds, as a figure; each result with its distance.

        collection: whose pictures are shown; by default the one that the index was built of, read from `data/`.
        Raises ValueError when the collection has changed since, or none is known.
        """
        shown = collection or self._collection()
        if shown.fingerprint != self.index.facts.about.get("collection_fingerprint"):
            raise ValueError(f"collection '{shown.name}' is not as it was indexed: build the index again")
        representation = "binary" if matches.representation == "binary" else "float"
        found = Found(matches.ids, matches.distances, None, representation)
        return result_grid(shown, matches.query, "", [found], "Nearest to this picture")

    def _collection(self) -> Collection:
        name = self.index.facts.about.get("collection")
        if name is None:
            raise ValueError("this index does not say which collection it is of: name it in `collection`")
        return load_collection(paths.resolve("data") / name)


def _gallery_tags(collection: Collection) -> pd.DataFrame:
    """Columns id, task, domain: one row per item and task whose gallery holds it."""
    domains = collection.items["domain"].to_numpy()
    galleries = {task: collection.gallery(task) for task in collection.tasks}
    frames = [
        pd.DataFrame({"id": items, "task": task, "domain": domains[items]})
        for task, items in galleries.items()
    ]
    return pd.concat(frames, ignore_index=True)


def _check_made_by(
    model: EmbeddingModel, folder: Path, stored: StoredEmbeddings, collection: Collection
) -> None:
    """Embed a few items again: stored embeddings of a model that was trained anew since would find nothing sensible."""
    if stored.dim != model.settings.dim:
        raise ValueError(f"the embeddings are {stored.dim} wide, {folder} makes {model.settings.dim}")
    probe = np.linspace(0, len(stored.items) - 1, min(PROBED, len(stored.items))).astype(np.int64)
    again = embed(model, collection.pixels[stored.items[probe]], PROBED)
    cosines = (again * stored.floats[probe]).sum(axis=1)
    if cosines.min() < SAME_COSINE:
        item = int(stored.items[probe][int(np.argmin(cosines))])
        raise ValueError(
            f"item {item} as stored is not what {folder} makes of it (cosine {cosines.min():.3f}): "
            "run the binarize stage again"
        )
