"""Unpacking archives that anyone may have made: checked entry by entry, limited in size, whole or not at all.

Tar archives (`.tar`, `.tar.gz`, `.tgz`) and zip archives are unpacked. An entry may be a file or a folder below the target,
nothing else; bytes are counted as they are written, whatever the archive says of its sizes.
"""

from __future__ import annotations

import gzip
import hashlib
import os
import tarfile
import zipfile
import zlib
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO

from pydantic import BaseModel, ValidationError

from unifiedlib.archive_entries import PIECE, ArchiveError, Entry, Limits, entries
from unifiedlib.files import atomic_folder, atomic_path, sha256

__all__ = ["ArchiveError", "Limits", "is_whole", "noted_md5", "unpack"]

LONGEST_NAME = 255
LONGEST_PATH = 1024
DEEPEST = 64
BROKEN = (
    tarfile.TarError,
    zipfile.BadZipFile,
    EOFError,
    zlib.error,
    gzip.BadGzipFile,
    NotImplementedError,
    RecursionError,  # tarfile follows header upon header
)


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


class _Note(BaseModel):
    """What stands beside an unpacked folder.

    archive: its name; size: its bytes; sha256, md5: of these; earlier notes have no md5. tops: first-level names that it gave.
    found: how many files of how many bytes these were.
    """

    archive: str
    size: int
    sha256: str
    md5: str | None = None
    tops: list[str]
    found: dict[str, int]


def _note_path(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}.unpacked.json")


def _read_note(folder: Path) -> _Note | None:
    """The note beside a folder; None where there is none, or one that says nothing."""
    try:
        return _Note.model_validate_json(_note_path(folder).read_bytes())
    except (FileNotFoundError, ValidationError):
        return None


def is_whole(folder: Path) -> bool:
    """Whether `folder` still holds all that its archive gave, by the note beside it; the archive itself may be gone."""
    note = _read_note(folder)
    return note is not None and folder.is_dir() and _found(folder, note.tops) == note.found


def noted_md5(folder: Path) -> str | None:
    """Hexadecimal MD5 of the archive that `folder` was unpacked from, by the note beside it; None where none says so."""
    return note.md5 if (note := _read_note(folder)) else None


def _is_unpacked(archive: Path, folder: Path) -> bool:
    """Whether `folder` still holds what this very archive gave, by the note beside it."""
    note = _read_note(folder)
    if note is None or not is_whole(folder) or archive.stat().st_size != note.size:
        return False
    return sha256(archive) == note.sha256


def _check_replaceable(folder: Path, added: Collection[str]) -> None:
    """Raise FileExistsError when `folder` holds what its note does not say was unpacked, but for the names in `added`."""
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return
    note, path = _read_note(folder), _note_path(folder)
    if note is None and path.exists():
        raise FileExistsError(
            f"{folder} holds what may not come from an archive: its note {path} is damaged; move both away"
        )
    if note is None or not folder.is_dir():
        raise FileExistsError(f"{folder} holds what was not unpacked from an archive: move it away")
    if other := sorted({entry.name for entry in folder.iterdir()} - {*note.tops, *added}):
        raise FileExistsError(
            f"{folder} holds {other[0]}, which was not unpacked from {note.archive}: move it away"
        )


def _digests(archive: Path) -> dict[str, str]:
    """SHA-256 and MD5 of an archive, which is read once."""
    sums = {"sha256": hashlib.sha256(), "md5": hashlib.md5(usedforsecurity=False)}
    with archive.open("rb") as stream:
        while piece := stream.read(PIECE):
            for digest in sums.values():
                digest.update(piece)
    return {name: digest.hexdigest() for name, digest in sums.items()}


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


def unpack(archive: Path, folder: Path, limits: Limits | None = None, added: Collection[str] = ()) -> Path:
    """Unpack a `.tar`, `.tar.gz`, `.tgz` or `.zip` archive into `folder`, which appears only when it is whole; returns it.

    limits: how much it may hold, `Limits()` without. added: first-level names that the caller puts into `folder` afterwards, and
    puts there again; they may be lost. A note beside the folder, `<folder>.unpacked.json`, keeps the archive's size and SHA-256:
    a second call for the same archive does nothing while the files are still there. Another archive replaces what was unpacked.
    Raises FileNotFoundError without the archive; FileExistsError when `folder` holds a first-level name that no earlier call has
    unpacked, or the note that would tell is damaged; ArchiveError for an entry that leads outside the folder, is a link or a
    device, or stands twice; for more bytes or files than the limits; for a cut, corrupt or encrypted archive, and for one that is
    not what its name says. Nothing is left behind then.
    """
    limits = limits or Limits()
    if not archive.is_file():
        raise FileNotFoundError(f"there is no archive {archive}")
    if _is_unpacked(archive, folder):
        return folder
    _check_replaceable(folder, added)
    size = archive.stat().st_size
    # The inner block ends first: the folder takes its place, and then the note does.
    with _explained(archive), atomic_path(_note_path(folder)) as note, atomic_folder(folder) as aside:
        target = _Target(aside, size, limits)
        for entry in entries(archive, limits):
            target.add(entry)
        tops = sorted({path.parts[0] for path in target.is_file})
        if not any(target.is_file.values()):
            raise ArchiveError("it holds no file")
        about = _Note(
            archive=archive.name, size=size, **_digests(archive), tops=tops, found=_found(aside, tops)
        )
        note.write_text(about.model_dump_json(indent=2) + "\n", encoding="utf-8")
    return folder
