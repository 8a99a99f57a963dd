"""The three looks and their colours: harmonious triples, wood tones and metal tones."""

from __future__ import annotations

import colorsys
from collections.abc import Sequence

import numpy as np

Colour = tuple[float, float, float]
"""Red, green, blue in 0..255."""

LOOKS = ("scandinavian", "boho", "industrial")

_TRIPLES: dict[str, tuple[str, ...]] = {
    "scandinavian": (
        "f1ede4 b9c4c4 4d5a60",
        "e8e4dc d9b8a8 7d8f86",
        "c9d3d6 f3f0ea 5b7486",
        "dfe3da 8fa396 f4efe6",
        "f3ece0 e0c27a 6e7a80",
        "e9d5cb f6f1ea a3776a",
        "b7c6b5 f2eee5 59705f",
        "a9bccb f5f3ee d98f6f",
        "f5f2ec 30363a c9b28f",
        "d8cfc2 f7f4ee 8b9aa5",
        "e6d9a8 f6f2e6 6f8790",
    ),
    "boho": (
        "b5573a f0dcc0 2f6f73",
        "d99a3d 7a2f3a f3e6cf",
        "efdfc6 b5573a 5f6b3c",
        "2f7478 e9b872 a23b3f",
        "8c3f52 e7b08a 3d5a58",
        "7b8449 ecd9b4 b4552d",
        "c97b63 4d3b5c f1dcb8",
        "e3b34f 2f5d62 9e3d2c",
        "a9622d f2e4cb 34495e",
        "d8707a f4e3c8 3f7d6e",
        "cfae84 8a4530 2d5f5c",
    ),
    "industrial": (
        "3a3c3f 8c8f92 b5632f",
        "54585c 2a2b2d a88a5a",
        "7a4a2c 2f2d2b b9b2a6",
        "2e3b45 8f989d c08a4a",
        "8b8d8c 46494b d0a040",
        "394a3f 1f2322 a7a08c",
        "5d2f2a 2b2a2b a39a8e",
        "a5a3a0 4b4e52 7b3b28",
        "262829 6d6f71 c7b9a0",
        "6b5a4a 2d2e30 9ea3a3",
        "49525c c4c0b8 8d4b2a",
    ),
}
_WOODS: dict[str, tuple[str, ...]] = {
    "scandinavian": ("dcbf95", "e6d0ad", "cfa878", "ece0cc"),
    "boho": ("a9703f", "b98350", "8a5a34", "c99b62"),
    "industrial": ("5a3f2c", "3e2f27", "7a5638", "2f2723"),
}
_METALS: dict[str, tuple[str, ...]] = {
    "scandinavian": ("e9e7e2", "b9bcbd", "c8a768", "46494b"),
    "boho": ("c29a4b", "b0703f", "8a6a3a", "d2b36c"),
    "industrial": ("2b2c2e", "4a4c4e", "7d7f80", "8a5a3a"),
}


def from_hex(text: str) -> Colour:
    """`from_hex("ff8000")` is (255.0, 128.0, 0.0)."""
    return (float(int(text[:2], 16)), float(int(text[2:4], 16)), float(int(text[4:6], 16)))


def jitter(colour: Colour, rng: np.random.Generator, amount: float = 1.0) -> Colour:
    """The colour with hue, saturation and value moved a little; `amount` 1 moves hue by about 6 degrees."""
    red, green, blue = (channel / 255 for channel in colour)
    hue, saturation, value = colorsys.rgb_to_hsv(red, green, blue)
    turn, deepen, lighten = (rng.normal(size=3) * amount).tolist()
    saturation = min(max(saturation * (1 + 0.18 * deepen), 0.0), 1.0)
    value = min(max(value * (1 + 0.07 * lighten), 0.08), 0.99)
    red, green, blue = colorsys.hsv_to_rgb((hue + turn / 60) % 1, saturation, value)
    return (255 * red, 255 * green, 255 * blue)


def mix(first: Colour, second: Colour, share: float) -> Colour:
    """`share` of the second colour in the first."""
    red, green, blue = ((1 - share) * a + share * b for a, b in zip(first, second, strict=True))
    return (red, green, blue)


def _choose(options: Sequence[str], rng: np.random.Generator) -> str:
    return options[int(rng.integers(len(options)))]


def triple(look: str, rng: np.random.Generator) -> tuple[Colour, Colour, Colour]:
    """Three colours that go together, in the spirit of a look; the first covers most of the product."""
    colours = [jitter(from_hex(code), rng) for code in _choose(_TRIPLES[look], rng).split()]
    if rng.random() < 0.35:
        colours[0], colours[1] = colours[1], colours[0]
    return (colours[0], colours[1], colours[2])


def wood(look: str, rng: np.random.Generator) -> Colour:
    """A tone of wood in the spirit of a look."""
    return jitter(from_hex(_choose(_WOODS[look], rng)), rng, 0.7)


def metal(look: str, rng: np.random.Generator) -> Colour:
    """A tone of metal in the spirit of a look."""
    return jitter(from_hex(_choose(_METALS[look], rng)), rng, 0.5)
