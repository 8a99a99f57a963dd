"""Public benchmarks in their official layout: what each is, and its folder, unpacked from the official archive."""

from __future__ import annotations

import filecmp
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from unifiedlib.archive import unpack
from unifiedlib.files import atomic_path

UNPACKED = "unpacked"


@dataclass(frozen=True)
class Benchmark:
    """A public benchmark and its official archive.

    task: its name here, also of its task and its folder. label_set: what decides relevance. domain: see `unifiedlib.contract`.
    url: where the archive officially comes from. licence: its terms in a few words. archive: the archive's file name.
    tops: folders below the source that may hold the pictures and lists, "" for the source itself; holds: what must lie there.
    lists: for each list that comes beside the archive, the places where it may lie.
    published: number of training, query and gallery pictures, and of classes to train on and to test on.
    """

    task: str
    title: str
    label_set: str
    domain: str
    url: str
    licence: str
    archive: str
    tops: tuple[str, ...]
    holds: tuple[str, ...]
    lists: tuple[tuple[str, ...], ...]
    published: dict[str, int]


def _first_file(folder: Path, places: Sequence[str]) -> Path | None:
    return next((folder / place for place in places if (folder / place).is_file()), None)


def _missing(source: Path, benchmark: Benchmark) -> str | None:
    """The first thing that the official layout has and `source` lacks."""
    lacks = [
        [name for name in benchmark.holds if not (source / top / name).exists()] for top in benchmark.tops
    ]
    if all(lacks):
        return min(lacks, key=len)[0]
    return next((places[0] for places in benchmark.lists if _first_file(source, places) is None), None)


def is_official(source: Path, benchmark: Benchmark) -> bool:
    """Whether `source` holds the lists and the picture folder of a benchmark in the official layout."""
    return _missing(source, benchmark) is None


def official_root(source: Path, benchmark: Benchmark) -> Path:
    """The folder at or below `source` that the listed names are relative to.

    Raises FileNotFoundError that names what is missing from the official layout, and where it comes from.
    """
    if missing := _missing(source, benchmark):
        raise FileNotFoundError(
            f"{source} does not hold {benchmark.title}: {missing} is missing; "
            f"unpack {benchmark.archive} from {benchmark.url} there"
        )
    tops = (source / top for top in benchmark.tops)
    return next(top for top in tops if all((top / name).exists() for name in benchmark.holds))


def list_file(source: Path, benchmark: Benchmark, number: int = 0) -> Path:
    """A list that comes beside the archive; FileNotFoundError when it is in none of its places."""
    places = benchmark.lists[number]
    if (path := _first_file(source, places)) is None:
        raise FileNotFoundError(
            f"{source} does not hold {places[0]} of {benchmark.title}; get it from {benchmark.url}"
        )
    return path


def _wanted(downloads: Path, benchmark: Benchmark, places: Sequence[str]) -> Path:
    if (path := _first_file(downloads, places)) is None:
        raise FileNotFoundError(
            f"{downloads} does not hold {places[0]} of {benchmark.title}: get it from {benchmark.url} and put it there"
        )
    return path


def provide(downloads: Path, benchmark: Benchmark, into: Path | None = None) -> Path:
    """The folder with a benchmark's official layout, unpacked from the archive in `downloads` when it is not there yet.

    downloads: holds the official archive (and the list that comes beside it), or what it unpacks to, there or in a
        folder named like the task.
    into: gets the folder `<task>`; `<downloads>/unpacked` without. An archive is unpacked once, see `unifiedlib.archive.unpack`.
    Raises FileNotFoundError that names the file wanted and where it comes from, ArchiveError for a damaged or unsafe archive.
    """
    for folder in (downloads, downloads / benchmark.task):
        if is_official(folder, benchmark):
            return folder
    lists = {places[0]: _wanted(downloads, benchmark, places) for places in benchmark.lists}
    archive = _wanted(downloads, benchmark, (benchmark.archive, f"Img/{benchmark.archive}"))
    folder = unpack(archive, (into or downloads / UNPACKED) / benchmark.task)
    for name, path in lists.items():
        if not (folder / name).is_file() or not filecmp.cmp(path, folder / name, shallow=False):
            with atomic_path(folder / name) as aside:
                shutil.copyfile(path, aside)
    if missing := _missing(folder, benchmark):
        raise FileNotFoundError(
            f"{archive} is not the official archive of {benchmark.title}: {missing} is not in it"
        )
    return folder
