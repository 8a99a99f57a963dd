"""Result lists as a person would see them: the first k items that a query may find, nearest first."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from unifiedlib.evaluation import StoredEmbeddings
from unifiedlib.ranking import without_removed
from unifiedlib.relevance import Relevance
from unifiedlib.scoring import distance_batches
from unifiedlib.search import BinaryGallery, FloatGallery

Index = npt.NDArray[np.int64]

REPRESENTATIONS = ("float", "binary")
BATCH = 512


def check_length(relevance: Relevance, task: str, k: int) -> None:
    """Raise ValueError where a list of k results cannot be had for every query."""
    most = int(relevance.n_candidates.min())
    if not 1 <= k <= most:
        item = int(relevance.query_items[relevance.n_candidates.argmin()])
        raise ValueError(
            f"k is {k}; on task '{task}' a list can hold 1 to {most} results, as many as query item {item} can find"
        )


def ranked_items(
    stored: StoredEmbeddings, representation: str, relevance: Relevance, k: int, order: Index | None = None
) -> Index:
    """The k nearest gallery items of each query, int64 [n_query x k], item numbers in the order of `relevance`'s queries.

    representation: `float` or `binary`. The query itself, and where the task says so its group, are no results.
    order: a permutation of the gallery's rows, in whose order equal distances come; none: in the gallery's, by item number. A
    list must have some order, and that of the gallery may know something.
    """
    rows, queries = stored.rows(relevance.gallery_items), stored.rows(relevance.query_items)
    gallery: FloatGallery | BinaryGallery
    vectors: npt.NDArray[np.generic]
    if representation == "float":
        gallery, vectors = FloatGallery.of(stored.floats[rows]), stored.floats[queries]
    else:
        gallery, vectors = BinaryGallery.of(stored.codes[rows]), stored.codes[queries]
    places = np.arange(len(rows), dtype=np.int64) if order is None else order
    found = np.empty((len(queries), k), np.int64)
    for batch, distances in distance_batches(vectors, gallery, BATCH):
        with without_removed(distances, relevance.columns(batch)[1]):
            shown = distances if order is None else distances[:, order]
            found[batch] = places[np.argsort(shown, axis=1, kind="stable")[:, :k]]
    return relevance.gallery_items[found]
