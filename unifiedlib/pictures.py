"""Reading pictures that anyone may have made: checked, limited in size, turned upright, RGB."""

from __future__ import annotations

import errno
import mmap
import os
import re
import struct
from collections.abc import Iterable, Sequence
from io import BytesIO
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
import torch
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError
from torch.nn.functional import interpolate

Box = tuple[float, float, float, float]

MAX_PIXELS = 100_000_000
# A progressive JPEG has about ten scans; a few bytes can declare thousands, each as dear as a whole picture.
MAX_SCANS = 200
FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "TIFF", "GIF")
# A block of 64 pixels takes one bit or more, also in a JPEG of one colour.
PIXELS_PER_BYTE = 64 * 8
# Pillow calls a JPEG with further pictures behind the first, as many phones make them, an MPO.
JPEGS = ("JPEG", "MPO")
SIDEWAYS = (5, 6, 7, 8)
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


# Errors of the disk, the network or this process, for which no picture is to blame.
MACHINE_ERRORS = frozenset(
    {
        errno.EIO,
        errno.EMFILE,
        errno.ENFILE,
        errno.ENODEV,
        errno.ENOTCONN,
        errno.ENXIO,
        errno.ESTALE,
        errno.ETIMEDOUT,
    }
)


class PictureError(ValueError):
    """A picture that cannot be used; the message names the file and the reason."""


class StorageError(OSError):
    """A disk or folder that cannot be read or written; no picture is to blame, and the same call may succeed later."""


def _corners(width: int, height: int, box: Box) -> tuple[int, int, int, int]:
    """Left, top, right and bottom of a box in pixels, at least one pixel each way."""
    left, top = int(box[0] * width), int(box[1] * height)
    return left, top, max(left + 1, round(box[2] * width)), max(top + 1, round(box[3] * height))


def crop_box(picture: Image.Image, box: Box | None) -> Image.Image:
    """Cut out `box` (x0, y0, x1, y1 in 0..1), at least one pixel each way; None keeps the whole picture."""
    return picture if box is None else picture.crop(_corners(*picture.size, box))


def crop_pixels(pixels: np.ndarray, box: Box | None) -> np.ndarray:
    """`crop_box` of pixels [height x width x 3]; the result is a view."""
    if box is None:
        return pixels
    left, top, right, bottom = _corners(pixels.shape[1], pixels.shape[0], box)
    return pixels[top:bottom, left:right]


def read_picture(
    path: Path, max_pixels: int = MAX_PIXELS, draft: int | None = None, boxes: Sequence[Box | None] = (None,)
) -> Image.Image:
    """`read_pixels` as a picture of Pillow's, RGB."""
    picture = _read(path, max_pixels, draft, boxes)
    return Image.fromarray(picture) if isinstance(picture, np.ndarray) else picture


def read_pixels(
    path: Path, max_pixels: int = MAX_PIXELS, draft: int | None = None, boxes: Sequence[Box | None] = (None,)
) -> np.ndarray:
    """Decode a picture whole, apply its EXIF orientation; RGB, uint8 [height x width x 3]; transparency becomes white.

    max_pixels: width times height above which the picture is refused before it is decoded.
    draft: pixels that suffice along the longer side of each of `boxes` (x0, y0, x1, y1 in 0..1; None is the whole picture);
        JPEGs are then decoded at a half, quarter or eighth where that leaves at least one and a half times as many.
    Of several frames the first is read. Sixteen-bit pictures keep their upper eight bits.
    Raises PictureError for a missing, foreign, corrupt, truncated or oversized file, StorageError when the disk fails.
    """
    return np.asarray(_read(path, max_pixels, draft, boxes))


def _read(
    path: Path, max_pixels: int, draft: int | None, boxes: Sequence[Box | None]
) -> Image.Image | np.ndarray:
    """See `read_pixels`. OpenCV decodes what is surely whole and plain, in less time to the same pixels; Pillow the rest."""
    try:
        if not path.is_file():
            raise PictureError(f"{path}: no such picture")
        pixels = _plain_jpeg(_beginning(path), max_pixels, draft, boxes)
        if pixels is not None:
            return pixels
        with Image.open(path, formats=FORMATS) as picture:
            _check_header(picture, path, max_pixels)
            if draft is not None and picture.format in JPEGS:
                _decode_smaller(picture, draft, boxes)
            picture.load()
            if picture.format in JPEGS and _ends_grey(picture) and not _is_whole(path):
                raise PictureError(f"{path}: corrupt or truncated (its data end before the picture does)")
            ImageOps.exif_transpose(picture, in_place=True)
            return _to_rgb(picture, path)
    except PictureError:
        raise
    except UnidentifiedImageError:
        raise PictureError(f"{path}: not a picture in a known format ({', '.join(FORMATS)})") from None
    except PermissionError:
        raise PictureError(f"{path}: may not be read; change its permissions") from None
    except Image.DecompressionBombError:
        raise PictureError(
            f"{path}: its size is over the limit of {max_pixels:,} pixels; shrink it first"
        ) from None
    except MemoryError:
        raise PictureError(f"{path}: does not fit into memory; shrink it first") from None
    # Decoders meet damage in many ways: besides OSError and ValueError, struct.error, IndexError, TypeError and others.
    except Exception as error:
        if isinstance(error, OSError) and error.errno in MACHINE_ERRORS:
            raise StorageError(
                f"{path}: reading failed ({error.strerror}); start again when it works"
            ) from error
        raise PictureError(f"{path}: corrupt or truncated ({error})") from None


