"""Random generators derived from a seed and a place, so that any part can be drawn alone and in any order."""

from __future__ import annotations

from enum import IntEnum

import numpy as np


class Stream(IntEnum):
    """What a generator is for; each purpose has a stream of its own."""

    PRODUCT = 1
    STYLE_ORDER = 2
    TEXTURE = 3
    PIN = 4
    CAMERA = 5
    CATALOG = 6
    SCENE = 7
    CLICK = 8
    SAMPLE = 9
    SCENE_LIGHT = 10
    PRODUCT_LINE = 11


def generator(seed: int, stream: Stream, *place: int) -> np.random.Generator:
    """A generator that depends on nothing but the seed, the stream and the place (whole numbers >= 0)."""
    return np.random.default_rng([seed, int(stream), *place])
