"""Embeddings of a collection's test items: float vectors and their codes, written row by row in item order."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from unifiedlib.binarization import binarize
from unifiedlib.contract import Collection
from unifiedlib.files import atomic_folder, large_write
from unifiedlib.model import EmbeddingModel, to_images
from unifiedlib.progress import progress


def embed(model: EmbeddingModel, pixels: np.ndarray, batch_size: int) -> np.ndarray:
    """Unit vectors, float32 [n x dim], of pictures uint8 [n x size x size x 3]."""
    device = next(model.parameters()).device
    embeddings = np.empty((len(pixels), model.settings.dim), np.float32)
    starts = range(0, len(pixels), batch_size)
    with torch.inference_mode():
        for start in progress(starts, len(starts), "embedding, batch"):
            vectors: Tensor = model(to_images(pixels[start : start + batch_size], device))
            embeddings[start : start + batch_size] = vectors.cpu().numpy()
    return embeddings


def write_embeddings(
    folder: Path, model: EmbeddingModel, collection: Collection, batch_size: int
) -> np.ndarray:
    """Embed the test items and write `items.npy`, `float.npy` and `codes.npy` as one folder; returns the float vectors.

    Raises ValueError when the model was made for pictures of another size, or gives values that are not finite, and WriteError
    when the disk is full.
    """
    size = collection.pixels.shape[1]
    if model.settings.size != size:
        raise ValueError(
            f"the model embeds pictures of {model.settings.size} pixels, the collection holds {size}: train it again"
        )
    items = collection.test_items()
    embeddings = embed(model, collection.pixels[items], batch_size)
    codes = binarize(embeddings)
    needed = items.nbytes + embeddings.nbytes + codes.nbytes
    with large_write(folder, needed), atomic_folder(folder) as aside:
        np.save(aside / "items.npy", items, allow_pickle=False)
        np.save(aside / "float.npy", embeddings, allow_pickle=False)
        np.save(aside / "codes.npy", codes, allow_pickle=False)
    return embeddings
