"""The tour's steps: a picture of one's own, its search, and how far floats and codes agree."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
import pandas as pd

from unifiedlib import paths
from unifiedlib.binarization import Floats
from unifiedlib.contract import Collection
from unifiedlib.embedding import embed
from unifiedlib.evaluation import StoredEmbeddings
from unifiedlib.index import Index, queries
from unifiedlib.model import EmbeddingModel
from unifiedlib.retrieval import Found


def query_pixels(collection: Collection, item: int, picture: str, box: Sequence[float]) -> np.ndarray:
    """What to search with, uint8 [size x size x 3]: the box of a picture file, or the item's stored picture.

    The stored picture of `item` is taken where `picture` is empty.
    picture: a path from the repository's root, or absolute. box: x0, y0, x1, y1 in 0..1.
    Raises PictureError for a file that cannot be used, ValueError for a box out of range.
    """
    if not picture:
        return np.array(collection.pixels[item])
    return queries.query_pixels(paths.resolve(picture), collection.pixels.shape[1], box)


def search(
    collection: Collection,
    stored: StoredEmbeddings,
    model: EmbeddingModel,
    pixels: np.ndarray,
    gallery: str,
    k: int,
) -> list[Found]:
    """The first `k` items of a gallery for a picture uint8 [size x size x 3], by floats and by codes.

    gallery: the name of a task, or "merged". model: the one that the stored embeddings come from.
    """
    return find_picture(collection, stored, embed(model, pixels[np.newaxis], 1), gallery, k)


def find_picture(
    collection: Collection, stored: StoredEmbeddings, embedding: Floats, gallery: str, k: int
) -> list[Found]:
    """The first `k` gallery items for an embedding float32 [1 x dim] of any picture, with floats, then with its code.

    Which of them are right is not known. Equal distances come in item order.
    """
    items = collection.gallery(gallery)
    floats = stored.floats[stored.rows(items)]
    return [_nearest(embedding, floats, items, k, "float"), _nearest(embedding, floats, items, k, "binary")]


def _nearest(
    embedding: Floats, floats: Floats, items: np.ndarray, k: int, representation: Literal["float", "binary"]
) -> Found:
    found = Index.build(floats, items, representation=representation).search(embedding, k)
    return Found(found.ids[0], found.distances[0], None, representation)


def agreement(found: Sequence[Found]) -> pd.DataFrame:
    """Per representation: how many results, how many of them are right, and how many the floats found too."""
    first = set(found[0].items.tolist())
    rows = [
        (
            one.representation,
            len(one.items),
            None if one.right is None else int(one.right.sum()),
            len(first & set(one.items.tolist())),
        )
        for one in found
    ]
    return pd.DataFrame(rows, columns=["representation", "results", "right", "also found by floats"])
