"""The pictures' sources: put them in place, and list what is there for the pipeline to depend on.

    python -m unifiedlib.sources photos                   # git, at pinned commits, unless they are there
    python -m unifiedlib.sources photos --local FOLDER    # a copy that you have
    python -m unifiedlib.sources own                      # own, stl, cub …: pictures stay where params.yaml says they are

`data/sources/photos` is a link to the copy or to the clones; `data/sources/<collection>.json` says how many files of which
total size there are and hashes their listing, so that DVC notices another source without reading each picture.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from unifiedlib import paths
from unifiedlib.files import atomic_folder, sha256, write_json
from unifiedlib.loaders.benchmarks import BENCHMARKS
from unifiedlib.loaders.official import UNPACKED
from unifiedlib.loaders.own_table import read_table
from unifiedlib.params import load_params
from unifiedlib.photos import SOURCES as PHOTO_SOURCES
from unifiedlib.photos import Source

SOURCES_FOLDER = Path("data/sources")
SOURCES = {"photos": PHOTO_SOURCES}
PLACED = {
    "own": "docs/your-own-pictures.md",
    "stl": "docs/shop-the-look-pairs.md",
    **dict.fromkeys((*BENCHMARKS, "benchmarks"), "docs/benchmarks.md"),
}
NOT_LISTED = (".git", UNPACKED)
MISSING = -1


class SourceError(RuntimeError):
    """A source cannot be had; the message says which, why, and what to do instead."""


def _git(*words: str | Path, folder: Path) -> str:
    environment = os.environ | {
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_DIR": str(folder / ".git"),
        "GIT_WORK_TREE": str(folder),
    }
    done = subprocess.run(
        ["git", *map(str, words)], cwd=folder, env=environment, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def clone(source: Source, target: Path) -> None:
    """Fetch one commit of a public repository to `target`, which appears only when it is whole.

    Raises SourceError without git or a network, or when another commit came.
    """
    try:
        with atomic_folder(target) as aside:
            _git("init", "-q", folder=aside)
            _git("fetch", "-q", "--depth", "1", source.url, source.commit, folder=aside)
            _git("-c", "advice.detachedHead=false", "checkout", "-q", "FETCH_HEAD", folder=aside)
            if (head := _git("rev-parse", "HEAD", folder=aside)) != source.commit:
                raise SourceError(
                    f"{source.name}: asked {source.url} for commit {source.commit}, got {head}; try again"
                )
            shutil.rmtree(aside / ".git")
    except FileNotFoundError:
        raise SourceError(
            "git is not installed: install it, or name a copy with `make photos PHOTOS=FOLDER`"
        ) from None
    except subprocess.CalledProcessError as error:
        why = (error.stderr.strip().splitlines() or ["git failed"])[-1]
        raise SourceError(
            f"{source.name}: cannot fetch {source.url} ({why}); connect to a network and run `make photos` again, "
            "or name a copy with `make photos PHOTOS=FOLDER`"
        ) from None


def check_folder(folder: Path, sources: Sequence[Source]) -> None:
    """Raise SourceError when `folder` does not hold each source in its public layout."""
    if not folder.is_dir():
        raise SourceError(
            f"the photo folder {folder} is missing: name one that holds {' and '.join(f'{s.folder}/' for s in sources)}"
        )
    for source in sources:
        if not (folder / source.folder / source.needs).is_file():
            raise SourceError(
                f"{folder} is no copy of the photos: {source.folder}/{source.needs} is missing; it must hold {source.name} "
                f"({source.url}) as {source.folder}/"
            )


def _size(path: Path) -> int:
    """Size in bytes, links followed; `MISSING` where the path leads to nothing."""
    try:
        return path.stat().st_size
    except OSError:
        return MISSING


def _files(folder: Path) -> Iterator[tuple[str, int]]:
    """Every file below `folder`, but git's and what archives were unpacked to, as (relative path, size in bytes), in order.

    A link that leads to nothing is listed as `MISSING`. A folder that was met before, which only a link can lead back to, is not
    walked again; listed is then, as `MISSING`, `name -> name where it was met first`.
    """
    met = {os.path.realpath(folder): "."}
    for place, folders, names in os.walk(folder, followlinks=True):
        kept = []
        for name in sorted(set(folders) - set(NOT_LISTED)):
            path = Path(place, name)
            relative = path.relative_to(folder).as_posix()
            if (first := met.setdefault(os.path.realpath(path), relative)) == relative:
                kept.append(name)
            else:
                yield f"{relative} -> {first}", MISSING
        folders[:] = kept
        for name in sorted(names):
            path = Path(place, name)
            yield path.relative_to(folder).as_posix(), _size(path)


def _named_files(table: Path) -> Iterator[tuple[str, int]]:
    """Every picture that a table names, as in `_files`; none of a table that cannot be read: assembly says what is wrong."""
    try:
        images = set(read_table(table).frame["image"])
    except ValueError:
        images = set()
    for image in sorted(images - {""}):
        yield image, _size(table.parent / image)


def _listing(files: Iterable[tuple[str, int]]) -> dict[str, int | str]:
    """Number and bytes of the files that are there, and the SHA-256 of all names and sizes, those of missing files included."""
    listed = list(files)
    sizes = [size for _, size in listed if size != MISSING]
    text = "".join(f"{name}\t{size}\n" for name, size in listed)
    return {
        "files": len(sizes),
        "bytes": sum(sizes),
        "listing": hashlib.sha256(text.encode()).hexdigest(),
    }


def listing(folder: Path, sources: Sequence[Source]) -> dict[str, dict[str, int | str]]:
    """Per source its number of files, their bytes, and the SHA-256 of all their names and sizes."""
    return {source.folder: _listing(_files(folder / source.folder)) for source in sources}


def note(collection: str, source: Path) -> Path:
    """List the pictures of a collection that stay where they are: all files below a folder, or those that a table names.

    Returns the path of the list, `data/sources/<collection>.json`, which holds the SHA-256 of a table, too. Files that are
    missing, links to nothing among them, do not count in it, but change its hash when they come. Raises SourceError when there
    is nothing at `source`.
    """
    if not source.exists():
        raise SourceError(
            f"{source} is missing: write in params.yaml, at assemble.{collection}.source, where it is "
            f"({PLACED[collection]} says what it must hold)"
        )
    about: dict[str, object] = {"source": str(source)}
    if source.is_file():
        about |= {"table": sha256(source), "pictures": _listing(_named_files(source))}
    else:
        about |= {"pictures": _listing(_files(source))}
    target = paths.resolve(SOURCES_FOLDER / f"{collection}.json")
    write_json(target, about)
    return target


def _link(link: Path, target: Path) -> None:
    if link.is_dir() and not link.is_symlink():
        raise SourceError(
            f"{paths.relative(link)} is a folder, where a link to the photos belongs: move it away and name it with PHOTOS=FOLDER"
        )
    link.parent.mkdir(parents=True, exist_ok=True)
    aside = link.with_name(f".{link.name}.{os.getpid()}")
    aside.symlink_to(target.resolve(), target_is_directory=True)
    os.replace(aside, link)


def provide(collection: str, local: Path | None) -> Path:
    """Make `data/sources/<collection>` and its listing; returns the folder.

    local: a copy to use. Without one, what an earlier call has put there stays; else the public sources are cloned.
    Raises SourceError when a source is missing or cannot be had; the listing is then as it was.
    """
    sources, link = SOURCES[collection], paths.resolve(SOURCES_FOLDER / collection)
    if local is not None:
        check_folder(local, sources)
        _link(link, local)
    elif not link.is_dir():
        clones = link.with_name(f"{collection}-clones")
        for source in sources:
            if not (clones / source.folder).is_dir():
                print(f"fetching {source.name} from {source.url}", flush=True)
                clone(source, clones / source.folder)
        _link(link, clones)
    check_folder(link, sources)
    write_json(link.with_suffix(".json"), listing(link, sources))
    return link


def main(argv: Sequence[str] | None = None) -> int:
    """The command line; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m unifiedlib.sources", description="Put a collection's sources in place."
    )
    parser.add_argument("collection", choices=(*SOURCES, *PLACED))
    parser.add_argument(
        "--local", type=Path, metavar="FOLDER", help="use this copy instead of fetching the public sources"
    )
    arguments = parser.parse_args(argv)
    name = arguments.collection
    if name in PLACED and arguments.local is not None:
        parser.error(f"{name} takes no --local: write assemble.{name}.source in params.yaml")
    try:
        if name in PLACED:
            params = load_params(paths.resolve("params.yaml"))
            source = paths.resolve(getattr(params.assemble, name).source)
            print(f"{name}: {source}, listed in {paths.relative(note(name, source))}")
            return 0
        folder = provide(arguments.collection, arguments.local)
    except (SourceError, ValueError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    print(f"{arguments.collection}: {paths.relative(folder)} -> {folder.resolve()}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
