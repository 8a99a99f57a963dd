"""Writing files so that half-written output is never mistaken for whole: write aside, then rename."""

from __future__ import annotations

import glob
import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pandas as pd
from safetensors import SafetensorError

MIB = 2**20


class WriteError(OSError):
    """A file could not be written; the message says which, why, and what to do."""


def why_not_written(path: Path, needed: int, error: Exception) -> str:
    """What to tell the user when `needed` bytes could not be written to `path`: is the disk full, or what else is wrong?"""
    free = shutil.disk_usage(path.parent).free if path.parent.is_dir() else 0
    reason = (
        f"the disk is full ({needed / MIB:,.0f} MiB are needed, {free / MIB:,.0f} are free)"
        if free < needed
        else f"writing failed ({error})"
    )
    return f"{path} could not be written: {reason}; mend that and start again"


@contextmanager
def large_write(path: Path, needed: int) -> Iterator[None]:
    """Turn what the disk says while `needed` bytes are written to `path` into a WriteError that a user understands."""
    try:
        yield
    except (OSError, SafetensorError) as error:
        raise WriteError(why_not_written(path, needed, error)) from error


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Yield a temporary sibling of `path` to write to; it becomes `path` when the block ends without an error.

    The parent folder is made. If the block fails, the temporary file is removed and an older `path` stays as it was.
    The temporary name keeps the suffix of `path`, since some writers choose the format (or add a suffix) by it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.stem}.{os.getpid()}.part{path.suffix}")
    try:
        yield aside
        os.replace(aside, path)
    finally:
        aside.unlink(missing_ok=True)


@contextmanager
def atomic_folder(folder: Path) -> Iterator[Path]:
    """Yield an empty temporary folder that replaces `folder` when the block ends without an error.

    If the block fails, or the process is killed, an older `folder` stays as it was, but for one instant: a process killed
    between the two renames leaves it beside its place, to which the next call puts it back. What killed processes left
    is removed. Where `folder` is a link, what it leads to is replaced.
    """
    folder = folder.resolve()
    folder.parent.mkdir(parents=True, exist_ok=True)
    _clear_after_killed(folder)
    aside, old = (folder.with_name(f".{folder.name}.{os.getpid()}.{end}") for end in ("part", "old"))
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir()
    try:
        yield aside
        if folder.exists():
            os.replace(folder, old)
        os.replace(aside, folder)
    finally:
        if old.exists() and not folder.exists():
            os.replace(old, folder)
        shutil.rmtree(aside, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)


def _clear_after_killed(folder: Path) -> None:
    """Put back, or remove, what a process that is no more left beside `folder`."""
    for left in sorted(folder.parent.glob(f".{glob.escape(folder.name)}.*")):
        number, _, end = left.name.removeprefix(f".{folder.name}.").partition(".")
        if not number.isdecimal() or end not in ("part", "old") or _is_running(int(number)):
            continue
        if end == "old" and not folder.exists():
            os.replace(left, folder)
        else:
            shutil.rmtree(left, ignore_errors=True)


def _is_running(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def write_json(path: Path, content: object) -> None:
    """Write `content` as indented JSON; NaN and infinity are refused (ValueError)."""
    text = json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False)
    with atomic_path(path) as aside:
        aside.write_text(text + "\n", encoding="utf-8")


def write_table(path: Path, frame: pd.DataFrame) -> None:
    """Write a table as Parquet or CSV, by the suffix of `path`; any other suffix is a ValueError."""
    with atomic_path(path) as aside:
        match path.suffix:
            case ".parquet":
                frame.to_parquet(aside, index=False)
            case ".csv":
                frame.to_csv(aside, index=False, lineterminator="\n")
            case suffix:
                raise ValueError(f"cannot write a table as '{suffix}' ({path}): use .parquet or .csv")


def sha256(path: Path) -> str:
    """Hexadecimal SHA-256 of a file's bytes, read in pieces."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def inside(folder: Path, relative: str, where: str) -> str:
    """`relative`, cleaned, as a path below `folder`; links are followed.

    where: what named it, for the message, such as `images.csv row 3`. Raises ValueError when it leads outside the folder.
    """
    path = (folder / relative.strip().lstrip("/")).resolve()
    if not path.is_relative_to(folder.resolve()):
        raise ValueError(f"{folder}: {where} names {relative!r}, which leads outside the folder")
    return path.relative_to(folder.resolve()).as_posix()
