"""Settings of a decor world: nonsense is refused by name, value and rule."""

from __future__ import annotations

import pytest

from unifiedlib.decor import DecorSettings


@pytest.mark.parametrize(
    ("name", "value", "rule"),
    [
        ("seed", -1, "at least 0"),
        ("n_train_products", 0, "at least 1"),
        ("click_noise", 1.5, "in 0.0..1.0"),
        ("camera_strength", -0.1, "in 0.0..1.0"),
        ("camera_strength", float("nan"), "in 0.0..1.0"),
        ("boxes_per_scene", 4, "in 1..3"),
        ("flashlight_train_pins", 2.5, "a whole number"),
        ("look_overlap", "much", "a number"),
        ("lens_test_photos", True, "a whole number"),
    ],
)
def test_setting_out_of_range_is_named(name: str, value: object, rule: str) -> None:
    with pytest.raises(ValueError, match=f"{name} is .*{rule}"):
        DecorSettings(**{name: value})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "limit"),
    [
        ("shop_train_products", "n_train_products"),
        ("lens_test_photos", "n_test_products"),
        ("shop_test_catalog", "n_test_products"),
        ("shop_test_boxes", "shop_test_catalog"),
    ],
)
def test_count_above_what_there_is_names_both(name: str, limit: str) -> None:
    with pytest.raises(ValueError, match=f"{name} is 5000: it must be at most {limit}"):
        DecorSettings(**{name: 5000})