def _check_header(picture: Image.Image, path: Path, max_pixels: int) -> None:
    """Refuse what would take too long to decode, and a PNG whose checksums tell that it was damaged."""
    width, height = picture.size
    if width * height > max_pixels:
        raise PictureError(
            f"{path}: {width} x {height} pixels is over the limit of {max_pixels:,}; shrink it first"
        )
    if picture.format == "PNG":
        with Image.open(path, formats=("PNG",)) as again:
            again.verify()
    if picture.format in JPEGS and path.stat().st_size * PIXELS_PER_BYTE < width * height:
        raise PictureError(f"{path}: corrupt or truncated (too few bytes for {width} x {height} pixels)")
    if picture.format in JPEGS and "progressive" in picture.info:
        with path.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as content:
            if any(islice(re.finditer(SCAN, content), MAX_SCANS, None)):
                raise PictureError(f"{path}: more than {MAX_SCANS} scans; save it anew as a plain JPEG")


def _decode_smaller(picture: Image.Image, wanted: int, boxes: Sequence[Box | None]) -> None:
    """Let Pillow decode a JPEG at the smallest scale that suffices."""
    width, height = picture.size
    cut = any(box is not None for box in boxes)
    sideways = cut and picture.getexif().get(ExifTags.Base.Orientation) in SIDEWAYS
    scale = _scale(width, height, wanted, boxes, sideways)
    if scale > 1:
        picture.draft("RGB", (width // scale, height // scale))


def _scale(width: int, height: int, wanted: int, boxes: Sequence[Box | None], sideways: bool = False) -> int:
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


def _beginning(path: Path) -> bytes:
    """What a file holds, up to AT_ONCE bytes."""
    with path.open("rb", buffering=0) as stream:
        return stream.read(min(os.fstat(stream.fileno()).st_size, AT_ONCE))


def _plain_jpeg(
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
    scale = 1 if draft is None else _scale(width, height, draft, boxes)
    try:
        pixels: np.ndarray | None = cv2.imdecode(np.frombuffer(content, np.uint8), SCALED[scale])
    except cv2.error:
        return None
    if pixels is None or pixels.shape != (-(-height // scale), -(-width // scale), 3):
        return None
    return None if _is_grey(pixels[-1, -1].tolist()) else pixels


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


def _is_grey(pixel: Iterable[float | None]) -> bool:
    """Whether a pixel is the mid-grey with which libjpeg fills what a truncated JPEG lacks, without an error."""
    return all(value in (127, 128) for value in pixel)


def _ends_grey(picture: Image.Image) -> bool:
    width, height = picture.size
    last = picture.getpixel((width - 1, height - 1))
    return _is_grey(last if isinstance(last, tuple) else (last,))


def _is_whole(path: Path) -> bool:
    """Whether a JPEG's data reach to its last pixel: bytes put in behind them then change nothing, also unscaled."""
    content = path.read_bytes()
    place = 2
    while content[place : place + 2] not in (SCAN, b""):
        place += 2 + int.from_bytes(content[place + 2 : place + 4])
    end = content.find(END, place)
    if end < 0:
        return False
    longer = content[:end] + bytes(range(1, 255)) + content[end:]
    with (
        Image.open(BytesIO(content), formats=("JPEG",)) as once,
        Image.open(BytesIO(longer), formats=("JPEG",)) as again,
    ):
        return again.tobytes() == once.tobytes()


def _to_rgb(picture: Image.Image, path: Path) -> Image.Image:
    if picture.mode in ("I", "F"):
        raise PictureError(f"{path}: its 32-bit values have no known range; save it with 8 or 16 bits")
    if picture.mode.startswith("I;16"):
        wide = np.asarray(picture).astype(np.float64)
        grey = np.rint(wide / 257).astype(np.uint8)
        if (clear := picture.info.get("transparency")) is not None:
            grey[wide == clear] = 255
        return Image.fromarray(grey).convert("RGB")
    if picture.mode in ("RGBA", "LA", "PA") or "transparency" in picture.info:
        picture = picture.convert("RGBA")
        white = Image.new("RGBA", picture.size, (255, 255, 255, 255))
        return Image.alpha_composite(white, picture).convert("RGB")
    return picture if picture.mode == "RGB" else picture.convert("RGB")


def _resize(pixels: np.ndarray, height: int, width: int) -> np.ndarray:
    """Bicubic and antialiased: Pillow's result to one level, from PyTorch's kernel for bytes in a third of the time."""
    if pixels.shape[:2] == (height, width):
        return pixels
    # PyTorch takes no memory that is read-only, as Pillow's is.
    pixels = pixels if pixels.flags.writeable else pixels.copy()
    # Only so, with the strides of a batch, does its kernel keep the channels together.
    channels_last = torch.from_numpy(pixels)[None].permute(0, 3, 1, 2)
    small = interpolate(channels_last, (height, width), mode="bicubic", antialias=True)
    return small[0].permute(1, 2, 0).numpy()


def square_pixels(picture: Image.Image | np.ndarray, size: int) -> np.ndarray:
    """Shrink or enlarge an RGB picture, or its pixels uint8 [height x width x 3], to `size` x `size`, uint8 [size x size x 3].

    The picture is fitted whole, its shape kept, on a background of its mean border colour: a garment or a bottle is
    often cut by a central crop and bent by squeezing.
    """
    pixels = np.asarray(picture)
    scale = size / max(pixels.shape[:2])
    height, width = (max(1, round(side * scale)) for side in pixels.shape[:2])
    small = _resize(pixels, height, width)
    border = np.concatenate([small[0], small[-1], small[:, 0], small[:, -1]]).mean(axis=0)
    top, left = (size - height) // 2, (size - width) // 2
    return np.asarray(
        cv2.copyMakeBorder(
            small,
            top,
            size - height - top,
            left,
            size - width - left,
            cv2.BORDER_CONSTANT,
            value=np.rint(border).tolist(),
        )
    )
