"""The camera photo: odd angle, mixed light, clutter, something in the way, blur, noise and JPEG."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from unifiedlib.decor.geometry import View
from unifiedlib.decor.nuisances import CameraNuisances
from unifiedlib.decor.palette import mix
from unifiedlib.decor.picture import canvas, fitted_sprite, grade, paste, shrink, stand, wall_and_floor
from unifiedlib.decor.pin import any_colour, any_floor
from unifiedlib.decor.product import Product
from unifiedlib.decor.render import Picture
from unifiedlib.decor.textures import value_noise

_SHARP = 1.5
"""Photos are blurred anyway, so they are drawn less oversized than the other pictures."""


def draw_camera(
    product: Product,
    clutter: Sequence[Product],
    rng: np.random.Generator,
    size: int,
    nuisances: CameraNuisances,
) -> Picture:
    """The photo [size x size x 3] of a product among clutter.

    Each nuisance has a generator of its own: turning one up or down leaves the others as they are.
    """
    placing, tilting, hiding, lighting, blurring, sensing = rng.spawn(6)
    whole = int(size * _SHARP)
    picture = _place(product, clutter, placing, whole, nuisances)
    picture = _tilt(picture, tilting, nuisances.tilt)
    if hiding.random() < 0.6 * nuisances.occlusion:
        _obstruct(picture, hiding, nuisances.occlusion)
    picture = _light(picture, lighting, nuisances.light)
    picture = _blur(picture, blurring, nuisances.blur)
    return _sensor(shrink(picture, size), sensing, nuisances)


def _place(
    product: Product,
    clutter: Sequence[Product],
    rng: np.random.Generator,
    whole: int,
    nuisances: CameraNuisances,
) -> Picture:
    furnishing, cluttering, framing = rng.spawn(3)
    picture = canvas(whole, (255, 255, 255))
    stands = product.category.stands
    high = (0.0, 0.2) if stands == "ground" else (0.4, 0.7) if stands in ("floor", "table") else (0.8, 1.05)
    horizon = float(furnishing.uniform(*high))
    kind = str(furnishing.choice(["plaster", "brick", "boards", "plain"]))
    floor = mix(any_floor(furnishing), (120, 110, 100), 0.3)
    wall_and_floor(picture, any_colour(furnishing), floor, horizon, kind, furnishing)
    _objects(picture, cluttering, horizon, int(7 * nuisances.clutter))
    _products(picture, clutter, cluttering, horizon, nuisances.clutter)
    picture = np.asarray(cv2.blur(picture, (3, 3)), np.uint8)
    astray = nuisances.framing
    room = whole * framing.uniform(0.7 - 0.16 * astray, 0.88)
    view = View(float(framing.uniform(-0.62, 0.62)), float(framing.uniform(0.06, 0.46)))
    sprite = fitted_sprite(product, view, room, room)
    height, width = sprite.pixels.shape[:2]
    x = (whole - width) / 2 + framing.normal(0, 0.08) * astray * whole
    y = (whole - height) / 2 + (0.04 + framing.normal(0, 0.07) * astray) * whole
    stand(picture, product, sprite, x, y, float(framing.uniform(0.35, 0.6)))
    return picture


def _products(
    picture: Picture, clutter: Sequence[Product], rng: np.random.Generator, horizon: float, strength: float
) -> None:
    """Other products at the sides."""
    whole = picture.shape[0]
    for prop in clutter:
        if rng.random() > strength:
            continue
        reach = whole * rng.uniform(0.3, 0.55)
        sprite = fitted_sprite(prop, View(float(rng.uniform(-0.6, 0.6)), 0.25), reach, reach)
        x = rng.choice([rng.uniform(-0.2, 0.05), rng.uniform(0.65, 0.95)]) * whole
        y = (horizon + rng.uniform(-0.05, 0.1)) * whole - sprite.pixels.shape[0]
        y = rng.uniform(0, 0.2) * whole if prop.category.stands == "wall" else y
        stand(picture, prop, sprite, x, y, 0.4)


def _objects(picture: Picture, rng: np.random.Generator, horizon: float, count: int) -> None:
    """Boxes, bottles and boards standing about, in any colour."""
    whole = picture.shape[0]
    for _ in range(count):
        wide, high = rng.uniform(0.05, 0.2) * whole, rng.uniform(0.06, 0.34) * whole
        x, foot = rng.uniform(-0.05, 1.0) * whole, whole * (horizon + rng.uniform(-0.02, 0.12))
        tone = any_colour(rng)
        corner, end = (int(x), int(foot - high)), (int(x + wide), int(foot))
        if rng.random() < 0.3:
            centre = (int(x + wide / 2), int(foot - high / 2))
            cv2.ellipse(picture, centre, (int(wide / 2), int(high / 2)), 0, 0, 360, tone, -1, cv2.LINE_AA)
        else:
            cv2.rectangle(picture, corner, end, tone, -1)
            shaded = mix(tone, (30, 28, 26), 0.3)
            cv2.rectangle(picture, (int(x + wide * 0.7), corner[1]), end, shaded, -1)


def _tilt(picture: Picture, rng: np.random.Generator, strength: float) -> Picture:
    """The camera held askew: rotation and perspective."""
    whole = picture.shape[0]
    corners = np.array([(0, 0), (1, 0), (1, 1), (0, 1)], np.float32) - 0.5
    turn = rng.normal(0, 0.16) * strength
    spin = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    moved = corners @ spin.T * 1.06 + rng.uniform(-0.13, 0.13, (4, 2)) * strength
    source, target = (corners + 0.5) * whole, (moved + 0.5) * whole
    warp = cv2.getPerspectiveTransform(source.astype(np.float32), target.astype(np.float32))
    moved_picture = cv2.warpPerspective(
        picture, warp, (whole, whole), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT
    )
    return np.asarray(moved_picture, np.uint8)


def _obstruct(picture: Picture, rng: np.random.Generator, strength: float) -> None:
    """Something dark and out of focus in front: a leaf, a finger at the edge, the back of a chair."""
    whole = picture.shape[0]
    layer = np.zeros((whole, whole, 4), np.uint8)
    tone = mix(any_colour(rng), (70, 52, 44), float(rng.uniform(0.3, 0.8)))
    kind = rng.integers(3)
    side = rng.choice([-1, 1])
    if kind == 0:
        centre = (int(whole * (0.5 + side * rng.uniform(0.4, 0.52))), int(whole * rng.uniform(0.1, 0.95)))
        axes = (int(whole * rng.uniform(0.12, 0.24)), int(whole * rng.uniform(0.12, 0.3)))
        cv2.ellipse(layer, centre, axes, float(rng.uniform(0, 90)), 0, 360, (*tone, 255), -1)
    elif kind == 1:
        y = int(whole * rng.uniform(0.78, 0.95))
        cv2.rectangle(layer, (0, y), (whole, whole), (*tone, 255), -1)
    else:
        for k in range(3):
            x = int(whole * (0.5 + side * rng.uniform(0.1, 0.5)))
            end = (int(x + whole * rng.uniform(-0.2, 0.2)), int(whole * rng.uniform(0.3, 0.7)))
            cv2.line(layer, (x, whole * (k % 2)), end, (*tone, 255), int(whole * 0.035 * (1 + strength)))
    blur = max(whole // 24, 1) | 1
    paste(picture, np.asarray(cv2.blur(layer, (blur, blur)), np.uint8), 0, 0)


def _light(picture: Picture, rng: np.random.Generator, strength: float) -> Picture:
    """A colour cast that changes across the picture, uneven brightness, a cast shadow and bad exposure."""
    whole = picture.shape[0]
    lamp = np.array(
        [
            1.0 + rng.uniform(-0.12, 0.34) * strength,
            1.0 + rng.normal(0, 0.05) * strength,
            1.0 - rng.uniform(-0.2, 0.42) * strength,
        ]
    )
    window = np.array([1.0 - rng.uniform(0, 0.2) * strength, 1.0, 1.0 + rng.uniform(0, 0.2) * strength])
    share = np.clip(value_noise(rng, (whole, whole), (1, 1)) * 0.8 + 0.5, 0, 1)[..., None]
    field = (lamp * share + window * (1 - share)).astype(np.float32)
    field *= (1 + 0.34 * strength * value_noise(rng, (whole, whole), (2, 2)))[..., None]
    if rng.random() < 0.5 * strength:
        edge = np.linspace(-1, 1, whole, dtype=np.float32)
        angle = rng.uniform(0, 2 * np.pi)
        side = edge[None, :] * np.cos(angle) + edge[:, None] * np.sin(angle) + rng.uniform(-0.3, 0.3)
        field *= (1 - 0.38 * np.clip(side * 9 + 0.5, 0, 1))[..., None]
    lit = np.asarray(cv2.convertScaleAbs(picture * field), np.uint8)
    exposure = float(np.exp(rng.normal(-0.06, 0.24) * strength))
    gain = (exposure, exposure, exposure)
    return grade(
        lit, gain, float(rng.uniform(0, 0.12) * strength), float(1 - rng.uniform(-0.15, 0.35) * strength)
    )


def _blur(picture: Picture, rng: np.random.Generator, strength: float) -> Picture:
    """Out of focus or shaken; widths follow the size of the picture."""
    whole = picture.shape[0]
    if rng.random() < 0.35 * strength:
        length = max(int(whole * rng.uniform(0.015, 0.05)), 2)
        kernel = np.zeros((length, length), np.float32)
        angle = rng.uniform(0, np.pi)
        way = np.array([np.cos(angle), np.sin(angle)]) * length
        middle = np.array([length / 2, length / 2])
        start, end = (middle - way / 2).astype(int).tolist(), (middle + way / 2).astype(int).tolist()
        cv2.line(kernel, start, end, 1.0, 1)
        total = float(kernel.sum())
        return np.asarray(cv2.filter2D(picture, -1, kernel / max(total, 1.0)), np.uint8)
    spread = 0.3 + whole * rng.uniform(0, 0.011) * strength
    return np.asarray(cv2.GaussianBlur(picture, (0, 0), spread), np.uint8)


def _sensor(picture: Picture, rng: np.random.Generator, nuisances: CameraNuisances) -> Picture:
    """Sensor noise, then JPEG."""
    strength = nuisances.noise
    noise = rng.normal(0, rng.uniform(2, 16) * strength, (*picture.shape[:2], 1)).astype(np.float32)
    tint = rng.normal(0, 4 * strength, (picture.shape[0] // 2 + 1, picture.shape[1] // 2 + 1, 3)).astype(
        np.float32
    )
    coarse = cv2.resize(tint, picture.shape[1::-1], interpolation=cv2.INTER_LINEAR)
    noisy = np.clip(picture + noise + coarse, 0, 255).astype(np.uint8)
    quality = int(np.clip(95 - rng.uniform(20, 95) * nuisances.compression, 12, 95))
    _, stream = cv2.imencode(".jpg", noisy[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
    decoded = np.asarray(cv2.imdecode(stream, cv2.IMREAD_COLOR), np.uint8)
    return np.ascontiguousarray(decoded[..., ::-1])
