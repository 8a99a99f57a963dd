"""Vases, mugs, teapots, plant pots, candle holders and baskets: things turned on a lathe or woven."""

from __future__ import annotations

import numpy as np

from unifiedlib.decor.geometry import Builder, Points, at, oval, ribbon, smooth
from unifiedlib.decor.traits import Traits


def turned_profile(points: list[tuple[float, float]], steps: int = 7) -> Points:
    """A smooth profile (radius, height) through a few points, never thinner than a wire."""
    curve = smooth(points, steps)
    curve[:, 0] = np.maximum(curve[:, 0], 0.004)
    return curve


def vase(build: Builder, t: Traits) -> None:
    """Bottle, amphora, cylinder, gourd or cone; sometimes with handles or twigs."""
    kind = t.choose(0, ("cylinder", "bottle", "gourd", "amphora", "cone", "bottle"))
    wide, neck, lip = t.span(1, 0.2, 0.38), t.span(2, 0.05, 0.14), t.span(3, 0.0, 0.06)
    belly = t.span(4, 0.28, 0.55)
    profiles = {
        "cylinder": [(wide * 0.85, 0), (wide * 0.92, 0.2), (wide * 0.9, 0.7), (wide * 0.8 + lip, 1)],
        "bottle": [
            (wide * 0.62, 0),
            (wide, belly * 0.8),
            (neck * 1.3, belly + 0.25),
            (neck, 0.85),
            (neck + lip, 1),
        ],
        "gourd": [
            (wide * 0.7, 0),
            (wide, 0.22),
            (neck * 1.3, 0.5),
            (wide * 0.6, 0.72),
            (neck, 0.92),
            (neck + lip, 1),
        ],
        "amphora": [(wide * 0.4, 0), (wide * 0.95, belly + 0.08), (neck * 1.2, 0.82), (neck * 1.5 + lip, 1)],
        "cone": [(wide * 0.35, 0), (wide * 0.6, 0.4), (wide * 0.95, 0.9), (wide * 0.9 + lip, 1)],
    }
    profile = turned_profile(profiles[kind])
    rim = profile[-1, 0]
    if t.u[6] > 0.72:
        _twigs(build, t, rim)
    if kind == "amphora" or t.u[5] > 0.85:
        for sign in (-1, 1):
            path = smooth(
                [(sign * neck * 1.1, 0.9), (sign * (wide + 0.08), 0.84), (sign * wide * 0.85, belly + 0.18)]
            )
            build.flat(ribbon(path, 0.045), "body", "round")
    build.turned(profile, "body", opening=True)
    if t.u[7] > 0.6:
        ring = np.interp(t.span(8, 0.3, 0.8), profile[:, 1], profile[:, 0])
        height = t.span(8, 0.3, 0.8)
        build.turned([(ring + 0.008, height - 0.03), (ring + 0.008, height + 0.03)], "accent")


def _twigs(build: Builder, t: Traits, rim: float) -> None:
    for k in range(4):
        lean = (k - 1.5) * 0.13 + (t.u[9] - 0.5) * 0.1
        tip = (lean * 1.9, 1.42 + 0.12 * np.sin(k * 2.1 + 6 * t.u[9]))
        stem = smooth([(lean * 0.2 * rim, 0.95), (lean * 0.9, 1.2), tip])
        build.flat(ribbon(stem, 0.016), "leaf", "plain", 0.75)
        for share in (0.45, 0.7, 0.95):
            x, y = stem[int(share * (len(stem) - 1))]
            build.flat(oval(x + 0.035 * (-1) ** k, y + 0.02, 0.045, 0.024, 10), "accent", "flat", 1.05)


