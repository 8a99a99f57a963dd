"""A finish is what a surface is made of: material, pattern and three colours; each look prefers some."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from unifiedlib.decor.palette import LOOKS, Colour, metal, mix, triple, wood

_MATERIALS: dict[str, dict[str, dict[str, float]]] = {
    "vessel": {
        "scandinavian": {"ceramic": 0.6, "glass": 0.22, "stone": 0.1, "metal": 0.08},
        "boho": {"ceramic": 0.55, "wicker": 0.2, "glass": 0.13, "metal": 0.12},
        "industrial": {"ceramic": 0.22, "glass": 0.15, "stone": 0.3, "metal": 0.33},
    },
    "pottery": {
        "scandinavian": {"ceramic": 0.85, "metal": 0.05, "stone": 0.1},
        "boho": {"ceramic": 0.9, "metal": 0.1},
        "industrial": {"ceramic": 0.45, "metal": 0.35, "stone": 0.2},
    },
    "seat": {
        "scandinavian": {"fabric": 0.85, "leather": 0.15},
        "boho": {"fabric": 0.85, "wicker": 0.07, "leather": 0.08},
        "industrial": {"fabric": 0.45, "leather": 0.55},
    },
    "textile": {look: {"fabric": 1.0} for look in LOOKS},
    "case": {
        "scandinavian": {"wood": 0.7, "paint": 0.3},
        "boho": {"wood": 0.65, "wicker": 0.2, "paint": 0.15},
        "industrial": {"wood": 0.55, "metal": 0.3, "paint": 0.15},
    },
    "top": {
        "scandinavian": {"wood": 0.65, "stone": 0.15, "paint": 0.2},
        "boho": {"wood": 0.65, "wicker": 0.15, "stone": 0.05, "paint": 0.15},
        "industrial": {"wood": 0.45, "stone": 0.3, "metal": 0.25},
    },
    "frame": {
        "scandinavian": {"wood": 0.72, "metal": 0.28},
        "boho": {"wood": 0.62, "metal": 0.26, "wicker": 0.12},
        "industrial": {"wood": 0.25, "metal": 0.75},
    },
    "shade": {
        "scandinavian": {"fabric": 0.55, "glass": 0.15, "metal": 0.15, "paint": 0.15},
        "boho": {"fabric": 0.5, "wicker": 0.42, "metal": 0.08},
        "industrial": {"fabric": 0.2, "metal": 0.6, "glass": 0.2},
    },
    "basket": {
        "scandinavian": {"wicker": 0.6, "fabric": 0.4},
        "boho": {"wicker": 0.85, "fabric": 0.15},
        "industrial": {"metal": 0.4, "wicker": 0.3, "fabric": 0.3},
    },
}
_PATTERNS: dict[str, dict[str, float]] = {
    "scandinavian": {
        "plain": 3.0,
        "stripes": 1.2,
        "pinstripes": 1.2,
        "dots": 1.3,
        "triangles": 1.6,
        "checks": 0.6,
        "leaves": 1.2,
        "dipped": 1.3,
        "bands": 0.8,
    },
    "boho": {
        "plain": 1.0,
        "floral": 2.0,
        "diamonds": 1.8,
        "chevron": 1.2,
        "scallop": 1.5,
        "leaves": 1.0,
        "stripes": 0.8,
        "bands": 1.6,
        "dots": 0.5,
    },
    "industrial": {
        "plain": 3.6,
        "plaid": 1.5,
        "herringbone": 1.6,
        "terrazzo": 1.2,
        "pinstripes": 1.0,
        "checks": 0.9,
        "bands": 0.6,
        "dipped": 0.8,
    },
}
_PLAIN_MATERIALS = {"wood": 0.0, "metal": 0.12, "glass": 0.3, "leather": 0.0, "stone": 0.3, "wicker": 0.5}
"""Chance that such a material carries a pattern at all, times the category's own chance."""


@dataclass(frozen=True)
class Finish:
    """Material, pattern and colours (0..255) of a surface; `scale` is the pattern's period in units."""

    material: str
    pattern: str
    colours: tuple[Colour, Colour, Colour]
    scale: float
    angle: float
    grain: int


def _pick(weights: dict[str, float], rng: np.random.Generator) -> str:
    names = list(weights)
    shares = np.cumsum(list(weights.values()))
    return names[min(int(np.searchsorted(shares, rng.random() * shares[-1])), len(names) - 1)]


def some_look(look: str, overlap: float, rng: np.random.Generator) -> str:
    """The look itself or, with chance `overlap`, any look: why no single trait gives the look away."""
    stray = rng.random() < overlap
    other = LOOKS[int(rng.integers(len(LOOKS)))]
    return other if stray else look


def make_finish(kind: str, look: str, overlap: float, patterned: float, rng: np.random.Generator) -> Finish:
    """A finish for a kind of surface (`vessel`, `seat`, ...): each trait follows the look or strays."""
    material = _pick(_MATERIALS[kind][some_look(look, overlap, rng)], rng)
    pattern = _pick(_PATTERNS[some_look(look, overlap, rng)], rng)
    if rng.random() > patterned * _PLAIN_MATERIALS.get(material, 1.0):
        pattern = "plain"
    tone = some_look(look, overlap, rng)
    colours = triple(tone, rng)
    if material == "wood":
        base = wood(tone, rng)
        colours = (base, mix(base, (40, 25, 15), 0.45), colours[2])
    elif material == "metal":
        colours = (metal(tone, rng) if rng.random() < 0.75 else colours[0], colours[1], colours[2])
    elif material == "wicker" and rng.random() < 0.7:
        base = mix(wood(tone, rng), (214, 184, 138), 0.35)
        colours = (base, mix(base, colours[1], 0.6), colours[2])
    return Finish(
        material=material,
        pattern=pattern,
        colours=colours,
        scale=float(rng.uniform(0.11, 0.26)),
        angle=float(rng.choice([0.0, 0.0, np.pi / 2, np.pi / 4])),
        grain=int(rng.integers(1 << 30)),
    )
