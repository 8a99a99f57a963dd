"""Rugs, cushions, curtains, mirrors, clocks and framed pictures: flat things."""

from __future__ import annotations

import cv2
import numpy as np

from unifiedlib.decor.geometry import Builder, Points, at, hull, oval, ribbon, rounded, smooth
from unifiedlib.decor.traits import Traits


def rug(build: Builder, t: Traits) -> None:
    """A carpet on the floor: rectangular with fringes or border, round, oval or a hide."""
    kind = t.choose(0, ("round", "plain", "border", "fringe", "hide"))
    half, deep = t.span(1, 0.62, 0.85), t.span(2, 0.5, 0.95)
    steep = np.sin(max(build.view.pitch, 0.1) * 1.6 + 0.28)

    def lay(outline: Points) -> Points:
        turn = build.view.yaw * 0.5
        x = outline[:, 0] * np.cos(turn) + outline[:, 1] * np.sin(turn)
        y = outline[:, 1] * np.cos(turn) - outline[:, 0] * np.sin(turn)
        near = 1 - 0.22 * y
        return np.stack([x * near, y * steep * near], axis=1)

    if kind in ("round", "hide"):
        outline = oval(0, 0, half * 0.92, half * (0.92 if t.u[3] < 0.5 else 0.7), 48)
        if kind == "hide":
            angle = np.linspace(0, 2 * np.pi, 48, endpoint=False)
            outline = (
                outline
                * (1 + 0.14 * np.cos(4 * angle + 0.6) + 0.08 * np.cos(7 * angle + 6 * t.u[4]))[:, None]
            )
        rings: list[tuple[float, str]] = [(1.0, "body"), (0.82, "accent"), (0.7, "body")]
    else:
        outline = rounded(-half, -deep, half, deep, 0.02)
        rings = [(1.0, "body")] if kind != "border" else [(1.0, "accent"), (0.86, "body")]
    if kind == "fringe":
        for k in range(26):
            y = -deep + 2 * deep * (k + 0.5) / 26
            for sign in (-1, 1):
                strand = np.array([(sign * half, y), (sign * (half + 0.07), y + 0.012 * (-1) ** k)])
                build.flat(ribbon(lay(strand), 0.014), "linen", "plain", 0.93)
    build.flat(lay(outline) - at(0, 0.022), "body", "flat", 0.6)
    for share, surface in rings if kind != "hide" else rings[:1]:
        build.flat(lay(outline * share), surface, "flat", 1.0)
    if kind == "fringe" and t.u[5] > 0.4:
        for side in (-0.8, 0.8):
            band = rounded(half * side - 0.05, -deep, half * side + 0.05, deep, 0.0)
            build.flat(lay(band), "accent", "flat", 1.0)


def cushion(build: Builder, t: Traits) -> None:
    """A scatter cushion: square, lumbar, round or with tassels, trim or piping."""
    kind = t.choose(0, ("square", "lumbar", "square", "tassel", "round"))
    half, high = t.span(1, 0.42, 0.5), t.span(2, 0.4, 0.5)
    if kind == "lumbar":
        half, high = t.span(1, 0.55, 0.68), t.span(2, 0.26, 0.34)
    pinch = t.span(3, 0.02, 0.1)
    if kind == "round":
        outline = oval(0, high, high, high * 0.97, 40)
    else:
        edge = [
            (-half, 0),
            (0, pinch),
            (half, 0),
            (half - pinch, high),
            (half, 2 * high),
            (0, 2 * high - pinch),
            (-half, 2 * high),
            (-half + pinch, high),
        ]
        outline = smooth([*edge, edge[0]], 6)
    turn = 0.25 * build.view.yaw + (t.u[4] - 0.5) * 0.16
    spin = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    outline = (outline - at(0, high)) @ spin + at(0, high)
    if kind == "tassel":
        for k in (0, 12, 24, 36):
            corner = outline[min(k, len(outline) - 1)]
            away = (corner - at(0, high)) / np.linalg.norm(corner - at(0, high))
            build.flat(ribbon([corner - 0.02 * away, corner + 0.11 * away], (0.03, 0.075)), "accent", "flat")
    if t.u[5] > 0.5:
        build.flat((outline - at(0, high)) * 1.045 + at(0, high), "accent", "puffy", 0.9)
    build.flat(outline, "body", "puffy", 1.03)
    if t.u[6] > 0.72:
        build.flat(oval(0, high, 0.035, 0.035, 14), "accent", "ball", 0.9)


