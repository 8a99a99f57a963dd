"""Small Shop-the-Look data in exactly the official layout: JSON lines of pairs, one JSON object of categories, pictures."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from PIL import Image

from unifiedlib.loaders.stl_fetched import picture_file, still_wanted

Pair = tuple[str, str, list[float]]
BOXES = ([0.1, 0.1, 0.4, 0.5], [0.5, 0.2, 0.9, 0.6], [0.2, 0.6, 0.7, 1.0])


def signature(name: str) -> str:
    return hashlib.md5(name.encode()).hexdigest()


def looks(n_looks: int) -> list[Pair]:
    """Looks that share nothing: two scenes and three products each, five boxes."""
    pairs: list[Pair] = []
    for look in range(n_looks):
        for scene, product in ((0, 0), (0, 1), (0, 2), (1, 0), (1, 1)):
            pairs.append((f"scene-{look}-{scene}", f"product-{look}-{product}", BOXES[product]))
    return pairs


def write_pairs(folder: Path, pairs: Iterable[Pair], part: str = "home") -> None:
    folder.mkdir(parents=True, exist_ok=True)
    lines = [
        json.dumps({"product": signature(product), "scene": signature(scene), "bbox": box})
        for scene, product, box in pairs
    ]
    (folder / f"{part}.json").write_text("\n".join(lines) + "\n")


def write_categories(folder: Path, categories: dict[str, str], part: str = "home") -> None:
    table = {signature(product): category for product, category in categories.items()}
    (folder / f"{part}-cat.json").write_text(json.dumps(table))


def save_picture(path: Path, name: str, size: tuple[int, int] = (60, 40)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    generator = np.random.default_rng(list(name.encode()))
    blocks = generator.integers(0, 255, (4, 4, 3), dtype=np.uint8)
    Image.fromarray(blocks).resize(size, Image.Resampling.BICUBIC).save(path, "JPEG", quality=90)


def write_world(folder: Path, pairs: list[Pair], without: Iterable[str] = ()) -> None:
    """Lists, categories and pictures, all but `without`, entered as fetched."""
    write_pairs(folder, pairs)
    products = {product for _, product, _ in pairs}
    kinds = ("Furniture|Chairs", "Furniture|Chairs|Table & Bar Stools", "Home & Garden|Decor|Rugs")
    write_categories(folder, {product: kinds[int(product[-1]) % 3] for product in products})
    names = (products | {scene for scene, _, _ in pairs}) - set(without)
    for name in names:
        save_picture(folder / picture_file(signature(name)), name)
    assert still_wanted(folder, sorted(signature(name) for name in names)) == []
