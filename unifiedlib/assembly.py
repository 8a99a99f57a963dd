"""Assembly of a collection: from picture files, or from a drawn world, to the data contract."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import asdict
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd

from unifiedlib.contract import Collection, TaskSpec, write_collection
from unifiedlib.decor import DecorSettings, World
from unifiedlib.photos import SOURCES as PHOTO_SOURCES
from unifiedlib.photos import TASKS as PHOTO_TASKS
from unifiedlib.photos import PhotoSettings, photo_tables
from unifiedlib.pictures import PictureError, crop_box, read_picture, square_pixels
from unifiedlib.progress import progress


def _decode(source: Path, image: str, box: list[float] | None, size: int) -> np.ndarray | str:
    try:
        corners = None if box is None else (float(box[0]), float(box[1]), float(box[2]), float(box[3]))
        return square_pixels(crop_box(read_picture(source / image, draft=size), corners), size)
    except PictureError as error:
        return str(error).replace(f"{source}{os.sep}", "")


def decode_items(
    items: pd.DataFrame, source: Path, size: int, scratch: Path
) -> tuple[np.ndarray, list[dict[str, str]]]:
    """Decode every item's picture into a memory-mapped scratch file, uint8 [n_items x size x size x 3].

    Returns the pixels and, for each picture that cannot be used, its name and the reason. Rows of such items stay black.
    """
    pixels = np.lib.format.open_memmap(scratch, mode="w+", dtype=np.uint8, shape=(len(items), size, size, 3))
    left_out = []
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        decoded = pool.map(partial(_decode, source, size=size), items["image"], items["box"])
        for item, result in enumerate(progress(decoded, len(items), "decoding pictures")):
            if isinstance(result, str):
                left_out.append({"image": str(items["image"].iloc[item]), "reason": result})
            else:
                pixels[item] = result
    return pixels, left_out


def drop_items(
    items: pd.DataFrame, labels: pd.DataFrame, images: set[str]
) -> tuple[pd.DataFrame, pd.DataFrame, np.ndarray]:
    """Tables without the items of `images`, numbered anew, and the old numbers of the items kept, int64 [n_kept]."""
    keep = ~items["image"].isin(images).to_numpy()
    number = np.cumsum(keep) - 1
    labels = labels[keep[labels["item"].to_numpy()]]
    labels = labels.assign(item=number[labels["item"].to_numpy()]).reset_index(drop=True)
    return items[keep].reset_index(drop=True), labels, np.flatnonzero(keep)


def assemble_pictures(
    folder: Path,
    name: str,
    source: Path,
    items: pd.DataFrame,
    labels: pd.DataFrame,
    tasks: dict[str, TaskSpec],
    size: int,
    sources: list[dict[str, str]],
    settings: dict[str, object],
) -> Collection:
    """Write a collection of picture files. Pictures that cannot be used are left out, counted and listed with the reason."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=".decoding-", dir=folder.parent) as scratch:
        pixels, left_out = decode_items(items, source, size, Path(scratch) / "pixels.npy")
        if len({entry["image"] for entry in left_out}) == items["image"].nunique():
            raise ValueError(
                f"none of the {len(items)} pictures in {source} can be read; the first: {left_out[0]['reason']}"
            )
        items, labels, kept = drop_items(items, labels, {entry["image"] for entry in left_out})
        pictures = (pixels[item] for item in kept)
        return write_collection(
            folder, name, items, labels, tasks, pictures, size, sources, settings, left_out
        )


def assemble_photos(folder: Path, settings: PhotoSettings, size: int) -> Collection:
    """Assemble `photos` from its two public sources into `folder`, pictures `size` pixels square."""
    items, labels = photo_tables(settings)
    about = {**asdict(settings), "size": size}
    del about["source"]
    sources = [
        {"name": s.name, "url": s.url, "commit": s.commit, "licence": s.licence} for s in PHOTO_SOURCES
    ]
    return assemble_pictures(
        folder, "photos", settings.source, items, labels, PHOTO_TASKS, size, sources, about
    )


_world: World | None = None


def _start_drawing(settings: DecorSettings) -> None:
    global _world
    _world = World(settings)


def _draw(item: int, size: int) -> np.ndarray:
    assert _world is not None
    return _world.draw(item, size)


def _drawn(settings: DecorSettings, n_items: int, size: int) -> Iterator[np.ndarray]:
    spawn = get_context("spawn")
    with ProcessPoolExecutor(
        os.cpu_count(), mp_context=spawn, initializer=_start_drawing, initargs=(settings,)
    ) as pool:
        drawn = pool.map(partial(_draw, size=size), range(n_items), chunksize=64)
        yield from progress(drawn, n_items, "drawing items")


def assemble_decor(folder: Path, settings: DecorSettings, size: int) -> Collection:
    """Draw the collection `decor` into `folder`, pictures `size` pixels square, on every core."""
    world = World(settings)
    items, labels = world.tables()
    sources = [{"name": "drawn by unifiedlib.decor", "url": "", "commit": "", "licence": "as this project"}]
    about = {**asdict(settings), "size": size}
    tasks = {name: TaskSpec(**task) for name, task in world.tasks.items()}  # type: ignore[arg-type]
    return write_collection(
        folder, "decor", items, labels, tasks, _drawn(settings, len(items), size), size, sources, about
    )
