"""The decor world: products, item tables and pictures, all made on demand from the settings."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import pandas as pd

from unifiedlib.decor.camera import draw_camera
from unifiedlib.decor.catalog import draw_catalog
from unifiedlib.decor.clicks import clicked_style
from unifiedlib.decor.layout import Layout, arrange
from unifiedlib.decor.listing import Item, Listing
from unifiedlib.decor.nuisances import camera_nuisances, pin_nuisances, scene_nuisances
from unifiedlib.decor.pin import draw_pin
from unifiedlib.decor.product import Product, make_product, style_name, style_of
from unifiedlib.decor.randomness import Stream, generator
from unifiedlib.decor.render import Picture
from unifiedlib.decor.scene import draw_crop, draw_room
from unifiedlib.decor.settings import DecorSettings

TASKS: dict[str, dict[str, int | str | bool]] = {
    "flashlight": {"k": 20, "label_set": "style", "leave_out_group": False},
    "lens": {"k": 20, "label_set": "style", "leave_out_group": False},
    "shop_the_look": {"k": 1, "label_set": "product", "leave_out_group": False},
}
"""Cut-off of the headline precision, label set of the test, whether own results of a product are left out."""


class World:
    """One decor world. Cheap to make; keeps no products and no pictures, so its memory does not grow.

    Anything may be asked for alone, in any order and in any process, and is always the same.
    """

    def __init__(self, settings: DecorSettings) -> None:
        """Works out the counts; draws nothing yet."""
        self.settings = settings
        self.listing = Listing(settings)
        self.tasks = {name: dict(task) for name, task in TASKS.items()}
        self._layout = lru_cache(maxsize=4)(self._make_layout)

    def __len__(self) -> int:
        """How many items there are."""
        return len(self.listing)

    @property
    def n_scenes(self) -> int:
        """Training scenes first, then test scenes."""
        return self.listing.n_scenes(False) + self.listing.n_scenes(True)

    def product(self, i: int) -> Product:
        """Product `i`: training products first, then test products.

        Raises:
            IndexError: there is no such product.
        """
        total = self.settings.n_train_products + self.settings.n_test_products
        if not 0 <= i < total:
            raise IndexError(f"decor has no product {i}: products run from 0 to {total - 1}")
        return make_product(self.settings, i)

    def style_of(self, i: int) -> int:
        """The number in STYLES of product `i`'s true style, without making the product."""
        return style_of(self.settings, i)

    def clicked_style(self, i: int) -> int:
        """The style that simulated co-clicks give item `i`, a training pin of flashlight."""
        settings, style = self.settings, self.style_of(self.listing.item(i).product)
        return clicked_style(style, settings.seed, i, settings.click_noise, settings.click_position_bias)

    def draw(self, i: int, size: int) -> Picture:
        """Item `i` as a picture, uint8 RGB [size x size x 3]; a scene item is the crop around its box.

        Raises:
            IndexError: there is no such item.
            ValueError: the size is below 8 pixels.
        """
        if size < 8:
            raise ValueError(f"cannot draw decor item {i} at size {size}: the size must be at least 8 pixels")
        item = self.listing.item(i)
        seed, settings = self.settings.seed, self.settings
        if item.scene is not None:
            layout = self._layout(item.scene)
            rng = generator(seed, Stream.SCENE_LIGHT, item.scene)
            return draw_crop(layout, rng, self._box(item, layout), size, scene_nuisances(settings).light)
        product = self.product(item.product)
        if item.block.domain == "catalog":
            return draw_catalog(product, generator(seed, Stream.CATALOG, i), size)
        if item.block.domain == "pin":
            rng = generator(seed, Stream.PIN, i)
            return draw_pin(product, self._others(product, 2, rng), rng, size, pin_nuisances(settings))
        rng = generator(seed, Stream.CAMERA, i)
        return draw_camera(product, self._others(product, 2, rng), rng, size, camera_nuisances(settings))

    def draw_scene(self, scene: int, width: int) -> Picture:
        """A whole scene as a picture, uint8 RGB [0.75 * width x width x 3].

        Raises:
            IndexError: there is no such scene.
        """
        rng = generator(self.settings.seed, Stream.SCENE_LIGHT, scene)
        return draw_room(self._layout(scene), rng, width, scene_nuisances(self.settings).light)

    def scene_items(self, scene: int) -> list[int]:
        """The items whose boxes lie in a scene."""
        return self.listing.scene_targets(scene)[1]

    def tables(self) -> tuple[pd.DataFrame, pd.DataFrame]:
        """The tables `items` and `labels` of the data contract; row i of `items` is item i."""
        listed = [self.listing.item(i) for i in range(len(self))]
        items = pd.DataFrame(
            {
                "image": [item.image for item in listed],
                "box": [self._box_row(item) for item in listed],
                "domain": [item.block.domain for item in listed],
                "group": [f"product-{item.product:05d}" for item in listed],
            }
        )
        rows = [row for item in listed for row in self._label_rows(item)]
        labels = pd.DataFrame(rows, columns=["item", "task", "label_set", "label", "role"])
        return items, labels.astype({"item": np.int64})

    def _box_row(self, item: Item) -> list[float] | None:
        if item.scene is None:
            return None
        return [float(np.float32(value)) for value in self._box(item, self._layout(item.scene))]

    def _box(self, item: Item, layout: Layout) -> tuple[float, float, float, float]:
        return next(place.box for place in layout.placements if place.product.number == item.product)

    def _make_layout(self, scene: int) -> Layout:
        is_test, targets = self.listing.scene_targets(scene)
        rng = generator(self.settings.seed, Stream.SCENE, scene)
        products = [self.product(self.listing.item(target).product) for target in targets]
        taken = {product.number for product in products}
        unwanted = "floor" if any(product.category.stands == "table" for product in products) else "table"
        for _ in range(int(rng.integers(1, 4))):
            extra = self._any_product(is_test, rng)
            if extra.number not in taken and extra.category.stands != unwanted:
                products.append(extra)
                taken.add(extra.number)
        return arrange(products, rng, scene_nuisances(self.settings).overlap)

    def _any_product(self, is_test: bool, rng: np.random.Generator) -> Product:
        n_train, n_test = self.settings.n_train_products, self.settings.n_test_products
        number = n_train + int(rng.integers(n_test)) if is_test else int(rng.integers(n_train))
        return self.product(number)

    def _others(self, product: Product, count: int, rng: np.random.Generator) -> Sequence[Product]:
        """Products of other categories, from the same part (training or test), to stand beside this one."""
        is_test = product.number >= self.settings.n_train_products
        others = [self._any_product(is_test, rng) for _ in range(count)]
        return [other for other in others if other.category.name != product.category.name]

    def _label_rows(self, item: Item) -> list[tuple[int, str, str, str, str]]:
        """Every row of `labels` that names this item."""
        true_style = style_name(self.style_of(item.product))
        number, name = item.number, item.block.name
        group = f"product-{item.product:05d}"
        if name == "flashlight_train":
            return [(number, "flashlight", "style", style_name(self.clicked_style(number)), "train")]
        if name == "test_pins":
            return [
                (number, "flashlight", "style", true_style, "query+gallery"),
                (number, "lens", "style", true_style, "gallery"),
            ]
        if name == "test_photos":
            return [(number, "lens", "style", true_style, "query")]
        if item.block.task == "lens":
            return [(number, "lens", "style", true_style, "train")]
        if item.block.is_test:
            role = "gallery" if item.block.domain == "catalog" else "query"
            return [(number, "shop_the_look", "product", group, role)]
        category = true_style.split(" / ")[0]
        return [
            (number, "shop_the_look", "category", category, "train"),
            (number, "shop_the_look", "product", group, "train"),
        ]
