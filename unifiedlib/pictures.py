"""Reading pictures that anyone may have made: checked, limited in size, turned upright, RGB."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

MAX_PIXELS = 100_000_000
FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "TIFF", "GIF")


class PictureError(ValueError):
    """A picture that cannot be used; the message names the file and the reason."""


def crop_box(picture: Image.Image, box: tuple[float, float, float, float] | None) -> Image.Image:
    """Cut out `box` (x0, y0, x1, y1 in 0..1), at least one pixel each way; None keeps the whole picture."""
    if box is None:
        return picture
    width, height = picture.size
    left, top = int(box[0] * width), int(box[1] * height)
    return picture.crop(
        (left, top, max(left + 1, round(box[2] * width)), max(top + 1, round(box[3] * height)))
    )


def read_picture(path: Path, max_pixels: int = MAX_PIXELS, draft: int | None = None) -> Image.Image:
    """Decode a picture whole, apply its EXIF orientation and return it as RGB; transparency becomes white.

    max_pixels: width times height above which the picture is refused before it is decoded.
    draft: a side length in pixels that suffices; JPEGs are then decoded at a half, quarter or eighth where that is at least
        twice this size.
    Raises PictureError for a missing, foreign, corrupt, truncated or oversized file.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(path, formats=FORMATS) as picture:
                width, height = picture.size
                if width * height > max_pixels:
                    raise PictureError(
                        f"{path}: {width} x {height} pixels is over the limit of {max_pixels:,}; shrink it first"
                    )
                if draft is not None and picture.format == "JPEG":
                    picture.draft("RGB", (2 * draft, 2 * draft))
                picture.load()
                return _to_rgb(ImageOps.exif_transpose(picture))
    except FileNotFoundError:
        raise PictureError(f"{path}: no such picture") from None
    except UnidentifiedImageError:
        raise PictureError(f"{path}: not a picture in a known format ({', '.join(FORMATS)})") from None
    except Image.DecompressionBombError as error:
        raise PictureError(f"{path}: {error}") from None
    except (OSError, SyntaxError, ValueError, EOFError, MemoryError) as error:
        if isinstance(error, PictureError):
            raise
        raise PictureError(f"{path}: corrupt or truncated ({error})") from None


def _to_rgb(picture: Image.Image) -> Image.Image:
    if picture.mode in ("RGBA", "LA", "PA") or "transparency" in picture.info:
        picture = picture.convert("RGBA")
        white = Image.new("RGBA", picture.size, (255, 255, 255, 255))
        return Image.alpha_composite(white, picture).convert("RGB")
    if picture.mode.startswith("I"):
        wide = np.asarray(picture, dtype=np.float64)
        return Image.fromarray((wide / 257).clip(0, 255).astype(np.uint8)).convert("RGB")
    return picture.convert("RGB")


def square_pixels(picture: Image.Image, size: int) -> np.ndarray:
    """Shrink or enlarge a picture to `size` x `size`, uint8 [size x size x 3].

    The picture is fitted whole, its shape kept, on a background of its mean border colour: a garment or a bottle is
    often cut by a central crop and bent by squeezing.
    """
    scale = size / max(picture.size)
    width, height = (max(1, round(side * scale)) for side in picture.size)
    small = np.asarray(picture.resize((width, height), Image.Resampling.BICUBIC, reducing_gap=2.0))
    border = np.concatenate([small[0], small[-1], small[:, 0], small[:, -1]]).mean(axis=0)
    square = np.empty((size, size, 3), np.uint8)
    square[:] = np.rint(border).astype(np.uint8)
    top, left = (size - height) // 2, (size - width) // 2
    square[top : top + height, left : left + width] = small
    return square
