"""Tables, shelves, cabinets and beds."""

from __future__ import annotations

import numpy as np

from unifiedlib.decor.geometry import Builder, hull, oval, ribbon, rounded, smooth
from unifiedlib.decor.palette import Colour
from unifiedlib.decor.shapes_seating import legs
from unifiedlib.decor.traits import Traits

_SPINES: tuple[Colour, ...] = (
    (196, 92, 70),
    (226, 214, 192),
    (72, 96, 112),
    (212, 168, 92),
    (120, 134, 108),
    (88, 66, 80),
    (236, 232, 224),
)


def _round_top(build: Builder, wide: float, deep: float, high: float, thick: float) -> None:
    """A round or oval top whose upper face is at height `high`."""
    angle = np.linspace(0, 2 * np.pi, 40, endpoint=False)
    ring = np.stack([wide * np.cos(angle), deep * np.sin(angle)], axis=1)
    build.floor(ring, high - thick, "body", "flat", 0.6)
    sides = np.column_stack([ring[:, 0], np.full(40, high - thick), ring[:, 1]])
    upper = np.column_stack([ring[:, 0], np.full(40, high), ring[:, 1]])
    build.flat(hull(build.view.project(np.vstack([sides, upper]))), "body", "flat", 0.8)
    build.floor(ring, high, "body", "flat", 1.1)


def coffee_table(build: Builder, t: Traits) -> None:
    """A low, wide table: slab, oval, round, drum or with a lower shelf."""
    kind = t.choose(0, ("oval", "slab", "shelf", "drum", "slab"))
    half, deep, high = t.span(1, 0.5, 0.75), t.span(2, 0.24, 0.42), t.span(3, 0.36, 0.5)
    thick = t.span(4, 0.035, 0.1)
    if kind == "drum":
        build.turned([(half * 0.75, 0), (half * t.span(5, 0.6, 0.78), high)], "frame")
        build.turned([(half * 0.8, high - thick), (half * 0.8, high)], "body")
        _round_top(build, half * 0.8, half * 0.8, high, 0.0)
        return
    legs(build, t, (-half * 0.82, half * 0.82), (-deep * 0.75, deep * 0.75), high - thick, 6, 0.06)
    if kind == "shelf":
        build.box(
            (-half * 0.84, half * 0.84), (high * 0.25, high * 0.31), (-deep * 0.75, deep * 0.75), "frame", 0.9
        )
        _books(build, -half * 0.3, high * 0.31, t, lying=True)
    if kind == "oval":
        _round_top(build, half, deep * 1.1, high, thick)
    else:
        build.box((-half, half), (high - thick, high), (-deep, deep), "body")
        if t.u[7] > 0.7:
            build.box(
                (-half * 0.9, half * 0.9),
                (high - thick - 0.1, high - thick),
                (-deep * 0.96, deep * 0.9),
                "frame",
                0.9,
            )


def side_table(build: Builder, t: Traits) -> None:
    """A small, high table: pedestal, three legs, tray, cube or with a drawer."""
    kind = t.choose(0, ("legs", "tray", "drawer", "pedestal", "cube"))
    wide, high = t.span(1, 0.26, 0.4), t.span(2, 0.72, 0.98)
    thick = t.span(3, 0.03, 0.07)
    if kind == "pedestal":
        foot = t.span(4, 0.16, 0.26)
        build.turned(
            smooth(
                [(foot, 0), (foot * 0.8, 0.03), (0.05, 0.12), (0.04, high * 0.6), (0.09, high - thick)], 6
            ),
            "frame",
        )
        _round_top(build, wide, wide, high, thick)
    elif kind in ("legs", "tray"):
        for x, z, light in ((0, 0.8, 0.75), (-0.75, -0.4, 1.0), (0.75, -0.4, 1.0)):
            build.rod(
                (x * wide * 0.7, high - thick, z * wide * 0.7),
                (x * wide * 1.05, 0, z * wide),
                0.045,
                "frame",
                light,
                0.7,
            )
        if kind == "tray":
            _round_top(build, wide * 0.7, wide * 0.7, high * 0.38, 0.02)
            build.turned([(wide, high - 0.03), (wide * 1.02, high + 0.05)], "body", opening=True)
        else:
            _round_top(build, wide, wide, high, thick)
    else:
        half, drop = wide * 0.92, t.span(4, 0.16, 0.3)
        if kind == "cube":
            legs(build, t, (-half, half), (-half, half), high, 6, 0.045)
            build.box((-half, half), (high * 0.3, high * 0.34), (-half, half), "body", 0.9)
            build.box((-half, half), (high - thick, high), (-half, half), "body")
            return
        legs(build, t, (-half * 0.9, half * 0.9), (-half * 0.8, half * 0.8), high - drop, 6, 0.05)
        build.box((-half, half), (high - drop, high), (-half, half), "body")
        build.face(
            rounded(-half * 0.86, high - drop + 0.03, half * 0.86, high - 0.04, 0.01),
            -half,
            "body",
            "flat",
            0.9,
        )
        build.face(oval(0, high - drop / 2, 0.03, 0.03, 14), -half, "accent", "ball")


