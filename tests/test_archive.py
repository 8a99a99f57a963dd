from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import shutil
import stat
import struct
import tarfile
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from unifiedlib.archive import ArchiveError, Limits, is_whole, noted_md5, unpack

FILES = {"birds/list.txt": b"1 a.jpg\n", "birds/images/a.jpg": bytes(range(256)) * 9, "read me": b"x"}


def member(name: str, size: int = 0, kind: bytes = tarfile.REGTYPE, target: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.size, info.type, info.linkname = size, kind, target
    return info


def write_tar(path: Path, files: dict[str, bytes], *others: tarfile.TarInfo) -> Path:
    with tarfile.open(path, "w:gz" if path.name.endswith("gz") else "w") as tar:
        for info in others:
            tar.addfile(info)
        for name, content in files.items():
            tar.addfile(member(name, len(content)), io.BytesIO(content))
    return path


def write_zip(path: Path, files: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", method) as opened:
        for name, content in files.items():
            opened.writestr(name, content)
    return path


def write(path: Path, files: dict[str, bytes]) -> Path:
    return write_zip(path, files) if path.suffix.lower() == ".zip" else write_tar(path, files)


def contents(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }


def refused(archive: Path, reason: str, limits: Limits | None = None) -> None:
    """The archive is refused for `reason`, and nothing but the archive is left."""
    folder = archive.parent / "unpacked"
    before = set(archive.parent.rglob("*"))
    with pytest.raises(ArchiveError, match=rf"{archive.name} is not unpacked: .*{reason}"):
        unpack(archive, folder, limits)
    assert set(archive.parent.rglob("*")) == before


@pytest.mark.parametrize("name", ["a.tar", "a.tgz", "a.tar.gz", "a.zip", "A.ZIP"])
def test_every_kind_of_archive_gives_its_files(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "below" / "unpacked"
    assert unpack(write(tmp_path / name, FILES), folder) == folder
    assert contents(folder) == FILES


def test_folder_entries_and_a_leading_dot_are_plain_folders(tmp_path: Path) -> None:
    folders = [member("./", kind=tarfile.DIRTYPE), member("./birds/", kind=tarfile.DIRTYPE)]
    archive = write_tar(tmp_path / "a.tgz", {"./birds/list.txt": b"1"}, *folders, folders[1])
    unpack(archive, tmp_path / "unpacked")
    assert contents(tmp_path / "unpacked") == {"birds/list.txt": b"1"}


def test_modes_of_the_archive_are_not_taken_over(tmp_path: Path) -> None:
    info = member("a", 1)
    info.mode = 0o6777
    with tarfile.open(tmp_path / "a.tar", "w") as tar:
        tar.addfile(info, io.BytesIO(b"1"))
    unpack(tmp_path / "a.tar", tmp_path / "unpacked")
    (tmp_path / "plain").write_bytes(b"1")
    modes = [stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "unpacked" / "a", tmp_path / "plain")]
    assert modes[0] == modes[1]


def test_second_call_for_the_same_archive_does_nothing(tmp_path: Path) -> None:
    archive, folder = write(tmp_path / "a.zip", FILES), tmp_path / "unpacked"
    unpack(archive, folder)
    (folder / "added.txt").write_text("by hand")
    unpack(archive, folder)
    assert (folder / "added.txt").exists()
    note = json.loads((tmp_path / "unpacked.unpacked.json").read_text())
    assert note["archive"] == "a.zip"
    assert note["size"] == archive.stat().st_size
    assert note["found"] == {"files": 3, "bytes": sum(map(len, FILES.values()))}


def test_lost_file_or_another_archive_is_unpacked_again(tmp_path: Path) -> None:
    archive, folder = write(tmp_path / "a.tar", FILES), tmp_path / "unpacked"
    unpack(archive, folder)
    (folder / "birds" / "list.txt").unlink()
    unpack(archive, folder)
    assert contents(folder) == FILES
    changed = FILES | {"birds/list.txt": b"2 b.jpg\n"}
    assert write(archive, changed).stat().st_size == archive.stat().st_size
    unpack(archive, folder)
    assert contents(folder) == changed


def test_folder_that_was_not_unpacked_is_never_replaced(tmp_path: Path) -> None:
    mine = tmp_path / "mine" / "thesis.txt"
    mine.parent.mkdir()
    mine.write_text("years of work")
    with pytest.raises(
        FileExistsError, match="mine holds what was not unpacked from an archive: move it away"
    ):
        unpack(write(tmp_path / "a.tar", FILES), mine.parent)
    assert mine.read_text() == "years of work"


def test_folder_of_the_same_name_beside_a_left_note_is_never_replaced(tmp_path: Path) -> None:
    archive, folder = write(tmp_path / "a.tar", FILES), tmp_path / "mine"
    unpack(archive, folder)
    shutil.rmtree(folder)
    folder.mkdir()
    (folder / "thesis.txt").write_text("years of work")
    with pytest.raises(
        FileExistsError, match=r"mine holds thesis.txt, which was not unpacked from a.tar: move it away"
    ):
        unpack(archive, folder)
    assert contents(folder) == {"thesis.txt": b"years of work"}


def test_names_that_the_caller_adds_do_not_keep_another_archive_out(tmp_path: Path) -> None:
    archive, folder = write(tmp_path / "a.tar", FILES), tmp_path / "unpacked"
    unpack(archive, folder)
    (folder / "list.txt").write_text("from beside the archive")
    write(archive, {"new": b"1"})
    with pytest.raises(FileExistsError, match=r"unpacked holds list\.txt, which was not unpacked"):
        unpack(archive, folder)
    unpack(archive, folder, added=["list.txt"])
    assert contents(folder) == {"new": b"1"}


@pytest.mark.parametrize("damaged", [b"", b'{"archive": "a.tar", "si', b"[]", b'{"tops": 7}', b"\xff\xfe"])
def test_damaged_note_is_named_and_nothing_replaced(tmp_path: Path, damaged: bytes) -> None:
    archive, folder = write(tmp_path / "a.tar", FILES), tmp_path / "unpacked"
    unpack(archive, folder)
    note = tmp_path / "unpacked.unpacked.json"
    note.write_bytes(damaged)
    assert not is_whole(folder)
    assert noted_md5(folder) is None
    with pytest.raises(
        FileExistsError, match=r"its note .*unpacked\.unpacked\.json is damaged; move both away"
    ):
        unpack(archive, folder)
    assert contents(folder) == FILES
    shutil.rmtree(folder)
    unpack(archive, folder)
    assert is_whole(folder)


def test_folder_is_whole_until_a_file_is_lost_whether_its_archive_is_there_or_not(tmp_path: Path) -> None:
    archive, folder = write(tmp_path / "a.tar", FILES), tmp_path / "unpacked"
    assert not is_whole(folder)
    unpack(archive, folder)
    archive.unlink()
    assert is_whole(folder)
    (folder / "read me").unlink()
    assert not is_whole(folder)


def test_note_has_the_sums_of_the_archive(tmp_path: Path) -> None:
    archive, folder = write(tmp_path / "a.zip", FILES), tmp_path / "unpacked"
    unpack(archive, folder)
    note = json.loads((tmp_path / "unpacked.unpacked.json").read_text())
    assert note["sha256"] == hashlib.sha256(archive.read_bytes()).hexdigest()
    assert noted_md5(folder) == hashlib.md5(archive.read_bytes()).hexdigest()


def test_note_of_before_there_were_md5_sums_still_fits(tmp_path: Path) -> None:
    archive, folder = write(tmp_path / "a.zip", FILES), tmp_path / "unpacked"
    unpack(archive, folder)
    path = tmp_path / "unpacked.unpacked.json"
    path.write_text(
        json.dumps({name: value for name, value in json.loads(path.read_text()).items() if name != "md5"})
    )
    (folder / "added.txt").write_text("by hand")
    unpack(archive, folder)
    assert (folder / "added.txt").exists()
    assert noted_md5(folder) is None


def test_note_takes_its_place_after_the_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive, folder = write(tmp_path / "a.tar", FILES), tmp_path / "unpacked"
    unpack(archive, folder)
    placed: list[str] = []

    def replace(source: Path, target: Path) -> None:
        placed.append(Path(target).name)
        Path(source).rename(target)

    monkeypatch.setattr("unifiedlib.files.os.replace", replace)
    unpack(write(archive, {"birds/new.txt": b"1"}), folder)
    assert placed[-2:] == ["unpacked", "unpacked.unpacked.json"]
    assert contents(folder) == {"birds/new.txt": b"1"}


def test_unpacking_killed_before_the_folder_takes_its_place_leaves_folder_and_note(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive, folder = write(tmp_path / "a.tar", FILES), tmp_path / "unpacked"
    unpack(archive, folder)
    before = (tmp_path / "unpacked.unpacked.json").read_bytes()

    def replace(source: Path, target: Path) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("unifiedlib.files.os.replace", replace)
    with pytest.raises(KeyboardInterrupt):
        unpack(write(archive, {"birds/new.txt": b"1"}), folder)
    assert contents(folder) == FILES
    assert (tmp_path / "unpacked.unpacked.json").read_bytes() == before


def test_refused_archive_leaves_an_earlier_folder_as_it_was(tmp_path: Path) -> None:
    archive, folder = write(tmp_path / "a.tar", FILES), tmp_path / "unpacked"
    unpack(archive, folder)
    refused(write(archive, {"../x": b"1"}), "leads outside the folder")
    assert contents(folder) == FILES


def test_missing_archive_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"there is no archive .*a\.zip"):
        unpack(tmp_path / "a.zip", tmp_path / "unpacked")


@pytest.mark.parametrize("kind", ["a.tar", "a.tgz", "a.zip"])
@pytest.mark.parametrize("name", ["../x", "/etc/x", "a/../../x", "a/.."])
def test_path_outside_the_folder_is_refused(tmp_path: Path, kind: str, name: str) -> None:
    refused(write(tmp_path / kind, {"good": b"1", name: b"2"}), "leads outside the folder")


@pytest.mark.parametrize("name", ["a\\..\\..\\x", "C:x"])
def test_name_that_means_another_place_elsewhere_is_refused(tmp_path: Path, name: str) -> None:
    refused(write(tmp_path / "a.tar", {name: b"2"}), "backslash, a null or a drive letter")
    refused(write(tmp_path / "a.zip", {name: b"2"}), "backslash, a null or a drive letter")


@pytest.mark.parametrize("name", ["a/" * 64 + "x", ("b" * 200 + "/") * 6 + "x"])
def test_path_too_deep_or_too_long_to_remove_again_is_refused(tmp_path: Path, name: str) -> None:
    refused(
        write(tmp_path / "a.tar", {name: b"2"}),
        "more than 64 folders deep or has a path of more than 1024 bytes",
    )


def test_name_too_long_for_a_disk_or_not_utf8_is_refused(tmp_path: Path) -> None:
    refused(write(tmp_path / "a.tar", {"é" * 128: b"2"}), "name of more than 255 bytes")
    refused(write(tmp_path / "a.tar", {"caf\udce9": b"2"}), "name that is not UTF-8")


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        (tarfile.SYMTYPE, "symbolic link"),
        (tarfile.LNKTYPE, "hard link"),
        (tarfile.CHRTYPE, "device"),
        (tarfile.BLKTYPE, "device"),
        (tarfile.FIFOTYPE, "device"),
        (tarfile.GNUTYPE_SPARSE, "special or sparse file"),
    ],
)
def test_tar_entry_that_is_no_file_is_refused(tmp_path: Path, kind: bytes, said: str) -> None:
    other = member("odd", kind=kind, target="birds/list.txt")
    refused(write_tar(tmp_path / "a.tar", FILES, other), f"entry 'odd' is a {said}, not a file or a folder")


