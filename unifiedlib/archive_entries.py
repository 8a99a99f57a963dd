"""The entries of a tar or zip archive, one after the other; whatever is neither file nor folder is refused."""

from __future__ import annotations

import gzip
import stat
import tarfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path
from typing import IO

PIECE = 1 << 20
LARGEST_HEADER = 4 << 20
TAR_BLOCK = 512
GZIP_START = b"\x1f\x8b"
GZIP_SUFFIXES = (".tgz", ".tar.gz")
SUFFIXES = (".tar", *GZIP_SUFFIXES, ".zip")
ZIP_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
ENCRYPTED = 0x1


class ArchiveError(ValueError):
    """An archive that is not unpacked; the message names the archive, the entry and the reason."""


@dataclass(frozen=True)
class Limits:
    """How much an archive may hold.

    max_bytes: of all its files together, unpacked. max_files: files and folders. max_ratio: unpacked bytes per byte of the
    archive; pictures come to about 1, text to about 10, and an archive made to fill a disk to 1,000.
    """

    max_bytes: int = 32 << 30
    max_files: int = 1_000_000
    max_ratio: float = 100.0

    def check_bytes(self, n_bytes: int, archive_bytes: int) -> None:
        """Raise ArchiveError when `n_bytes` unpacked from `archive_bytes` are too many."""
        if n_bytes > self.max_bytes:
            raise ArchiveError(f"it unpacks to more than the limit of {self.max_bytes:,} bytes")
        if n_bytes > self.max_ratio * archive_bytes:
            raise ArchiveError(
                f"it unpacks to more than {self.max_ratio:g} times its {archive_bytes:,} bytes"
            )


@dataclass(frozen=True)
class Entry:
    """One entry: its name in the archive, its stated size in bytes and its content; None for a folder."""

    name: str
    size: int
    content: IO[bytes] | None


class _TarBytes:
    """The bytes of a tar, after decompression, for tarfile to read; past a limit, or in huge pieces, it refuses.

    tarfile reads the headers of long names whole, so a header alone could fill the memory.
    """

    def __init__(self, stream: BufferedReader | gzip.GzipFile, archive_bytes: int, limits: Limits) -> None:
        self.stream, self.archive_bytes, self.limits = stream, archive_bytes, limits
        self.last = b""

    def read(self, size: int, /) -> bytes:
        if not 0 <= size <= LARGEST_HEADER:
            raise ArchiveError(f"it holds a header that claims {size:,} bytes")
        self.last = self.stream.read(size)
        self._check(self.stream.tell())
        return self.last

    def seek(self, position: int, /) -> int:
        self._check(position)
        return self.stream.seek(position)

    def tell(self) -> int:
        return self.stream.tell()

    def write(self, content: bytes, /) -> int:
        raise OSError("an archive is only read")

    def close(self) -> None:
        """Whoever opened the archive closes it."""

    def _check(self, position: int) -> None:
        headers = 2 * TAR_BLOCK * self.limits.max_files + LARGEST_HEADER
        ratio = self.limits.max_ratio * self.archive_bytes + LARGEST_HEADER
        if not 0 <= position <= min(self.limits.max_bytes + headers, ratio):
            raise ArchiveError(f"it leads to byte {position:,} of its tar, which is over the limits")


class _Tar(tarfile.TarFile):
    members: list[tarfile.TarInfo]


def _tar_entries(
    stream: BufferedReader | gzip.GzipFile, archive_bytes: int, limits: Limits
) -> Iterator[Entry]:
    source = _TarBytes(stream, archive_bytes, limits)
    with _Tar.open(fileobj=source, mode="r:") as tar:
        while (member := tar.next()) is not None:
            # tarfile keeps every member with its headers, which may be far larger than the archive.
            tar.members.clear()
            if member.isdir():
                yield Entry(member.name, 0, None)
            elif member.type in (tarfile.REGTYPE, tarfile.AREGTYPE) and not member.issparse():
                yield Entry(member.name, member.size, tar.extractfile(member))
            else:
                raise ArchiveError(f"entry {member.name!r} is a {_tar_kind(member)}, not a file or a folder")
    if source.last != bytes(TAR_BLOCK):
        raise ArchiveError("it ends too early: it is cut short or corrupt; download it again")
    while stream.read(PIECE):
        source._check(stream.tell())


def _tar_kind(member: tarfile.TarInfo) -> str:
    kinds = {"symbolic link": member.issym(), "hard link": member.islnk(), "device": member.isdev()}
    return next((kind for kind, holds in kinds.items() if holds), "special or sparse file")


def _zip_kind(member: zipfile.ZipInfo) -> str | None:
    """What a zip entry is that is neither a file nor a folder; None for those."""
    mode = member.external_attr >> 16
    kinds = {stat.S_IFLNK: "symbolic link", stat.S_IFCHR: "device", stat.S_IFBLK: "device"}
    kind = stat.S_IFMT(mode)
    return None if kind in (0, stat.S_IFREG, stat.S_IFDIR) else kinds.get(kind, "special file")


def _zip_entries(stream: IO[bytes]) -> Iterator[Entry]:
    with zipfile.ZipFile(stream) as opened:
        for member in opened.infolist():
            name = member.orig_filename
            if kind := _zip_kind(member):
                raise ArchiveError(f"entry {name!r} is a {kind}, not a file or a folder")
            if member.flag_bits & ENCRYPTED:
                raise ArchiveError(
                    f"entry {name!r} is encrypted: unpack the archive by hand with its password"
                )
            if member.compress_type not in ZIP_METHODS:
                raise ArchiveError(
                    f"entry {name!r} is compressed by method {member.compress_type}, not deflated"
                )
            if member.is_dir():
                yield Entry(name, 0, None)
            else:
                with opened.open(member) as content:
                    yield Entry(name, member.file_size, content)


def entries(archive: Path, limits: Limits) -> Iterator[Entry]:
    """Every entry of an archive, by the suffix of its name; what it is must be what its name says."""
    name, archive_bytes = archive.name.lower(), archive.stat().st_size
    if not name.endswith(SUFFIXES):
        raise ArchiveError(f"its name ends in none of {', '.join(SUFFIXES)}")
    with archive.open("rb") as stream:
        if name.endswith(".zip"):
            if not zipfile.is_zipfile(stream):
                raise ArchiveError("it is no zip archive, or is cut short; download it again")
            yield from _zip_entries(stream)
        elif name.endswith(GZIP_SUFFIXES):
            if stream.read(2) != GZIP_START:
                raise ArchiveError("it is not compressed by gzip as its name says; download it again")
            stream.seek(0)
            with gzip.GzipFile(fileobj=stream) as unzipped:
                yield from _tar_entries(unzipped, archive_bytes, limits)
        else:
            yield from _tar_entries(stream, archive_bytes, limits)