def mug(build: Builder, t: Traits) -> None:
    """A cup with a handle: straight, rounded, tapered or enamel with a rim."""
    kind = t.choose(0, ("straight", "round", "tapered", "enamel"))
    wide, high = t.span(1, 0.34, 0.46), t.span(2, 0.68, 1.0)
    foot = {"straight": 0.97, "round": 0.62, "tapered": 0.72, "enamel": 0.98}[kind]
    middle = {"straight": 1.0, "round": 1.08, "tapered": 0.88, "enamel": 1.0}[kind]
    reach, thick = t.span(3, 0.2, 0.3), t.span(4, 0.06, 0.1)
    low, top = high * t.span(5, 0.14, 0.3), high * t.span(6, 0.72, 0.9)
    square = t.u[7] > 0.6
    bend = (
        [(wide + reach, top - 0.03), (wide + reach, low + 0.05)]
        if square
        else [(wide + reach, (low + top) / 2)]
    )
    path = smooth([(wide * 0.9, top), *bend, (wide * foot * 0.92, low)])
    handle = np.column_stack([path * (np.cos(build.view.yaw), 1), np.zeros(len(path))])
    lifted = handle[:, :2] * (1, np.cos(build.view.pitch))
    build.flat(ribbon(lifted, thick), "accent" if t.u[8] > 0.7 else "body", "round", 0.93)
    profile = turned_profile(
        [
            (wide * foot, 0),
            (wide * (foot + middle) / 2, high * 0.25),
            (wide * middle, high * 0.6),
            (wide, high),
        ]
    )
    build.turned(profile, "body", opening=True)
    if kind == "enamel":
        build.turned([(wide * 1.01, high * 0.94), (wide * 1.02, high)], "accent", opening=True)
    if t.u[9] > 0.7:
        build.turned([(wide * foot * 1.01, 0.0), (wide * foot * 1.03, high * 0.12)], "accent")


def teapot(build: Builder, t: Traits) -> None:
    """A round, pear or drum body with spout, handle, lid and knob."""
    kind = t.choose(0, ("drum", "round", "pear", "squat"))
    wide, high = t.span(1, 0.38, 0.5), t.span(2, 0.56, 0.74)
    shapes = {
        "drum": [(wide * 0.9, 0), (wide, high * 0.3), (wide * 0.97, high * 0.75), (wide * 0.5, high)],
        "round": [(wide * 0.5, 0), (wide, high * 0.45), (wide * 0.85, high * 0.8), (wide * 0.42, high)],
        "pear": [
            (wide * 0.75, 0),
            (wide, high * 0.25),
            (wide * 0.62, high * 0.75),
            (wide * 0.4, high * 1.08),
        ],
        "squat": [
            (wide * 0.7, 0),
            (wide * 1.12, high * 0.38),
            (wide * 0.9, high * 0.68),
            (wide * 0.4, high * 0.85),
        ],
    }
    profile = turned_profile(shapes[kind])
    top = profile[-1, 1]
    bend = t.span(3, 0.24, 0.4)
    spout = smooth(
        [
            (wide * 0.7, high * 0.3),
            (wide + bend * 0.55, high * 0.45),
            (wide + bend, high * t.span(4, 0.8, 1.1)),
        ]
    )
    build.flat(ribbon(spout, np.linspace(0.2, 0.07, len(spout))), "body", "puffy", 0.9)
    if t.u[5] > 0.6:
        arch = smooth(
            [
                (-wide * 0.65, high * 0.8),
                (-wide * 0.4, high + 0.42),
                (wide * 0.4, high + 0.42),
                (wide * 0.65, high * 0.8),
            ]
        )
        build.flat(ribbon(arch, 0.055), "frame", "puffy")
    else:
        reach = t.span(6, 0.18, 0.32)
        loop = smooth(
            [
                (-wide * 0.75, high * 0.85),
                (-wide - reach, high * 0.8),
                (-wide - reach * 0.8, high * 0.35),
                (-wide * 0.9, high * 0.25),
            ]
        )
        build.flat(ribbon(loop, 0.075), "frame" if t.u[7] > 0.5 else "body", "puffy", 0.95)
    build.turned(profile, "body")
    rim = profile[-1, 0]
    build.turned(
        turned_profile([(rim * 1.1, top - 0.015), (rim * 0.9, top + 0.05), (0.04, top + 0.09)]),
        "accent" if t.u[8] > 0.5 else "body",
    )
    knob = t.span(9, 0.035, 0.06)
    build.turned(
        turned_profile([(knob * 0.6, top + 0.07), (knob, top + 0.11), (knob * 0.4, top + 0.16)]), "frame"
    )


