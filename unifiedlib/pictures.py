"""Reading pictures that anyone may have made: checked, limited in size, turned upright, RGB."""

from __future__ import annotations

import errno
import mmap
import re
from collections.abc import Sequence
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


def crop_box(picture: Image.Image, box: Box | None) -> Image.Image:
    """Cut out `box` (x0, y0, x1, y1 in 0..1), at least one pixel each way; None keeps the whole picture."""
    if box is None:
        return picture
    width, height = picture.size
    left, top = int(box[0] * width), int(box[1] * height)
    return picture.crop(
        (left, top, max(left + 1, round(box[2] * width)), max(top + 1, round(box[3] * height)))
    )


def read_picture(
    path: Path, max_pixels: int = MAX_PIXELS, draft: int | None = None, boxes: Sequence[Box | None] = (None,)
) -> Image.Image:
    """Decode a picture whole, apply its EXIF orientation and return it as RGB; transparency becomes white.

    max_pixels: width times height above which the picture is refused before it is decoded.
    draft: pixels that suffice along the longer side of each of `boxes` (x0, y0, x1, y1 in 0..1; None is the whole picture);
        JPEGs are then decoded at a half, quarter or eighth where that leaves at least one and a half times as many.
    Of several frames the first is read. Sixteen-bit pictures keep their upper eight bits.
    Raises PictureError for a missing, foreign, corrupt, truncated or oversized file, StorageError when the disk fails.
    """
    try:
        if not path.is_file():
            raise PictureError(f"{path}: no such picture")
        with Image.open(path, formats=FORMATS) as picture:
            _check_header(picture, path, max_pixels)
            if draft is not None and picture.format in JPEGS:
                _decode_smaller(picture, draft, boxes)
            picture.load()
            if picture.format in JPEGS and _ends_grey(picture) and not _is_whole(path, picture):
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
            if any(islice(re.finditer(b"\xff\xda", content), MAX_SCANS, None)):
                raise PictureError(f"{path}: more than {MAX_SCANS} scans; save it anew as a plain JPEG")


def _decode_smaller(picture: Image.Image, wanted: int, boxes: Sequence[Box | None]) -> None:
    """Let a JPEG be decoded at the smallest scale that suffices for `wanted` pixels along the longer side of each box."""
    width, height = picture.size
    longest = float(max(width, height))
    if any(box is not None for box in boxes):
        if picture.getexif().get(ExifTags.Base.Orientation) in SIDEWAYS:
            width, height = height, width
        cut = [(0.0, 0.0, 1.0, 1.0) if box is None else box for box in boxes]
        longest = min(max((x1 - x0) * width, (y1 - y0) * height) for x0, y0, x1, y1 in cut)
    width, height = picture.size
    for scale in (8, 4, 2):
        rounding = max(-width % scale, -height % scale)
        if longest >= scale * SPARE * wanted and rounding * wanted <= SHIFT * longest:
            picture.draft("RGB", (max(1, width // scale), max(1, height // scale)))
            return


def _ends_grey(picture: Image.Image) -> bool:
    """Whether the last pixel is the mid-grey with which libjpeg fills what a truncated JPEG lacks, without an error."""
    width, height = picture.size
    last = picture.getpixel((width - 1, height - 1))
    return all(value in (127, 128) for value in (last if isinstance(last, tuple) else (last,)))


def _is_whole(path: Path, decoded: Image.Image) -> bool:
    """Whether a JPEG's data reach to its last pixel: bytes put in behind them then change nothing."""
    content = path.read_bytes()
    place = 2
    while content[place : place + 2] not in (b"\xff\xda", b""):
        place += 2 + int.from_bytes(content[place + 2 : place + 4])
    end = content.find(b"\xff\xd9", place)
    if end < 0:
        return False
    longer = content[:end] + bytes(range(1, 255)) + content[end:]
    with Image.open(BytesIO(longer), formats=("JPEG",)) as again:
        again.draft(None, decoded.size)
        again.load()
        return again.size == decoded.size and again.tobytes() == decoded.tobytes()


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
    # A copy, because PyTorch takes no memory that is read-only, as Pillow's is.
    channels_last = torch.from_numpy(pixels.copy()).permute(2, 0, 1)[None]
    small = interpolate(channels_last, (height, width), mode="bicubic", antialias=True)
    return small[0].permute(1, 2, 0).numpy()


def square_pixels(picture: Image.Image, size: int) -> np.ndarray:
    """Shrink or enlarge an RGB picture to `size` x `size`, uint8 [size x size x 3].

    The picture is fitted whole, its shape kept, on a background of its mean border colour: a garment or a bottle is
    often cut by a central crop and bent by squeezing.
    """
    scale = size / max(picture.size)
    width, height = (max(1, round(side * scale)) for side in picture.size)
    small = _resize(np.asarray(picture), height, width)
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
