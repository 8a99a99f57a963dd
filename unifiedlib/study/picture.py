"""What a rater looks at, as PNG: a query, and a list of results in rows from the nearest on. No text, no names."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

COLUMNS = 5
TILE, GAP = 104, 6
QUERY_TILE = 168
BACKGROUND = (255, 255, 255)


def _tile(pixels: np.ndarray, size: int) -> Image.Image:
    return Image.fromarray(np.asarray(pixels)).resize((size, size), Image.Resampling.LANCZOS)


def _png(picture: Image.Image) -> bytes:
    stream = io.BytesIO()
    picture.save(stream, "PNG")
    return stream.getvalue()


def query_picture(pixels: np.ndarray, size: int = QUERY_TILE) -> bytes:
    """A picture uint8 [s x s x 3] as PNG, `size` pixels square."""
    return _png(_tile(pixels, size))


def list_image(pixels: np.ndarray, columns: int = COLUMNS, size: int = TILE) -> Image.Image:
    """Pictures uint8 [n x s x s x 3] in rows of at most `columns`, from left to right; a single one is shown larger."""
    if len(pixels) == 1:
        return _tile(pixels[0], QUERY_TILE)
    width = min(columns, len(pixels))
    n_rows = -(-len(pixels) // width)
    pitch = size + GAP
    sheet = Image.new("RGB", (width * pitch - GAP, n_rows * pitch - GAP), BACKGROUND)
    for place, one in enumerate(pixels):
        sheet.paste(_tile(one, size), (place % width * pitch, place // width * pitch))
    return sheet


def list_picture(pixels: np.ndarray, columns: int = COLUMNS, size: int = TILE) -> bytes:
    """`list_image` as PNG."""
    return _png(list_image(pixels, columns, size))
