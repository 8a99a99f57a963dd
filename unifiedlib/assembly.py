"""Assembly of a collection: from picture files, or from a drawn world, to the data contract."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from shutil import disk_usage, rmtree

import numpy as np
import pandas as pd

from unifiedlib.contract import Collection, TaskSpec, check_collection, write_collection
from unifiedlib.decoding import decode_items, scratch_key
from unifiedlib.decor import DecorSettings, World
from unifiedlib.duplicates import duplicates_report, find_duplicates, remove_from_training
from unifiedlib.photos import SOURCES as PHOTO_SOURCES
from unifiedlib.photos import TASKS as PHOTO_TASKS
from unifiedlib.photos import PhotoSettings, photo_tables
from unifiedlib.pictures import StorageError
from unifiedlib.progress import progress

MIB = 2**20
CHECKPOINTS = ".checkpoints"


def drop_items(
    items: pd.DataFrame, labels: pd.DataFrame, images: set[str]
) -> tuple[pd.DataFrame, pd.DataFrame, np.ndarray]:
    """Tables without the items of `images`, numbered anew, and the old numbers of the items kept, int64 [n_kept]."""
    keep = ~items["image"].isin(images).to_numpy()
    number = np.cumsum(keep) - 1
    labels = labels[keep[labels["item"].to_numpy()]]
    labels = labels.assign(item=number[labels["item"].to_numpy()]).reset_index(drop=True)
    return items[keep].reset_index(drop=True), labels, np.flatnonzero(keep)


def _require_space(folder: Path, n_items: int, size: int, scratch: Path | None = None) -> None:
    """Raise StorageError when the pixels will not fit beside what lies there: in the collection and, if given, in `scratch`."""
    needed = n_items * size * size * 3
    if scratch is not None:
        decoded = scratch / "pixels.npy"
        stored = getattr(decoded.stat(), "st_blocks", 0) * 512 if decoded.is_file() else 0
        needed = 2 * needed - stored
    free = disk_usage(folder).free
    if needed > free:
        raise StorageError(
            f"{folder}: {n_items:,} pictures of {size} pixels need {needed / MIB:,.0f} MiB and {free / MIB:,.0f} MiB are free; "
            "free some space or choose a smaller size"
        )


def _scratch_folder(checkpoints: Path, items: pd.DataFrame, source: Path, size: int) -> Path:
    """Where this assembly decodes to; what killed assemblies of other tables, settings or code left there is removed."""
    scratch = checkpoints / f"assembly-{scratch_key(items, source, size)}"
    for other in checkpoints.glob("assembly-*"):
        if other != scratch:
            rmtree(other, ignore_errors=True)
    return scratch


def _remove_scratch(scratch: Path) -> None:
    rmtree(scratch, ignore_errors=True)
    for folder in (scratch.parent, scratch.parent.parent):
        if CHECKPOINTS in folder.parts and folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()


def _without_copies(
    pixels: np.ndarray,
    kept: np.ndarray,
    items: pd.DataFrame,
    labels: pd.DataFrame,
    remove: bool,
    max_distance: int,
) -> tuple[pd.DataFrame, dict[str, object]]:
    """Labels without the training rows of copies of test pictures, and the report on duplicates."""
    pairs = find_duplicates(pixels, labels, max_distance, kept)
    cleaned = remove_from_training(labels, pairs) if remove else labels
    report = duplicates_report(items, labels, cleaned, pairs, max_distance)
    if len(pairs):
        print(
            f"training pictures that are in test, too: {report['exact_items']} exact copies "
            f"({report['removed_training_rows']} training rows removed), {report['near_items']} near ones (kept)"
        )
    return cleaned, report


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
    *,
    remove_duplicates: bool = True,
    max_distance: int = 4,
    checkpoints: Path | None = None,
    workers: int | None = None,
    save_every: float = 5.0,
) -> Collection:
    """Write a collection of picture files. Pictures that cannot be used are left out, counted and listed with the reason.

    items, labels: as in `unifiedlib.contract`; `image` is relative to `source`. size: side of a stored picture, pixels.
    remove_duplicates: take all training rows away from items that are exact copies of a test picture of a task that trains on
        them, or of a query of any task.
    max_distance: bits, of 64, in which the perceptual hashes of near copies may differ; near copies are only reported. The
        report is `settings["duplicates"]` of the collection.
    checkpoints: folder in which a killed assembly leaves what it decoded, for the next to go on with; by default
        `.checkpoints/<name>` beside `folder`. Nothing is left there when the collection is whole.
    workers: decoding threads, by default one per core. save_every: seconds of work that a kill may cost.
    Raises ContractError for tables that break the contract, before anything is decoded; StorageError when a disk is full or
    fails; ValueError when no picture can be read, or when every training picture of a task is a copy of a test picture.
    """
    if not source.is_dir():
        raise FileNotFoundError(f"{source} is no folder: name the folder that holds the pictures")
    check_collection(items, labels, np.broadcast_to(np.uint8(0), (len(items), size, size, 3)), tasks)
    scratch = _scratch_folder(checkpoints or folder.parent / CHECKPOINTS / name, items, source, size)
    folder.parent.mkdir(parents=True, exist_ok=True)
    _require_space(folder.parent, len(items), size, scratch)
    pixels, left_out = decode_items(items, source, size, scratch, workers, save_every)
    if len(left_out) == items["image"].nunique():
        _remove_scratch(scratch)
        raise ValueError(
            f"none of the {len(items)} pictures in {source} can be read; the first: {left_out[0]['reason']}"
        )
    items, labels, kept = drop_items(items, labels, {entry["image"] for entry in left_out})
    labels, report = _without_copies(pixels, kept, items, labels, remove_duplicates, max_distance)
    pictures = (pixels[item] for item in kept)
    about = {**settings, "duplicates": report}
    collection = write_collection(
        folder, name, items, labels, tasks, pictures, size, sources, about, left_out
    )
    _remove_scratch(scratch)
    return collection


def assemble_photos(
    folder: Path, settings: PhotoSettings, size: int, *, checkpoints: Path | None = None
) -> Collection:
    """Assemble `photos` from its two public sources into `folder`, pictures `size` pixels square.

    checkpoints: see `assemble_pictures`.
    """
    items, labels = photo_tables(settings)
    about = {**asdict(settings), "size": size}
    del about["source"]
    sources = [
        {"name": s.name, "url": s.url, "commit": s.commit, "licence": s.licence} for s in PHOTO_SOURCES
    ]
    return assemble_pictures(
        folder,
        "photos",
        settings.source,
        items,
        labels,
        PHOTO_TASKS,
        size,
        sources,
        about,
        checkpoints=checkpoints,
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
    """Draw the collection `decor` into `folder`, pictures `size` pixels square, on every core.

    Raises StorageError, before anything is drawn, when the disk has no room for it.
    """
    world = World(settings)
    items, labels = world.tables()
    folder.parent.mkdir(parents=True, exist_ok=True)
    _require_space(folder.parent, len(items), size)
    sources = [{"name": "drawn by unifiedlib.decor", "url": "", "commit": "", "licence": "as this project"}]
    about = {**asdict(settings), "size": size}
    tasks = {name: TaskSpec(**task) for name, task in world.tasks.items()}  # type: ignore[arg-type]
    return write_collection(
        folder, "decor", items, labels, tasks, _drawn(settings, len(items), size), size, sources, about
    )
