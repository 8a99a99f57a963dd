"""Decoding the pictures of a table of items: each once, on every core, and a run that was killed goes on where it was."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import warnings
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from threading import Lock
from time import monotonic
from typing import TypeVar

import cv2
import numpy as np
import pandas as pd
import PIL

from unifiedlib import framing, pictures, plain_jpeg
from unifiedlib.files import sha256
from unifiedlib.framing import Box, crop_pixels, square_pixels
from unifiedlib.pictures import PictureError, StorageError, read_pixels
from unifiedlib.progress import progress

Call = TypeVar("Call")
Result = TypeVar("Result")
# The stamp of a picture's file, and why it cannot be used, if so.
Decoded = tuple[tuple[int, int], str | None]

# Calls that wait in front of each worker, enough that a slow one keeps nobody idle, and pictures per call, enough that
# handing over costs little beside small pictures.
AHEAD, TOGETHER = 4, 8
# One line of the journal: the picture's number, and its file's bytes and time of change (ns) when it was decoded.
RECORD = np.dtype([("picture", "<i8"), ("bytes", "<i8"), ("modified", "<i8")])


@dataclass(frozen=True)
class Picture:
    """A picture file and the items cut from it. rows: item numbers; boxes: one per row, None for the whole picture."""

    number: int
    name: str
    rows: tuple[int, ...]
    boxes: tuple[Box | None, ...]


class PictureList:
    """The pictures of an items table, in the order in which they first come; items of one picture belong together."""

    def __init__(self, items: pd.DataFrame) -> None:
        """items: `image` and `box` of the contract. Raises ValueError for a name that leads out of the source folder."""
        self._picture_of, names = pd.factorize(items["image"])
        self.names = [str(name) for name in names]
        for name in self.names:
            path = PurePosixPath(name)
            if path.is_absolute() or ".." in path.parts:
                row = int(np.flatnonzero(items["image"] == name)[0])
                raise ValueError(f"items row {row}: image {name!r} leads outside the source folder")
        self._boxes = items["box"].tolist()
        self._order = np.argsort(self._picture_of, kind="stable")
        self._starts = np.searchsorted(self._picture_of[self._order], np.arange(len(names) + 1))

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, number: int) -> Picture:
        rows = self._order[self._starts[number] : self._starts[number + 1]].tolist()
        return Picture(number, self.names[number], tuple(rows), tuple(self._box(row) for row in rows))

    def _box(self, row: int) -> Box | None:
        box = self._boxes[row]
        if box is None or isinstance(box, float):
            return None
        x0, y0, x1, y1 = (float(value) for value in box)
        return x0, y0, x1, y1


def in_order(
    function: Callable[[Call], Result], calls: Iterable[Call], workers: int
) -> Generator[tuple[Call, Result], None, None]:
    """Each call with its result, in order, computed by threads; a bounded number is under way or waits to be taken.

    The first call that fails raises its exception; calls that had not begun are dropped.
    """
    with ThreadPoolExecutor(workers) as pool:
        waiting: deque[tuple[Call, Future[Result]]] = deque()
        try:
            for call in calls:
                waiting.append((call, pool.submit(function, call)))
                if len(waiting) >= workers * AHEAD:
                    done, future = waiting.popleft()
                    yield done, future.result()
            while waiting:
                done, future = waiting.popleft()
                yield done, future.result()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _stamp(path: Path) -> tuple[int, int]:
    """Bytes and time of change of a file, or (-1, -1) when there is none."""
    try:
        status = path.stat()
    except OSError:
        return -1, -1
    return status.st_size, status.st_mtime_ns


class Scratch:
    """A folder with the pixels decoded so far and a journal of the pictures they came from.

    `pixels.npy` is written in place, by position: a full disk is then an error, where it would kill a process that writes to
    mapped memory. A picture enters `journal` after its pixels have reached the disk. A journal cut short by a kill ends with
    its last whole record.
    """

    def __init__(self, folder: Path, n_items: int, size: int) -> None:
        self.folder, self._shape = folder, (n_items, size, size, 3)
        self._pixels_path, self._journal_path = folder / "pixels.npy", folder / "journal"
        if not self._usable():
            self._make()
        self._offset = np.load(self._pixels_path, mmap_mode="r", allow_pickle=False).offset
        self._file = self._pixels_path.open("r+b", buffering=0)
        self._writing = Lock()

    def _usable(self) -> bool:
        try:
            pixels = np.load(self._pixels_path, mmap_mode="r", allow_pickle=False)
        except (OSError, ValueError):
            return False
        return pixels.shape == self._shape and pixels.dtype == np.uint8 and self._journal_path.is_file()

    def _make(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        np.lib.format.open_memmap(self._pixels_path, mode="w+", dtype=np.uint8, shape=self._shape)
        self._journal_path.touch()

    def __enter__(self) -> Scratch:
        return self

    def __exit__(self, *error: object) -> None:
        self._file.close()

    def write(self, row: int, square: np.ndarray) -> None:
        """Store the pixels of one item, uint8 [size x size x 3]; any thread may call it."""
        with self._writing:
            self._file.seek(self._offset + row * square.nbytes)
            written = self._file.write(np.ascontiguousarray(square).data)
        if written != square.nbytes:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def records(self) -> np.ndarray:
        """The journal so far, RECORD [n]; a later record of a picture replaces an earlier one."""
        content = self._journal_path.read_bytes()
        whole = len(content) - len(content) % RECORD.itemsize
        return np.frombuffer(content[:whole], RECORD)

    def save(self, records: list[tuple[int, int, int]]) -> None:
        """Add records, after the pixels written before have reached the disk."""
        os.fsync(self._file.fileno())
        with self._journal_path.open("r+b") as journal:
            end = journal.seek(0, os.SEEK_END)
            journal.seek(end - end % RECORD.itemsize)
            journal.write(np.array(records, RECORD).tobytes())
            journal.flush()
            os.fsync(journal.fileno())

    def pixels(self) -> np.ndarray:
        """What has been stored, uint8 [n_items x size x size x 3], memory-mapped; rows not yet written are black."""
        stored: np.ndarray = np.load(self._pixels_path, mmap_mode="r", allow_pickle=False)
        return stored


def scratch_key(items: pd.DataFrame, source: Path, size: int) -> str:
    """What the decoded pixels follow from, as 16 hexadecimal digits: pictures and boxes, their folder, the size, this code.

    Files that change while a run lies broken off are not part of it: `decode_items` compares each file with its journal.
    """
    files = (framing.__file__, pictures.__file__, plain_jpeg.__file__, __file__)
    code = [sha256(Path(str(file))) for file in files]
    digest = hashlib.sha256(
        repr((str(source.resolve()), size, PIL.__version__, cv2.__version__, code)).encode()
    )
    boxes = (
        None if box is None or isinstance(box, float) else [float(x) for x in box] for box in items["box"]
    )
    for image, box in zip(items["image"], boxes, strict=True):
        digest.update(f"{image}\0{box}\n".encode())
    return digest.hexdigest()[:16]


def _to_do(listed: PictureList, source: Path, scratch: Scratch) -> np.ndarray:
    """Numbers of the pictures whose pixels are not stored, or whose file has changed since, int64 [n]."""
    done = np.zeros(len(listed), bool)
    for number, *stamp in scratch.records().tolist():
        done[number] = _stamp(source / listed.names[number]) == tuple(stamp)
    return np.flatnonzero(~done)


def _decode(picture: Picture, source: Path, size: int, scratch: Scratch) -> Decoded:
    """Store every item of a picture; returns the file's stamp, and the reason when the picture cannot be used."""
    path = source / picture.name
    stamp = _stamp(path)
    try:
        whole = read_pixels(path, draft=size, boxes=picture.boxes)
    except PictureError as error:
        if not source.is_dir():
            raise StorageError(f"{source} is gone; start again when it is back") from None
        return stamp, str(error).replace(f"{source}{os.sep}", "")
    for row, box in zip(picture.rows, picture.boxes, strict=True):
        scratch.write(row, square_pixels(crop_pixels(whole, box), size))
    return stamp, None


