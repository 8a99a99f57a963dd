from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from unifiedlib.sampling import ClassBalancedSampler, generator_for

ITEMS = np.arange(100, 160)
LABELS = np.repeat([0, 1, 2, 3, 4, 5], [3, 3, 3, 21, 20, 10])
CATALOG = np.zeros(60, bool)
CATALOG[[0, 9, 30]] = True


def sampler(
    batch_size: int = 12, images_per_class: int = 4, catalog_share: float = 0.25, seed: int = 0
) -> ClassBalancedSampler:
    return ClassBalancedSampler(
        ITEMS, LABELS, CATALOG, batch_size, images_per_class, catalog_share, ("test", seed)
    )


def classes(batch: np.ndarray) -> np.ndarray:
    return LABELS[batch - 100]


def test_batch_holds_the_same_number_of_images_of_each_chosen_class() -> None:
    for step in range(10):
        assert Counter(Counter(classes(sampler().batch(step)).tolist()).values()) == {4: 3}


def test_classes_are_drawn_equally_often_however_many_images_they_have() -> None:
    drawn = Counter(int(label) for step in range(20) for label in classes(sampler().batch(step)))
    assert set(drawn.values()) == {40}


def test_images_of_a_large_class_do_not_repeat_within_a_batch() -> None:
    for step in range(30):
        batch = sampler().batch(step)
        large = batch[np.isin(classes(batch), [3, 4, 5]) & ~CATALOG[batch - 100]]
        assert len(set(large.tolist())) == len(large)


def test_catalogue_pictures_get_their_share_where_a_class_has_both() -> None:
    picked = np.concatenate([sampler().batch(step) for step in range(400)])
    of_class = picked[classes(picked) == 5]
    assert not CATALOG[of_class - 100].any()
    of_class = picked[classes(picked) == 3]
    share = CATALOG[of_class - 100].mean()
    assert 0.20 < share < 0.30


def test_batch_is_a_function_of_seed_and_step_alone() -> None:
    assert (sampler().batch(7) == sampler().batch(7)).all()
    assert (sampler().batch(7) != sampler().batch(8)).any()
    assert (sampler().batch(7) != sampler(seed=1).batch(7)).any()


def test_generator_is_the_same_on_every_machine() -> None:
    assert (
        generator_for("a", 1).integers(1_000_000, size=3).tolist()
        == generator_for("a", 1).integers(1_000_000, size=3).tolist()
    )
    assert generator_for("a", 1).random() != generator_for("a", 2).random()


def test_uneven_batch_and_wrong_share_are_refused() -> None:
    with pytest.raises(ValueError, match="batch_size 10 must be a multiple of images_per_class 4"):
        sampler(batch_size=10)
    with pytest.raises(ValueError, match=r"catalog_share is 1.5; it must lie in \[0, 1\)"):
        sampler(catalog_share=1.5)
