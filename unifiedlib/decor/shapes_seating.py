"""Armchairs, sofas, dining chairs and stools."""

from __future__ import annotations

import numpy as np

from unifiedlib.decor.geometry import Builder, at, oval, ribbon, rounded, smooth
from unifiedlib.decor.traits import Traits

Range = tuple[float, float]


def legs(build: Builder, t: Traits, x: Range, z: Range, top: float, trait: int, wide: float = 0.05) -> None:
    """Four legs under a seat or a top, back ones first: tapered, straight, hairpin or sled."""
    kind = t.choose(trait, ("tapered", "straight", "hairpin", "sled"))
    places = ((x[0], z[1]), (x[1], z[1]), (x[0], z[0]), (x[1], z[0]))
    for number, (px, pz) in enumerate(places):
        light = 0.72 if number < 2 else 1.0
        inward = -np.sign(px - sum(x) / 2)
        if kind == "hairpin":
            for shift in (0.0, 0.09):
                build.rod((px + inward * shift, top, pz), (px + inward * 0.03, 0, pz), 0.022, "frame", light)
            continue
        splay = -0.07 * inward if kind == "tapered" else 0.0
        taper = 0.5 if kind == "tapered" else 1.0
        start = (px + inward * (0.04 if kind == "tapered" else 0.0), top, pz)
        build.rod(start, (px + splay * 0.4, 0, pz), wide, "frame", light, taper)
    if kind == "sled":
        for pz, light in ((z[1], 0.72), (z[0], 1.0)):
            build.rod((x[0], 0.02, pz), (x[1], 0.02, pz), wide * 0.8, "frame", light)


