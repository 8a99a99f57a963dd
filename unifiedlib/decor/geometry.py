"""Solids of the products as lists of flat parts: a small display list that any size of picture is drawn from.

World axes: x to the right, y up from the floor, z away from the viewer; a product is about one unit high.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from unifiedlib.decor.palette import Colour

Points = NDArray[np.float64]
Bounds = tuple[float, float, float, float]
"""Left, bottom, right, top in units."""


@dataclass(frozen=True)
class View:
    """From where a product is seen, in radians: `yaw` turns it (-0.6..0.6), `pitch` looks down (0..0.5)."""

    yaw: float = 0.0
    pitch: float = 0.2

    def project(self, points: ArrayLike) -> Points:
        """World points [n x 3] to picture points [n x 2], x right and y up, orthographic."""
        x, y, z = np.asarray(points, float).T
        across = x * np.cos(self.yaw) + z * np.sin(self.yaw)
        depth = z * np.cos(self.yaw) - x * np.sin(self.yaw)
        return np.stack([across, y * np.cos(self.pitch) + depth * np.sin(self.pitch)], axis=1)


@dataclass(frozen=True)
class Part:
    """One painted area: its outline [n x 2], what it is made of and how light falls on it."""

    outline: Points
    surface: str
    """`body`, `frame` or `accent` (a finish of the product), or a fixed surface of render.FIXED."""
    shade: str = "flat"
    """`plain`, `flat`, `round` (a cylinder), `puffy` (a cushion), `ball` or `glow` (a lit shade)."""
    light: float = 1.0
    colour: Colour | None = None
    opacity: float = 1.0


def bounds_of(parts: Sequence[Part]) -> Bounds:
    """The smallest box around all parts, in units."""
    low = np.min([part.outline.min(axis=0) for part in parts], axis=0)
    high = np.max([part.outline.max(axis=0) for part in parts], axis=0)
    return float(low[0]), float(low[1]), float(high[0]), float(high[1])


def at(x: float, y: float) -> Points:
    """A point of the picture [2], or a step to move an outline by."""
    return np.array((x, y), float)


def smooth(points: ArrayLike, steps: int = 8) -> Points:
    """A Catmull-Rom curve through control points [n x 2]."""
    control = np.asarray(points, float)
    padded = np.vstack([2 * control[0] - control[1], control, 2 * control[-1] - control[-2]])
    t = np.linspace(0, 1, steps, endpoint=False)
    weights = 0.5 * np.stack(
        [2 * t**2 - t**3 - t, 2 - 5 * t**2 + 3 * t**3, t + 4 * t**2 - 3 * t**3, t**3 - t**2], axis=1
    )
    windows = np.stack([padded[k : k + len(control) - 1] for k in range(4)], axis=1)
    return np.vstack([(weights @ windows).reshape(-1, 2), control[-1:]])


def rounded(left: float, bottom: float, right: float, top: float, radius: float, steps: int = 5) -> Points:
    """Outline of a rectangle with rounded corners [4 * steps x 2]."""
    radius = min(radius, (right - left) / 2, (top - bottom) / 2)
    corners = ((right, top, 0.0), (left, top, 0.5), (left, bottom, 1.0), (right, bottom, 1.5))
    outline = []
    for x, y, start in corners:
        angle = np.pi * np.linspace(start, start + 0.5, steps)
        inner_x = x - radius if x == right else x + radius
        inner_y = y - radius if y == top else y + radius
        outline.append(np.stack([inner_x + radius * np.cos(angle), inner_y + radius * np.sin(angle)], axis=1))
    return np.vstack(outline)


def oval(x: float, y: float, width: float, height: float, steps: int = 28) -> Points:
    """Outline of an ellipse by its centre and its two radii."""
    angle = np.linspace(0, 2 * np.pi, steps, endpoint=False)
    return np.stack([x + width * np.cos(angle), y + height * np.sin(angle)], axis=1)


def ribbon(path: ArrayLike, width: ArrayLike) -> Points:
    """Outline of a band of the given width along a path [n x 2]: legs, handles, stems, wires."""
    line = np.asarray(path, float)
    along = np.gradient(line, axis=0)
    along /= np.maximum(np.linalg.norm(along, axis=1, keepdims=True), 1e-9)
    half = np.broadcast_to(np.asarray(width, float) / 2, (len(line),))[:, None]
    side = np.stack([-along[:, 1], along[:, 0]], axis=1) * half
    return np.vstack([line + side, (line - side)[::-1]])


def hull(points: ArrayLike) -> Points:
    """The convex outline around points [n x 2]."""
    return np.asarray(cv2.convexHull(np.asarray(points, np.float32))[:, 0, :], float)


class Builder:
    """Collects the parts of a product, back to front, as seen from one view."""

    def __init__(self, view: View) -> None:
        """Starts without parts."""
        self.view = view
        self.parts: list[Part] = []

    def flat(
        self,
        outline: Points,
        surface: str,
        shade: str = "flat",
        light: float = 1.0,
        colour: Colour | None = None,
        opacity: float = 1.0,
    ) -> None:
        """A part whose outline is already in picture coordinates."""
        self.parts.append(Part(np.asarray(outline, float), surface, shade, light, colour, opacity))

    def face(
        self,
        outline: Points,
        z: float,
        surface: str,
        shade: str = "flat",
        light: float = 1.0,
        colour: Colour | None = None,
    ) -> None:
        """An upright area: outline [n x 2] in x and y, standing at depth z."""
        points = np.column_stack([outline, np.full(len(outline), z)])
        self.flat(self.view.project(points), surface, shade, light, colour)

    def floor(self, outline: Points, y: float, surface: str, shade: str = "flat", light: float = 1.0) -> None:
        """A level area: outline [n x 2] in x and z, lying at height y."""
        points = np.column_stack([outline[:, 0], np.full(len(outline), y), outline[:, 1]])
        self.flat(self.view.project(points), surface, shade, light)

    def box(
        self,
        x: tuple[float, float],
        y: tuple[float, float],
        z: tuple[float, float],
        surface: str,
        light: float = 1.0,
        shade: str = "flat",
    ) -> None:
        """A block: its visible side, top and front."""
        side = x[1] if self.view.yaw > 0 else x[0]
        if abs(self.view.yaw) > 0.03:
            corners = [(side, y[0], z[0]), (side, y[0], z[1]), (side, y[1], z[1]), (side, y[1], z[0])]
            tone = 0.72 if self.view.yaw > 0 else 0.86
            self.flat(self.view.project(corners), surface, "flat", light * tone)
        top = [(x[0], y[1], z[0]), (x[1], y[1], z[0]), (x[1], y[1], z[1]), (x[0], y[1], z[1])]
        self.flat(self.view.project(top), surface, "flat", light * 1.12)
        front = [(x[0], y[0], z[0]), (x[1], y[0], z[0]), (x[1], y[1], z[0]), (x[0], y[1], z[0])]
        self.flat(self.view.project(front), surface, shade, light)

    def cushion(
        self,
        x: tuple[float, float],
        y: tuple[float, float],
        z: tuple[float, float],
        surface: str,
        radius: float = 0.05,
        light: float = 1.0,
    ) -> None:
        """An upholstered block with rounded edges: its whole silhouette, then a soft front."""
        outline = rounded(x[0], y[0], x[1], y[1], radius)
        front = np.column_stack([outline, np.full(len(outline), z[0])])
        back = np.column_stack([outline, np.full(len(outline), z[1])])
        whole = hull(self.view.project(np.vstack([front, back])))
        self.flat(whole, surface, "puffy", light * 0.97)
        self.flat(self.view.project(front), surface, "puffy", light)

    def rod(
        self,
        start: tuple[float, float, float],
        end: tuple[float, float, float],
        width: float,
        surface: str,
        light: float = 1.0,
        taper: float = 1.0,
    ) -> None:
        """A straight bar between two world points; `taper` is the width of its end over its start."""
        path = self.view.project([start, end])
        self.flat(ribbon(path, (width, width * taper)), surface, "round", light)

    def turned(
        self,
        profile: ArrayLike,
        surface: str,
        x: float = 0.0,
        z: float = 0.0,
        shade: str = "round",
        light: float = 1.0,
        opening: bool = False,
        opacity: float = 1.0,
    ) -> None:
        """A solid turned on a lathe: profile [n x 2] of radius and height, from the bottom up."""
        radius, height = np.asarray(profile, float).T
        centre = self.view.project([(x, 0.0, z)])[0]
        level = centre[1] + height * np.cos(self.view.pitch)
        tilt = np.sin(self.view.pitch)
        arc = np.linspace(0, np.pi, 13)
        bottom = np.stack([-radius[0] * np.cos(arc), level[0] - radius[0] * tilt * np.sin(arc)], axis=1)
        top = np.stack([radius[-1] * np.cos(arc), level[-1] + radius[-1] * tilt * np.sin(arc)], axis=1)
        right = np.stack([radius, level], axis=1)
        left = np.stack([-radius, level], axis=1)[::-1]
        outline = np.vstack([bottom, right, top, left]) + at(centre[0], 0.0)
        self.flat(outline, surface, shade, light, opacity=opacity)
        if opening and radius[-1] > 0.02:
            mouth = oval(centre[0], level[-1], radius[-1], radius[-1] * tilt)
            self.flat(mouth, surface, "plain" if opacity < 1 else "flat", light * 1.12, opacity=opacity)
            inner = oval(centre[0], level[-1], radius[-1] * 0.88, radius[-1] * tilt * 0.84)
            self.flat(inner, surface, "flat", light * 0.42, opacity=opacity)