@pytest.mark.parametrize(
    ("kind", "said"),
    [(stat.S_IFLNK, "symbolic link"), (stat.S_IFCHR, "device"), (stat.S_IFIFO, "special file")],
)
def test_zip_entry_that_is_no_file_is_refused(tmp_path: Path, kind: int, said: str) -> None:
    info = zipfile.ZipInfo("odd")
    info.external_attr = (kind | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as opened:
        opened.writestr(info, "/etc/passwd")
    refused(tmp_path / "a.zip", f"entry 'odd' is a {said}, not a file or a folder")


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("again", ["a/b", "./a/b", "a//b"])
def test_name_that_stands_twice_is_refused(tmp_path: Path, again: str) -> None:
    with tarfile.open(tmp_path / "a.tar", "w") as tar:
        for name in ("a/b", again):
            tar.addfile(member(name, 1), io.BytesIO(b"1"))
    refused(tmp_path / "a.tar", "stands in it twice")
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as opened:
        for name in ("a/b", again):
            opened.writestr(name, "1")
    refused(tmp_path / "a.zip", "stands in it twice")


def test_file_used_as_a_folder_is_refused(tmp_path: Path) -> None:
    refused(write(tmp_path / "a.zip", {"a": b"1", "a/b": b"2"}), "makes a folder of 'a', which is a file")
    refused(write(tmp_path / "a.tar", {"a/b": b"1", "a": b"2"}), "entry 'a' stands in it twice")


@pytest.mark.parametrize("kind", ["a.tar", "a.tgz", "a.zip"])
def test_limits_on_bytes_and_files_hold(tmp_path: Path, kind: str) -> None:
    noise = {f"f{number}": os.urandom(4000) for number in range(5)}
    archive = write(tmp_path / kind, noise)
    refused(archive, "more than the limit of 19,999 bytes", Limits(max_bytes=19_999))
    refused(archive, "more than the limit of 4 files and folders", Limits(max_files=4))
    unpack(archive, tmp_path / "unpacked", Limits(max_bytes=20_000, max_files=5))
    assert contents(tmp_path / "unpacked") == noise


@pytest.mark.parametrize("kind", ["a.tgz", "a.zip"])
def test_bomb_is_refused_by_its_ratio(tmp_path: Path, kind: str) -> None:
    archive = write(tmp_path / kind, {"zeros": bytes(3_000_000)})
    refused(archive, r"more than 100 times its [\d,]+ bytes")


def test_bomb_of_tar_headers_is_refused_before_it_fills_the_memory(tmp_path: Path) -> None:
    header = member("pax", 10 << 30, tarfile.XHDTYPE).tobuf(tarfile.GNU_FORMAT)
    (tmp_path / "a.tgz").write_bytes(gzip.compress(header + bytes(1 << 20)))
    refused(tmp_path / "a.tgz", "holds a header that claims 10,737,418,240 bytes")


def test_headers_of_a_tar_are_forgotten_entry_by_entry(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "a.tgz", "w:gz", format=tarfile.PAX_FORMAT) as tar:
        for number in range(200):
            info = member(f"f{number}", 1)
            info.pax_headers = {"comment": "x" * 50_000}
            tar.addfile(info, io.BytesIO(b"1"))
    tracemalloc.start()
    unpack(tmp_path / "a.tgz", tmp_path / "unpacked", Limits(max_ratio=1000))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(contents(tmp_path / "unpacked")) == 200
    assert peak < 5_000_000  # all headers together are 10,000,000 bytes


def test_header_upon_header_without_an_entry_is_refused(tmp_path: Path) -> None:
    body = b"11 a=bcdef\n"
    header = member("pax", len(body), tarfile.XHDTYPE).tobuf(tarfile.GNU_FORMAT) + body.ljust(512, b"\0")
    (tmp_path / "a.tar").write_bytes(header * 2000 + member("a").tobuf(tarfile.GNU_FORMAT) + bytes(1024))
    refused(tmp_path / "a.tar", "cut short or corrupt")


def test_tar_that_claims_more_than_it_holds_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.tar").write_bytes(member("a", 1 << 40).tobuf(tarfile.GNU_FORMAT) + bytes(2048))
    refused(tmp_path / "a.tar", r"cut short or corrupt|over the limits")


def change(path: Path, mark: bytes, offset: int, value: int) -> Path:
    """Write a 4-byte number `offset` bytes after the first `mark` of a file."""
    content = bytearray(path.read_bytes())
    place = content.index(mark) + offset
    content[place : place + 4] = struct.pack("<I", value)
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("claimed", [10, 5000])
def test_zip_that_lies_about_a_size_is_refused(tmp_path: Path, claimed: int) -> None:
    archive = write(tmp_path / "a.zip", {"a": bytes(range(200)) * 5})
    refused(change(archive, b"PK\x01\x02", 24, claimed), r"Bad CRC|holds 1,000 bytes and claims 5,000")


def test_encrypted_zip_says_what_to_do(tmp_path: Path) -> None:
    archive = write(tmp_path / "a.zip", {"a": b"1"})
    content = bytearray(archive.read_bytes())
    content[content.index(b"PK\x01\x02") + 8] |= 1
    archive.write_bytes(content)
    refused(archive, "entry 'a' is encrypted: unpack the archive by hand with its password")


def test_zip_method_that_cannot_be_limited_is_refused(tmp_path: Path) -> None:
    refused(write_zip(tmp_path / "a.zip", {"a": b"1" * 99}, zipfile.ZIP_LZMA), "method 14, not deflated")


def cut(content: bytes) -> bytes:
    return content[: len(content) // 2]


def spoil(content: bytes) -> bytes:
    middle = len(content) // 2
    return (
        content[:middle]
        + bytes(byte ^ 0xFF for byte in content[middle : middle + 16])
        + content[middle + 16 :]
    )


@pytest.mark.parametrize("kind", ["a.tar", "a.tgz", "a.zip"])
@pytest.mark.parametrize("damage", [cut, spoil])
def test_damaged_archive_is_refused(tmp_path: Path, kind: str, damage: Callable[[bytes], bytes]) -> None:
    archive = write(tmp_path / kind, {"a": os.urandom(6000), "b": os.urandom(6000)})
    content = archive.read_bytes()
    if kind == "a.tar" and damage is spoil:
        middle = content.index(b"b\0\0\0", 512)
        content = content[:middle] + b"c" + content[middle + 1 :]
    else:
        content = damage(content)
    archive.write_bytes(content)
    refused(archive, "download it again")


def test_tar_that_ends_between_two_files_is_refused(tmp_path: Path) -> None:
    archive = write(tmp_path / "a.tar", {"a": os.urandom(1024), "b": os.urandom(1024)})
    archive.write_bytes(archive.read_bytes()[: 512 + 1024])
    refused(archive, "ends too early: it is cut short or corrupt; download it again")


def test_gzip_with_a_wrong_checksum_is_refused(tmp_path: Path) -> None:
    archive = write(tmp_path / "a.tgz", FILES)
    content = archive.read_bytes()
    archive.write_bytes(content[:-8] + bytes(4) + content[-4:])
    refused(archive, "CRC check failed")


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("a.zip", b"<html>not found</html>", "no zip archive, or is cut short; download it again"),
        ("a.tgz", b"<html>not found</html>", "not compressed by gzip as its name says"),
        ("a.tgz", gzip.compress(b"<html>not found</html>", mtime=0), "cut short or corrupt"),
        ("a.tar", b"<html>not found</html>" * 99, "cut short or corrupt"),
        ("a.tar", b"", "cut short or corrupt"),
        ("a.tar", bytes(10240), "it holds no file"),
        ("a.rar", b"Rar!", r"ends in none of \.tar, \.tgz, \.tar\.gz, \.zip"),
    ],
)
def test_file_that_is_not_what_its_name_says_is_refused(
    tmp_path: Path, name: str, content: bytes, reason: str
) -> None:
    (tmp_path / name).write_bytes(content)
    refused(tmp_path / name, reason)


def test_tar_named_zip_and_zip_named_tar_are_refused(tmp_path: Path) -> None:
    write_tar(tmp_path / "a.tar", FILES).rename(tmp_path / "a.zip")
    refused(tmp_path / "a.zip", "no zip archive")
    write_zip(tmp_path / "b.zip", FILES).rename(tmp_path / "b.tar")
    refused(tmp_path / "b.tar", "cut short or corrupt")
