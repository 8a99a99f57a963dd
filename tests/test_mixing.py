from __future__ import annotations

import json
from collections.abc import Sequence

import numpy as np
import pytest

from unifiedlib.mixing import MIXES, Mix, allocate
from unifiedlib.sampling import ClassBalancedSampler

SIZES = {"flashlight": 80, "lens": 12, "shop_the_look": 28}
N_TASKS = len(SIZES)


def samplers(
    tasks: Sequence[str] = tuple(SIZES), per_task: int = 12, images_per_class: int = 4
) -> dict[str, ClassBalancedSampler]:
    """Items of the tasks are 0.., 1000.., 2000..; every class has four images."""
    return {
        task: ClassBalancedSampler(
            1000 * list(SIZES).index(task) + np.arange(SIZES[task]),
            np.arange(SIZES[task]) // 4,
            np.zeros(SIZES[task], bool),
            per_task,
            images_per_class,
            0.25,
            ("mix", task),
        )
        for task in tasks
    }


def mix(name: str, images_per_class: int = 4) -> Mix:
    return Mix(name, samplers(images_per_class=images_per_class), SIZES, 12, images_per_class)


def images_per_task(batch: np.ndarray) -> list[int]:
    return [int((batch // 1000 == number).sum()) for number in range(N_TASKS)]


@pytest.mark.parametrize(
    ("total", "weights", "expected"),
    [
        (9, [1, 1, 1], [3, 3, 3]),
        (10, [1, 1, 1], [4, 3, 3]),
        (3, [0.1, 0.1, 0.1], [1, 1, 1]),
        (4, [0.1, 0.1, 0.1, 0], [1, 1, 1, 1]),
        (9, [80, 12, 28], [6, 1, 2]),
        (10, [5, 3, 2], [5, 3, 2]),
        (10, [990, 9, 1], [8, 1, 1]),
        (7, [0, 0], [4, 3]),
        (7, [0, 2], [1, 6]),
        (5, [3], [5]),
    ],
)
def test_shares_are_rounded_by_largest_remainder_with_at_least_one_each(
    total: int, weights: list[float], expected: list[int]
) -> None:
    assert allocate(total, weights) == expected


def test_shares_add_up_and_are_off_by_less_than_one() -> None:
    generator = np.random.default_rng(0)
    for _ in range(300):
        weights = generator.exponential(size=int(generator.integers(1, 9))) ** 3
        total = len(weights) + int(generator.integers(0, 60))
        counts = np.array(allocate(total, weights.tolist()))
        assert counts.sum() == total
        assert counts.min() >= 1
        large = counts > 1
        if large.any():
            exact = (total - (~large).sum()) * weights[large] / weights[large].sum()
            assert (np.abs(counts[large] - exact) < 1 + 1e-9).all()


def test_uniform_mix_is_each_samplers_own_batch() -> None:
    for images_per_class in (4, 0):
        for step in (0, 1, 17):
            own = [s.batch(step) for s in samplers(images_per_class=images_per_class).values()]
            assert (mix("uniform", images_per_class).batch(step) == np.concatenate(own)).all()


@pytest.mark.parametrize("name", MIXES)
def test_every_batch_has_as_many_images_as_a_uniform_one(name: str) -> None:
    one = mix(name)
    for step in range(6):
        batch = one.batch(step)
        assert len(batch) == 36
        assert images_per_task(batch) == list(one.counts(step).values())
        assert (np.diff(batch // 1000) >= 0).all()


def test_proportional_mix_follows_the_tasks_sizes_in_whole_classes() -> None:
    assert images_per_task(mix("proportional").batch(3)) == [24, 4, 8]
    assert images_per_task(mix("proportional", 0).batch(3)) == [24, 4, 8]


def test_proportional_mix_goes_through_each_tasks_classes_equally_often() -> None:
    drawn = np.concatenate([mix("proportional").batch(step) for step in range(10)])
    classes, counts = np.unique(drawn // 4, return_counts=True)
    assert len(classes) == sum(SIZES.values()) // 4
    assert set(counts[classes < 250].tolist()) == {12}


def test_round_robin_gives_the_tasks_whole_batches_in_turn() -> None:
    one, alone = mix("round_robin"), list(samplers(per_task=36).values())
    for step in range(7):
        turn, task = divmod(step, 3)
        expected = alone[task].draw(turn * 9, 36, step)
        assert (one.batch(step) == expected).all()
    drawn = np.concatenate([one.batch(step) for step in (0, 3, 6, 9, 12)])
    assert set(np.unique(drawn, return_counts=True)[1].tolist()) <= {2, 3}


def test_mix_by_loss_is_uniform_until_told_and_then_follows_the_losses() -> None:
    one = mix("loss")
    assert (one.batch(5) == mix("uniform").batch(5)).all()
    one.update({"flashlight": 1.0, "lens": 2.0, "shop_the_look": 6.0}, 20)
    assert images_per_task(one.batch(20)) == [4, 8, 24]
    one.update({"flashlight": 0.0, "lens": 5.0, "shop_the_look": 5.0}, 40)
    assert images_per_task(one.batch(47)) == [4, 16, 16]


def test_mix_by_loss_leaves_out_no_class_and_repeats_none_when_shares_change() -> None:
    one, tasks = mix("loss"), list(samplers().values())
    drawn = [one.batch(step) for step in range(2)]
    one.update({"flashlight": 6.0, "lens": 1.0, "shop_the_look": 2.0}, 2)
    drawn += [one.batch(step) for step in (2, 3)]
    one.update({"flashlight": 1.0, "lens": 1.0, "shop_the_look": 7.0}, 4)
    drawn += [one.batch(step) for step in (4, 5)]
    for number, positions in enumerate((2 * 3 + 2 * 6 + 2 * 1, 2 * 3 + 2 * 1 + 2 * 1, 2 * 3 + 2 * 2 + 2 * 7)):
        seen = np.concatenate([batch[batch // 1000 == number] // 4 for batch in drawn])[::4]
        expected = tasks[number].draw(0, 4 * positions, 0)[::4] // 4
        assert seen.tolist() == expected.tolist()


def test_resumed_mix_by_loss_draws_the_batches_of_an_unbroken_one() -> None:
    losses = [dict(zip(SIZES, row, strict=True)) for row in np.random.default_rng(0).exponential(size=(6, 3))]
    unbroken = mix("loss")
    batches, kept = [], ""
    for step in range(120):
        if step % 20 == 0 and step:
            unbroken.update(losses[step // 20], step)
        if step == 70:
            kept = json.dumps(unbroken.state())
        batches.append(unbroken.batch(step))
    resumed = mix("loss")
    resumed.load_state(json.loads(kept))
    for step in range(70, 120):
        if step % 20 == 0:
            resumed.update(losses[step // 20], step)
        assert (resumed.batch(step) == batches[step]).all()
    assert resumed.state() == unbroken.state()


@pytest.mark.parametrize("name", ["uniform", "proportional", "round_robin"])
def test_other_mixes_are_functions_of_the_step_alone(name: str) -> None:
    one = mix(name)
    later = one.batch(30)
    one.batch(3)
    one.update({"flashlight": 1.0, "lens": 9.0, "shop_the_look": 1.0}, 20)
    assert (one.batch(30) == later).all()
    assert one.state() == mix(name).state()


@pytest.mark.parametrize("name", MIXES)
def test_single_task_has_the_same_batches_by_every_mix(name: str) -> None:
    one = Mix(name, samplers(["lens"]), {"lens": 12}, 12, 4)
    for step in range(10):
        if step == 4:
            one.update({"lens": 3.0}, step)
        assert (one.batch(step) == samplers(["lens"])["lens"].batch(step)).all()


def test_wrong_use_of_a_mix_is_refused_with_what_to_do() -> None:
    with pytest.raises(
        ValueError, match="mix is 'even'; choose one of uniform, proportional, round_robin, loss"
    ):
        mix("even")
    with pytest.raises(ValueError, match="a mix needs a sampler and a size of each task"):
        Mix("uniform", samplers(), {"lens": 12}, 12, 4)
    with pytest.raises(
        ValueError, match="per_task is 10; it must be a positive multiple of images_per_class 4"
    ):
        Mix("uniform", samplers(), SIZES, 10, 4)
    with pytest.raises(ValueError, match="2 cannot be split among 3 so that each gets at least one"):
        allocate(2, [1, 1, 1])
    one = mix("loss")
    with pytest.raises(ValueError, match=r"the losses are of \['lens'\]; the mix needs one of each task"):
        one.update({"lens": 1.0}, 20)
    with pytest.raises(ValueError, match="each must be a number of at least 0"):
        one.update(dict.fromkeys(SIZES, float("nan")), 20)
    one.update(dict.fromkeys(SIZES, 1.0), 20)
    with pytest.raises(ValueError, match="step 19 lies before step 20, at which the mix was last updated"):
        one.batch(19)
    with pytest.raises(ValueError, match="is no state of a mix of 3 tasks"):
        one.load_state({"start": 0, "drawn": [0], "losses": []})
