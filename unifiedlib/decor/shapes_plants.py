"""Plants in pots: five kinds of greenery in a turned pot."""

from __future__ import annotations

import numpy as np

from unifiedlib.decor.geometry import Builder, Points, at, oval, ribbon, smooth
from unifiedlib.decor.shapes_vessels import turned_profile
from unifiedlib.decor.traits import Traits


def plant(build: Builder, t: Traits) -> None:
    """A potted plant: broad leaves, a snake plant, a fern, a cactus or a small tree."""
    kind = t.choose(0, ("tree", "broad", "fern", "snake", "cactus"))
    wide, high, foot = t.span(1, 0.2, 0.32), t.span(2, 0.28, 0.46), t.span(3, 0.6, 0.95)
    legs = t.u[4] > 0.66
    lift = 0.16 if legs else 0.0
    if legs:
        for x, z in ((-0.8, 0.5), (0.8, 0.5), (-0.8, -0.5), (0.8, -0.5)):
            build.rod((x * wide * foot, lift + 0.1, z * wide), (x * wide * 1.05, 0, z * wide), 0.045, "frame")
    profile = turned_profile(
        [(wide * foot, lift), (wide * (foot + 1.05) / 2, lift + high * 0.5), (wide, lift + high)]
    )
    build.turned(profile, "body", opening=True)
    build.flat(
        oval(
            0, (lift + high) * np.cos(build.view.pitch), wide * 0.86, wide * 0.84 * np.sin(build.view.pitch)
        ),
        "soil",
        "flat",
    )
    _LEAVES[kind](build, t, lift + high, wide)
    if t.u[5] > 0.6:
        build.turned([(wide * 1.03, lift + high * 0.86), (wide * 1.05, lift + high)], "accent", light=0.98)


def _leaf(build: Builder, path: Points, width: float, tone: float) -> None:
    swell = width * np.sin(np.pi * np.linspace(0.06, 0.97, len(path))) ** 0.8
    build.flat(ribbon(path, swell), "leaf", "flat", tone)
    build.flat(ribbon(path[1:-1], 0.009), "leaf", "plain", tone * 1.22)


def _broad(build: Builder, t: Traits, top: float, wide: float) -> None:
    for k in range(9):
        angle = np.pi * (0.08 + 0.84 * ((k * 4) % 9) / 8) + 0.15 * (t.u[6] - 0.5)
        reach = t.span(7, 0.5, 0.72) * (0.75 + 0.25 * np.sin(angle)) * (0.85 + 0.15 * (k % 2))
        tip = (reach * np.cos(angle) * 0.95, top + reach * np.sin(angle))
        path = smooth(
            [(0.1 * wide * np.cos(angle), top - 0.03), (tip[0] * 0.42, top + (tip[1] - top) * 0.62), tip]
        )
        _leaf(build, path, t.span(8, 0.13, 0.24), 0.75 + 0.06 * k)


def _snake(build: Builder, t: Traits, top: float, wide: float) -> None:
    for k in range(7):
        x = (((k * 3) % 7) / 6 - 0.5) * wide * 1.5
        tip = (x * 1.7, top + t.span(7, 0.45, 0.7) * (1 - 0.25 * ((k * 2) % 3) / 2))
        path = smooth([(x, top - 0.04), (x * 1.1 + 0.02 * (-1) ** k, (top + tip[1]) / 2), tip])
        _leaf(build, path, t.span(8, 0.07, 0.12), 0.78 + 0.07 * k)


def _fern(build: Builder, t: Traits, top: float, wide: float) -> None:
    for k in range(13):
        angle = np.pi * ((k * 5) % 13) / 12
        reach = t.span(7, 0.45, 0.65)
        droop = t.span(8, 0.05, 0.4)
        path = smooth(
            [
                (0.0, top - 0.02),
                (reach * 0.5 * np.cos(angle), top + reach * (0.25 + 0.45 * np.sin(angle))),
                (
                    reach * 1.0 * np.cos(angle),
                    top + reach * (0.75 * np.sin(angle) - droop * np.abs(np.cos(angle))),
                ),
            ]
        )
        _leaf(build, path, 0.085, 0.8 + 0.04 * k)


def _cactus(build: Builder, t: Traits, top: float, wide: float) -> None:
    high, girth = t.span(7, 0.35, 0.6), t.span(8, 0.09, 0.14)
    for sign, level in ((-1, 0.35), (1, 0.5)):
        path = smooth(
            [
                (0, top + high * level),
                (sign * girth * 2, top + high * level + 0.01),
                (sign * girth * 2.2, top + high * (level + 0.38)),
            ]
        )
        build.flat(ribbon(path, girth * 1.1), "leaf", "puffy", 0.86)
    build.turned(
        turned_profile(
            [
                (girth * 0.9, top - 0.04),
                (girth, top + high * 0.5),
                (girth * 0.85, top + high * 0.9),
                (0.02, top + high),
            ]
        ),
        "leaf",
        light=1.05,
    )


def _tree(build: Builder, t: Traits, top: float, wide: float) -> None:
    high = t.span(7, 0.45, 0.6)
    build.flat(ribbon([(0, top - 0.02), (0.02, top + high)], 0.035), "soil", "round", 1.4)
    for k in range(14):
        angle, radius = k * 2.4, 0.05 + 0.19 * np.sqrt(k / 14) * t.span(8, 0.8, 1.3)
        centre = np.array([radius * np.cos(angle), top + high + radius * np.sin(angle)])
        out = np.array([np.cos(angle), np.sin(angle)]) * 0.13
        _leaf(
            build, smooth([centre - out * 0.4, centre + at(0.01, 0.01), centre + out]), 0.1, 0.75 + 0.035 * k
        )


_LEAVES = {"broad": _broad, "snake": _snake, "fern": _fern, "cactus": _cactus, "tree": _tree}
