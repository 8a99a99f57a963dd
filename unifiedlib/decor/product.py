"""Products: a category with its shape, its finishes and the look that it belongs to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from unifiedlib.decor.finish import Finish, make_finish, some_look
from unifiedlib.decor.geometry import Builder, Part, View
from unifiedlib.decor.palette import LOOKS
from unifiedlib.decor.randomness import Stream, generator
from unifiedlib.decor.settings import DecorSettings
from unifiedlib.decor.shapes_furniture import bed, bookshelf, cabinet, coffee_table, side_table
from unifiedlib.decor.shapes_lamps import floor_lamp, pendant_lamp, table_lamp
from unifiedlib.decor.shapes_plants import plant
from unifiedlib.decor.shapes_seating import armchair, dining_chair, sofa, stool
from unifiedlib.decor.shapes_vessels import basket, candle_holder, mug, teapot, vase
from unifiedlib.decor.shapes_walls import curtain, cushion, mirror, picture_frame, rug, wall_clock
from unifiedlib.decor.traits import N_TRAITS, Traits


@dataclass(frozen=True)
class Category:
    """A family of products: how it is built, where it stands and what it is made of."""

    name: str
    build: Callable[[Builder, Traits], None]
    kin: str
    """Similar categories share it; stray clicks prefer them."""
    stands: str
    """`floor`, `table`, `wall`, `ceiling` or `ground` (a rug)."""
    height: float
    """Its height in a scene, as a share of the scene's height, before it is fitted."""
    surfaces: tuple[str, str, str]
    """Kinds of finish of body, frame and accent."""
    patterned: float
    """Chance that its body carries a pattern."""


CATEGORIES: tuple[Category, ...] = (
    Category("vase", vase, "vessels", "table", 0.26, ("vessel", "frame", "vessel"), 0.6),
    Category("mug", mug, "vessels", "table", 0.17, ("pottery", "frame", "pottery"), 0.75),
    Category("teapot", teapot, "vessels", "table", 0.2, ("pottery", "frame", "pottery"), 0.65),
    Category("candle holder", candle_holder, "vessels", "table", 0.25, ("vessel", "frame", "vessel"), 0.4),
    Category("basket", basket, "vessels", "floor", 0.26, ("basket", "frame", "textile"), 0.8),
    Category("plant pot", plant, "vessels", "floor", 0.42, ("vessel", "frame", "vessel"), 0.7),
    Category("table lamp", table_lamp, "lamps", "table", 0.32, ("shade", "frame", "vessel"), 0.5),
    Category("floor lamp", floor_lamp, "lamps", "floor", 0.66, ("shade", "frame", "frame"), 0.5),
    Category("pendant lamp", pendant_lamp, "lamps", "ceiling", 0.4, ("shade", "frame", "frame"), 0.5),
    Category("armchair", armchair, "seating", "floor", 0.44, ("seat", "frame", "textile"), 0.6),
    Category("sofa", sofa, "seating", "floor", 0.36, ("seat", "frame", "textile"), 0.5),
    Category("dining chair", dining_chair, "seating", "floor", 0.44, ("seat", "frame", "textile"), 0.5),
    Category("stool", stool, "seating", "floor", 0.3, ("seat", "frame", "textile"), 0.65),
    Category("coffee table", coffee_table, "tables", "floor", 0.24, ("top", "frame", "frame"), 0.5),
    Category("side table", side_table, "tables", "floor", 0.34, ("top", "frame", "frame"), 0.5),
    Category("bookshelf", bookshelf, "storage", "floor", 0.62, ("case", "frame", "frame"), 0.3),
    Category("cabinet", cabinet, "storage", "floor", 0.38, ("case", "frame", "case"), 0.5),
    Category("bed", bed, "seating", "floor", 0.46, ("textile", "frame", "textile"), 0.75),
    Category("rug", rug, "textiles", "ground", 0.2, ("textile", "frame", "textile"), 0.92),
    Category("cushion", cushion, "textiles", "table", 0.26, ("textile", "frame", "textile"), 0.85),
    Category("curtain", curtain, "textiles", "wall", 0.6, ("textile", "frame", "textile"), 0.75),
    Category("mirror", mirror, "walls", "wall", 0.36, ("frame", "frame", "frame"), 0.4),
    Category("wall clock", wall_clock, "walls", "wall", 0.26, ("pottery", "frame", "frame"), 0.3),
    Category("picture frame", picture_frame, "walls", "wall", 0.34, ("textile", "frame", "textile"), 0.6),
)
STYLES: tuple[tuple[int, str], ...] = tuple(
    (category, look) for category in range(len(CATEGORIES)) for look in LOOKS
)
"""Category number and look of every style, category by category."""


