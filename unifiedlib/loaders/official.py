"""Public benchmarks in their official layout: what each is, and its folder, unpacked from the official archive."""

from __future__ import annotations

import filecmp
import hashlib
import shutil
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from unifiedlib.archive import is_whole, noted_md5, unpack
from unifiedlib.files import atomic_path

UNPACKED = "unpacked"


class BenchmarkWarning(UserWarning):
    """A benchmark that is not quite what was published; its scores are not comparable to published ones."""


@dataclass(frozen=True)
class Benchmark:
    """A public benchmark and its official archive.

    task: its name here, also of its task and its folder. label_set: what decides relevance. domain: see `unifiedlib.contract`.
    url: where the archive officially comes from. licence: its terms in a few words. archive: the archive's file name.
    tops: folders below the source that may hold the pictures and lists, "" for the source itself; holds: what must lie there.
    lists: for each list that comes beside the archive, the places where it may lie.
    published: number of training, query and gallery pictures, and of classes to train on and to test on.
    md5: hexadecimal MD5 sums that public loaders carry for the archive and its lists, by file name, where they do.
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
    md5: dict[str, str] = field(default_factory=dict)


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


def _places(source: Path, benchmark: Benchmark, into: Path | None = None) -> tuple[Path, Path, Path]:
    """Where the official layout may lie: in `source`, in its folder named like the task, or where its archive is unpacked to."""
    return source, source / benchmark.task, (into or source / UNPACKED) / benchmark.task


def find_official(source: Path, benchmark: Benchmark) -> Path | None:
    """The folder with the official layout: `source`, `<source>/<task>` or `<source>/unpacked/<task>`; None when it is in none."""
    return next((place for place in _places(source, benchmark) if is_official(place, benchmark)), None)


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


def _other_sums(folder: Path, benchmark: Benchmark) -> Iterator[str]:
    """In words, each file whose MD5 is not the known one: the archive's by the note beside `folder`, to read it only once."""
    sums = {benchmark.archive: noted_md5(folder)}
    for number, (name, *_) in enumerate(benchmark.lists):
        content = list_file(folder, benchmark, number).read_bytes()
        sums[name] = hashlib.md5(content, usedforsecurity=False).hexdigest()
    for name, found in sums.items():
        if found and found != (known := benchmark.md5.get(name, found)):
            yield f"{name} has the MD5 {found}, and public loaders have a file of {known}"


def provide(downloads: Path, benchmark: Benchmark, into: Path | None = None) -> Path:
    """The folder with a benchmark's official layout, unpacked from the archive in `downloads` when it is not there yet.

    downloads: holds the official archive (and the list that comes beside it), or what it unpacks to, there or in a
        folder named like the task.
    into: gets the folder `<task>`; `<downloads>/unpacked` without. An archive is unpacked once, see `unifiedlib.archive.unpack`,
        and not needed afterwards, nor is the list, while all that it gave is there.
    Raises FileNotFoundError that names the file wanted and where it comes from, ArchiveError for a damaged or unsafe archive.
    Warns with `BenchmarkWarning` when the MD5 of an archive that was unpacked, or of a list beside it, is not the known one.
    """
    *by_hand, unpacked = _places(downloads, benchmark, into)
    for folder in by_hand:
        if is_official(folder, benchmark):
            return folder
    folder = _unpacked(downloads, benchmark, unpacked)
    if sums := list(_other_sums(folder, benchmark)):
        warnings.warn(f"{benchmark.title}: {'; '.join(sums)}", BenchmarkWarning, stacklevel=3)
    return folder


def _unpacked(downloads: Path, benchmark: Benchmark, folder: Path) -> Path:
    """`folder`, unpacked from `downloads`, or as it is when a download is gone and it is whole; lists that are there go in."""
    places = (benchmark.archive, f"Img/{benchmark.archive}")
    gone = any(_first_file(downloads, wanted) is None for wanted in (places, *benchmark.lists))
    if not (gone and is_official(folder, benchmark) and is_whole(folder)):
        names = [_wanted(downloads, benchmark, wanted).name for wanted in benchmark.lists]
        unpack(_wanted(downloads, benchmark, places), folder, added=names)
    for name, *others in benchmark.lists:
        path, target = _first_file(downloads, (name, *others)), folder / name
        if path and not (target.is_file() and filecmp.cmp(path, target, shallow=False)):
            with atomic_path(target) as aside:
                shutil.copyfile(path, aside)
    if missing := _missing(folder, benchmark):
        raise FileNotFoundError(
            f"{benchmark.archive} in {downloads} is not the official archive of {benchmark.title}: {missing} is not in it"
        )
    return folder