def candle_holder(build: Builder, t: Traits) -> None:
    """A stick, a dish, a lantern or a group of three candles."""
    kind = t.choose(0, ("dish", "stick", "trio", "stick", "lantern"))
    if kind == "lantern":
        _lantern(build, t)
        return
    count = 3 if kind == "trio" else 1
    for k in (0, 2, 1)[:count]:
        x = (k - 1) * 0.3 if count == 3 else 0.0
        high = t.span(1, 0.35, 0.7) * (1 - 0.22 * k if count == 3 else 1.0)
        z = -0.05 if k == 1 else 0.0
        if kind == "dish":
            high = 0.14
            build.turned(turned_profile([(0.22, 0), (0.38, 0.05), (0.42, high)]), "body", opening=True)
            _candle(build, x, z, 0.04, t.span(2, 0.3, 0.6), t.span(3, 0.1, 0.2))
            continue
        foot, bulge = t.span(4, 0.12, 0.22), t.span(5, 0.03, 0.1)
        build.turned(
            turned_profile(
                [
                    (foot, 0),
                    (foot * 0.5, 0.05),
                    (0.03, high * 0.3),
                    (bulge, high * 0.55),
                    (0.03, high * 0.75),
                    (0.09, high),
                ]
            ),
            "body",
            x,
            z,
        )
        _candle(build, x, z, high - 0.01, t.span(2, 0.25, 0.5), t.span(3, 0.05, 0.08))


def _candle(build: Builder, x: float, z: float, y: float, high: float, wide: float) -> None:
    build.turned([(wide, y), (wide, y + high)], "wax", x, z)
    centre = build.view.project([(x, y + high, z)])[0]
    build.flat(ribbon([centre, centre + at(0, 0.05)], 0.014), "dark", "plain")
    flame = smooth([(0, 0.03), (0.03, 0.075), (0, 0.16), (-0.03, 0.075), (0, 0.03)], 4) + centre
    build.flat(flame, "flame", "plain")


def _lantern(build: Builder, t: Traits) -> None:
    wide, high = t.span(1, 0.24, 0.34), t.span(2, 0.6, 0.85)
    build.box((-wide, wide), (0, 0.06), (-wide, wide), "frame")
    for z in (wide - 0.04, -wide + 0.02):
        if z < 0:
            _candle(build, 0.0, 0.0, 0.06, high * 0.4, 0.11)
        for x in (-wide + 0.02, wide - 0.02):
            build.rod((x, 0.06, z), (x, high, z), 0.045, "frame")
    build.box((-wide, wide), (high, high + 0.05), (-wide, wide), "frame")
    build.turned([(wide * 0.85, high + 0.05), (0.07, high + 0.2)], "body")
    ring = oval(0.0, (high + 0.28) * np.cos(build.view.pitch), 0.09, 0.09)
    build.flat(ribbon(np.vstack([ring, ring[:1]]), 0.026), "frame", "flat")


def basket(build: Builder, t: Traits) -> None:
    """A woven basket or soft bin with two handles or a lid."""
    wide, high, foot = t.span(1, 0.36, 0.56), t.span(2, 0.5, 0.95), t.span(3, 0.7, 1.05)
    belly = t.span(4, 0.95, 1.2)
    profile = turned_profile(
        [
            (wide * foot, 0),
            (wide * (foot + belly) / 2 * 1.03, high * 0.3),
            (wide * belly, high * 0.65),
            (wide, high),
        ]
    )
    ears = t.choose(0, ("ears", "arch", "ears", "lid"))
    if ears == "arch":
        arch = smooth(
            [
                (-wide * 0.95, high * 0.9),
                (-wide * 0.6, high + 0.45),
                (wide * 0.6, high + 0.45),
                (wide * 0.95, high * 0.9),
            ]
        )
        build.flat(ribbon(arch, 0.07), "accent", "puffy")
    build.turned(profile, "body", opening=True)
    build.turned([(wide * 1.03, high - 0.07), (wide * 1.04, high)], "accent", opening=True)
    if ears == "ears":
        for sign in (-1, 1):
            loop = smooth(
                [
                    (sign * wide * 0.95, high * 0.92),
                    (sign * wide * 1.22, high * 0.98),
                    (sign * wide * 1.24, high * 0.7),
                    (sign * wide * 0.98, high * 0.68),
                ]
            )
            build.flat(ribbon(loop, 0.055), "accent", "puffy")
    if ears == "lid":
        build.turned(
            turned_profile([(wide * 1.06, high), (wide * 0.85, high + 0.09), (0.06, high + 0.14)]),
            "body",
            light=1.04,
        )
        build.turned([(0.06, high + 0.13), (0.05, high + 0.2)], "frame")