def style_name(style: int) -> str:
    """The label of a style: `vase / boho`."""
    category, look = STYLES[style]
    return f"{CATEGORIES[category].name} / {look}"


@dataclass(frozen=True)
class Product:
    """One product of the world; everything about it follows from the seed and its number."""

    number: int
    style: int
    traits: Traits
    finishes: dict[str, Finish]
    """`body`, `frame` and `accent`."""

    @property
    def category(self) -> Category:
        """What kind of thing it is."""
        return CATEGORIES[STYLES[self.style][0]]

    @property
    def look(self) -> str:
        """The look that it belongs to."""
        return STYLES[self.style][1]

    @property
    def group(self) -> str:
        """The name that keeps a product's pictures together: `product-00042`."""
        return f"product-{self.number:05d}"

    @property
    def style_name(self) -> str:
        """Category and look, the label of browsing tasks: `vase / boho`."""
        return style_name(self.style)

    def parts(self, view: View) -> list[Part]:
        """What there is to paint from this view, back to front."""
        builder = Builder(view)
        self.category.build(builder, self.traits)
        return builder.parts


@lru_cache(maxsize=64)
def _style_order(seed: int, block: int, part: int) -> tuple[int, ...]:
    order = generator(seed, Stream.STYLE_ORDER, part, block).permutation(len(STYLES))
    return tuple(int(style) for style in order)


def style_of(settings: DecorSettings, number: int) -> int:
    """The style of a product: every run of 72 products within training or test holds each style once."""
    is_test = number >= settings.n_train_products
    place = number - settings.n_train_products if is_test else number
    block, rank = divmod(place, len(STYLES))
    return _style_order(settings.seed, block, int(is_test))[rank]


_LEANING = {"scandinavian": 0.22, "boho": 0.5, "industrial": 0.78}


def make_product(settings: DecorSettings, number: int) -> Product:
    """Product `number` of the world, from the seed and the number alone."""
    style = style_of(settings, number)
    own = generator(settings.seed, Stream.PRODUCT, number)
    line = generator(settings.seed, Stream.PRODUCT_LINE, style, *_line_of(settings, number))
    shares, shares_shape = own.random() < settings.line_share, own.random() < 0.5
    shape_source, finish_source = (line, own) if shares and shares_shape else (own, line if shares else own)
    traits = _make_traits(style, settings.look_overlap, shape_source.spawn(1)[0])
    return Product(number, style, traits, _make_finishes(style, settings.look_overlap, finish_source))


def _line_of(settings: DecorSettings, number: int) -> tuple[int, int]:
    """The product line: three products of one style that may share a shape or a finish."""
    is_test = number >= settings.n_train_products
    place = number - settings.n_train_products if is_test else number
    return int(is_test), place // (3 * len(STYLES))


def _make_traits(style: int, overlap: float, rng: np.random.Generator) -> Traits:
    u = rng.random(N_TRAITS)
    form = rng.normal(_LEANING[some_look(STYLES[style][1], overlap, rng)], 0.15)
    u[0] = form if 0 <= form < 1 else u[0]
    return Traits(tuple(float(value) for value in np.clip(u, 0, 0.9999)))


def _make_finishes(style: int, overlap: float, rng: np.random.Generator) -> dict[str, Finish]:
    category, look = CATEGORIES[STYLES[style][0]], STYLES[style][1]
    chances = (category.patterned, 0.0, 0.35)
    return {
        name: make_finish(kind, look, overlap, patterned, rng)
        for name, kind, patterned in zip(("body", "frame", "accent"), category.surfaces, chances, strict=True)
    }
