"""Parts to pictures: paints a product as a sprite with transparency, shaded by its shape and material."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from unifiedlib.decor.finish import Finish
from unifiedlib.decor.geometry import Part, Points, bounds_of
from unifiedlib.decor.palette import Colour
from unifiedlib.decor.patterns import Plane
from unifiedlib.decor.textures import texture

Picture = NDArray[np.uint8]
_SHIFT = 5
_LIGHT = np.array([-0.5, -0.62], np.float32)

FIXED: dict[str, Colour] = {
    "dark": (38, 34, 32),
    "leaf": (84, 122, 72),
    "wax": (244, 236, 218),
    "flame": (255, 196, 92),
    "paper": (250, 247, 240),
    "glow": (255, 232, 186),
    "soil": (74, 54, 42),
    "linen": (240, 236, 228),
    "sky": (206, 222, 232),
}
"""Surfaces that every product shares."""

_GLOSS = {
    "metal": 0.9,
    "glass": 0.8,
    "ceramic": 0.55,
    "leather": 0.22,
    "paint": 0.18,
    "stone": 0.12,
    "wood": 0.1,
}


@dataclass(frozen=True)
class Sprite:
    """A product on a transparent ground: premultiplied RGBA [h x w x 4] and where its world origin lies."""

    pixels: Picture
    origin: tuple[float, float]
    """Column and row of the point x = 0, y = 0."""


@lru_cache(maxsize=16)
def _cylinder(material: str) -> tuple[Plane, Plane]:
    """Brightness and added highlight across a cylinder lit from the left, each [64]."""
    across = np.linspace(-0.98, 0.98, 64)
    facing = np.cos(np.arcsin(across) + 0.55)
    body = 0.56 + 0.52 * np.clip(facing, 0, 1) + 0.07 * np.clip(across, 0, 1) ** 3
    gloss = _GLOSS.get(material, 0.0)
    if material == "metal":
        body = 0.62 + 0.34 * np.clip(facing, 0, 1) + 0.2 * np.cos(across * 7.5 + 1.2)
    spot = gloss * (
        105 * np.exp(-(((across + 0.52) / 0.1) ** 2)) + 35 * np.exp(-(((across - 0.78) / 0.1) ** 2))
    )
    return body.astype(np.float32), spot.astype(np.float32)


def draw_sprite(parts: Sequence[Part], finishes: Mapping[str, Finish], scale: float) -> Sprite:
    """Paints the parts in order at `scale` pixels per unit."""
    left, bottom, right, top = bounds_of(parts)
    width, height = int(np.ceil((right - left) * scale)) + 3, int(np.ceil((top - bottom) * scale)) + 3
    canvas = np.zeros((height, width, 4), np.uint8)
    x = (((np.arange(width) - 1) / scale) + left).astype(np.float32)[None, :]
    y = (top - (np.arange(height) - 1) / scale).astype(np.float32)[:, None]
    cloths: dict[str, Plane] = {}
    for part in parts:
        outline = (part.outline - (left, top)) * (scale, -scale) + 1
        if part.surface in finishes and part.surface not in cloths:
            cloths[part.surface] = texture(finishes[part.surface], x, y)
        _paint(canvas, part, outline, cloths.get(part.surface), finishes.get(part.surface))
    return Sprite(canvas, (1 - left * scale, 1 + top * scale))


def _paint(canvas: Picture, part: Part, outline: Points, cloth: Plane | None, finish: Finish | None) -> None:
    low = np.maximum(np.floor(outline.min(axis=0)).astype(int) - 1, 0)
    high = np.minimum(np.ceil(outline.max(axis=0)).astype(int) + 2, canvas.shape[1::-1])
    window = (slice(low[1], high[1]), slice(low[0], high[0]))
    points = np.round((outline - low) * 2**_SHIFT).astype(np.int32)
    colour = part.colour or FIXED.get(part.surface)
    material = finish.material if finish else ("ceramic" if part.surface == "wax" else "fabric")
    opacity = part.opacity * (0.72 if material == "glass" and part.shade in ("round", "ball") else 1.0)
    if part.shade == "plain" and colour and opacity == 1:
        tone = [min(channel * part.light, 255) for channel in colour]
        cv2.fillPoly(canvas[window], [points], (*tone, 255), cv2.LINE_AA, _SHIFT)
        return
    mask = np.zeros((high[1] - low[1], high[0] - low[0]), np.uint8)
    cv2.fillPoly(mask, [points], 255, cv2.LINE_AA, _SHIFT)
    if cloth is None or (colour and part.surface not in FIXED):
        area = np.empty((*mask.shape, 3), np.float32)
        area[:] = colour or (128, 128, 128)
    else:
        area = cloth[window]
    area = _shade(area, mask, part, material)
    cover = mask.astype(np.float32) * (opacity / 255)
    target = canvas[window]
    layer = np.empty((*mask.shape, 4), np.uint8)
    layer[..., :3] = cv2.convertScaleAbs(np.clip(area, 0, 255))
    layer[..., 3] = 255
    canvas[window] = cv2.blendLinear(layer, np.ascontiguousarray(target), cover, 1 - cover)


def _shade(area: Plane, mask: Picture, part: Part, material: str) -> Plane:
    """The area [h x w x 3] under light, by the shape it stands for."""
    if part.shade == "round":
        return _round(area, mask, part.light, material)
    if part.shade == "puffy":
        return np.asarray(area * (_puffy(mask) * part.light)[..., None])
    if part.shade == "ball":
        return _ball(area, mask, part.light, material)
    if part.shade == "glow":
        return _glow(area, mask, part.light)
    height = mask.shape[0]
    fall = np.linspace(1.05, 0.95, height, dtype=np.float32) * part.light
    if material in ("metal", "glass") and mask.size > 400:
        streak = (
            np.linspace(0, 5, mask.shape[1], dtype=np.float32)[None, :] + np.linspace(0, 3, height)[:, None]
        )
        return area * (fall[:, None] * (1 + 0.13 * np.sin(streak)))[..., None].astype(np.float32)
    return area * fall[:, None, None]


def _round(area: Plane, mask: Picture, light: float, material: str) -> Plane:
    """A cylinder or turned solid: each row is lit across its own width, and the pattern wraps around it."""
    height, width = mask.shape
    body, spot = _cylinder(material)
    if width > 2 * height and height < 12:
        lying = np.linspace(0, 63, height).astype(int)
        return np.asarray(area * (body[lying] * light)[:, None, None] + spot[lying][:, None, None])
    inside = mask > 127
    filled = inside.any(axis=1)
    first = np.where(filled, inside.argmax(axis=1), 0).astype(np.float32)
    last = np.where(filled, width - 1 - inside[:, ::-1].argmax(axis=1), width - 1).astype(np.float32)
    centre, half = (first + last) / 2, np.maximum((last - first) / 2, 0.5)
    across = (np.arange(width, dtype=np.float32)[None, :] - centre[:, None]) / half[:, None]
    across = np.clip(across, -0.999, 0.999)
    index = ((across + 1) * 31.5).astype(np.intp)
    if width > 14:
        columns = centre[:, None] + half[:, None] * (0.72 * np.arcsin(across)).astype(np.float32)
        rows = np.broadcast_to(np.arange(height, dtype=np.float32)[:, None], columns.shape)
        places = (columns.astype(np.float32), np.ascontiguousarray(rows))
        wrapped = cv2.remap(
            np.ascontiguousarray(area), *places, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT
        )
        area = np.asarray(wrapped, np.float32)
    return np.asarray(area * (body[index] * light)[..., None] + spot[index][..., None])


def _puffy(mask: Picture) -> Plane:
    """Brightness of a soft, raised form: bright towards the light, dark at the far edge."""
    padded = cv2.copyMakeBorder(mask, 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=0)
    depth = cv2.distanceTransform((padded > 127).astype(np.uint8), cv2.DIST_L2, 3)
    reach = max(min(float(depth.max()), 0.22 * min(mask.shape)), 1.0)
    level = np.minimum(depth / reach, 1)
    level = cv2.GaussianBlur(level * (2 - level) * reach, (0, 0), max(reach * 0.22, 0.6))
    slope_x, slope_y = cv2.Sobel(level, cv2.CV_32F, 1, 0), cv2.Sobel(level, cv2.CV_32F, 0, 1)
    tilt = (slope_x * -_LIGHT[0] + slope_y * -_LIGHT[1]) / 8
    return np.asarray(np.clip(1 + 0.42 * tilt, 0.5, 1.3)[1:-1, 1:-1])


def _ball(area: Plane, mask: Picture, light: float, material: str) -> Plane:
    height, width = mask.shape
    x = np.linspace(-1, 1, width, dtype=np.float32)[None, :]
    y = np.linspace(-1, 1, height, dtype=np.float32)[:, None]
    lit = 1.12 - 0.38 * np.clip((x + 0.4) ** 2 + (y + 0.45) ** 2, 0, 2) ** 0.8
    spot = 120 * _GLOSS.get(material, 0.0) * np.exp(-((x + 0.42) ** 2 + (y + 0.48) ** 2) / 0.03)
    return np.asarray(area * (lit * light)[..., None] + spot[..., None])


def _glow(area: Plane, mask: Picture, light: float) -> Plane:
    """A lampshade lit from inside: warm and bright in the middle, its own colour at the edges."""
    height, width = mask.shape
    x = np.linspace(-1, 1, width, dtype=np.float32)[None, :]
    y = np.linspace(-1, 1, height, dtype=np.float32)[:, None]
    bulb = np.exp(-(x * x * 1.6 + (y - 0.25) ** 2 * 1.1))[..., None] * light
    warm = np.array([78, 58, 24], np.float32)
    return area * (0.72 + 0.3 * bulb) + warm * bulb