def curtain(build: Builder, t: Traits) -> None:
    """One or two panels in folds on a rod, sometimes tied back."""
    kind = t.choose(0, ("pair", "pair", "tied", "single"))
    half, high = t.span(1, 0.4, 0.58), t.span(2, 1.05, 1.35)
    if kind != "single":
        build.flat(rounded(-half * 0.9, high * 0.12, half * 0.9, high * 0.95, 0.01), "sky", "flat", 1.08)
        for x in (-half * 0.9, 0.0, half * 0.9):
            build.flat(ribbon([(x, high * 0.12), (x, high * 0.95)], 0.03), "paper", "plain", 0.96)
        build.flat(
            ribbon([(-half * 0.9, high * 0.55), (half * 0.9, high * 0.55)], 0.025), "paper", "plain", 0.96
        )
    build.flat(ribbon([(-half - 0.1, high + 0.02), (half + 0.1, high + 0.02)], 0.032), "frame", "round")
    for x in (-half - 0.11, half + 0.11):
        build.flat(oval(x, high + 0.02, 0.036, 0.036, 14), "frame", "ball")
    spans = (
        [(-half, half * 0.95)]
        if kind == "single"
        else [(-half, -half * t.span(3, 0.2, 0.55)), (half * t.span(3, 0.2, 0.55), half)]
    )
    folds = 4 + int(t.u[4] * 4)
    for number, (left, right) in enumerate(spans):
        count = folds if kind != "single" else folds * 2
        gather = t.span(5, 0.3, 0.5) if kind == "tied" else 1.0
        anchor = left if number == 0 else right
        for k in range(count):
            a, b = left + (right - left) * k / count, left + (right - left) * (k + 1.12) / count
            heights = np.array([high, high * 0.7, high * 0.42, 0.02 if t.u[6] > 0.3 else high * 0.18])
            pull = np.array([1.0, 1.0, gather, (1 + gather) / 2])
            one = np.stack([anchor + (a - anchor) * pull, heights], axis=1)
            two = np.stack(
                [anchor + (b - anchor) * pull, heights + np.array((0, 0, 0, 0.012 * (-1) ** k))], axis=1
            )
            build.flat(np.vstack([smooth(one, 4), smooth(two, 4)[::-1]]), "body", "round", 1.12)
        if kind == "tied":
            level = high * 0.42
            ends = sorted((anchor, anchor + ((right if number == 0 else left) - anchor) * gather))
            build.flat(
                rounded(ends[0] - 0.01, level - 0.03, ends[1] + 0.02, level + 0.03, 0.02), "accent", "round"
            )


