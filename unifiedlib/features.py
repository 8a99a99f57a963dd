"""The first phase's cache: every item's pooled trunk features, computed once for all variants and seeds of a collection."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import torch

from unifiedlib.contract import Collection
from unifiedlib.files import atomic_path
from unifiedlib.model import EmbeddingModel, to_images
from unifiedlib.progress import progress


def pooled_features(
    model: EmbeddingModel, pixels: np.ndarray, items: np.ndarray, batch_size: int
) -> np.ndarray:
    """Pooled trunk features, float32 [n x width], of the items' whole stored pictures, in the order of `items`."""
    model.eval()
    pooled = np.empty((len(items), model.width), np.float32)
    starts = range(0, len(items), batch_size)
    with torch.inference_mode():
        for start in progress(starts, len(starts), "trunk features, batch"):
            part = items[start : start + batch_size]
            pooled[start : start + len(part)] = model.pool(to_images(pixels[part])).numpy()
    return pooled


def cached_features(
    model: EmbeddingModel, collection: Collection, items: np.ndarray, folder: Path, batch_size: int = 128
) -> np.ndarray:
    """`pooled_features` of an untouched trunk, kept in `folder` under a name that depends on all that shapes them."""
    settings = model.settings
    key = [
        collection.fingerprint,
        settings.trunk,
        settings.weights,
        settings.size,
        torch.__version__,
        items.tolist(),
    ]
    name = hashlib.sha256(json.dumps(key).encode()).hexdigest()[:16]
    path = folder / f"features-{name}.npy"
    if not path.is_file():
        pooled = pooled_features(model, collection.pixels, items, batch_size)
        with atomic_path(path) as aside:
            np.save(aside, pooled, allow_pickle=False)
    stored: np.ndarray = np.load(path, allow_pickle=False)
    return stored
