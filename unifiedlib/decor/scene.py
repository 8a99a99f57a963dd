"""The scene: a furnished room with several products, and the crop around the box of one of them."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from unifiedlib.decor.layout import ASPECT, Box, Layout, Placement
from unifiedlib.decor.palette import LOOKS, Colour, mix, wood
from unifiedlib.decor.picture import canvas, darken, grade, light_up, resized, softened, stand, wall_and_floor
from unifiedlib.decor.pin import any_colour, any_floor
from unifiedlib.decor.render import Picture, draw_sprite

_MARGIN = 1.08
"""The crop is this much longer than the box's longer side."""


_SHARPEST = 3.2
"""Width of a scene over the size of its crops: crops of small boxes are less sharp, as in a photograph."""


def draw_room(
    layout: Layout, rng: np.random.Generator, width: int, strength: float, within: Box = (0, 0, 1, 1)
) -> Picture:
    """The scene [0.75 * width x width x 3]; products far outside the box `within` may be left out."""
    height = round(width * ASPECT)
    picture = canvas(width, (255, 255, 255), height)
    wall, floor = any_colour(rng), any_floor(rng)
    kind = str(rng.choice(["plain", "boards", "panel", "plaster", "brick"]))
    wall_and_floor(picture, wall, floor, layout.horizon, kind, rng)
    _window(picture, layout, rng)
    tone = wood(LOOKS[int(rng.integers(len(LOOKS)))], rng)
    on_top = [item for item in layout.placements if item.product.category.stands == "table"]
    console_is_drawn = False
    for item in layout.placements:
        if item.product.category.stands in ("table", "floor") and not console_is_drawn:
            _consoles(picture, on_top, layout.surface * width, tone)
            console_is_drawn = True
        if _reaches(item.box, within):
            sprite = draw_sprite(item.parts, item.product.finishes, item.scale * width)
            stand(picture, item.product, sprite, item.left * width, item.top * width, 0.42)
    return _evening(picture, rng, strength)


def draw_crop(layout: Layout, rng: np.random.Generator, box: Box, size: int, strength: float) -> Picture:
    """The square around a box [size x size x 3], moved inwards where it would leave the scene."""
    wide, tall = box[2] - box[0], (box[3] - box[1]) * ASPECT
    side = min(max(wide, tall) * _MARGIN, ASPECT)
    width = int(min(1.5 * size / side, _SHARPEST * size))
    x0 = float(np.clip((box[0] + box[2] - side) / 2, 0, 1 - side))
    y0 = float(np.clip(((box[1] + box[3]) * ASPECT - side) / 2, 0, ASPECT - side))
    within = (x0, y0 / ASPECT, x0 + side, (y0 + side) / ASPECT)
    room = draw_room(layout, rng, width, strength, within)
    left, top = int(x0 * width), int(y0 * width)
    pixels = max(min(int(side * width), room.shape[0] - top, width - left), 1)
    return resized(room[top : top + pixels, left : left + pixels], size, size)


def _reaches(box: Box, within: Box) -> bool:
    """Whether the product, with room for its shadow, touches the area."""
    wide, tall = 0.25 * (box[2] - box[0]), 0.25 * (box[3] - box[1])
    across = box[0] - wide < within[2] and box[2] + wide > within[0]
    return across and box[1] - tall < within[3] and box[3] + tall > within[1]


def _consoles(picture: Picture, items: Sequence[Placement], level: float, tone: Colour) -> None:
    """A console under the small things, so that they stand on something."""
    if not items:
        return
    height, width = picture.shape[:2]
    left = int(min(item.left for item in items) * width - 0.06 * width)
    right = int(max(item.left + item.width for item in items) * width + 0.06 * width)
    top, foot = int(level - 0.016 * width), int(min(level + 0.26 * width, 0.97 * height))
    soft = max(int(0.022 * width), 1)
    shadow = np.pad(np.full((2 * soft, right - left), 0.42, np.float32), soft)
    darken(picture, softened(shadow, soft | 1), left - soft, foot - 2 * soft)
    front, dark = mix(tone, (30, 24, 20), 0.14), mix(tone, (30, 24, 20), 0.45)
    cv2.rectangle(picture, (left, top + int(0.03 * width)), (right, foot - int(0.035 * width)), front, -1)
    for share in (0.0, 1 / 3, 2 / 3, 1.0):
        x = int(left + (right - left) * share)
        cv2.line(
            picture, (x, top + int(0.04 * width)), (x, foot - int(0.035 * width)), dark, max(width // 300, 1)
        )
    for x in (left + int(0.02 * width), right - int(0.035 * width)):
        cv2.rectangle(picture, (x, foot - int(0.035 * width)), (x + int(0.015 * width), foot), dark, -1)
    lip = int(0.008 * width)
    cv2.rectangle(
        picture,
        (left - lip, top),
        (right + lip, top + int(0.032 * width)),
        mix(tone, (255, 250, 240), 0.18),
        -1,
    )
    cv2.rectangle(
        picture, (left - lip, top + int(0.026 * width)), (right + lip, top + int(0.036 * width)), dark, -1
    )


def _window(picture: Picture, layout: Layout, rng: np.random.Generator) -> None:
    """Half the rooms have a window in the wall behind everything."""
    height, width = picture.shape[:2]
    left, wide = rng.uniform(0.05, 0.7), rng.uniform(0.16, 0.26)
    top, low = rng.uniform(0.08, 0.14), layout.horizon - rng.uniform(0.12, 0.2)
    if rng.random() > 0.5:
        return
    x0, x1, y0, y1 = int(left * width), int((left + wide) * width), int(top * height), int(low * height)
    frame = max(int(0.012 * width), 2)
    cv2.rectangle(picture, (x0 - frame, y0 - frame), (x1 + frame, y1 + frame), (238, 235, 228), -1)
    sky = np.linspace(0, 1, max(y1 - y0, 1))[:, None, None]
    window = picture[y0:y1, max(x0, 0) : min(x1, width)]
    window[:] = np.broadcast_to(
        np.array((178, 205, 226)) * (1 - sky) + np.array((232, 236, 226)) * sky, window.shape
    )
    cv2.rectangle(
        picture, ((x0 + x1) // 2 - frame // 3, y0), ((x0 + x1) // 2 + frame // 3, y1), (238, 235, 228), -1
    )
    cv2.rectangle(
        picture,
        (x0, (2 * y0 + y1) // 3 - frame // 3),
        (x1, (2 * y0 + y1) // 3 + frame // 3),
        (238, 235, 228),
        -1,
    )
    cv2.rectangle(
        picture, (x0 - 2 * frame, y1 + frame), (x1 + 2 * frame, y1 + 2 * frame), (226, 222, 214), -1
    )


def _evening(picture: Picture, rng: np.random.Generator, strength: float) -> Picture:
    """The light of the room: warm or cool, brighter on one side."""
    warm = rng.normal(0.04, 0.17) * strength
    exposure = float(np.exp(rng.normal(-0.08, 0.24) * strength))
    lit = light_up(picture, rng, 0.32 * strength)
    gain = (exposure * (1 + warm), exposure, exposure * (1 - warm))
    return grade(
        lit, gain, float(rng.uniform(0, 0.1) * strength), float(1 - rng.uniform(-0.1, 0.2) * strength)
    )