def _books(
    build: Builder, x: float, y: float, t: Traits, lying: bool = False, count: int = 4, tall: float = 0.15
) -> float:
    """Books on a board from x on; returns where they end."""
    start = int(t.u[11] * 100)
    for k in range(count):
        tone = _SPINES[(start + k * 3 + k * k) % len(_SPINES)]
        size = 0.026 + 0.014 * ((start + k * 5) % 3)
        if lying:
            build.face(
                rounded(x, y + k * 0.03, x + 0.26 - 0.03 * k, y + k * 0.03 + 0.028, 0.004),
                0.0,
                "spine",
                "plain",
                1.0,
                tone,
            )
        else:
            high = tall * (0.72 + 0.28 * (((start + k * 7) % 5) / 4))
            build.face(
                np.array([(x, y), (x + size, y), (x + size, y + high), (x, y + high)]),
                0.06,
                "spine",
                "plain",
                1.0,
                tone,
            )
            x += size + 0.002
    return x


def bookshelf(build: Builder, t: Traits) -> None:
    """Boards between posts or sides, with a few books: closed, open, ladder or cube grid."""
    kind = t.choose(0, ("open", "closed", "grid", "open", "ladder"))
    half, high, deep = t.span(1, 0.26, 0.46), t.span(2, 1.1, 1.45), 0.26
    boards = 3 + int(t.u[3] * 2.99)
    thick = t.span(4, 0.022, 0.045)
    frame = "body" if kind in ("closed", "grid") else "frame"
    if kind in ("closed", "grid"):
        build.box((-half, half), (0, high), (deep - 0.02, deep), "body", 0.62)
    elif kind == "open":
        build.rod((-half, high * 0.1, deep), (half, high * 0.9, deep), 0.016, "frame", 0.8)
    for x in (-half, half):
        build.rod((x, 0, deep), (x, high, deep), 0.04, frame, 0.7)
    for k in range(boards + 1):
        y = 0.06 + (high - 0.06 - thick) * k / boards
        near = 0.1 * (1 - k / boards) * -1 if kind == "ladder" else 0.0
        build.box((-half, half), (y, y + thick), (near, deep), "body")
        if k < boards and t.u[5 + k % 4] > 0.25:
            room = (high - 0.06) / boards - thick
            start = -half * 0.85 + (half * 0.7 if (k + int(t.u[9] * 9)) % 2 else 0.0)
            _books(build, start, y + thick, t, count=3 + (k + int(t.u[10] * 9)) % 4, tall=room * 0.85)
    if kind == "grid":
        build.box((-0.015, 0.015), (0.06, high), (0, 0.05), "body", 0.95)
    for sign in (-1, 1):
        if kind in ("closed", "grid"):
            inner, outer = sorted((sign * half, sign * (half - 0.035)))
            build.box((inner, outer), (0, high), (0, deep), "body")
        else:
            lean = -0.12 if kind == "ladder" else 0.0
            build.rod((sign * half, 0, lean), (sign * half, high, 0.0), 0.04, "frame")


def cabinet(build: Builder, t: Traits) -> None:
    """A case with doors or drawers: sideboard, chest, wardrobe or apothecary."""
    kind = t.choose(0, ("sideboard", "chest", "wardrobe", "sideboard", "apothecary"))
    wide = {
        "sideboard": (0.65, 0.9),
        "chest": (0.34, 0.5),
        "wardrobe": (0.32, 0.46),
        "apothecary": (0.4, 0.6),
    }[kind]
    tall = {"sideboard": (0.4, 0.55), "chest": (0.6, 0.85), "wardrobe": (1.1, 1.4), "apothecary": (0.6, 0.9)}[
        kind
    ]
    half, high, leg = t.span(1, *wide), t.span(2, *tall), t.span(3, 0.06, 0.24)
    columns = {
        "sideboard": 2 + int(t.u[4] * 2.99),
        "chest": 1,
        "wardrobe": 2,
        "apothecary": 3 + int(t.u[4] * 2),
    }[kind]
    rows = {"sideboard": 1, "chest": 3 + int(t.u[5] * 2.99), "wardrobe": 1, "apothecary": 3}[kind]
    deep = 0.3
    legs(build, t, (-half + 0.06, half - 0.06), (0.03, deep - 0.03), leg, 6, 0.055)
    build.box((-half, half), (leg, leg + high), (0, deep), "body", 0.95)
    front = "accent" if t.u[7] > 0.7 else "body"
    gap, wide_door, high_door = 0.02, 2 * half / columns, (high - 0.03) / rows
    for row in range(rows):
        for column in range(columns):
            left, low = -half + column * wide_door + gap / 2, leg + 0.015 + row * high_door
            right, top = left + wide_door - gap, low + high_door - gap
            build.face(
                rounded(left - 0.006, low - 0.008, right + 0.006, top + 0.002, 0.004),
                0.0,
                "dark",
                "plain",
                1.3,
            )
            build.face(rounded(left, low, right, top, 0.006), 0.0, front, "flat", 1.04)
            _handle(build, t, (left, low, right, top), kind, column)


