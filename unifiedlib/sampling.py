"""Batches of one task: classes, then images of each; a batch is a pure function of seed and step.

Because nothing is carried from one step to the next, a resumed training draws the batches of an unbroken one.
"""

from __future__ import annotations

import hashlib

import numpy as np


def generator_for(*key: int | str) -> np.random.Generator:
    """A random generator that belongs to `key` alone (a seed, a name, a step …), on every machine the same."""
    digest = hashlib.sha256("\x1f".join(map(str, key)).encode()).digest()
    return np.random.default_rng(np.frombuffer(digest, np.uint32))


class ClassBalancedSampler:
    """Draws batches of one task: `images_per_class` images of each of `batch_size / images_per_class` classes.

    items: item numbers, int64 [n]. labels: class numbers 0..n_classes - 1, int64 [n], of those items.
    catalog: bool [n], whether the item is a catalogue picture; `catalog_share` of each class's draws come from these
    where a class has both kinds, since one clean picture among many photos would hardly be seen.
    Classes come in shuffled passes, so each is drawn equally often. Images of a class are drawn without replacement
    as long as there are enough.

    images_per_class 0: batches that are not class-balanced. The images themselves come in shuffled passes, each once a
    pass, whatever their class, and `catalog_share` has no effect.

    A position is a place in the endless sequence of passes: it holds a class or, without class balance, an image.
    """

    def __init__(
        self,
        items: np.ndarray,
        labels: np.ndarray,
        catalog: np.ndarray,
        batch_size: int,
        images_per_class: int,
        catalog_share: float,
        key: tuple[int | str, ...],
    ) -> None:
        if images_per_class < 0:
            raise ValueError(f"images_per_class is {images_per_class}; it must be at least 0")
        if not 0 <= catalog_share < 1:
            raise ValueError(f"catalog_share is {catalog_share}; it must lie in [0, 1)")
        if not len(items):
            raise ValueError("there are no images to draw batches from: label some items with role 'train'")
        self.batch_size = batch_size
        self.images_per_class = images_per_class
        self.images_per_position = max(images_per_class, 1)
        self.classes_per_batch = self._positions("batch_size", batch_size)
        self.catalog_share = catalog_share
        self.key = key
        self.items = items
        if images_per_class:
            self._sort_by_class(items, labels, catalog)
        self.n_positions = len(self._starts) if images_per_class else len(items)
        self._latest_pass: tuple[int, np.ndarray] = (-1, np.empty(0, np.int64))

    def _sort_by_class(self, items: np.ndarray, labels: np.ndarray, catalog: np.ndarray) -> None:
        """Sets `items` class by class, photos before catalogue pictures, and where each class's two parts start and end."""
        order = np.argsort(2 * labels + catalog, kind="stable")
        self.items = items[order]
        self._starts = np.flatnonzero(np.diff(labels[order], prepend=-1))
        self._ends = np.append(self._starts[1:], len(order))
        self._catalog_starts = self._ends - np.add.reduceat(catalog[order].astype(np.int64), self._starts)

    def _positions(self, name: str, count: int) -> int:
        """How many positions `count` images take."""
        if count < 1:
            raise ValueError(f"{name} is {count}; it must be at least 1")
        if count % self.images_per_position:
            raise ValueError(
                f"{name} {count} must be a multiple of images_per_class {self.images_per_position}"
            )
        return count // self.images_per_position

    def _pass(self, number: int) -> np.ndarray:
        """The order of a pass over all classes (or images), int64 [n_positions]."""
        latest, order = self._latest_pass
        if latest != number:
            order = generator_for(*self.key, "pass", number).permutation(self.n_positions)
            self._latest_pass = (number, order)
        return order

    def _at(self, first: int, n_positions: int) -> np.ndarray:
        """The classes (or images) at `n_positions` positions from `first` on, int64."""
        parts = []
        while n_positions:
            number, place = divmod(first, self.n_positions)
            parts.append(self._pass(number)[place : place + n_positions])
            first += len(parts[-1])
            n_positions -= len(parts[-1])
        return np.concatenate(parts)

    def _images(self, number: int, generator: np.random.Generator) -> np.ndarray:
        start, middle, end = self._starts[number], self._catalog_starts[number], self._ends[number]
        photos, catalog = self.items[start:middle], self.items[middle:end]
        wanted = self.images_per_class
        n_catalog = 0
        if len(catalog) and len(photos):
            n_catalog = int(generator.binomial(wanted, self.catalog_share))
        elif len(catalog):
            n_catalog = wanted
        parts = ((photos, wanted - n_catalog), (catalog, n_catalog))
        return np.concatenate([generator.choice(kind, n, replace=n > len(kind)) for kind, n in parts if n])

    def draw(self, first: int, count: int, step: int) -> np.ndarray:
        """Item numbers of `count` images, int64 [count]: the classes (or images) at the positions from `first` on.

        first: at least 0. count: a multiple of images_per_class. step: seeds which images of a class are drawn.
        """
        if first < 0:
            raise ValueError(f"first is {first}; positions start at 0")
        drawn = self._at(first, self._positions("count", count))
        if not self.images_per_class:
            return self.items.take(drawn)
        generator = generator_for(*self.key, "step", step)
        return np.concatenate([self._images(number, generator) for number in drawn])

    def batch(self, step: int) -> np.ndarray:
        """Item numbers of the batch of `step` (0, 1, …), int64 [batch_size]."""
        return self.draw(step * self.classes_per_batch, self.batch_size, step)
