"""Finishes as pictures: patterns in colour with the grain of wood, cloth, cane, stone or brushed metal."""

from __future__ import annotations

import cv2
import numpy as np

from unifiedlib.decor.finish import Finish
from unifiedlib.decor.patterns import PATTERNS, Plane


def value_noise(rng: np.random.Generator, shape: tuple[int, int], cells: tuple[int, int]) -> Plane:
    """Smooth noise [h x w] in -1..1, made of `cells` (rows, columns) blown up."""
    coarse = rng.uniform(-1, 1, (max(cells[0], 1) + 1, max(cells[1], 1) + 1)).astype(np.float32)
    return np.asarray(cv2.resize(coarse, (shape[1], shape[0]), interpolation=cv2.INTER_LINEAR))


def texture(finish: Finish, x: Plane, y: Plane) -> Plane:
    """The finish on a plane: `x` [1 x w], `y` [h x 1] (up), in units, to RGB 0..255 [h x w x 3]."""
    first, second, third = (np.array(colour, np.float32) for colour in finish.colours)
    shape = (y.shape[0], x.shape[1])
    if finish.pattern == "plain":
        picture = np.empty((*shape, 3), np.float32)
        picture[:] = first
    else:
        masks = _pattern_masks(finish, x, y)
        picture = first + masks[0][..., None] * (second - first)
        picture += masks[1][..., None] * (third - picture)
    grain = _grain(finish, x, y, shape)
    if grain is not None:
        picture *= grain[..., None]
    return picture


def _pattern_masks(finish: Finish, x: Plane, y: Plane) -> tuple[Plane, Plane]:
    turn = 0.0 if finish.pattern in ("bands", "dipped") else finish.angle
    cosine, sine = np.float32(np.cos(turn) / finish.scale), np.float32(np.sin(turn) / finish.scale)
    return PATTERNS[finish.pattern](x * cosine + y * sine, y * cosine - x * sine)


def _grain(finish: Finish, x: Plane, y: Plane, shape: tuple[int, int]) -> Plane | None:
    rng = np.random.default_rng(finish.grain)
    width, height = max(float(x[0, -1] - x[0, 0]), 0.02), max(float(y[0, 0] - y[-1, 0]), 0.02)
    if finish.material == "wood":
        cells = (int(height * 26) + 1, int(width * 3) + 1)
        if finish.angle > 1:
            cells = (int(height * 3) + 1, int(width * 26) + 1)
        noise = value_noise(rng, shape, cells)
        rings = np.sin(noise * 9 + (y if finish.angle <= 1 else x) * 30)
        return np.asarray(1 + 0.13 * noise + 0.05 * rings, np.float32)
    if finish.material == "fabric":
        return 1 + 0.05 * value_noise(rng, shape, (int(height * 60), int(width * 60)))
    if finish.material == "leather":
        return 1 + 0.09 * value_noise(rng, shape, (int(height * 14), int(width * 14)))
    if finish.material == "wicker":
        weave = np.sin(x * 62) * np.sin(y * 62)
        return np.asarray(0.86 + 0.24 * np.sign(weave) * np.sqrt(np.abs(weave)), np.float32)
    if finish.material == "stone":
        noise = value_noise(rng, shape, (int(height * 7), int(width * 7)))
        veins = np.exp(
            -30 * np.abs(noise + 0.4 * value_noise(rng, shape, (int(height * 20), int(width * 20))))
        )
        return np.asarray(1 + 0.07 * noise - 0.2 * veins)
    if finish.material == "metal":
        return 1 + 0.03 * value_noise(rng, shape, (int(height * 80), 1))
    return None
