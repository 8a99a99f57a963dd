"""Graded relevance: what two products truly have in common."""

from __future__ import annotations

import numpy as np
import pytest

from unifiedlib.decor import CATEGORIES, STYLES, DecorSettings, World
from unifiedlib.decor.relevance import true_relevance

WORLD = World(DecorSettings())


def block(name: str) -> range:
    found = next(one for one in WORLD.listing.blocks if one.name == name)
    return range(found.start, found.start + found.count)


def test_grades_are_those_worked_out_pair_by_pair() -> None:
    queries, gallery = block("test_photos")[:30], block("test_pins")[:300]
    grades = true_relevance(WORLD, queries, gallery)
    for row, query in enumerate(queries):
        for column, item in enumerate(gallery):
            one, two = (WORLD.product(WORLD.listing.item(number).product) for number in (query, item))
            expected = 0
            if one.number == two.number:
                expected = 3
            elif one.style == two.style:
                expected = 2
            elif one.category is two.category or (
                one.look == two.look and one.category.kin == two.category.kin
            ):
                expected = 1
            assert grades[row, column] == expected
    assert set(np.unique(grades)) == {0, 1, 2, 3}


def test_noise_of_the_clicks_does_not_reach_it() -> None:
    noisy = World(DecorSettings(click_noise=1.0))
    pins = block("flashlight_train")[:80]
    assert [noisy.clicked_style(pin) for pin in pins] != [WORLD.clicked_style(pin) for pin in pins]
    np.testing.assert_array_equal(true_relevance(noisy, pins, pins), true_relevance(WORLD, pins, pins))


def test_item_that_is_not_there_is_named() -> None:
    with pytest.raises(IndexError, match=f"decor has no item {len(WORLD)}"):
        true_relevance(WORLD, [len(WORLD)], [0])


def test_every_style_has_kindred_ones() -> None:
    from unifiedlib.decor.clicks import similarity

    kindred = (similarity() >= 0.2).sum(1)
    assert len(kindred) == len(STYLES) == 3 * len(CATEGORIES)
    assert (kindred >= 3).all()
