"""Which items a world has: every item's domain, product and scene worked out from its number alone."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

from unifiedlib.decor.product import CATEGORIES, STYLES, style_of
from unifiedlib.decor.settings import DecorSettings


@dataclass(frozen=True)
class Block:
    """A run of items of one kind."""

    name: str
    domain: str
    task: str
    is_test: bool
    start: int
    count: int


@dataclass(frozen=True)
class Item:
    """One item: what it shows and which block it belongs to."""

    number: int
    block: Block
    product: int
    scene: int | None = None

    @property
    def image(self) -> str:
        """The name of the picture; items of one scene share it."""
        number = self.number if self.scene is None else self.scene
        return f"{self.block.domain}/{number:07d}.png"


class Listing:
    """The items of a world in blocks; holds the counts and nothing else."""

    def __init__(self, settings: DecorSettings) -> None:
        """Lays the blocks out one after another."""
        self.settings = settings
        boxes = settings.shop_train_products * settings.shop_boxes_per_product
        plan = (
            ("flashlight_train", "pin", "flashlight", False, settings.flashlight_train_pins),
            ("lens_train_photos", "camera", "lens", False, settings.lens_train_photos),
            ("lens_train_pins", "pin", "lens", False, settings.lens_train_pins),
            ("shop_train_catalog", "catalog", "shop_the_look", False, settings.shop_train_products),
            ("shop_train_boxes", "scene", "shop_the_look", False, boxes),
            ("test_pins", "pin", "flashlight", True, settings.n_test_products),
            ("test_photos", "camera", "lens", True, settings.lens_test_photos),
            ("test_catalog", "catalog", "shop_the_look", True, settings.shop_test_catalog),
            ("test_boxes", "scene", "shop_the_look", True, settings.shop_test_boxes),
        )
        self._chunk = lru_cache(maxsize=8)(self._order_of_chunk)
        self.blocks: list[Block] = []
        start = 0
        for name, domain, task, is_test, count in plan:
            self.blocks.append(Block(name, domain, task, is_test, start, count))
            start += count
        self.n_items = start

    def __len__(self) -> int:
        """How many items there are."""
        return self.n_items

    def item(self, number: int) -> Item:
        """What item `number` shows.

        Raises:
            IndexError: there is no such item.
        """
        for block in self.blocks:
            if block.start <= number < block.start + block.count:
                place = number - block.start
                scene = self._scene_of(block, place) if block.domain == "scene" else None
                return Item(number, block, self._product_of(block, place), scene)
        raise IndexError(f"decor has no item {number}: items run from 0 to {self.n_items - 1}")

    def _product_of(self, block: Block, place: int) -> int:
        """Training tasks start at different products, so that they share some and not others."""
        settings = self.settings
        if block.domain == "scene":
            place = self._chunk(block.name, place // len(STYLES))[place % len(STYLES)]
        if block.is_test:
            return settings.n_train_products + place
        return self._train_product(block, place)

    def _train_product(self, block: Block, place: int) -> int:
        settings = self.settings
        if block.name == "shop_train_boxes":
            turn, place = divmod(place, settings.shop_train_products)
            place = place * _coprime(settings.shop_train_products, turn) % settings.shop_train_products
        offset = {"flashlight": 0, "lens": settings.n_train_products // 3}.get(
            block.task, settings.n_train_products - settings.shop_train_products
        )
        return (place + offset) % settings.n_train_products

    def _order_of_chunk(self, name: str, chunk: int) -> tuple[int, ...]:
        """A run of box places, small and wall things first, so that what shares a scene goes together."""
        block = self._block(name)
        first = chunk * len(STYLES)
        places = range(first, min(first + len(STYLES), block.count))

        def room(place: int) -> int:
            number = (
                self.settings.n_train_products + place if block.is_test else self._train_product(block, place)
            )
            stands = CATEGORIES[STYLES[style_of(self.settings, number)][0]].stands
            return {"table": 0, "floor": 1, "ground": 1}.get(stands, number % 2)

        return tuple(sorted(places, key=room))

    def _block(self, name: str) -> Block:
        return next(block for block in self.blocks if block.name == name)

    def _scene_of(self, block: Block, place: int) -> int:
        first = self.n_scenes(False) if block.is_test else 0
        return first + place // self.settings.boxes_per_scene

    def n_scenes(self, is_test: bool) -> int:
        """How many scenes the training or the test part has."""
        boxes = self._block("test_boxes" if is_test else "shop_train_boxes").count
        return math.ceil(boxes / self.settings.boxes_per_scene)

    def scene_targets(self, scene: int) -> tuple[bool, list[int]]:
        """Whether a scene is for test, and the items whose boxes lie in it.

        Raises:
            IndexError: there is no such scene.
        """
        n_train, n_test = self.n_scenes(False), self.n_scenes(True)
        if not 0 <= scene < n_train + n_test:
            raise IndexError(f"decor has no scene {scene}: scenes run from 0 to {n_train + n_test - 1}")
        is_test = scene >= n_train
        block = self._block("test_boxes" if is_test else "shop_train_boxes")
        first = (scene - n_train if is_test else scene) * self.settings.boxes_per_scene
        last = min(first + self.settings.boxes_per_scene, block.count)
        return is_test, list(range(block.start + first, block.start + last))


def _coprime(n: int, turn: int) -> int:
    """A step that visits all of n places, another one each turn, so that scenes pair other products."""
    step = 1 + turn * max(n // 3, 1)
    while math.gcd(step, n) != 1:
        step += 1
    return step
