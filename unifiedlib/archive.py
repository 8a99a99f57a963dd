"""Unpacking archives that anyone may have made: checked entry by entry, limited in size, whole or not at all.

Tar archives (`.tar`, `.tar.gz`, `.tgz`) and zip archives are unpacked. An entry may be a file or a folder below the target,
nothing else; bytes are counted as they are written, whatever the archive says of its sizes.
"""

from __future__ import annotations

import gzip
import json
import os
import tarfile
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO

from unifiedlib.archive_entries import PIECE, ArchiveError, Entry, Limits, entries
from unifiedlib.files import atomic_folder, sha256, write_json

__all__ = ["ArchiveError", "Limits", "unpack"]

LONGEST_NAME = 255
LONGEST_PATH = 1024
DEEPEST = 64
BROKEN = (tarfile.TarError, zipfile.BadZipFile, EOFError, zlib.error, gzip.BadGzipFile, NotImplementedError)


def _safe_path(name: str) -> PurePosixPath:
    """The path of an entry below the target folder; ArchiveError when it could be read as any other place."""
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts:
        raise ArchiveError(f"entry {name!r} leads outside the folder")
    if "\\" in name or "\0" in name or (len(name) > 1 and name[1] == ":"):
        raise ArchiveError(f"entry {name!r} has a backslash, a null or a drive letter in its name")
    if not name.isascii() and name != name.encode("utf-8", "replace").decode("utf-8"):
        raise ArchiveError(f"entry {name!r} has a name that is not UTF-8")
    if max((len(part.encode()) for part in path.parts), default=0) > LONGEST_NAME:
        raise ArchiveError(f"entry {name[:80]!r}... has a name of more than {LONGEST_NAME} bytes")
    if len(path.parts) > DEEPEST or len(name.encode()) > LONGEST_PATH:
        raise ArchiveError(
            f"entry {name[:80]!r}... lies more than {DEEPEST} folders deep or has a path of more than {LONGEST_PATH} bytes"
        )
    return path


class _Target:
    """The folder being filled, and the count of what went into it."""

    def __init__(self, folder: Path, archive_bytes: int, limits: Limits) -> None:
        self.folder, self.archive_bytes, self.limits = folder, archive_bytes, limits
        self.is_file: dict[PurePosixPath, bool] = {}
        self.n_bytes = 0

    def add(self, entry: Entry) -> None:
        path = _safe_path(entry.name)
        if not path.parts:
            return
        for parent in reversed(path.parents[:-1]):
            self._add_folder(parent, entry.name)
        if entry.content is None:
            self._add_folder(path, entry.name)
        else:
            self._add_file(path, entry, entry.content)

    def _note(self, path: PurePosixPath, is_file: bool) -> None:
        self.is_file[path] = is_file
        if len(self.is_file) > self.limits.max_files:
            raise ArchiveError(f"it holds more than the limit of {self.limits.max_files:,} files and folders")

    def _add_folder(self, path: PurePosixPath, name: str) -> None:
        if self.is_file.get(path):
            raise ArchiveError(f"entry {name!r} makes a folder of {str(path)!r}, which is a file")
        if path not in self.is_file:
            self._note(path, False)
            (self.folder / path).mkdir()

    def _add_file(self, path: PurePosixPath, entry: Entry, content: IO[bytes]) -> None:
        if path in self.is_file:
            raise ArchiveError(f"entry {entry.name!r} stands in it twice")
        self._note(path, True)
        written = 0
        with (self.folder / path).open("xb") as out:
            while piece := content.read(PIECE):
                written += len(piece)
                self.limits.check_bytes(self.n_bytes + written, self.archive_bytes)
                out.write(piece)
        self.n_bytes += written
        if written != entry.size:
            raise ArchiveError(f"entry {entry.name!r} holds {written:,} bytes and claims {entry.size:,}")


def _found(folder: Path, tops: Sequence[str]) -> dict[str, int]:
    """How many files of how many bytes lie below the first-level names `tops` of `folder`."""
    sizes: list[int] = []
    for top in tops:
        if (folder / top).is_file():
            sizes.append((folder / top).stat().st_size)
        for place, _, names in os.walk(folder / top):
            sizes += [Path(place, name).stat().st_size for name in names]
    return {"files": len(sizes), "bytes": sum(sizes)}


def _note_path(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}.unpacked.json")


def _is_unpacked(archive: Path, folder: Path) -> bool:
    """Whether `folder` still holds what this very archive gave, by the note beside it."""
    if not folder.is_dir():
        return False
    note = json.loads(_note_path(folder).read_text(encoding="utf-8"))
    if _found(folder, note["tops"]) != note["found"] or archive.stat().st_size != note["size"]:
        return False
    return bool(sha256(archive) == note["sha256"])


@contextmanager
def _explained(archive: Path) -> Iterator[None]:
    """Turn whatever a bad archive raises into one sentence that names it."""
    try:
        yield
    except ArchiveError as error:
        raise ArchiveError(f"{archive} is not unpacked: {error}") from None
    except BROKEN as error:
        raise ArchiveError(
            f"{archive} is not unpacked: it is cut short or corrupt ({error}); download it again"
        ) from None
    except FileExistsError as error:
        raise ArchiveError(
            f"{archive} is not unpacked: two entries share the place {error.filename}, as names that differ only in case may"
        ) from None


def unpack(archive: Path, folder: Path, limits: Limits | None = None) -> Path:
    """Unpack a `.tar`, `.tar.gz`, `.tgz` or `.zip` archive into `folder`, which appears only when it is whole; returns it.

    limits: how much it may hold, `Limits()` without. A note beside the folder, `<folder>.unpacked.json`, keeps the archive's size
    and SHA-256: a second call for the same archive does nothing while the files are still there.
    Raises FileNotFoundError without the archive, FileExistsError when `folder` holds what no earlier call has unpacked, and
    ArchiveError for an entry that leads outside the folder, is a link or a device, or stands twice; for more bytes or files than
    the limits; for a cut, corrupt or encrypted archive, and for one that is not what its name says. Nothing is left behind then.
    """
    limits = limits or Limits()
    if not archive.is_file():
        raise FileNotFoundError(f"there is no archive {archive}")
    note = _note_path(folder)
    if note.is_file():
        if _is_unpacked(archive, folder):
            return folder
    elif folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
        raise FileExistsError(f"{folder} holds what was not unpacked from an archive: move it away")
    size = archive.stat().st_size
    with _explained(archive), atomic_folder(folder) as aside:
        target = _Target(aside, size, limits)
        for entry in entries(archive, limits):
            target.add(entry)
        tops = sorted({path.parts[0] for path in target.is_file})
        if not any(target.is_file.values()):
            raise ArchiveError("it holds no file")
        about = {"archive": archive.name, "size": size, "sha256": sha256(archive), "tops": tops}
        write_json(note, about | {"found": _found(aside, tops)})
    return folder
