from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from small_world import SETTINGS, write_small

import unifiedlib.training as training_module
from unifiedlib import stages
from unifiedlib.contract import Collection
from unifiedlib.losses import NO_LABEL
from unifiedlib.model import EmbeddingModel, load_model
from unifiedlib.phases import TrainingError, add_gradients, cosine, step_down
from unifiedlib.training import Training, freeze_stages
from unifiedlib.training_data import iterations_per_epoch, training_data
from unifiedlib.variants import seeds_of, tasks_of, variants_of


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Collection:
    return write_small(tmp_path_factory.mktemp("data") / "small")


def weights(training: Training) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in training.run()[0].state_dict().items()}


def equal(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> bool:
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


def test_same_seed_gives_the_same_weights_to_the_bit_and_another_does_not(
    small: Collection, tmp_path: Path
) -> None:
    one, again = (Training(small, "unified", 0, SETTINGS, tmp_path / name) for name in "ab")
    other = Training(small, "unified", 1, SETTINGS, tmp_path / "c")
    first = weights(one)
    assert equal(first, weights(again))
    assert not equal(first, weights(other))


@pytest.mark.parametrize("killed_at", [25, 45])
def test_killed_training_ends_as_an_unbroken_one_to_the_bit(
    small: Collection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, killed_at: int
) -> None:
    unbroken_model, unbroken_history = Training(small, "unified", 0, SETTINGS, tmp_path / "a").run()
    broken = Training(small, "unified", 0, SETTINGS, tmp_path / "b")
    real = training_module.random_views
    calls = iter(range(1000))

    def killed(*arguments: object) -> torch.Tensor:
        if next(calls) == killed_at:
            raise KeyboardInterrupt
        return real(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(training_module, "random_views", killed)
    with pytest.raises(KeyboardInterrupt):
        broken.run()
    monkeypatch.setattr(training_module, "random_views", real)
    model, history = broken.run()
    assert equal(model.state_dict(), unbroken_model.state_dict())
    assert history.equals(unbroken_history)


def test_damaged_or_foreign_checkpoint_starts_anew(
    small: Collection, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    training = Training(small, "flashlight", 0, SETTINGS, tmp_path)
    expected = weights(training)
    path = tmp_path / "flashlight" / "seed-0.safetensors"
    assert path.is_file()
    path.write_bytes(path.read_bytes()[:500])
    assert equal(weights(training), expected)
    assert "is damaged; training starts anew" in capsys.readouterr().out
    other = replace(training, settings=replace(SETTINGS, learning_rate=0.02))
    other.run()
    assert "belongs to other settings or data; training starts anew" in capsys.readouterr().out


def test_training_learns_and_its_history_shows_it(small: Collection, tmp_path: Path) -> None:
    model, history = Training(small, "unified", 0, SETTINGS, tmp_path).run()
    losses = history[[name for name in history if name.startswith("loss")]]
    assert list(losses) == [
        "loss flashlight/category",
        "loss shop_the_look/category",
        "loss shop_the_look/product",
    ]
    assert (losses.iloc[-1] < losses.iloc[0]).all()
    assert history["phase"].tolist()[0] == 1
    assert history["accuracy flashlight/category"].iloc[-1] > 0.6
    assert not model.training


def test_finished_training_is_restored_not_repeated_until_it_is_forgotten(
    small: Collection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    training = Training(small, "shop_the_look", 0, SETTINGS, tmp_path / "ck")
    model, history = training.run()
    training.save(tmp_path / "model", model, history)
    monkeypatch.setattr(training_module, "random_views", None)
    restored, same_history = training.run()
    assert equal(restored.state_dict(), model.state_dict())
    assert same_history.equals(history)
    training.forget()
    assert not training.checkpoint_file.exists()
    assert list(load_model(tmp_path / "model").classes) == ["shop_the_look/category", "shop_the_look/product"]


def test_stage_killed_between_two_seeds_keeps_the_first(
    small: Collection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = Training.run
    ran: list[int] = []

    def run(self: Training) -> tuple[EmbeddingModel, pd.DataFrame]:
        if self.seed == 1 and not ran.count(1):
            ran.append(1)
            raise KeyboardInterrupt
        return real(self)

    monkeypatch.setattr(Training, "run", run)
    with pytest.raises(KeyboardInterrupt):
        stages.train(small, "flashlight", [0, 1], SETTINGS, tmp_path / "m", tmp_path / "ck")
    assert (tmp_path / "ck" / "flashlight" / "seed-0.safetensors").is_file()
    histories = stages.train(small, "flashlight", [0, 1], SETTINGS, tmp_path / "m", tmp_path / "ck")
    assert list(histories) == [0, 1]
    assert not list((tmp_path / "ck" / "flashlight").iterdir())


def test_seeds_side_by_side_end_as_one_after_the_other(small: Collection, tmp_path: Path) -> None:
    one_by_one = stages.train(small, "flashlight", [0, 1], SETTINGS, tmp_path / "a", tmp_path / "ck-a")
    try:
        torch.set_num_threads(2)
        side_by_side = stages.train(small, "flashlight", [0, 1], SETTINGS, tmp_path / "b", tmp_path / "ck-b")
    finally:
        torch.set_num_threads(1)
    for seed in (0, 1):
        first, second = (load_model(stages.seed_folder(tmp_path / name, "flashlight", seed)) for name in "ab")
        assert equal(first.state_dict(), second.state_dict())
        assert one_by_one[seed].equals(side_by_side[seed])


def test_loss_that_is_not_a_number_stops_and_keeps_the_checkpoint(
    small: Collection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = training_module.random_views
    calls = iter(range(1000))

    def poisoned(*arguments: object) -> torch.Tensor:
        views = real(*arguments)  # type: ignore[arg-type]
        return views * float("nan") if next(calls) == 30 else views

    monkeypatch.setattr(training_module, "random_views", poisoned)
    with pytest.raises(
        TrainingError, match=r"the loss became nan in phase 2, step 30: lower its learning rate.*is kept in"
    ):
        Training(small, "unified", 0, SETTINGS, tmp_path).run()
    assert (tmp_path / "unified" / "seed-0.safetensors").is_file()


def test_step_schedule_drops_to_a_tenth_halfway() -> None:
    assert [step_down(step, 6) for step in range(6)] == [1, 1, 1, 0.1, 0.1, 0.1]


def test_schedule_sets_the_rates_of_both_phases(small: Collection, tmp_path: Path) -> None:
    training = Training(small, "flashlight", 0, replace(SETTINGS, schedule="step"), tmp_path)
    data = training_data(small, "flashlight", 0.2, 0)
    model = training.model(data.classes)
    for phase, top in (
        (training.phase_one(model, data), SETTINGS.head_learning_rate),
        (training.phase_two(model, data), SETTINGS.learning_rate),
    ):
        assert phase.set_rates(0) == pytest.approx(top)
        assert phase.set_rates(phase.steps - 1) == pytest.approx(top / 10)


def test_pieces_of_a_batch_give_the_gradients_of_the_whole(small: Collection, tmp_path: Path) -> None:
    data = training_data(small, "unified", 0.2, 0)
    found = []
    for images_at_once in (100, 5):
        settings = replace(SETTINGS, images_at_once=images_at_once)
        training = Training(small, "unified", 0, settings, tmp_path)
        model = training.model(data.classes).train()
        phase = training.phase_two(model, data)
        items = phase.batch(0)
        labels = torch.from_numpy(data.labels[items])
        losses = add_gradients(model, phase, phase.inputs(items, 0), labels)
        found.append((losses, [p.grad for p in model.parameters()]))
    (whole, gradients), (pieces, added) = found
    with torch.no_grad():
        embeddings = model(phase.inputs(items, 0))
        naive = {key: float(model.head(key)(embeddings, labels[:, i])) for i, key in enumerate(model.classes)}
    assert whole == pytest.approx(naive, rel=1e-5)
    assert pieces == pytest.approx(naive, rel=1e-5)
    for one, other in zip(gradients, added, strict=True):
        assert one is not None
        assert other is not None
        assert torch.allclose(one, other, rtol=1e-3, atol=1e-5)


def test_imagenet_variant_trains_nothing_and_is_as_wide_as_its_trunk(
    small: Collection, tmp_path: Path
) -> None:
    model, history = Training(small, "imagenet", 0, SETTINGS, tmp_path).run()
    assert model.linear is None
    assert history.empty
    assert not list(tmp_path.iterdir())


def test_frozen_stages_keep_their_weights(small: Collection, tmp_path: Path) -> None:
    training = Training(small, "flashlight", 0, replace(SETTINGS, frozen_stages=2), tmp_path)
    start = training.model(training_data(small, "flashlight", 0.2, 0).classes)
    trained = freeze_stages(start, 2)
    frozen = {name for name, value in start.trunk.named_parameters() if not value.requires_grad}
    assert frozen
    assert trained
    before = {name: value.clone() for name, value in start.trunk.named_parameters()}
    after = dict(training.run()[0].trunk.named_parameters())
    assert all(torch.equal(before[name], after[name]) for name in frozen)
    assert any(not torch.equal(before[name], after[name]) for name in before.keys() - frozen)


def test_specialist_sees_as_many_images_of_its_task_as_the_unified_embedding(
    small: Collection, tmp_path: Path
) -> None:
    steps = iterations_per_epoch(small, SETTINGS.batch_size)
    assert steps == 6
    for variant in ("flashlight", "unified"):
        training = Training(small, variant, 0, SETTINGS, tmp_path)
        data = training_data(small, variant, 0.2, 0)
        phase = training.phase_two(training.model(data.classes), data)
        assert phase.steps == SETTINGS.epochs * steps
        assert len(phase.batch(0)) == SETTINGS.batch_size * len(tasks_of(variant, small))


def test_items_of_several_tasks_count_in_each_and_unknown_label_sets_are_masked(small: Collection) -> None:
    data = training_data(small, "unified", 0.2, 0)
    assert list(data.classes) == ["flashlight/category", "shop_the_look/category", "shop_the_look/product"]
    flashlight, shop = data.labels[:, 0] != NO_LABEL, data.labels[:, 2] != NO_LABEL
    assert not (flashlight & shop).any()
    assert (data.labels[shop, 1] != NO_LABEL).all()
    assert set(data.trained).isdisjoint(data.held_out)
    assert set(data.trained).isdisjoint(small.test_items())
    assert set(data.held_out).isdisjoint(small.test_items())


def test_images_held_out_are_the_same_for_every_variant_of_a_seed(small: Collection) -> None:
    alone = [training_data(small, task, 0.2, 0).held_out for task in small.tasks]
    assert np.array_equal(np.sort(np.concatenate(alone)), training_data(small, "unified", 0.2, 0).held_out)


def test_task_without_training_items_in_its_label_set_is_named(small: Collection) -> None:
    labels = small.labels[(small.labels["label_set"] != "product") | (small.labels["role"] != "train")]
    broken = replace(small, labels=labels.reset_index(drop=True))
    with pytest.raises(
        ValueError, match="task 'shop_the_look' has no training items in its label set 'product'"
    ):
        training_data(broken, "unified", 0.2, 0)


def test_variants_are_the_trunk_the_specialists_and_the_unified_one(small: Collection) -> None:
    assert variants_of(small) == ["imagenet", "flashlight", "shop_the_look", "unified"]
    assert tasks_of("imagenet", small) == []
    assert seeds_of("imagenet", [3, 4]) == [3]
    assert seeds_of("unified", [3, 4]) == [3, 4]
    with pytest.raises(ValueError, match="has no variant 'lens'; choose one of imagenet, flashlight"):
        tasks_of("lens", small)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"epochs": -1}, "epochs is -1; it must be at least 0"),
        ({"learning_rate": float("nan")}, "learning_rate is nan"),
        ({"schedule": "linear"}, "schedule is 'linear'; choose one of cosine, step"),
        ({"checkpoint_every": 30}, "must be a multiple of 20"),
        ({"batch_size": 0}, "batch_size is 0"),
        ({"optimizer": "adam"}, "optimizer is 'adam'; choose one of adamw, sgd"),
    ],
)
def test_senseless_settings_are_refused(change: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        replace(SETTINGS, **change)


def test_rate_warms_up_then_falls_to_zero() -> None:
    factors = [cosine(step, 100) for step in range(101)]
    assert factors[0] == pytest.approx(0.2)
    assert max(factors) > 0.99
    assert factors[100] == pytest.approx(0)
    assert all(later <= earlier for earlier, later in pairwise(factors[5:]))
