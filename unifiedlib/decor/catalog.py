"""The catalog picture: the product alone, whole and centred on white."""

from __future__ import annotations

import numpy as np

from unifiedlib.decor.geometry import View
from unifiedlib.decor.picture import SUPERSAMPLE, canvas, fitted_sprite, shrink, stand
from unifiedlib.decor.product import Product
from unifiedlib.decor.render import Picture


def draw_catalog(product: Product, rng: np.random.Generator, size: int) -> Picture:
    """The catalog picture [size x size x 3] of a product."""
    whole = size * SUPERSAMPLE
    white = (250 - rng.uniform(0, 7) + rng.normal(0, 1.0, 3)).tolist()
    picture = canvas(whole, white)
    picture[int(whole * 0.75) :] -= np.linspace(0, 7, whole - int(whole * 0.75)).astype(np.uint8)[
        :, None, None
    ]
    view = View(float(rng.uniform(0.1, 0.42) * rng.choice([-1, 1])), float(rng.uniform(0.16, 0.28)))
    room = whole * rng.uniform(0.76, 0.84)
    sprite = fitted_sprite(product, view, room, room)
    height, width = sprite.pixels.shape[:2]
    stand(picture, product, sprite, (whole - width) / 2, (whole - height) / 2, 0.3)
    return shrink(picture, size)
