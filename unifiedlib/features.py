"""The first phase's cache: every item's pooled trunk features, computed once for all variants and seeds of a collection."""

from __future__ import annotations

import hashlib
import json
from dataclasses import astuple
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from unifiedlib.augmentation import AugmentationSettings, random_views
from unifiedlib.contract import Collection
from unifiedlib.files import atomic_path, large_write
from unifiedlib.model import EmbeddingModel, to_images
from unifiedlib.progress import progress


def pooled_features(
    model: EmbeddingModel,
    pixels: np.ndarray,
    items: np.ndarray,
    batch_size: int,
    settings: AugmentationSettings | None = None,
    seed: int = 0,
) -> np.ndarray:
    """Pooled trunk features, float32 [n x width], of the items' stored pictures, in the order of `items`.

    settings: of random views to take them from, drawn by `seed`; none: of whole pictures.
    """
    model.eval()
    device = next(model.trunk.parameters()).device
    generator = torch.Generator().manual_seed(seed)
    pooled = np.empty((len(items), model.width), np.float32)
    starts = range(0, len(items), batch_size)
    with torch.inference_mode():
        for start in progress(starts, len(starts), "trunk features, batch"):
            part = items[start : start + batch_size]
            images: Tensor = to_images(pixels[part], device)
            shown = images if settings is None else random_views(images, settings, generator)
            pooled[start : start + len(part)] = model.pool(shown).float().cpu().numpy()
    return pooled


def cached_features(
    model: EmbeddingModel,
    collection: Collection,
    items: np.ndarray,
    folder: Path,
    views: int,
    settings: AugmentationSettings,
    batch_size: int = 128,
) -> np.ndarray:
    """`pooled_features` of an untouched trunk, float32 [views x n x width]: whole pictures first, then random views.

    They are kept in `folder` under a name that depends on all that shapes them. Raises WriteError when the disk is full.
    """
    made = model.settings
    key = [
        collection.fingerprint,
        made.trunk,
        made.weights,
        made.size,
        made.pooling,
        torch.__version__,
        views,
        astuple(settings) if views > 1 else None,
        items.tolist(),
    ]
    name = hashlib.sha256(json.dumps(key).encode()).hexdigest()[:16]
    path = folder / f"features-{name}.npy"
    if not path.is_file():
        pooled = np.stack(
            [
                pooled_features(model, collection.pixels, items, batch_size, settings if view else None, view)
                for view in range(views)
            ]
        )
        with large_write(path, pooled.nbytes), atomic_path(path) as aside:
            np.save(aside, pooled, allow_pickle=False)
    stored: np.ndarray = np.load(path, allow_pickle=False)
    return stored
