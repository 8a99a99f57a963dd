"""The pin: a styled picture in a room or on a field of colour, with props, grading, text or a collage."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from unifiedlib.decor.finish import some_look
from unifiedlib.decor.geometry import View
from unifiedlib.decor.nuisances import PinNuisances
from unifiedlib.decor.palette import LOOKS, Colour, jitter, mix, triple, wood
from unifiedlib.decor.picture import (
    SUPERSAMPLE,
    canvas,
    fitted_sprite,
    grade,
    light_up,
    resized,
    shrink,
    stand,
    wall_and_floor,
)
from unifiedlib.decor.product import Product
from unifiedlib.decor.render import Picture

_WORDS = (
    "home",
    "cosy",
    "decor",
    "new in",
    "ideas",
    "love this",
    "DIY",
    "interior",
    "20 looks",
    "shop",
    "style",
    "SALE",
)
_STRAY_WALLS = 0.4
"""Chance that the wall of a pin is painted without regard to the look of its product."""
_WALLS = ("plain", "boards", "panel", "plaster", "brick", "plain")


def any_colour(rng: np.random.Generator, look: str | None = None) -> Colour:
    """A colour of a look, or of none in particular, softened as on a painted wall."""
    colour = triple(look or LOOKS[int(rng.integers(len(LOOKS)))], rng)[int(rng.integers(3))]
    return mix(jitter(colour, rng), (242.0, 238.0, 230.0), float(rng.uniform(0.25, 0.75)))


def any_floor(rng: np.random.Generator, look: str | None = None) -> Colour:
    """The colour of a floor of a look, or of none in particular."""
    boards = wood(look or LOOKS[int(rng.integers(len(LOOKS)))], rng)
    return mix(boards, any_colour(rng), float(rng.uniform(0, 0.6)))


def draw_pin(
    product: Product,
    props: Sequence[Product],
    rng: np.random.Generator,
    size: int,
    nuisances: PinNuisances,
) -> Picture:
    """The pin [size x size x 3] of a product; `props` stand around.

    Each nuisance has a generator of its own: turning one up or down leaves the others as they are.
    """
    choosing, drawing, grading, writing = rng.spawn(4)
    whole = size * SUPERSAMPLE
    kind = choosing.random()
    if kind < 0.2 * nuisances.collage:
        picture = _collage(product, drawing, whole)
    elif kind < 0.45:
        picture = _colour_field(product, drawing, whole)
    else:
        picture = _setting(product, props, drawing, whole, nuisances.props)
    picture = _grade(picture, grading, nuisances.grading)
    picture = _label(picture, writing, nuisances.text)
    return shrink(picture, size)


def _view(rng: np.random.Generator) -> View:
    return View(float(rng.uniform(-0.5, 0.5)), float(rng.uniform(0.1, 0.34)))


def _setting(
    product: Product, props: Sequence[Product], rng: np.random.Generator, whole: int, strength: float
) -> Picture:
    """The product against a wall, with props behind it."""
    surrounding = rng.spawn(1)[0]
    picture = canvas(whole, (255, 255, 255))
    stands = product.category.stands
    horizon = rng.uniform(0.58, 0.78) if stands in ("floor", "table") else rng.uniform(0.86, 1.02)
    horizon = rng.uniform(0.12, 0.4) if stands == "ground" else horizon
    wall = any_colour(rng, some_look(product.look, _STRAY_WALLS, rng))
    floor = any_floor(rng, some_look(product.look, _STRAY_WALLS, rng))
    wall_and_floor(picture, wall, floor, float(horizon), str(rng.choice(_WALLS)), rng)
    base = whole * min(horizon + rng.uniform(0.1, 0.2), 0.95)
    room = whole * rng.uniform(0.62, 0.8)
    _surround(picture, props, surrounding, base, strength)
    sprite = fitted_sprite(product, _view(rng), room, room)
    height, width = sprite.pixels.shape[:2]
    x = (whole - width) / 2 + rng.normal(0, 0.05) * whole
    y = base - height if stands in ("floor", "table") else (whole - height) / 2 + rng.normal(0, 0.03) * whole
    y = max(y, 0.02 * whole)
    stand(picture, product, sprite, x, -2 if stands == "ceiling" else y, 0.42)
    return picture


def _surround(
    picture: Picture, props: Sequence[Product], rng: np.random.Generator, base: float, strength: float
) -> None:
    """Other products, beside and behind."""
    whole = picture.shape[0]
    for number, prop in enumerate(props):
        if rng.random() > 0.75 * strength:
            continue
        reach = whole * rng.uniform(0.26, 0.42)
        sprite = fitted_sprite(prop, _view(rng), reach, reach)
        height, width = sprite.pixels.shape[:2]
        x = rng.uniform(-0.08, 0.14) * whole if number % 2 else whole * rng.uniform(0.86, 1.08) - width
        y = base - height * rng.uniform(0.98, 1.08)
        if prop.category.stands in ("wall", "ceiling"):
            y = whole * rng.uniform(0.02, 0.16)
        stand(picture, prop, sprite, x, y, 0.35)


def _colour_field(product: Product, rng: np.random.Generator, whole: int) -> Picture:
    """The product on a field of colour with a disc, an arch or a stripe behind it."""
    ground, figure = any_colour(rng, some_look(product.look, _STRAY_WALLS, rng)), any_colour(rng)
    picture = canvas(whole, ground)
    shape = rng.integers(5)
    middle = (int(whole * rng.uniform(0.4, 0.6)), int(whole * rng.uniform(0.4, 0.55)))
    radius = int(whole * rng.uniform(0.28, 0.4))
    if shape == 0:
        cv2.circle(picture, middle, radius, figure, -1, cv2.LINE_AA)
    elif shape == 1:
        cv2.circle(picture, middle, radius, figure, -1, cv2.LINE_AA)
        cv2.rectangle(picture, (middle[0] - radius, middle[1]), (middle[0] + radius, whole), figure, -1)
    elif shape == 2:
        picture[int(whole * rng.uniform(0.6, 0.8)) :] = figure
    elif shape == 3:
        picture[:, int(whole * rng.uniform(0.4, 0.6)) :] = figure
    room = whole * rng.uniform(0.68, 0.86)
    sprite = fitted_sprite(product, _view(rng), room, room)
    height, width = sprite.pixels.shape[:2]
    x = (whole - width) / 2 + rng.normal(0, 0.04) * whole
    stand(picture, product, sprite, x, (whole - height) / 2 + rng.normal(0, 0.03) * whole, 0.36)
    return picture


def _collage(product: Product, rng: np.random.Generator, whole: int) -> Picture:
    """Two pictures side by side: the product, and a close look at it, with a white gap."""
    picture = canvas(whole, (252, 250, 246))
    gap = max(whole // 50, 2)
    split = int(whole * rng.uniform(0.5, 0.64))
    spans = [(0, split - gap), (split + gap, whole)]
    for number, (left, right) in enumerate(spans):
        panel = canvas(right - left, any_colour(rng), whole)
        room = (right - left) * (0.9 if number == 0 else rng.uniform(1.5, 2.1))
        sprite = fitted_sprite(product, _view(rng), room, whole * (0.72 if number == 0 else 1.4))
        height, width = sprite.pixels.shape[:2]
        x, y = (right - left - width) / 2, (whole - height) / 2
        stand(panel, product, sprite, x, y, 0.3)
        picture[:, left:right] = panel
    return picture


def _grade(picture: Picture, rng: np.random.Generator, strength: float) -> Picture:
    """Beams of window light, colour grading and uneven light."""
    whole = picture.shape[0]
    if rng.random() < 0.35 * strength:
        beam = np.ones((whole, whole), np.float32)
        start, lean = rng.uniform(0.0, 0.6) * whole, rng.uniform(0.2, 0.5) * whole
        for shift in (0.0, 0.22 * whole):
            corners = [
                (start + shift, 0),
                (start + shift + 0.17 * whole, 0),
                (start + shift + 0.17 * whole - lean, whole),
                (start + shift - lean, whole),
            ]
            cv2.fillPoly(beam, [np.array(corners, np.int32)], 1.17)
        lit = picture * cv2.blur(beam, (whole // 24, whole // 24))[..., None]
        picture = np.asarray(cv2.convertScaleAbs(lit), np.uint8)
    warm = float(rng.normal(0, 0.1)) * strength
    gain = (1 + warm, 1 + float(rng.normal(0, 0.025)) * strength, 1 - warm)
    picture = grade(
        picture, gain, float(rng.uniform(0, 0.2) * strength), float(1 + rng.normal(0, 0.16) * strength)
    )
    return light_up(picture, rng, 0.14 * strength)


def _label(picture: Picture, rng: np.random.Generator, strength: float) -> Picture:
    """A word over the picture, a border around it."""
    whole = picture.shape[0]
    if rng.random() < 0.4 * strength:
        _write(picture, rng)
    if rng.random() < 0.22 * strength:
        edge = int(whole * rng.uniform(0.02, 0.06))
        foot = int(edge * rng.choice([1, 2.6]))
        inner = resized(picture, whole - 2 * edge, whole - edge - foot)
        picture = canvas(whole, (251, 249, 245))
        picture[edge : whole - foot, edge : whole - edge] = inner
    return picture


def _write(picture: Picture, rng: np.random.Generator) -> None:
    """A word or two over the picture, on a band or on nothing."""
    whole = picture.shape[0]
    word = str(rng.choice(_WORDS))
    font = int(
        rng.choice(
            [
                cv2.FONT_HERSHEY_SIMPLEX,
                cv2.FONT_HERSHEY_COMPLEX,
                cv2.FONT_HERSHEY_SCRIPT_SIMPLEX,
                cv2.FONT_HERSHEY_DUPLEX,
            ]
        )
    )
    thick = max(whole // 110, 1)
    (wide, high), _ = cv2.getTextSize(word, font, 1.0, thick)
    scale = whole * rng.uniform(0.3, 0.52) / max(wide, 60)
    wide, high = int(wide * scale), int(high * scale)
    x = int((whole - wide) * rng.uniform(0.1, 0.9))
    y = int(whole * rng.choice([rng.uniform(0.14, 0.2), rng.uniform(0.84, 0.95)]))
    ink: Colour = (250.0, 248.0, 244.0) if rng.random() < 0.6 else (44.0, 40.0, 38.0)
    if rng.random() < 0.5:
        band = any_colour(rng)
        if ink[0] > 200:
            band = mix(band, (40.0, 40.0, 44.0), 0.55)
        pad = int(high * 0.5)
        cv2.rectangle(picture, (x - pad, y - high - pad), (x + wide + pad, y + pad), band, -1)
    cv2.putText(picture, word, (x, y), font, scale, ink, thick, cv2.LINE_AA)
