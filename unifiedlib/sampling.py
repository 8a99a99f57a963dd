"""Class-balanced batches: pick classes, then images of each; a batch is a pure function of seed and step.

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
        if images_per_class < 1 or batch_size % images_per_class:
            raise ValueError(
                f"batch_size {batch_size} must be a multiple of images_per_class {images_per_class}"
            )
        if not 0 <= catalog_share < 1:
            raise ValueError(f"catalog_share is {catalog_share}; it must lie in [0, 1)")
        self.classes_per_batch = batch_size // images_per_class
        self.images_per_class = images_per_class
        self.catalog_share = catalog_share
        self.key = key
        order = np.argsort(labels, kind="stable")
        starts = np.flatnonzero(np.diff(labels[order], prepend=-1))
        self.members = [
            (items[part][~catalog[part]], items[part][catalog[part]]) for part in np.split(order, starts[1:])
        ]

    def _class(self, position: int) -> int:
        """The class at a position of the endless sequence of shuffled passes over all classes."""
        passed, place = divmod(position, len(self.members))
        return int(generator_for(*self.key, "pass", passed).permutation(len(self.members))[place])

    def _images(self, number: int, generator: np.random.Generator) -> np.ndarray:
        photos, catalog = self.members[number]
        wanted = self.images_per_class
        n_catalog = 0
        if len(catalog) and len(photos):
            n_catalog = int(generator.binomial(wanted, self.catalog_share))
        elif len(catalog):
            n_catalog = wanted
        parts = ((photos, wanted - n_catalog), (catalog, n_catalog))
        return np.concatenate([generator.choice(kind, n, replace=n > len(kind)) for kind, n in parts if n])

    def batch(self, step: int) -> np.ndarray:
        """Item numbers of the batch of `step` (0, 1, …), int64 [batch_size]."""
        generator = generator_for(*self.key, "step", step)
        first = step * self.classes_per_batch
        return np.concatenate(
            [self._images(self._class(first + i), generator) for i in range(self.classes_per_batch)]
        )
