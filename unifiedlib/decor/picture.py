"""Pictures that products are put into: backgrounds, pasting, shadows, light and finishing touches."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from unifiedlib.decor.geometry import View, bounds_of
from unifiedlib.decor.palette import Colour
from unifiedlib.decor.patterns import Plane
from unifiedlib.decor.product import Product
from unifiedlib.decor.render import Picture, Sprite, draw_sprite
from unifiedlib.decor.textures import value_noise

SUPERSAMPLE = 2
"""Pictures are drawn this many times too large and averaged down, which smooths every edge."""


def canvas(size: int, colour: Sequence[float], height: int | None = None) -> Picture:
    """A picture [height x size x 3] of one colour; square unless a height is given."""
    picture = np.empty((height or size, size, 3), np.uint8)
    picture[:] = np.clip(colour, 0, 255).astype(np.uint8)
    return picture


def shrink(picture: Picture, size: int) -> Picture:
    """Averages a square picture down to size [size x size x 3]."""
    return resized(picture, size, size)


def resized(picture: Picture, width: int, height: int) -> Picture:
    """Averages a picture down to another size [height x width x 3]."""
    return np.asarray(cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA), np.uint8)


def softened(plane: Plane, width: int) -> Plane:
    """A plane [h x w] blurred twice over `width` pixels (odd)."""
    return np.asarray(cv2.blur(cv2.blur(plane, (width, width)), (width, width)), np.float32)


def fitted_sprite(product: Product, view: View, width: float, height: float) -> Sprite:
    """The product painted as large as fits into width x height pixels."""
    parts = product.parts(view)
    left, bottom, right, top = bounds_of(parts)
    return draw_sprite(parts, product.finishes, min(width / (right - left), height / (top - bottom)))


def _overlap(
    picture: Picture, sprite: Picture | Plane, x: int, y: int
) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
    height, width = sprite.shape[:2]
    rows = slice(max(y, 0), min(y + height, picture.shape[0]))
    columns = slice(max(x, 0), min(x + width, picture.shape[1]))
    inside = (slice(rows.start - y, rows.stop - y), slice(columns.start - x, columns.stop - x))
    return (rows, columns), inside


def paste(picture: Picture, sprite: Picture, x: float, y: float) -> None:
    """Lays a premultiplied RGBA sprite on the picture, its corner at (x, y); clips at the edges."""
    window, inside = _overlap(picture, sprite, round(x), round(y))
    layer, ground = sprite[inside], picture[window]
    if layer.size == 0 or ground.size == 0:
        return
    left = 255 - layer[..., 3:].astype(np.uint16)
    picture[window] = layer[..., :3] + ((ground * left + 127) // 255).astype(np.uint8)


def darken(picture: Picture, amount: Plane, x: float, y: float) -> None:
    """Multiplies the picture by 1 - amount [h x w] around the place whose upper left corner is (x, y)."""
    window, inside = _overlap(picture, amount, round(x), round(y))
    layer = amount[inside]
    if layer.size and picture[window].size:
        picture[window] = (picture[window] * (1 - layer)[..., None]).astype(np.uint8)


def floor_shadow(picture: Picture, sprite: Sprite, x: float, y: float, strength: float = 0.4) -> None:
    """A soft pool of shadow under a standing product whose sprite's corner is at (x, y)."""
    height, width = sprite.pixels.shape[:2]
    deep = max(int(width * 0.16), 4)
    pool = np.zeros((3 * deep, int(width * 1.4) + 2), np.float32)
    axes = (int(width * 0.47), max(deep // 2, 2))
    cv2.ellipse(pool, (pool.shape[1] // 2, pool.shape[0] // 2), axes, 0, 0, 360, strength, -1)
    darken(picture, softened(pool, deep | 1), x - 0.17 * width, y + height - 1.95 * deep)


def drop_shadow(
    picture: Picture, sprite: Sprite, x: float, y: float, shift: tuple[float, float], strength: float = 0.35
) -> None:
    """The product's own outline as a blurred shadow on the wall behind it, moved by `shift` pixels."""
    blur = max(int(sprite.pixels.shape[0] * 0.05), 1) * 2 + 1
    mask = np.pad(sprite.pixels[..., 3], blur).astype(np.float32) * (strength / 255)
    darken(picture, softened(mask, blur), x - blur + shift[0], y - blur + shift[1])


def stand(
    picture: Picture, product: Product, sprite: Sprite, x: float, y: float, strength: float = 0.4
) -> None:
    """Pastes a product with the shadow that suits where it stands or hangs."""
    stands = product.category.stands
    size = sprite.pixels.shape[0]
    if stands in ("wall", "ceiling"):
        drop_shadow(picture, sprite, x, y, (0.05 * size, 0.05 * size), strength * 0.8)
    elif stands == "ground":
        drop_shadow(picture, sprite, x, y, (0.02 * size, 0.03 * size), strength * 0.6)
    else:
        floor_shadow(picture, sprite, x, y, strength)
    paste(picture, sprite.pixels, x, y)


def wall_and_floor(
    picture: Picture, wall: Colour, floor: Colour, horizon: float, kind: str, rng: np.random.Generator
) -> None:
    """Paints a wall above and a floor below `horizon` (0..1 from the top): boards, tiles, planks or plain."""
    height, width = picture.shape[:2]
    edge = int(np.clip(horizon, 0, 1) * height)
    across = np.linspace(1.04, 0.93, width, dtype=np.float32)[None, :, None]
    picture[:edge] = np.clip(np.array(wall, np.float32) * across, 0, 255)
    depth = height - edge
    if depth > 0:
        fall = np.linspace(0.86, 1.06, depth, dtype=np.float32)[:, None, None]
        picture[edge:] = np.clip(np.array(floor, np.float32) * fall * across, 0, 255)
    _wall_lines(picture[:edge], wall, kind, rng)
    if depth > 4:
        _floor_lines(picture[edge:], floor, rng)
        skirting = max(height // 40, 2)
        tone = tuple(float(min(channel * 1.12 + 6, 250)) for channel in wall)
        cv2.rectangle(picture, (0, edge - skirting), (width, edge), tone, -1)
        cv2.line(picture, (0, edge), (width, edge), tuple(0.55 * channel for channel in floor), 1)


def _wall_lines(wall: Picture, colour: Colour, kind: str, rng: np.random.Generator) -> None:
    height, width = wall.shape[:2]
    if height < 8:
        return
    dark = tuple(float(channel * 0.9) for channel in colour)
    if kind == "boards":
        for x in range(int(rng.integers(width // 8)), width, max(width // 9, 4)):
            cv2.line(wall, (x, 0), (x, height), dark, max(width // 160, 1))
    elif kind == "brick":
        row_high = max(height // 14, 4)
        for number, y in enumerate(range(0, height, row_high)):
            cv2.line(wall, (0, y), (width, y), dark, max(width // 160, 1))
            for x in range((number % 2) * row_high, width, row_high * 2):
                cv2.line(wall, (x, y), (x, y + row_high), dark, max(width // 160, 1))
    elif kind == "panel":
        inset = width // 12
        for left in (inset, width // 2 + inset // 2):
            cv2.rectangle(
                wall,
                (left, inset),
                (left + width // 2 - inset * 3 // 2, height - inset),
                dark,
                max(width // 130, 1),
            )
    elif kind == "plaster":
        noise = value_noise(rng, (height, width), (6, 6)) + 0.5 * value_noise(rng, (height, width), (20, 20))
        wall[:] = np.clip(wall * (1 + 0.045 * noise)[..., None], 0, 255)


def _floor_lines(floor: Picture, colour: Colour, rng: np.random.Generator) -> None:
    height, width = floor.shape[:2]
    dark = tuple(float(channel * 0.84) for channel in colour)
    kind = rng.integers(4)
    if kind == 0:
        return
    if kind == 1:
        for y in (np.linspace(0, 1, 7)[1:] ** 1.5 * height).astype(int):
            cv2.line(floor, (0, int(y)), (width, int(y)), dark, 1)
        return
    centre = width * rng.uniform(0.3, 0.7)
    for x in np.linspace(-2.2, 2.2, 19 if kind == 2 else 11):
        start, end = (int(centre + x * width * 0.42), 0), (int(centre + x * width), height)
        cv2.line(floor, start, end, dark, max(width // 220, 1), cv2.LINE_AA)
    if kind == 3:
        for y in (np.linspace(0, 1, 6)[1:] ** 1.6 * height).astype(int):
            cv2.line(floor, (0, int(y)), (width, int(y)), dark, 1)


def grade(picture: Picture, gain: Sequence[float], lift: float, contrast: float) -> Picture:
    """Colour grading by a table: gain of each channel, lifted shadows (0..1), contrast around the middle."""
    level = np.arange(256, dtype=np.float32)[:, None] / 255
    graded = ((level - 0.5) * contrast + 0.5) * np.asarray(gain, np.float32)
    table = np.clip((lift + (1 - lift) * graded) * 255, 0, 255).astype(np.uint8)
    return np.asarray(cv2.LUT(picture, table[None]), np.uint8)


def light_up(picture: Picture, rng: np.random.Generator, strength: float) -> Picture:
    """Uneven light: a smooth field of brightness over the whole picture."""
    height, width = picture.shape[:2]
    field = (1 + strength * value_noise(rng, (height, width), (2, 2))).astype(np.float32)
    return np.asarray(cv2.multiply(picture, cv2.merge([field] * 3), dtype=cv2.CV_8U), np.uint8)
