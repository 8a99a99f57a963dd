"""The settings of a decor world: how many products and pictures, and how hard they are."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

_SHARES = (
    "click_noise",
    "look_overlap",
    "line_share",
    "pin_strength",
    "camera_strength",
    "scene_strength",
)
_FACTORS = (
    *("pin_props", "pin_grading", "pin_text", "pin_collage"),
    *("camera_clutter", "camera_tilt", "camera_occlusion", "camera_light", "camera_blur"),
    *("camera_noise", "camera_compression", "scene_overlap", "scene_light"),
)


@dataclass(frozen=True)
class DecorSettings:
    """Every number that makes one decor world; two worlds with equal settings are equal to the bit.

    Counts are whole numbers; strengths and shares lie in 0..1. Products of the training and of the test part
    never mix. With 72 styles (24 categories x 3 looks) 1800 test products give 25 test pins a style.

    Raises:
        ValueError: a setting of the wrong type or out of range; names the setting, the value and the rule.
    """

    seed: int = 0
    """Every product, picture and click follows from it; 0 or more."""
    n_train_products: int = 1200
    """Products that training pictures may show."""
    n_test_products: int = 1800
    """Products kept for test; each has exactly one test pin, in the galleries of flashlight and lens."""
    flashlight_train_pins: int = 2400
    """Training pins of flashlight, labelled by simulated co-clicks."""
    lens_train_photos: int = 800
    """Training camera photos of lens, labelled by their true style."""
    lens_train_pins: int = 400
    """Training pins of lens, labelled by their true style."""
    shop_train_products: int = 700
    """Training products of shop_the_look; each has one catalog picture."""
    shop_boxes_per_product: int = 2
    """Training scene boxes of each of these products."""
    lens_test_photos: int = 500
    """Camera photos of test products, the queries of lens; at most n_test_products."""
    shop_test_boxes: int = 500
    """Scene boxes of test products, the queries of shop_the_look; at most shop_test_catalog."""
    shop_test_catalog: int = 1080
    """Test products with a catalog picture, the gallery of shop_the_look; at most n_test_products."""
    boxes_per_scene: int = 2
    """Items that share one scene picture, 1..3; every scene shows further products around them."""
    click_noise: float = 0.15
    """Share of flashlight's training pins whose clicks land on another, similar style."""
    click_position_bias: float = 1.0
    """How strongly stray clicks favour popular styles, which are shown first; 0 = not at all."""
    look_overlap: float = 0.08
    """Chance that one trait of a product (material, pattern, colours, form) ignores the product's look."""
    line_share: float = 0.85
    """Chance that a product has its shape, or its finishes, in common with the two others of its line."""
    pin_strength: float = 0.4
    """How far a pin strays from a plain picture."""
    pin_props: float = 1.0
    """Factor of pin_strength for the products around; like all factors 0..2, and strength times factor counts as 1 at most."""
    pin_grading: float = 1.0
    """Factor of pin_strength for colour grading, uneven light and beams of light."""
    pin_text: float = 1.0
    """Factor of pin_strength for words over the picture and borders around it."""
    pin_collage: float = 1.0
    """Factor of pin_strength for a close look beside the whole."""
    camera_strength: float = 0.4
    """How bad the camera photos are."""
    camera_clutter: float = 1.0
    """Factor of camera_strength for objects and products around."""
    camera_tilt: float = 1.0
    """Factor of camera_strength for rotation and perspective."""
    camera_occlusion: float = 1.0
    """Factor of camera_strength for something in front."""
    camera_light: float = 1.0
    """Factor of camera_strength for colour casts, shadows and bad exposure."""
    camera_blur: float = 1.0
    """Factor of camera_strength for bad focus and shake."""
    camera_noise: float = 1.0
    """Factor of camera_strength for the sensor's noise."""
    camera_compression: float = 1.0
    """Factor of camera_strength for JPEG's marks."""
    scene_strength: float = 0.8
    """How hard the scene boxes are."""
    scene_overlap: float = 1.0
    """Factor of scene_strength for products that hide one another and are small."""
    scene_light: float = 1.0
    """Factor of scene_strength for the light of the room."""

    def __post_init__(self) -> None:
        """Checks every setting."""
        for field in fields(self):
            _check_type(field.name, getattr(self, field.name), whole=field.type == "int")
        for name in _SHARES:
            _check_range(name, getattr(self, name), 0.0, 1.0)
        for name in _FACTORS:
            _check_range(name, getattr(self, name), 0.0, 2.0)
        _check_range("click_position_bias", self.click_position_bias, 0.0, 5.0)
        _check_range("boxes_per_scene", self.boxes_per_scene, 1, 3)
        for name in ("n_train_products", "n_test_products", "shop_boxes_per_product"):
            _check_range(name, getattr(self, name), 1, math.inf)
        for field in fields(self):
            _check_range(field.name, getattr(self, field.name), 0, math.inf)
        _check_at_most(self, "shop_train_products", "n_train_products")
        _check_at_most(self, "lens_test_photos", "n_test_products")
        _check_at_most(self, "shop_test_catalog", "n_test_products")
        _check_at_most(self, "shop_test_boxes", "shop_test_catalog")


def _check_type(name: str, value: object, whole: bool) -> None:
    wanted = int if whole else (int, float)
    if isinstance(value, bool) or not isinstance(value, wanted):
        kind = "a whole number" if whole else "a number"
        raise ValueError(f"decor setting {name} is {value!r}: it must be {kind}")


def _check_range(name: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high or math.isinf(value):
        rule = f"at least {low}" if math.isinf(high) else f"in {low}..{high}"
        raise ValueError(f"decor setting {name} is {value!r}: it must be {rule}")


def _check_at_most(settings: DecorSettings, name: str, limit: str) -> None:
    value, most = getattr(settings, name), getattr(settings, limit)
    if value > most:
        raise ValueError(f"decor setting {name} is {value}: it must be at most {limit}, which is {most}")