def _handle(
    build: Builder, t: Traits, door: tuple[float, float, float, float], kind: str, column: int
) -> None:
    left, low, right, top = door
    x = (left + right) / 2
    if kind in ("sideboard", "wardrobe"):
        x = right - 0.06 if column % 2 == 0 else left + 0.06
    y = (low + top) / 2
    shape = t.choose(8, ("knob", "bar", "cup"))
    if shape == "bar" and kind in ("sideboard", "wardrobe"):
        build.face(rounded(x - 0.01, y - 0.08, x + 0.01, y + 0.08, 0.01), -0.01, "frame", "flat", 1.1)
    elif shape == "knob":
        build.face(oval(x, y, 0.022, 0.022, 12), -0.01, "frame", "ball", 1.1)
    else:
        build.face(rounded(x - 0.06, y - 0.012, x + 0.06, y + 0.012, 0.012), -0.01, "frame", "flat", 1.1)


def bed(build: Builder, t: Traits) -> None:
    """A made bed seen from its foot: headboard, mattress, duvet, pillows."""
    kind = t.choose(0, ("panel", "slats", "arch", "padded", "bars"))
    half, head, long = t.span(1, 0.48, 0.72), t.span(2, 0.72, 1.05), 1.15
    base = t.span(3, 0.2, 0.3)
    if kind in ("panel", "padded"):
        build.box((-half, half), (0, head), (long, long + 0.05), "frame" if kind == "panel" else "accent")
        if kind == "padded":
            build.cushion((-half, half), (0.3, head), (long - 0.02, long), "accent", 0.05)
    elif kind == "arch":
        arch = rounded(-half, 0.0, half, head + 0.12, half * 0.8, 10)
        build.face(arch, long, "frame", "puffy")
    else:
        for x in (-half, half):
            build.rod((x, 0, long), (x, head, long), 0.06, "frame")
        for k in range(7 if kind == "bars" else 4):
            if kind == "bars":
                x = half * (-0.75 + 0.25 * k)
                build.rod((x, base, long), (x, head - 0.05, long), 0.026, "frame")
            else:
                y = head - 0.08 - 0.13 * k
                build.face(rounded(-half, y - 0.04, half, y + 0.04, 0.02), long, "frame", "flat")
        build.rod((-half, head - 0.03, long), (half, head - 0.03, long), 0.05, "frame")
    for x in (-half + 0.06, half - 0.06):
        build.rod((x, 0.16, 0.05), (x, 0, 0.05), 0.07, "frame", taper=0.7)
    build.box((-half, half), (0.1, base), (0, long), "frame", 0.95)
    build.cushion((-half + 0.02, half - 0.02), (base, base + 0.16), (0.02, long), "linen", 0.05, 0.98)
    pillows = 2 if half > 0.55 else 1
    for k in range(pillows):
        x = (k - (pillows - 1) / 2) * half * 0.95
        build.cushion(
            (x - half * 0.4 * (3 - pillows) * 0.62, x + half * 0.4 * (3 - pillows) * 0.62),
            (base + 0.14, base + 0.34),
            (long - 0.26, long - 0.12),
            "linen",
            0.09,
            1.04,
        )
    if t.u[6] > 0.4:
        build.cushion((-0.17, 0.17), (base + 0.15, base + 0.36), (long - 0.38, long - 0.32), "accent", 0.07)
    reach = long * t.span(5, 0.55, 0.72)
    build.cushion((-half - 0.01, half + 0.01), (base + 0.02, base + 0.21), (-0.01, reach), "body", 0.07)
    if t.u[7] > 0.45:
        build.box(
            (-half - 0.012, half + 0.012),
            (base + 0.02, base + 0.215),
            (0.08, 0.08 + 0.2),
            "accent",
            1.0,
            "puffy",
        )
    if t.u[8] > 0.7:
        build.face(ribbon([(-half, base - 0.02), (half, base - 0.02)], 0.05), -0.01, "frame", "flat", 1.05)
