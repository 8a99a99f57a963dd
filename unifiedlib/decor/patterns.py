"""Patterns as functions of the plane: where the second and the third colour go."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

Plane = NDArray[np.floating[Any]]
Masks = tuple[Plane, Plane]
"""How much (0..1) of the second and of the third colour covers the first, [h x w] each."""


def _cells(x: Plane, y: Plane, offset: float = 0.5) -> tuple[Plane, Plane, Plane, Plane]:
    """Position in a unit cell (-0.5..0.5 each way) and the cell's column and row; odd rows are shifted."""
    row = np.floor(y)
    shifted = x + offset * np.mod(row, 2)
    column = np.floor(shifted)
    return shifted - column - 0.5, y - row - 0.5, column, row


def _as_masks(second: NDArray[Any], third: NDArray[Any] | None = None) -> Masks:
    first = np.asarray(second, np.float32)
    return first, np.zeros_like(first) if third is None else np.asarray(third, np.float32)


def plain(x: Plane, y: Plane) -> Masks:
    """One colour."""
    return _as_masks(np.zeros_like(x))


def stripes(x: Plane, y: Plane) -> Masks:
    """Broad stripes."""
    return _as_masks(np.mod(x, 1) < 0.45)


def pinstripes(x: Plane, y: Plane) -> Masks:
    """Thin stripes in two colours."""
    phase = np.mod(x, 1)
    return _as_masks(phase < 0.18, (phase > 0.5) & (phase < 0.6))


def checks(x: Plane, y: Plane) -> Masks:
    """A chequerboard."""
    return _as_masks((np.mod(x, 1) < 0.5) ^ (np.mod(y, 1) < 0.5))


def plaid(x: Plane, y: Plane) -> Masks:
    """Crossing bands with a thin line."""
    along, across = np.mod(x, 1), np.mod(y, 1)
    bands = 0.45 * (along < 0.45) + 0.45 * (across < 0.45)
    return _as_masks(bands, (np.abs(along - 0.72) < 0.05) | (np.abs(across - 0.72) < 0.05))


def dots(x: Plane, y: Plane) -> Masks:
    """Dots in offset rows."""
    u, v, _, row = _cells(x, y)
    inside = u * u + v * v < 0.075
    third = np.mod(row, 3) == 0
    return _as_masks(inside & ~third, inside & third)


def chevron(x: Plane, y: Plane) -> Masks:
    """Zigzag bands in two colours."""
    phase = np.mod(y + np.abs(np.mod(x * 0.7, 1) - 0.5) * 1.6, 1)
    return _as_masks(phase < 0.4, (phase > 0.62) & (phase < 0.76))


def herringbone(x: Plane, y: Plane) -> Masks:
    """Fine slanted lines that turn from column to column."""
    column = np.floor(x * 1.6)
    slope = np.where(np.mod(column, 2) == 0, 1.0, -1.0)
    return _as_masks(np.mod(y * 2.2 + slope * np.mod(x * 1.6, 1) * 1.3, 1) < 0.36)


def diamonds(x: Plane, y: Plane) -> Masks:
    """Hollow diamonds with a core."""
    u, v, _, _ = _cells(x, y)
    distance = np.abs(u) * 1.25 + np.abs(v)
    return _as_masks((distance < 0.46) & (distance > 0.27), distance < 0.15)


def floral(x: Plane, y: Plane) -> Masks:
    """Five-petalled flowers with small specks."""
    u, v, column, row = _cells(x * 0.8, y * 0.8)
    angle = np.arctan2(v, u) + column * 1.3 + row * 0.7
    radius = np.sqrt(u * u + v * v)
    petals = radius < 0.25 + 0.13 * np.cos(5 * angle)
    return _as_masks(petals & (radius > 0.1), (radius <= 0.1) | ((radius > 0.44) & (np.cos(3 * angle) > 0.6)))


def leaves(x: Plane, y: Plane) -> Masks:
    """Leaning leaves with a rib."""
    u, v, column, _ = _cells(x, y * 0.7)
    lean = np.where(np.mod(column, 2) == 0, 0.35, -0.35)
    across = u - lean * v
    blade = np.abs(across) < 0.3 * np.cos(np.pi * np.clip(v, -0.5, 0.5) * 1.05)
    return _as_masks(blade & (np.abs(across) > 0.035), np.abs(across) <= 0.02)


def scallop(x: Plane, y: Plane) -> Masks:
    """Fans, row over row."""
    u, v, _, _ = _cells(x, y * 1.6)
    radius = np.sqrt(u * u + (v * 0.62 + 0.31) ** 2)
    return _as_masks((radius < 0.46) & (radius > 0.32), radius < 0.16)


def triangles(x: Plane, y: Plane) -> Masks:
    """Small triangles, every fourth in the third colour."""
    u, v, column, row = _cells(x, y)
    inside = (v + 0.4 < 0.8 * (1 - 2 * np.abs(u) / 0.9)) & (v > -0.4)
    third = np.mod(column + 2 * row, 4) == 0
    return _as_masks(inside & ~third, inside & third)


def terrazzo(x: Plane, y: Plane) -> Masks:
    """Chips of stone."""
    u, v, column, row = _cells(x * 1.5, y * 1.5)
    chance = np.mod(np.sin(column * 12.9898 + row * 78.233) * 43758.547, 1)
    spread = np.mod(chance * 7.13, 1)
    radius = np.abs(u + 0.5 * (chance - 0.5)) * (0.7 + spread) + np.abs(v + 0.5 * (spread - 0.5))
    inside = radius < 0.14 + 0.16 * spread
    return _as_masks(inside & (chance < 0.6), inside & (chance >= 0.6))


def bands(x: Plane, y: Plane) -> Masks:
    """Wide rings around the body."""
    phase = np.mod(y * 0.45, 1)
    return _as_masks(np.abs(phase - 0.5) < 0.17, (np.abs(np.abs(phase - 0.5) - 0.24) < 0.03))


def dipped(x: Plane, y: Plane) -> Masks:
    """Dipped in another colour up to a wavy edge."""
    return _as_masks(y < 2.6 + 0.1 * np.sin(x * 3))


PATTERNS: dict[str, Callable[[Plane, Plane], Masks]] = {
    function.__name__: function
    for function in (
        plain,
        stripes,
        pinstripes,
        checks,
        plaid,
        dots,
        chevron,
        herringbone,
        diamonds,
        floral,
        leaves,
        scallop,
        triangles,
        terrazzo,
        bands,
        dipped,
    )
}
