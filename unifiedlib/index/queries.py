"""From a picture, or a box in it, to the pixels that a model embeds, prepared as the pipeline prepares a collection's."""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from unifiedlib.framing import Box, crop_pixels, square_pixels
from unifiedlib.pictures import PictureError, read_pixels

Picture = str | PathLike[str] | Image.Image | np.ndarray
# Pillow's modes of eight bits per channel; others have no known range, or hold more than a screen shows.
MODES = ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK", "YCbCr")


def check_box(box: Sequence[float] | None) -> Box | None:
    """A box as a tuple. Raises ValueError unless it is (x0, y0, x1, y1) with 0 <= x0 < x1 <= 1 and so for y."""
    if box is None:
        return None
    if len(box) != 4 or not (0 <= box[0] < box[2] <= 1 and 0 <= box[1] < box[3] <= 1):
        raise ValueError(
            f"box is {list(box)}; it must be (x0, y0, x1, y1) with 0 <= x0 < x1 <= 1 and so for y"
        )
    x0, y0, x1, y1 = (float(side) for side in box)
    return x0, y0, x1, y1


def query_pixels(picture: Picture, size: int, box: Sequence[float] | None = None) -> np.ndarray:
    """What a model of `size` sees of a picture: uint8 [size x size x 3].

    picture: a file's path, a picture of Pillow's, or RGB pixels uint8 [height x width x 3]. Files and Pillow's pictures are
    turned upright by their EXIF orientation, and what is transparent becomes white.
    box: (x0, y0, x1, y1) in 0..1 of the upright picture, None for all of it.
    Raises PictureError for a file or picture that cannot be used; TypeError for pixels of another dtype; ValueError for another
    shape, or a box out of range.
    """
    cut = check_box(box)
    if isinstance(picture, np.ndarray):
        pixels = _checked(picture)
    elif isinstance(picture, Image.Image):
        pixels = _upright(picture)
    else:
        pixels = read_pixels(Path(picture), draft=size, boxes=(cut,))
    return square_pixels(crop_pixels(pixels, cut), size)


def _checked(pixels: np.ndarray) -> np.ndarray:
    if pixels.dtype != np.uint8:
        raise TypeError(f"pixels are {pixels.dtype}; they must be uint8, 0 to 255")
    if pixels.ndim != 3 or pixels.shape[2] != 3 or 0 in pixels.shape:
        raise ValueError(f"pixels have shape {list(pixels.shape)}; they must be [height x width x 3], RGB")
    return pixels


def _upright(picture: Image.Image) -> np.ndarray:
    if picture.mode not in MODES:
        raise PictureError(
            f"a picture of mode {picture.mode!r} has no known range: convert it to RGB, or name its file"
        )
    try:
        upright = ImageOps.exif_transpose(picture)
    except Exception as error:  # a lazily opened file is decoded here, and decoders meet damage in many ways
        raise PictureError(f"the picture is corrupt or truncated ({error})") from None
    if upright.has_transparency_data:
        clear = upright.convert("RGBA")
        upright = Image.alpha_composite(Image.new("RGBA", clear.size, (255, 255, 255, 255)), clear)
    return np.asarray(upright.convert("RGB"))
