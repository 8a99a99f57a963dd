"""A user's pictures for the tests of the loaders: small files of one colour per label, in folders or with a table."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from unifiedlib.loaders.own import OwnSettings, own_tables
from unifiedlib.loaders.tables import PictureTables

COLOURS = {"red": (220, 40, 40), "green": (40, 200, 60), "blue": (50, 60, 230), "sand": (210, 200, 40)}


def save_picture(path: Path, label: str = "red", seed: int = 0) -> None:
    """A noisy picture of the label's colour (of the first known colour in it, or red)."""
    colour = next((COLOURS[name] for name in COLOURS if name in label), COLOURS["red"])
    noise = np.random.default_rng(seed).normal(0, 20, (40, 30, 3))
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray((np.array(colour) + noise).clip(0, 255).astype(np.uint8)).save(path)


def write_folders(folder: Path, task: str = "lens", count: int = 6) -> Path:
    """`count` pictures of each colour, in turn as JPEG, PNG and WebP."""
    for place in range(count):
        for label in COLOURS:
            suffix = ("jpg", "PNG", "webp")[place % 3]
            save_picture(folder / task / label / f"{place}.{suffix}", label, place)
    return folder


def write_csv(folder: Path, *lines: str, name: str = "pictures.csv") -> Path:
    """A table of these lines; no pictures."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def plain_lines(count: int = 6, labels: tuple[str, ...] = tuple(COLOURS), task: str = "lens") -> list[str]:
    """Lines `image,task,label`: `count` pictures of each label."""
    return [f"{label}/{place}.jpg,{task},{label}" for place in range(count) for label in labels]


def dealt(source: Path, **settings: object) -> PictureTables:
    """The tables of a source."""
    return own_tables(OwnSettings(source, **settings))  # type: ignore[arg-type]


def roles(tables: PictureTables) -> dict[str, set[str]]:
    """The roles of each image."""
    rows = tables.labels.assign(image=tables.items["image"].iloc[tables.labels["item"]].to_numpy())
    return {str(image): set(part["role"]) for image, part in rows.groupby("image")}
