"""Products: every category can be painted from every side and form."""

from __future__ import annotations

import numpy as np
import pytest

from unifiedlib.decor import CATEGORIES, STYLES, DecorSettings, World
from unifiedlib.decor.geometry import Builder, View, bounds_of, rounded, smooth
from unifiedlib.decor.patterns import PATTERNS
from unifiedlib.decor.product import Category
from unifiedlib.decor.render import draw_sprite
from unifiedlib.decor.traits import N_TRAITS, Traits


def test_there_are_at_least_24_categories_in_three_looks() -> None:
    assert len(CATEGORIES) >= 24
    assert len({category.name for category in CATEGORIES}) == len(CATEGORIES)
    assert len(STYLES) == 3 * len(CATEGORIES)


@pytest.mark.parametrize("category", CATEGORIES, ids=lambda category: category.name)
def test_every_form_of_a_category_can_be_built(category: Category) -> None:
    rng = np.random.default_rng(0)
    for form in np.linspace(0, 0.999, 7):
        for yaw in (-0.5, 0.0, 0.5):
            builder = Builder(View(yaw, 0.25))
            traits = Traits((float(form), *rng.random(N_TRAITS - 1)))
            category.build(builder, traits)
            left, bottom, right, top = bounds_of(builder.parts)
            assert 0.1 < right - left < 3
            assert 0.1 < top - bottom < 3
            assert all(np.isfinite(part.outline).all() for part in builder.parts)


def test_sprite_is_opaque_inside_and_clear_at_its_corners() -> None:
    world = World(DecorSettings())
    product = next(world.product(i) for i in range(200) if world.product(i).category.name == "sofa")
    sprite = draw_sprite(product.parts(View(0.2, 0.2)), product.finishes, 100).pixels
    height, width = sprite.shape[:2]
    assert sprite[height // 2, width // 2, 3] == 255
    assert sprite[0, 0, 3] == 0
    assert (sprite[..., :3].max(axis=2) <= sprite[..., 3].astype(int) + 2).all()


def test_same_product_from_two_sides_has_the_same_finishes_but_another_outline() -> None:
    product = World(DecorSettings()).product(5)
    one, two = product.parts(View(0.0, 0.2)), product.parts(View(0.4, 0.3))
    assert bounds_of(one) != bounds_of(two)
    assert product == World(DecorSettings()).product(5)


def test_patterns_stay_between_none_and_all_of_a_colour() -> None:
    x, y = np.meshgrid(np.linspace(-4, 4, 60, dtype=np.float32), np.linspace(-4, 4, 60, dtype=np.float32))
    for name, pattern in PATTERNS.items():
        for mask in pattern(x, y):
            assert mask.shape == x.shape, name
            assert mask.min() >= 0, name
            assert mask.max() <= 1, name


def test_smooth_curve_passes_through_its_points() -> None:
    points = np.array([(0.0, 0.0), (1.0, 2.0), (3.0, 1.0), (4.0, 4.0)])
    curve = smooth(points, 5)
    np.testing.assert_allclose(curve[::5], points)


def test_rounded_rectangle_keeps_its_extent() -> None:
    outline = rounded(-1, 0, 2, 1, 0.3)
    np.testing.assert_allclose(outline.min(axis=0), (-1, 0))
    np.testing.assert_allclose(outline.max(axis=0), (2, 1))


def test_products_of_one_line_share_a_shape_or_their_finishes_but_never_both() -> None:
    world = World(DecorSettings(line_share=1.0))
    lines: dict[int, list[int]] = {}
    for number in range(3 * len(STYLES)):
        lines.setdefault(world.style_of(number), []).append(number)
    pairs = [(world.product(line[0]), world.product(line[1])) for line in lines.values()]
    same_shape = [one.traits == two.traits for one, two in pairs]
    same_finish = [one.finishes == two.finishes for one, two in pairs]
    assert any(same_shape)
    assert any(same_finish)
    assert not any(shape and finish for shape, finish in zip(same_shape, same_finish, strict=True))


def test_without_lines_no_two_products_share_their_shape() -> None:
    world = World(DecorSettings(line_share=0.0))
    assert len({world.product(number).traits for number in range(200)}) == 200
