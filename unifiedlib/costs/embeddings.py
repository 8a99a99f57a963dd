"""What embedding a picture takes: the library's own embedding, in batches and one picture at a time."""

from __future__ import annotations

import numpy as np

from unifiedlib.costs.timing import Sample, Way, seconds
from unifiedlib.embedding import embed
from unifiedlib.model import EmbeddingModel

EMBEDDING, EMBEDDING_ALONE = "embedding", "embedding alone"
PICTURES_ALONE = 8


def timed_embedding(variant: str, model: EmbeddingModel, pixels: np.ndarray, batch_size: int) -> Way:
    """A way that embeds pictures, uint8 [n x size x size x 3]; seconds per picture of both kinds.

    Raises ValueError when the model was made for pictures of another size.
    """
    if model.settings.size != pixels.shape[1]:
        raise ValueError(
            f"variant '{variant}' embeds pictures of {model.settings.size} pixels, the collection holds {pixels.shape[1]}: "
            "train it again"
        )
    alone = pixels[:PICTURES_ALONE]

    def way() -> list[Sample]:
        batches = seconds(lambda: embed(model, pixels, batch_size)) / len(pixels)
        one_by_one = seconds(lambda: embed(model, alone, 1)) / len(alone)
        return [Sample(EMBEDDING, variant, batches), Sample(EMBEDDING_ALONE, variant, one_by_one)]

    return way
