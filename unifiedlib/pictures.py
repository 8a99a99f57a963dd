"""Reading pictures that anyone may have made: checked, limited in size, turned upright, RGB."""

from __future__ import annotations

import errno
import mmap
import re
from collections.abc import Sequence
from io import BytesIO
from itertools import islice
from pathlib import Path

import numpy as np
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

from unifiedlib.framing import Box
from unifiedlib.plain_jpeg import END, PIXELS_PER_BYTE, SCAN, beginning, decode_plain_jpeg, is_grey, scale_of

MAX_PIXELS = 100_000_000
# A progressive JPEG has about ten scans; a few bytes can declare thousands, each as dear as a whole picture.
MAX_SCANS = 200
ROWS_AT_ONCE = 64
FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "TIFF", "GIF")
# Pillow calls a JPEG with further pictures behind the first, as many phones make them, an MPO.
JPEGS = ("JPEG", "MPO")
SIDEWAYS = (5, 6, 7, 8)
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
        pixels = decode_plain_jpeg(beginning(path), max_pixels, draft, boxes)
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
    scale = scale_of(width, height, wanted, boxes, sideways)
    if scale > 1:
        picture.draft("RGB", (width // scale, height // scale))


def _ends_grey(picture: Image.Image) -> bool:
    width, height = picture.size
    last = picture.getpixel((width - 1, height - 1))
    return is_grey(last if isinstance(last, tuple) else (last,))


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


def _eight_bits(wide: np.ndarray) -> np.ndarray:
    """Greys of 16 bits [height x width] as uint8, divided by 257 and rounded; some rows at a time, to spare memory.

    257 is odd, so that no value lies halfway between two.
    """
    grey = np.empty(wide.shape, np.uint8)
    for start in range(0, len(wide), ROWS_AT_ONCE):
        rows = slice(start, start + ROWS_AT_ONCE)
        grey[rows] = (wide[rows].astype(np.uint32) + 128) // 257
    return grey


def _to_rgb(picture: Image.Image, path: Path) -> Image.Image:
    if picture.mode in ("I", "F"):
        raise PictureError(f"{path}: its 32-bit values have no known range; save it with 8 or 16 bits")
    if picture.mode.startswith("I;16"):
        wide = np.asarray(picture)
        grey = _eight_bits(wide)
        if (clear := picture.info.get("transparency")) is not None:
            grey[wide == clear] = 255
        return Image.fromarray(grey).convert("RGB")
    if picture.mode in ("RGBA", "LA", "PA") or "transparency" in picture.info:
        picture = picture.convert("RGBA")
        white = Image.new("RGBA", picture.size, (255, 255, 255, 255))
        return Image.alpha_composite(white, picture).convert("RGB")
    return picture if picture.mode == "RGB" else picture.convert("RGB")