def _keep_journal(
    decoded: Iterable[tuple[Picture, Decoded]], scratch: Scratch, save_every: float
) -> list[dict[str, str]]:
    """Write down what comes, every so many seconds; returns the pictures that cannot be used, each with its reason."""
    left_out = []
    records: list[tuple[int, int, int]] = []
    last = monotonic()
    for picture, (stamp, reason) in decoded:
        if reason is None:
            records.append((picture.number, *stamp))
        else:
            left_out.append({"image": picture.name, "reason": reason})
        if monotonic() - last >= save_every:
            scratch.save(records)
            records, last = [], monotonic()
    scratch.save(records)
    return left_out


@contextmanager
def _storage_errors(folder: Path) -> Iterator[None]:
    """Turn an error of the disk below `folder` into a sentence."""
    try:
        yield
    except StorageError:
        raise
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            reason, remedy = "the disk is full", "free some space"
        else:
            reason, remedy = f"writing failed ({error.strerror or error})", "mend that"
        raise StorageError(
            f"{folder}: {reason}; {remedy} and start again: what is decoded is kept"
        ) from error


def decode_items(
    items: pd.DataFrame,
    source: Path,
    size: int,
    scratch_folder: Path,
    workers: int | None = None,
    save_every: float = 5.0,
) -> tuple[np.ndarray, list[dict[str, str]]]:
    """Decode the picture of every item into `scratch_folder`, uint8 [n_items x size x size x 3], memory-mapped.

    A scratch folder that a killed run left is gone on with: pictures are decoded again only when they could not be used then,
    or when the bytes or the time of change of their file differ.
    workers: threads, by default one per core. save_every: seconds of work that a kill may cost.
    Returns the pixels and, for each picture that cannot be used, its name and the reason; rows of its items mean nothing.
    Raises StorageError when the disk is full or fails.
    """
    listed = PictureList(items)
    with _storage_errors(scratch_folder), Scratch(scratch_folder, len(items), size) as scratch:
        waiting = _to_do(listed, source, scratch)
        if len(waiting) < len(listed):
            print(
                f"{len(listed) - len(waiting):,} of {len(listed):,} pictures were decoded by an earlier run"
            )
        groups = (waiting[start : start + TOGETHER] for start in range(0, len(waiting), TOGETHER))
        decoded = in_order(
            lambda group: [_decode(listed[number], source, size, scratch) for number in group],
            (group.tolist() for group in groups),
            workers or os.cpu_count() or 1,
        )
        # Threads end before the scratch file is closed, and what decoders remark on harmless oddities is kept from the log.
        with closing(decoded), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            each = (
                (listed[number], one)
                for group, done in decoded
                for number, one in zip(group, done, strict=True)
            )
            shown = progress(each, len(waiting), "decoding pictures")
            left_out = _keep_journal(shown, scratch, save_every)
        return scratch.pixels(), left_out
