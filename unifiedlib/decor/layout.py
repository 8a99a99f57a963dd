"""Where the products of a scene stand: decided from the seed alone, before anything is painted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from unifiedlib.decor.geometry import Part, View, bounds_of
from unifiedlib.decor.product import Product

ASPECT = 0.75
"""Height of a scene over its width."""
Box = tuple[float, float, float, float]
"""x0, y0, x1, y1 as shares of the scene's width and height, y downwards."""


@dataclass(frozen=True)
class Placement:
    """One product in a scene: how it is seen and where, as shares of the scene's width (y downwards too)."""

    product: Product
    parts: tuple[Part, ...]
    scale: float
    """Scene widths per product unit."""
    left: float
    top: float
    width: float
    height: float

    @property
    def box(self) -> Box:
        """The product's box within the scene, clipped to 0..1."""
        x0, x1 = self.left, self.left + self.width
        y0, y1 = self.top / ASPECT, (self.top + self.height) / ASPECT
        clipped = np.clip([x0, y0, x1, y1], 0, 1)
        return (float(clipped[0]), float(clipped[1]), float(clipped[2]), float(clipped[3]))


@dataclass(frozen=True)
class Layout:
    """A furnished room: where the floor begins and every product in the order of painting."""

    horizon: float
    """Share of the height at which wall meets floor."""
    surface: float
    """Height of the console's top, as a share of the scene's width from the top; small things stand on it."""
    placements: tuple[Placement, ...]


_ROWS = {"wall": "high", "ceiling": "high", "ground": "ground", "floor": "low", "table": "low"}
_ORDER = {"ground": 0, "wall": 1, "ceiling": 2, "table": 3, "floor": 4}

_TRIES = 16
_MOST_HIDDEN = 0.34
"""Share of a box that others may cover at scene strength 0.6."""


def arrange(products: Sequence[Product], rng: np.random.Generator, strength: float) -> Layout:
    """Places the products in a room, side by side in rows; `strength` 0..1 lets them shrink and overlap.

    Of several tries it takes the first in which no product is hidden by much more than a third, else the best.
    """
    horizon = float(rng.uniform(0.62, 0.74))
    surface = float((horizon + rng.uniform(-0.06, 0.04)) * ASPECT)
    sized = _sized_rows(products, rng, strength)
    best: tuple[Placement, ...] = ()
    least = np.inf
    for _ in range(_TRIES):
        placements = _settle(sized, (horizon, surface), rng)
        hidden = _most_hidden(placements)
        if hidden < least:
            best, least = placements, hidden
        if hidden <= _MOST_HIDDEN * max(strength, 0.1) / 0.6:
            break
    return Layout(horizon, surface, best)


def _sized_rows(
    products: Sequence[Product], rng: np.random.Generator, strength: float
) -> list[list[Placement]]:
    """Every product seen from its side and in its size, not yet in its place, row by row."""
    stands = {product.category.stands for product in products}
    mixed = {"floor", "table"} <= stands
    yaw, pitch = float(rng.uniform(-0.45, 0.45)), float(rng.uniform(0.12, 0.3))
    rows = []
    for row in ("ground", "high", "low"):
        members = [product for product in products if _ROWS[product.category.stands] == row]
        placements = []
        for product in members:
            view = View(float(np.clip(yaw + rng.normal(0, 0.12), -0.55, 0.55)), pitch)
            size = 0.62 if mixed and product.category.stands == "table" else 1.0
            placements.append(_sized(product, view, 1 / len(members), size, rng, strength))
        rows.append(placements)
    return rows


def _sized(
    product: Product, view: View, column: float, size: float, rng: np.random.Generator, strength: float
) -> Placement:
    category = product.category
    parts = tuple(product.parts(view))
    left, bottom, right, top = bounds_of(parts)
    tall = size * category.height * ASPECT * float(rng.uniform(1.45 - 0.35 * strength, 1.55))
    wide = min(column * float(rng.uniform(0.95, 1.0 + 0.3 * strength)), 0.52)
    wide, tall = (0.75, 0.24) if category.stands == "ground" else (wide, min(tall, 0.92 * ASPECT))
    scale = min(wide / (right - left), tall / (top - bottom))
    return Placement(product, parts, scale, 0.0, 0.0, (right - left) * scale, (top - bottom) * scale)


def _settle(
    rows: Sequence[Sequence[Placement]], levels: tuple[float, float], rng: np.random.Generator
) -> tuple[Placement, ...]:
    """One try at placing every row, in the order of painting."""
    placements = []
    for row in rows:
        for slot, number in enumerate(rng.permutation(len(row))):
            item = row[number]
            centre = (slot + 0.5 + float(rng.uniform(-0.3, 0.3))) / len(row)
            x = float(np.clip(centre - item.width / 2, -0.02, max(1.02 - item.width, -0.02)))
            y = _top(item.product.category.stands, item.height, levels, rng)
            placements.append(replace(item, left=x, top=y))
    placements.sort(key=lambda item: (_ORDER[item.product.category.stands], item.top + item.height))
    return tuple(placements)


def _most_hidden(placements: Sequence[Placement]) -> float:
    """The largest share of a product's box that the boxes painted after it cover."""
    most = 0.0
    for number, item in enumerate(placements):
        covered = 0.0
        for later in placements[number + 1 :]:
            across = min(item.left + item.width, later.left + later.width) - max(item.left, later.left)
            down = min(item.top + item.height, later.top + later.height) - max(item.top, later.top)
            covered += max(across, 0.0) * max(down, 0.0)
        most = max(most, covered / (item.width * item.height))
    return most


def _top(stands: str, height: float, levels: tuple[float, float], rng: np.random.Generator) -> float:
    """The upper edge of a product of this height, by where it stands."""
    horizon, surface = levels[0] * ASPECT, levels[1]
    if stands == "ceiling":
        return -0.01
    if stands == "wall":
        return float(np.clip(rng.uniform(0.03, 0.1), 0, max(horizon - height, 0.01)))
    if stands == "ground":
        return float(min(ASPECT - height * rng.uniform(0.85, 1.0), ASPECT - 0.1))
    if stands == "table":
        return max(surface - height + 0.012, 0.01)
    base = rng.uniform(horizon + 0.03, 0.97 * ASPECT)
    return max(float(base) - height, 0.01)
