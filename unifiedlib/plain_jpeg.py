"""Plain JPEGs, which most photographs are, decoded at the size that is wanted in less time than Pillow takes."""

from __future__ import annotations

import os
import re
import struct
from collections.abc import Iterable, Sequence
from pathlib import Path

import cv2
import numpy as np
from PIL import ExifTags, Image

from unifiedlib.framing import Box

# A block of 64 pixels takes one bit or more, also in a JPEG of one colour.
PIXELS_PER_BYTE = 64 * 8
# JPEGs are decoded at a half, quarter or eighth where that leaves SPARE times the pixels wanted, and where the rounding of
# the smaller sides shifts nothing by more than SHIFT pixels of those wanted.
SPARE, SHIFT = 1.5, 0.25
# Larger files are left to Pillow, which reads piece by piece.
AT_ONCE = 2**24
# OpenCV's flags for RGB as it is stored (an EXIF orientation left alone), and for each scale.
AS_STORED = cv2.IMREAD_COLOR_RGB | cv2.IMREAD_IGNORE_ORIENTATION
SCALED = {
    1: AS_STORED,
    2: AS_STORED | cv2.IMREAD_REDUCED_GRAYSCALE_2,
    4: AS_STORED | cv2.IMREAD_REDUCED_GRAYSCALE_4,
    8: AS_STORED | cv2.IMREAD_REDUCED_GRAYSCALE_8,
}
START, END, SCAN, FRAME, EXIF = b"\xff\xd8", b"\xff\xd9", b"\xff\xda", b"\xff\xc0", b"\xff\xe1"
# Segments of a plain JPEG: tables, restart interval, frame of a baseline picture, JFIF, EXIF or XMP, ICC, Adobe, comment.
PLAIN = frozenset(bytes((255, kind)) for kind in (0xC4, 0xDB, 0xDD, 0xC0, 0xE0, 0xE1, 0xE2, 0xED, 0xEE, 0xFE))
# The marker behind a scan: a zero byte and restarts belong to the scan.
SCAN_ENDS = re.compile(rb"\xff[^\x00\xd0-\xd7]")


def scale_of(
    width: int, height: int, wanted: int, boxes: Sequence[Box | None], sideways: bool = False
) -> int:
    """How many times smaller (1, 2, 4, 8) a JPEG has `wanted` pixels and more along the longer side of each box."""
    longest = float(max(width, height))
    if any(box is not None for box in boxes):
        across, down = (height, width) if sideways else (width, height)
        cut = [(0.0, 0.0, 1.0, 1.0) if box is None else box for box in boxes]
        longest = min(max((x1 - x0) * across, (y1 - y0) * down) for x0, y0, x1, y1 in cut)
    for scale in (8, 4, 2):
        rounding = max(-width % scale, -height % scale)
        fits = scale <= min(width, height) and longest >= scale * SPARE * wanted
        if fits and rounding * wanted <= SHIFT * longest:
            return scale
    return 1


def beginning(path: Path) -> bytes:
    """What a file holds, up to AT_ONCE bytes."""
    with path.open("rb", buffering=0) as stream:
        return stream.read(min(os.fstat(stream.fileno()).st_size, AT_ONCE))


def decode_plain_jpeg(
    content: bytes, max_pixels: int, draft: int | None, boxes: Sequence[Box | None]
) -> np.ndarray | None:
    """Pixels of a plain JPEG, uint8 [height x width x 3]; None for any other file, and for one with the least doubt.

    OpenCV passes over damage that Pillow refuses, but inside of the one scan both trust the same library.
    """
    try:
        size = _plain_size(content)
    # Damaged EXIF makes Pillow raise errors of many kinds, and a file may end inside of its frame's segment.
    except Exception:
        return None
    if size is None or not 0 < size[0] * size[1] <= min(max_pixels, len(content) * PIXELS_PER_BYTE):
        return None
    width, height = size
    scale = 1 if draft is None else scale_of(width, height, draft, boxes)
    try:
        pixels: np.ndarray | None = cv2.imdecode(np.frombuffer(content, np.uint8), SCALED[scale])
    except cv2.error:
        return None
    if pixels is None or pixels.shape != (-(-height // scale), -(-width // scale), 3):
        return None
    return None if is_grey(pixels[-1, -1].tolist()) else pixels


def _plain_size(content: bytes) -> tuple[int, int] | None:
    """Width and height of an upright baseline JPEG of three colours and one scan, behind which the file ends."""
    place, size = len(START), None
    if not content.startswith(START):
        return None
    while (marker := content[place : place + 2]) in PLAIN:
        length = 2 + int.from_bytes(content[place + 2 : place + 4])
        if marker == FRAME:
            bits, height, width, colours = struct.unpack(">BHHB", content[place + 4 : place + 10])
            size = (width, height) if (bits, colours) == (8, 3) else None
        if marker == EXIF and not _is_upright(content[place + 4 : place + length]):
            return None
        place += length
    end = SCAN_ENDS.search(content, place + 2)
    if marker != SCAN or end is None or end.group() != END or end.end() != len(content):
        return None
    return size


def _is_upright(segment: bytes) -> bool:
    """Whether EXIF or XMP surely leave a picture as it is stored."""
    if not segment.startswith(b"Exif\0\0"):
        return b"rientation" not in segment
    exif = Image.Exif()
    exif.load(segment)
    return bool(exif.get(ExifTags.Base.Orientation, 1) == 1)


def is_grey(pixel: Iterable[float | None]) -> bool:
    """Whether a pixel is the mid-grey with which libjpeg fills what a truncated JPEG lacks, without an error."""
    return all(value in (127, 128) for value in pixel)