def _back(build: Builder, t: Traits, x: Range, y: Range, z: float, kind: str) -> None:
    """An upholstered back: square, round, winged or channelled."""
    if kind == "round":
        width = x[1] - x[0]
        outline = rounded(x[0], y[0], x[1], y[1], width * 0.42, 9)
    else:
        outline = rounded(x[0], y[0], x[1], y[1], t.span(8, 0.03, 0.12))
    build.face(outline + at(0, 0.015), z + 0.12, "body", "flat", 0.78)
    build.face(outline, z, "body", "puffy", 0.98)
    if kind == "channel":
        for k in range(1, 6):
            line = x[0] + (x[1] - x[0]) * k / 6
            build.face(ribbon([(line, y[0]), (line, y[1] - 0.03)], 0.012), z, "dark", "plain", 1.6)
    if kind == "buttons":
        for k in range(8):
            place = at(x[0] + (x[1] - x[0]) * (0.2 + 0.2 * (k % 4)), y[1] - 0.12 - 0.14 * (k // 4))
            build.face(
                oval(place[0], place[1], 0.012, 0.012, 10),
                z,
                "dark",
                "plain",
                1.4,
            )


def armchair(build: Builder, t: Traits) -> None:
    """A wide seat between arms under a soft back."""
    kind = t.choose(0, ("square", "round", "wing", "channel", "buttons"))
    half, seat, back = t.span(1, 0.36, 0.5), t.span(2, 0.34, 0.44), t.span(3, 0.8, 1.08)
    arm_high, arm = seat + t.span(4, 0.12, 0.26), t.span(5, 0.07, 0.17)
    depth = 0.62
    leg = t.span(6, 0.08, 0.22)
    legs(build, t, (-half + 0.05, half - 0.05), (0.06, depth - 0.04), leg + 0.06, 7)
    _back(build, t, (-half + 0.02, half - 0.02), (leg, back), depth - 0.12, kind)
    build.cushion((-half, half), (leg, leg + 0.15), (0.02, depth), "body", 0.04, 0.86)
    build.cushion(
        (-half + arm, half - arm),
        (leg + 0.11, seat),
        (0, depth - 0.14),
        "accent" if t.u[9] > 0.82 else "body",
        0.05,
        1.04,
    )
    if t.u[10] > 0.75:
        for sign in (-1, 1):
            x = sign * (half - arm / 2)
            build.rod((x, leg, 0.05), (x, arm_high, 0.02), 0.05, "frame")
            build.rod((x, arm_high, 0.0), (x, arm_high + 0.03, depth - 0.15), 0.06, "frame", 1.1)
    else:
        top = arm_high + (0.2 if kind == "wing" else 0.0)
        order = (-1, 1) if build.view.yaw > 0 else (1, -1)
        for sign in order:
            inner, outer = sorted((sign * (half - arm), sign * half))
            build.cushion((inner, outer), (leg, arm_high), (0.0, depth - 0.08), "body", arm * 0.45)
            if kind == "wing":
                build.cushion(
                    (inner, outer),
                    (arm_high - 0.05, min(top + 0.15, back - 0.06)),
                    (depth - 0.3, depth - 0.08),
                    "body",
                    0.06,
                    0.94,
                )
    if t.u[11] > 0.72:
        build.cushion((-0.15, 0.15), (seat - 0.01, seat + 0.26), (depth - 0.3, depth - 0.22), "accent", 0.06)


def sofa(build: Builder, t: Traits) -> None:
    """Two or three seats between arms, with loose cushions."""
    seats = 3 if t.u[1] > 0.45 else 2
    half, seat, back = 0.3 * seats + t.span(2, 0.02, 0.16), t.span(3, 0.32, 0.4), t.span(4, 0.62, 0.84)
    arm, arm_high, leg = t.span(5, 0.08, 0.2), seat + t.span(6, 0.06, 0.22), t.span(7, 0.06, 0.16)
    depth = 0.62
    kind = t.choose(0, ("square", "round", "channel", "buttons"))
    legs(build, t, (-half + 0.06, half - 0.06), (0.06, depth - 0.05), leg + 0.05, 8)
    _back(
        build,
        t,
        (-half + 0.03, half - 0.03),
        (leg, back),
        depth - 0.12,
        "square" if kind == "round" else kind,
    )
    build.cushion((-half, half), (leg, leg + 0.13), (0.02, depth), "body", 0.03, 0.84)
    wide = 2 * (half - arm) / seats
    for k in range(seats):
        left = -half + arm + k * wide
        if kind in ("square", "round"):
            radius = 0.14 if kind == "round" else 0.05
            build.cushion(
                (left + 0.01, left + wide - 0.01),
                (seat, back + 0.03),
                (depth - 0.26, depth - 0.16),
                "body",
                radius,
                0.98,
            )
    for k in range(seats):
        left = -half + arm + k * wide
        build.cushion(
            (left + 0.004, left + wide - 0.004), (leg + 0.1, seat), (0, depth - 0.18), "body", 0.045, 1.05
        )
    for sign in (-1, 1) if build.view.yaw > 0 else (1, -1):
        inner, outer = sorted((sign * (half - arm), sign * half))
        build.cushion((inner, outer), (leg, arm_high), (0, depth - 0.08), "body", arm * 0.45)
    for k in range(int(t.u[9] * 3.9)):
        x = (-half + arm + 0.16, half - arm - 0.16, 0.0)[k]
        build.cushion((x - 0.14, x + 0.14), (seat, seat + 0.25), (depth - 0.34, depth - 0.28), "accent", 0.06)


def dining_chair(build: Builder, t: Traits) -> None:
    """A slim chair: slats, ladder, cross, bentwood, shell or upholstered back."""
    kind = t.choose(0, ("spindle", "shell", "ladder", "bentwood", "cross", "pad"))
    half, seat, high = t.span(1, 0.22, 0.29), t.span(2, 0.42, 0.5), t.span(3, 0.9, 1.12)
    depth, lean = 0.46, 0.07
    legs(build, t, (-half + 0.02, half - 0.02), (0.02, depth - 0.02), seat, 4, 0.045)
    back = depth - 0.02
    if kind in ("shell", "pad"):
        low = seat + (0.02 if kind == "shell" else 0.14)
        outline = rounded(-half, low, half, high, t.span(5, 0.05, 0.22), 8)
        if kind == "pad":
            for x in (-half * 0.7, half * 0.7):
                build.rod((x, seat, back), (x, low + 0.05, back), 0.035, "frame")
        build.face(outline + at(0, 0.012), back + 0.05, "body", "flat", 0.75)
        build.face(outline, back, "body", "puffy")
    else:
        _open_back(build, t, kind, half, seat, high, back, lean)
    top = "body" if t.u[7] > 0.35 else "frame"
    build.cushion(
        (-half - 0.01, half + 0.01), (seat - 0.02, seat + t.span(8, 0.03, 0.08)), (0, depth), top, 0.03, 1.03
    )


def _open_back(
    build: Builder, t: Traits, kind: str, half: float, seat: float, high: float, back: float, lean: float
) -> None:
    for x in (-half, half):
        if kind != "bentwood":
            build.rod((x, seat, back), (x * 1.03, high, back + lean), 0.042, "frame")
    if kind == "bentwood":
        hoop = smooth(
            [(-half, seat), (-half * 1.05, high - 0.2), (0, high), (half * 1.05, high - 0.2), (half, seat)]
        )
        build.face(ribbon(hoop, 0.04), back, "frame", "puffy")
        inner = smooth(
            [
                (-half * 0.6, seat),
                (-half * 0.6, high - 0.28),
                (0, high - 0.12),
                (half * 0.6, high - 0.28),
                (half * 0.6, seat),
            ]
        )
        build.face(ribbon(inner, 0.028), back, "frame", "puffy")
        return
    if kind == "spindle":
        count = 3 + int(t.u[6] * 4)
        for k in range(count):
            x = half * (-0.8 + 1.6 * k / (count - 1))
            build.rod((x, seat, back), (x, high - 0.05, back + lean), 0.02, "frame")
        build.face(
            rounded(-half - 0.03, high - 0.1, half + 0.03, high + 0.02, 0.04), back + lean, "frame", "puffy"
        )
    if kind == "ladder":
        for k in range(3):
            y = seat + (high - seat) * (0.35 + 0.3 * k)
            build.face(rounded(-half, y - 0.045, half, y + 0.035, 0.02), back + lean * 0.8, "frame", "puffy")
    if kind == "cross":
        build.rod((-half, seat + 0.08, back), (half, high - 0.05, back + lean), 0.032, "frame")
        build.rod((half, seat + 0.08, back), (-half, high - 0.05, back + lean), 0.032, "frame")
        build.face(
            rounded(-half - 0.02, high - 0.06, half + 0.02, high + 0.03, 0.03), back + lean, "frame", "puffy"
        )


def stool(build: Builder, t: Traits) -> None:
    """A round seat on legs, a bar stool or an upholstered pouf."""
    kind = t.choose(0, ("round", "round", "pouf", "bar"))
    wide = t.span(1, 0.26, 0.4)
    if kind == "pouf":
        high = t.span(2, 0.42, 0.62)
        build.turned(smooth([(wide * 1.05, 0), (wide * 1.22, high * 0.5), (wide * 1.05, high)], 7), "body")
        lift = high * np.cos(build.view.pitch)
        build.flat(
            rounded(
                -wide,
                lift - wide * np.sin(build.view.pitch),
                wide,
                lift + wide * np.sin(build.view.pitch),
                wide,
                9,
            ),
            "body",
            "flat",
            1.08,
        )
        build.turned([(wide * 1.06, high * 0.94), (wide * 1.05, high)], "accent", light=0.95)
        return
    high = t.span(2, 0.82, 1.05) if kind == "bar" else t.span(2, 0.5, 0.72)
    wide = wide * 0.75 if kind == "bar" else wide
    reach = wide * t.span(3, 0.75, 1.15)
    count = 3 if t.u[4] > 0.75 else 4
    turn = 0.6 + t.u[5]
    for k in sorted(range(count), key=lambda k: -np.sin(turn + 2 * np.pi * k / count)):
        x, z = np.cos(turn + 2 * np.pi * k / count), np.sin(turn + 2 * np.pi * k / count)
        build.rod(
            (x * wide * 0.6, high, z * wide * 0.6),
            (x * reach, 0, z * reach),
            0.052,
            "frame",
            0.8 if z > 0 else 1.0,
            0.7,
        )
    if t.u[6] > 0.4:
        level = high * t.span(7, 0.25, 0.4)
        ring = np.linspace(0, 2 * np.pi, 25)
        path = build.view.project(
            np.stack([reach * 0.85 * np.cos(ring), np.full(25, level), reach * 0.85 * np.sin(ring)], 1)
        )
        build.flat(ribbon(path, 0.025), "frame", "flat", 0.95)
    thick = t.span(8, 0.04, 0.14)
    build.turned(
        smooth([(wide * 0.97, high), (wide * 1.03, high + thick * 0.5), (wide * 0.98, high + thick)], 5),
        "body",
    )
    top = build.view.project([(0, high + thick, 0)])[0]
    tilt = np.sin(build.view.pitch) * wide * 0.96
    build.flat(rounded(-wide * 0.96, top[1] - tilt, wide * 0.96, top[1] + tilt, wide, 9), "body", "flat", 1.1)
