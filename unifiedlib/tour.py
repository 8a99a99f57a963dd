"""The tour's steps: a picture of one's own, its search, and how far floats and codes agree."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from unifiedlib import paths
from unifiedlib.contract import Collection
from unifiedlib.embedding import embed
from unifiedlib.evaluation import StoredEmbeddings
from unifiedlib.framing import crop_box, square_pixels
from unifiedlib.model import EmbeddingModel
from unifiedlib.pictures import read_picture
from unifiedlib.retrieval import Found, find_picture


def query_pixels(collection: Collection, item: int, picture: str, box: Sequence[float]) -> np.ndarray:
    """What to search with, uint8 [size x size x 3]: the box of a picture file, or the item's stored picture.

    The stored picture of `item` is taken where `picture` is empty.
    picture: a path from the repository's root, or absolute. box: x0, y0, x1, y1 in 0..1.
    Raises PictureError for a file that cannot be used, ValueError for a box out of range.
    """
    if not picture:
        return np.array(collection.pixels[item])
    if len(box) != 4 or not (0 <= box[0] < box[2] <= 1 and 0 <= box[1] < box[3] <= 1):
        raise ValueError(
            f"box is {list(box)}; it must be [x0, y0, x1, y1] with 0 <= x0 < x1 <= 1 and so for y"
        )
    whole = read_picture(paths.resolve(picture))
    return square_pixels(crop_box(whole, (box[0], box[1], box[2], box[3])), collection.pixels.shape[1])


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
