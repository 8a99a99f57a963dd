"""Table, floor and pendant lamps: a shade and what carries it."""

from __future__ import annotations

import numpy as np

from unifiedlib.decor.geometry import Builder, oval, ribbon, smooth
from unifiedlib.decor.traits import Traits


def _shade(build: Builder, t: Traits, y: float, wide: float, high: float, x: float = 0.0) -> None:
    """A lampshade whose lower rim is at height y: drum, cone, dome or globe."""
    kind = t.choose(0, ("drum", "cone", "globe", "dome", "bell"))
    if kind == "globe":
        centre = build.view.project([(x, y + wide * 0.8, 0)])[0]
        build.flat(
            oval(centre[0], centre[1], wide * 0.82, wide * 0.82), "body", "glow" if t.u[10] > 0.4 else "ball"
        )
        return
    profiles = {
        "drum": [(wide, y), (wide * t.span(9, 0.82, 1.0), y + high)],
        "cone": [(wide, y), (wide * t.span(9, 0.2, 0.5), y + high)],
        "dome": [(wide, y), (wide * 0.96, y + high * 0.3), (wide * 0.7, y + high * 0.72), (0.05, y + high)],
        "bell": [
            (wide, y),
            (wide * 0.62, y + high * 0.3),
            (wide * 0.42, y + high * 0.7),
            (wide * 0.3, y + high),
        ],
    }
    points = profiles[kind]
    profile = smooth(points, 6) if len(points) > 2 else np.array(points)
    lit = kind in ("drum", "cone", "bell") and t.u[10] > 0.35
    build.turned(profile, "body", x, shade="glow" if lit else "round")
    if t.u[11] > 0.6:
        build.turned([(wide * 1.005, y), (wide * 1.0, y + 0.035)], "accent", x)


def table_lamp(build: Builder, t: Traits) -> None:
    """A shade on a turned, spherical, block or tripod foot."""
    wide, high = t.span(1, 0.28, 0.44), t.span(2, 0.28, 0.42)
    foot, stem = t.span(3, 0.12, 0.24), t.span(4, 0.5, 0.62)
    kind = t.choose(5, ("gourd", "ball", "tripod", "pole", "block"))
    if kind == "tripod":
        for x, z in ((-0.6, 0.5), (0.6, 0.5), (0.0, -0.9)):
            build.rod((0, stem, 0), (x * foot * 1.7, 0, z * foot * 1.4), 0.045, "frame", taper=0.7)
    elif kind == "pole":
        build.turned([(foot, 0), (foot, 0.045)], "frame")
        build.rod((0, 0.04, 0), (0, stem + 0.05, 0), 0.045, "frame")
    elif kind == "block":
        build.box((-foot * 0.9, foot * 0.9), (0, stem * 0.7), (-foot * 0.6, foot * 0.6), "accent")
        build.rod((0, stem * 0.7, 0), (0, stem + 0.05, 0), 0.035, "frame")
    else:
        mid = t.span(6, 0.3, 0.5) if kind == "gourd" else 0.45
        points = [(foot * 0.55, 0), (foot * 1.1, stem * mid), (0.05, stem * 0.86), (0.03, stem + 0.05)]
        if kind == "ball":
            points = [
                (foot * 0.5, 0),
                (foot * 1.15, stem * 0.42),
                (foot * 0.45, stem * 0.8),
                (0.03, stem + 0.05),
            ]
        build.turned(smooth(points, 7), "accent")
    _shade(build, t, stem, wide, high)


def floor_lamp(build: Builder, t: Traits) -> None:
    """A tall stand: pole, tripod or arc, with its shade on top."""
    wide, high = t.span(1, 0.15, 0.25), t.span(2, 0.15, 0.24)
    kind = t.choose(5, ("pole", "tripod", "arc", "pole"))
    stem = t.span(4, 0.98, 1.2)
    if kind == "arc":
        reach = t.span(6, 0.25, 0.42)
        build.turned([(0.13, 0), (0.13, 0.04)], "frame", x=-reach)
        lift = np.cos(build.view.pitch)
        arc = smooth(
            [(-reach, 0.03), (-reach, stem * 0.8), (-reach * 0.3, stem + 0.32), (reach * 0.8, stem + 0.1)]
        )
        arc = np.vstack([arc, [(reach * 0.8, stem - 0.02)]]) * (np.cos(build.view.yaw), lift)
        build.flat(ribbon(arc, 0.026), "frame", "puffy")
        _shade(build, t, stem - high, wide, high, x=reach * 0.8)
        return
    if kind == "tripod":
        for x, z in ((-0.9, 0.6), (0.9, 0.6), (0.15, -1.0)):
            build.rod((0, stem, 0), (x * t.span(7, 0.2, 0.34), 0, z * 0.25), 0.034, "frame", taper=0.75)
    else:
        foot = t.span(7, 0.11, 0.18)
        build.turned([(foot, 0), (foot, 0.03)], "frame")
        build.rod((0, 0.03, 0), (0, stem + 0.04, 0), 0.03, "frame")
        if t.u[8] > 0.6:
            build.turned([(foot * 1.2, stem * 0.42), (foot * 1.2, stem * 0.44)], "accent")
    _shade(build, t, stem, wide, high)


def pendant_lamp(build: Builder, t: Traits) -> None:
    """One shade or a row of three hanging from the ceiling."""
    count = 3 if t.u[6] > 0.8 else 1
    wide, high = (t.span(1, 0.32, 0.5), t.span(2, 0.28, 0.5))
    if count == 3:
        wide, high = wide * 0.42, high * 0.6
    cord = t.span(3, 0.3, 0.6)
    for k in range(count):
        x = (k - 1) * 0.42 if count == 3 else 0.0
        drop = 0.16 * ((k * 2) % 3) / 2 if count == 3 else 0.0
        top = 1.0 + cord
        build.rod((x, high * 0.8 - drop, 0), (x, top, 0), 0.02, "dark")
        build.turned([(0.075, top - 0.04), (0.075, top)], "frame", x)
        _shade(build, t, -drop, wide, high, x)
        crown = wide * 1.55 if t.choose(0, ("drum", "cone", "globe", "dome", "bell")) == "globe" else high
        build.turned([(0.055, crown - drop - 0.02), (0.04, crown - drop + 0.07)], "frame", x)
