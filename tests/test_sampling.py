from __future__ import annotations

import time
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


@pytest.mark.parametrize(
    ("batch_size", "images_per_class", "catalog_share", "step", "expected"),
    [
        (12, 4, 0.25, 0, [101, 101, 102, 101, 138, 148, 144, 130, 108, 108, 108, 108]),
        (12, 4, 0.25, 7, [110, 126, 127, 109, 101, 101, 101, 100, 107, 106, 108, 107]),
        (8, 1, 0.5, 0, [101, 134, 106, 156, 109, 105, 104, 130]),
        (8, 1, 0.5, 7, [158, 130, 107, 109, 106, 101, 141, 116]),
        (10, 5, 0.0, 1, [106, 108, 108, 107, 108, 152, 151, 150, 155, 153]),
    ],
)
def test_batches_are_those_that_published_results_were_trained_on(
    batch_size: int, images_per_class: int, catalog_share: float, step: int, expected: list[int]
) -> None:
    assert sampler(batch_size, images_per_class, catalog_share).batch(step).tolist() == expected


def naive_draw(first: int, count: int, images_per_class: int, share: float, step: int) -> list[int]:
    """Position by position, with the members of each class looked up anew."""
    generator = generator_for("test", 0, "step", step)
    drawn: list[int] = []
    for position in range(first, first + count // images_per_class):
        order = generator_for("test", 0, "pass", position // 6).permutation(6)
        of_class = order[position % 6] == LABELS
        photos, catalog = ITEMS[of_class & ~CATALOG], ITEMS[of_class & CATALOG]
        n_catalog = 0 if not len(catalog) else images_per_class
        if len(catalog) and len(photos):
            n_catalog = int(generator.binomial(images_per_class, share))
        for kind, n in ((photos, images_per_class - n_catalog), (catalog, n_catalog)):
            if n:
                drawn += generator.choice(kind, n, replace=n > len(kind)).tolist()
    return drawn


@pytest.mark.parametrize(("first", "count"), [(0, 4), (5, 8), (3, 60), (11, 12)])
def test_draw_takes_any_number_at_any_position(first: int, count: int) -> None:
    assert sampler().draw(first, count, 3).tolist() == naive_draw(first, count, 4, 0.25, 3)


def test_items_in_any_order_give_the_same_classes_and_pictures_of_each() -> None:
    order = generator_for("shuffle").permutation(60)
    shuffled = ClassBalancedSampler(ITEMS[order], LABELS[order], CATALOG[order], 12, 4, 0.25, ("test", 0))
    for step in range(10):
        batch = shuffled.batch(step)
        assert (classes(batch) == classes(sampler().batch(step))).all()
        assert (CATALOG[batch - 100] == CATALOG[sampler().batch(step) - 100]).all()


def test_steps_drawn_out_of_order_are_the_same_batches() -> None:
    one = sampler()
    forward = [one.batch(step).tolist() for step in range(12)]
    assert [one.batch(step).tolist() for step in reversed(range(12))] == forward[::-1]


def test_without_class_balance_each_image_comes_once_per_pass() -> None:
    plain = sampler(batch_size=12, images_per_class=0)
    for number in range(3):
        drawn = np.concatenate([plain.batch(step) for step in range(5 * number, 5 * number + 5)])
        assert sorted(drawn.tolist()) == ITEMS.tolist()


def test_without_class_balance_batches_follow_the_shuffled_passes_across_their_ends() -> None:
    passes = [ITEMS[generator_for("test", 0, "pass", n).permutation(60)] for n in range(4)]
    endless = np.concatenate(passes).tolist()
    plain = sampler(batch_size=25, images_per_class=0)
    assert [plain.batch(step).tolist() for step in range(4)] == [
        endless[25 * step : 25 * step + 25] for step in range(4)
    ]
    assert plain.draw(55, 130, 9).tolist() == endless[55:185]


def test_without_class_balance_the_catalogue_share_has_no_effect() -> None:
    plain, shared = (sampler(images_per_class=0, catalog_share=share) for share in (0.0, 0.9))
    assert all((plain.batch(step) == shared.batch(step)).all() for step in range(10))


def test_a_hundred_thousand_classes_are_quick_to_draw_from() -> None:
    labels = np.repeat(np.arange(100_000), 3)
    start = time.perf_counter()
    many = ClassBalancedSampler(np.arange(300_000), labels, np.zeros(300_000, bool), 192, 3, 0.25, ("many",))
    batches = [many.batch(step) for step in range(20)]
    assert time.perf_counter() - start < 2
    assert all(set(Counter(labels[batch].tolist()).values()) == {3} for batch in batches)


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
    with pytest.raises(ValueError, match="count 6 must be a multiple of images_per_class 4"):
        sampler().draw(0, 6, 0)
    with pytest.raises(ValueError, match=r"catalog_share is 1.5; it must lie in \[0, 1\)"):
        sampler(catalog_share=1.5)


def test_nothing_to_draw_is_refused() -> None:
    with pytest.raises(ValueError, match="images_per_class is -1; it must be at least 0"):
        sampler(images_per_class=-1)
    with pytest.raises(ValueError, match="batch_size is 0; it must be at least 1"):
        sampler(batch_size=0)
    with pytest.raises(ValueError, match="first is -1; positions start at 0"):
        sampler().draw(-1, 4, 0)
    with pytest.raises(ValueError, match="there are no images to draw batches from"):
        ClassBalancedSampler(ITEMS[:0], LABELS[:0], CATALOG[:0], 4, 4, 0.0, ("test",))