def mirror(build: Builder, t: Traits) -> None:
    """A looking glass: round, oval, arched, square, sunburst or windowed."""
    kind = t.choose(0, ("round", "arch", "oval", "sun", "sun", "panes", "square"))
    half, high, edge = t.span(1, 0.34, 0.46), t.span(2, 0.42, 0.62), t.span(3, 0.035, 0.1)
    middle = np.array([0.0, 0.6])
    if kind in ("round", "sun"):
        outer = oval(0, 0, half, half, 48) * (0.72 if kind == "sun" else 1.0)
    elif kind == "oval":
        outer = oval(0, 0, half * 0.8, high, 48)
    elif kind == "arch":
        outer = np.vstack(
            [
                oval(0, high - half * 0.8, half * 0.8, half * 0.8, 48)[:25],
                [(-half * 0.8, -high), (half * 0.8, -high)],
            ]
        )
    else:
        outer = rounded(-half * 0.9, -high, half * 0.9, high, t.span(4, 0.0, 0.12))
    if kind == "sun":
        rays = 12 + int(t.u[5] * 12)
        for k in range(rays):
            angle = 2 * np.pi * k / rays
            way = np.array([np.cos(angle), np.sin(angle)])
            reach = half * (1.25 if k % 2 else 1.08)
            build.flat(
                ribbon([way * half * 0.6 + middle, way * reach + middle], (0.05, 0.022)),
                "frame",
                "flat",
                0.95,
            )
    squeeze = (np.cos(build.view.yaw), 1)
    outer = outer * squeeze
    build.flat(outer + middle, "frame", "puffy")
    inner = outer * (1 - edge / half)
    build.flat(inner * 1.03 + middle, "dark", "plain", 1.5)
    build.flat(inner + middle, "sky", "flat", 0.93)
    low, top = inner.min(axis=0), inner.max(axis=0)
    for shift, wide in ((t.span(6, -0.5, 0.1), 0.22), (t.span(6, -0.5, 0.1) + 0.34, 0.08)):
        band = np.array([(shift - wide, -1.0), (shift, -1.0), (shift + 0.8, 1.0), (shift + 0.8 - wide, 1.0)])
        clipped = _clip(band * (top - low) / 2 + (top + low) / 2, hull(inner))
        if len(clipped) > 2:
            build.flat(clipped + middle, "paper", "plain", 0.94)
    if kind == "panes":
        for level in (-1 / 3, 1 / 3):
            build.flat(
                ribbon([at(low[0], level * top[1]) + middle, at(top[0], level * top[1]) + middle], 0.03),
                "frame",
                "flat",
            )
        build.flat(ribbon([at(0, low[1]) + middle, at(0, top[1]) + middle], 0.03), "frame", "flat")


def _clip(shape: Points, window: Points) -> Points:
    """The part of a convex shape inside a convex window."""
    area, common = cv2.intersectConvexConvex(hull(shape).astype(np.float32), window.astype(np.float32))
    return np.asarray(common[:, 0, :], float) if area > 0 and common is not None else np.zeros((0, 2))


def wall_clock(build: Builder, t: Traits) -> None:
    """A clock: round, square, sunburst or octagonal, with ticks, numerals or nothing."""
    kind = t.choose(0, ("round", "round", "sun", "octagon", "square"))
    size, edge = t.span(1, 0.36, 0.46), t.span(2, 0.03, 0.1)
    middle = np.array([0.0, 0.55])
    squeeze = np.array([np.cos(build.view.yaw), 1.0])
    if kind == "square":
        outer = rounded(-size, -size, size, size, t.span(3, 0.02, 0.2), 8)
    elif kind == "octagon":
        outer = oval(0, 0, size * 1.05, size * 1.05, 8)
    else:
        outer = oval(0, 0, size, size, 48)
    if kind == "sun":
        for k in range(24):
            way = np.array([np.cos(k * np.pi / 12), np.sin(k * np.pi / 12)]) * squeeze
            build.flat(
                ribbon([way * size * 0.5 + middle, way * size * (1.15 if k % 2 else 0.98) + middle], 0.03),
                "frame",
                "flat",
            )
        outer = outer * 0.7
        size = size * 0.7
    build.flat(outer * squeeze + middle, "frame", "puffy")
    build.flat(outer * squeeze * (1 - edge / size) + middle, "body", "flat", 1.06)
    marks = t.choose(4, ("ticks", "dots", "four", "none"))
    tone = (245.0, 240.0, 230.0) if t.u[10] > 0.5 else (40.0, 36.0, 34.0)
    reach = size - edge - 0.04
    for k in range(12):
        if marks == "none" or (marks == "four" and k % 3):
            continue
        way = np.array([np.sin(k * np.pi / 6), np.cos(k * np.pi / 6)])
        if marks == "dots":
            place = way * (reach - 0.03) * squeeze + middle
            build.flat(oval(place[0], place[1], 0.018, 0.018, 10), "mark", "plain", 1.0, tone)
        else:
            start = reach - (0.1 if k % 3 == 0 else 0.06)
            build.flat(
                ribbon(
                    [way * start * squeeze + middle, way * reach * squeeze + middle],
                    0.03 if k % 3 == 0 else 0.018,
                ),
                "mark",
                "plain",
                1.0,
                tone,
            )
    for angle, length, width in ((2 * np.pi * t.u[5], 0.52, 0.036), (2 * np.pi * t.u[6], 0.8, 0.024)):
        way = np.array([np.sin(angle), np.cos(angle)]) * squeeze
        build.flat(
            ribbon([middle - way * 0.05, middle + way * reach * length], width), "mark", "plain", 1.0, tone
        )
    build.flat(oval(middle[0], middle[1], 0.03, 0.03, 14), "accent", "ball")


def picture_frame(build: Builder, t: Traits) -> None:
    """A framed picture: abstract shapes, a landscape, a leaf or the product's own pattern."""
    kind = t.choose(0, ("leaf", "abstract", "hills", "pattern", "sun"))
    half, high = t.span(1, 0.3, 0.5), t.span(2, 0.34, 0.56)
    edge, mount = t.span(3, 0.025, 0.07), t.span(4, 0.0, 0.12)
    squeeze, middle = np.array([np.cos(build.view.yaw), 1.0]), np.array([0.0, 0.58])

    def put(outline: Points, surface: str, shade: str = "flat", light: float = 1.0) -> None:
        build.flat(outline * squeeze + middle, surface, shade, light)

    put(rounded(-half, -high, half, high, 0.008), "frame", "puffy")
    put(rounded(-half + edge, -high + edge, half - edge, high - edge, 0.0), "paper", "plain", 0.99)
    wide, tall = half - edge - mount, high - edge - mount
    field = rounded(-wide, -tall, wide, tall, 0.0)
    put(field, "body" if kind in ("pattern", "abstract", "sun") else "linen", "flat", 1.0)
    if kind == "abstract":
        put(oval(wide * (t.u[5] - 0.5), tall * 0.25, wide * 0.42, wide * 0.42), "accent", "flat")
        put(
            rounded(-wide * 0.7, -tall * 0.85, wide * (t.u[6] - 0.2), -tall * 0.1, wide * 0.3, 8),
            "frame",
            "flat",
            1.1,
        )
    if kind == "sun":
        put(oval(0, tall * 0.25, wide * 0.5, wide * 0.5), "accent", "flat", 1.1)
        put(
            np.vstack(
                [
                    smooth([(-wide, -tall * 0.2), (-wide * 0.3, -tall * t.u[5] * 0.4), (wide, -tall * 0.35)]),
                    [(wide, -tall), (-wide, -tall)],
                ]
            ),
            "frame",
            "flat",
        )
    if kind == "hills":
        for k, surface in enumerate(("accent", "body", "frame")):
            level = tall * (0.3 - 0.42 * k)
            ridge = smooth(
                [
                    (-wide, level),
                    (-wide * 0.35, level + tall * 0.3 * (t.u[5 + k] - 0.2)),
                    (wide * 0.3, level - tall * 0.15),
                    (wide, level + tall * 0.2 * t.u[6 + k]),
                ]
            )
            put(np.vstack([ridge, [(wide, -tall), (-wide, -tall)]]), surface, "flat", 1.0)
    if kind == "leaf":
        stem = smooth([(0, -tall * 0.8), (wide * 0.1, 0), (-wide * 0.05, tall * 0.8)])
        put(ribbon(stem, 0.018), "accent", "flat", 0.8)
        for k in range(8):
            x, y = stem[2 + k * (len(stem) - 4) // 8]
            way = (-1) ** k
            tip = (x + way * wide * 0.65, y + tall * 0.28)
            curve = smooth([(x, y), (x + way * wide * 0.3, y + tall * 0.08), tip])
            put(
                ribbon(curve, tall * 0.2 * np.sin(np.pi * np.linspace(0.05, 0.98, len(curve)))),
                "accent" if k % 3 else "body",
                "flat",
            )
