from __future__ import annotations

import errno
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from killing import run_and_kill
from small_world import SETTINGS, write_small

import unifiedlib.checkpoint as checkpoint_module
import unifiedlib.features as features_module
import unifiedlib.model as model_module
import unifiedlib.training as training_module
from unifiedlib import stages
from unifiedlib.checkpoint import previous, stored_steps
from unifiedlib.contract import Collection
from unifiedlib.files import WriteError
from unifiedlib.learner import Learner
from unifiedlib.losses import NO_LABEL
from unifiedlib.model import load_model
from unifiedlib.phases import (
    Phase,
    Progress,
    TrainingError,
    add_gradients,
    cosine,
    gradient_shares,
    step_down,
)
from unifiedlib.training import Trained, Training, freeze_stages
from unifiedlib.training_data import TrainingData, iterations_per_epoch, training_data
from unifiedlib.trunk import trunk_width
from unifiedlib.variants import seeds_of, tasks_of, variants_of


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Collection:
    return write_small(tmp_path_factory.mktemp("data") / "small")


def weights(training: Training) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in training.run().model.state_dict().items()}


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
    unbroken = Training(small, "unified", 0, SETTINGS, tmp_path / "a").run()
    broken = Training(small, "unified", 0, SETTINGS, tmp_path / "b")
    run_and_kill(broken, killed_at, monkeypatch)
    resumed = broken.run()
    assert equal(resumed.model.state_dict(), unbroken.model.state_dict())
    assert resumed.history.equals(unbroken.history)


def cut(path: Path) -> None:
    """Damage a file, as a disk may."""
    path.write_bytes(path.read_bytes()[:500])


def test_damaged_checkpoint_gives_way_to_the_one_before(
    small: Collection, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    training = Training(small, "flashlight", 0, SETTINGS, tmp_path)
    expected = weights(training)
    cut(training.files.finished_file)
    assert equal(weights(training), expected)
    said = capsys.readouterr().out
    assert "is damaged" in said
    assert "taking up flashlight, seed 0, after step 40" in said
    cut(training.files.finished_file)
    cut(training.files.shared_file)
    assert equal(weights(training), expected)
    assert "taking up flashlight, seed 0, after step 20" in capsys.readouterr().out


def test_training_starts_anew_where_all_checkpoints_are_damaged(small: Collection, tmp_path: Path) -> None:
    training = Training(small, "flashlight", 0, SETTINGS, tmp_path)
    expected = weights(training)
    files = training.files
    for path in (files.finished_file, files.shared_file, previous(files.shared_file)):
        cut(path)
    assert equal(weights(training), expected)


def test_checkpoint_of_other_settings_is_left_alone(small: Collection, tmp_path: Path) -> None:
    training = Training(small, "flashlight", 0, SETTINGS, tmp_path)
    training.run()
    kept = training.files.finished_file.read_bytes()
    other = replace(training, settings=replace(SETTINGS, learning_rate=0.02))
    other.run()
    assert other.files.finished_file != training.files.finished_file
    assert training.files.finished_file.read_bytes() == kept


def test_unfinished_checkpoint_of_another_machine_is_not_taken_up_and_stays(
    small: Collection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    training = Training(small, "flashlight", 0, SETTINGS, tmp_path)
    monkeypatch.setattr(torch, "__version__", "another")
    run_and_kill(training, 45, monkeypatch)
    monkeypatch.undo()
    there, here = training.files.shared_file, Training(small, "flashlight", 0, SETTINGS, tmp_path)
    kept = there.read_bytes()
    here.run()
    said = capsys.readouterr().out
    assert f"{there} was made by another machine, thread count or number of processes: it is kept" in said
    assert here.files.shared_file.exists()
    assert there.read_bytes() == kept
    here.forget()
    assert not list((tmp_path / "flashlight").iterdir())


def test_checkpoint_that_was_gone_back_to_is_not_pushed_out_by_the_next(
    small: Collection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    training = Training(small, "flashlight", 0, SETTINGS, tmp_path)
    run_and_kill(training, 45, monkeypatch)
    path = training.files.shared_file
    cut(path)
    run_and_kill(training, 22, monkeypatch)
    assert list(stored_steps(path, training.key).values()) == [path, previous(path)]
    assert list(stored_steps(path, training.key)) == [40, 20]


def test_training_that_ended_without_room_for_its_weights_writes_them_when_there_is(
    small: Collection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    training = Training(small, "flashlight", 0, replace(SETTINGS, epochs=0), tmp_path)
    real = checkpoint_module.save_file

    def full(*arguments: object, **more: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(checkpoint_module, "save_file", full)
    with pytest.raises(TrainingError, match=r"could not be written.*no earlier checkpoint was written"):
        training.run()
    monkeypatch.setattr(checkpoint_module, "save_file", real)
    trained = training.run()
    assert training.files.finished_file.exists()
    assert equal(weights(training), trained.model.state_dict())


def test_feature_cache_and_model_that_do_not_fit_say_so(
    small: Collection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    training = Training(small, "flashlight", 0, SETTINGS, tmp_path)
    trained = training.run()

    def full(*arguments: object, **more: object) -> None:
        raise OSError("100000 requested and 24968 written")

    monkeypatch.setattr(model_module, "save_file", full)
    with pytest.raises(WriteError, match=r"model could not be written: .*mend that and start again"):
        training.save(tmp_path / "model", trained)
    assert not (tmp_path / "model").exists()
    monkeypatch.setattr(features_module.np, "save", full)
    with pytest.raises(WriteError, match=r"features-\w+\.npy could not be written: .*requested and 24968"):
        replace(training, checkpoints=tmp_path / "other").run()


def test_disk_that_is_full_keeps_the_checkpoint_before(
    small: Collection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    training = Training(small, "flashlight", 0, SETTINGS, tmp_path)
    real, calls = checkpoint_module.save_file, iter(range(10))

    def full(*arguments: object, **more: object) -> None:
        if next(calls) == 1:
            raise OSError(errno.ENOSPC, "No space left on device")
        real(*arguments, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(checkpoint_module, "save_file", full)
    with pytest.raises(TrainingError, match=r"could not be written.*mend that and start again.*is kept in"):
        training.run()
    assert list(stored_steps(training.files.shared_file, training.key)) == [20]
    assert equal(weights(training), weights(Training(small, "flashlight", 0, SETTINGS, tmp_path / "b")))


def test_weight_that_is_not_finite_is_never_stored(
    small: Collection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = training_module.run_phase

    def spoilt(learner: Learner, data: TrainingData, phase: Phase, start: int, been: Progress) -> None:
        if phase.number == 2:
            learner.register_buffer("spoilt", torch.tensor(float("inf")))
        real(learner, data, phase, start, been)

    monkeypatch.setattr(training_module, "run_phase", spoilt)
    training = Training(small, "flashlight", 0, SETTINGS, tmp_path)
    with pytest.raises(
        TrainingError, match="spoilt is not finite after step 20 of phase 2: lower its learning rate"
    ):
        training.run()
    assert not training.files.finished_file.exists()
    assert not training.files.shared_file.exists()


def test_training_learns_and_its_history_shows_it(small: Collection, tmp_path: Path) -> None:
    trained = Training(small, "unified", 0, SETTINGS, tmp_path).run()
    model, history = trained.model, trained.history
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
    trained = training.run()
    training.save(tmp_path / "model", trained)
    monkeypatch.setattr(training_module, "show", None)
    restored = training.run()
    assert equal(restored.model.state_dict(), trained.model.state_dict())
    assert restored.history.equals(trained.history)
    assert len(trained.throughput)
    assert restored.throughput.empty
    left = training.files.finished_file.with_name(f".{training.files.name}.1.part.safetensors")
    left.write_bytes(b"half")
    training.forget()
    assert not list(left.parent.iterdir())
    assert list(load_model(tmp_path / "model").classes) == ["shop_the_look/category", "shop_the_look/product"]


def test_stage_killed_between_two_seeds_keeps_the_first(
    small: Collection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = Training.run
    ran: list[int] = []

    def run(self: Training) -> Trained:
        if self.seed == 1 and not ran.count(1):
            ran.append(1)
            raise KeyboardInterrupt
        return real(self)

    monkeypatch.setattr(Training, "run", run)
    with pytest.raises(KeyboardInterrupt):
        stages.train(small, "flashlight", [0, 1], SETTINGS, tmp_path / "m", tmp_path / "ck")
    assert list((tmp_path / "ck" / "flashlight").glob("seed-0-*.safetensors"))
    histories, _ = stages.train(small, "flashlight", [0, 1], SETTINGS, tmp_path / "m", tmp_path / "ck")
    assert list(histories) == [0, 1]
    assert not list((tmp_path / "ck" / "flashlight").iterdir())


def test_seeds_side_by_side_end_as_one_after_the_other(small: Collection, tmp_path: Path) -> None:
    one_by_one, _ = stages.train(small, "flashlight", [0, 1], SETTINGS, tmp_path / "a", tmp_path / "ck-a")
    try:
        torch.set_num_threads(2)
        side_by_side, _ = stages.train(
            small, "flashlight", [0, 1], SETTINGS, tmp_path / "b", tmp_path / "ck-b"
        )
    finally:
        torch.set_num_threads(1)
    for seed in (0, 1):
        first, second = (load_model(stages.seed_folder(tmp_path / name, "flashlight", seed)) for name in "ab")
        assert equal(first.state_dict(), second.state_dict())
        assert one_by_one[seed].equals(side_by_side[seed])


def test_loss_that_is_not_a_number_stops_and_keeps_the_checkpoint(
    small: Collection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = training_module.show
    calls = iter(range(1000))

    def poisoned(*arguments: object) -> torch.Tensor:
        views = real(*arguments)  # type: ignore[arg-type]
        return views * float("nan") if next(calls) == 30 else views

    monkeypatch.setattr(training_module, "show", poisoned)
    with pytest.raises(
        TrainingError, match=r"the loss became nan in phase 2, step 30: lower its learning rate.*is kept in"
    ):
        Training(small, "unified", 0, SETTINGS, tmp_path).run()
    assert list((tmp_path / "unified").glob("seed-0-*.safetensors"))


def test_step_schedule_drops_to_a_tenth_halfway() -> None:
    assert [step_down(step, 6) for step in range(6)] == [1, 1, 1, 0.1, 0.1, 0.1]


@pytest.mark.parametrize(("schedule", "ends"), [("step", (1, 0.1)), ("cosine", (0, 0))])
def test_schedule_sets_the_rates_of_both_phases(
    small: Collection, tmp_path: Path, schedule: str, ends: tuple[float, float]
) -> None:
    training = Training(small, "flashlight", 0, replace(SETTINGS, schedule=schedule), tmp_path)
    data = training_data(small, ["flashlight"], 0.2, 0)
    learner = training.learner(data)
    phases = (training.phase_one(learner, data), training.phase_two(learner, data))
    tops = (SETTINGS.head_learning_rate, SETTINGS.learning_rate)
    for phase, top, end in zip(phases, tops, ends, strict=True):
        middle = phase.set_rates(phase.steps // 4)
        assert middle == pytest.approx(top) if schedule == "step" else middle < top
        assert phase.set_rates(phase.steps - 1) == pytest.approx(top * end, abs=top / 50)


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"classes_per_step": 3, "optimizer": "sgd"},
        {"weighting": "uncertainty"},
        {"weighting": "gradnorm"},
        {"loss": "arcface"},
        {"mix": "round_robin"},
    ],
)
def test_pieces_of_a_batch_give_the_gradients_of_the_whole(
    small: Collection, tmp_path: Path, change: dict[str, str]
) -> None:
    data = training_data(small, list(small.tasks), 0.2, 0)
    found = []
    for images_at_once in (100, 5):
        settings = replace(SETTINGS, images_at_once=images_at_once, **change)  # type: ignore[arg-type]
        training = Training(small, "unified", 0, settings, tmp_path)
        learner = training.learner(data).train()
        phase = training.phase_two(learner, data)
        items = phase.mix.batch(0)
        labels = torch.from_numpy(data.labels[items])
        measured = add_gradients(learner, phase, items, labels, 0, lengths=True)
        found.append((measured, [p.grad for p in learner.parameters()]))
    (whole, gradients), (pieces, added) = found
    assert pieces.losses == pytest.approx(whole.losses, rel=1e-5)
    assert pieces.squares == pytest.approx(whole.squares, rel=1e-3)
    assert sum(gradient_shares([whole]).values()) == pytest.approx(1)
    for one, other in zip(gradients, added, strict=True):
        assert (one is None) == (other is None)
        if one is not None and other is not None:
            assert torch.allclose(one.to_dense(), other.to_dense(), rtol=1e-3, atol=1e-5)


def test_loss_of_a_batch_is_that_of_the_equation(small: Collection, tmp_path: Path) -> None:
    data = training_data(small, list(small.tasks), 0.2, 0)
    training = Training(small, "unified", 0, SETTINGS, tmp_path)
    learner = training.learner(data).train()
    phase = training.phase_two(learner, data)
    items = phase.mix.batch(0)
    labels = torch.from_numpy(data.labels[items])
    measured = add_gradients(learner, phase, items, labels, 0)
    with torch.no_grad():
        embeddings = learner.model(phase.inputs(items, 0))
        naive = {
            key: float(head(embeddings, labels[:, i])) for i, (key, head) in enumerate(learner.heads.items())
        }
    assert measured.losses == pytest.approx(naive, rel=1e-5)


@pytest.mark.parametrize("change", [{"loss": "proxy_anchor"}, {"distillation": 1.0}])
def test_loss_between_the_images_of_a_batch_takes_it_whole(
    small: Collection, tmp_path: Path, change: dict[str, object]
) -> None:
    data = training_data(small, list(small.tasks), 0.2, 0)
    settings = replace(SETTINGS, images_at_once=5, **change)  # type: ignore[arg-type]
    training = Training(small, "unified", 0, settings, tmp_path)
    learner = training.learner(data)
    phase = training.phase_two(learner, data)
    seen: list[int] = []

    def pool(images: torch.Tensor) -> torch.Tensor:
        seen.append(len(images))
        return phase.pool(images)

    items = phase.mix.batch(0)
    add_gradients(learner, replace(phase, pool=pool), items, torch.from_numpy(data.labels[items]), 0)
    assert seen == [len(items)]


@pytest.mark.parametrize(
    "change",
    [
        {"mix": "loss"},
        {"mix": "round_robin"},
        {"weighting": "uncertainty"},
        {"weighting": "gradnorm"},
        {"classes_per_step": 3},
        {"distillation": 1.0, "head_views": 2},
        {"pooling": "gem", "layer_norm": False, "images_per_class": 0},
        {"loss": "subcenter_arcface"},
        {"precision": "bf16"},
        {"dim": trunk_width("test_resnet"), "weighting": "gradnorm"},
    ],
)
def test_every_way_to_train_learns_and_survives_a_kill_to_the_bit(
    small: Collection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: dict[str, object]
) -> None:
    settings = replace(SETTINGS, epochs=7, **change)  # type: ignore[arg-type]
    unbroken = Training(small, "unified", 0, settings, tmp_path / "a").run()
    assert unbroken.history["accuracy flashlight/category"].iloc[-1] > 0.6
    broken = Training(small, "unified", 0, settings, tmp_path / "b")
    run_and_kill(broken, 33, monkeypatch)
    resumed = broken.run()
    assert equal(resumed.model.state_dict(), unbroken.model.state_dict())
    assert resumed.history.equals(unbroken.history)


def test_equal_total_budget_gives_all_tasks_together_the_images_of_one_specialist(
    small: Collection, tmp_path: Path
) -> None:
    data = training_data(small, list(small.tasks), 0.2, 0)
    steps = {}
    for budget in ("per_task", "total"):
        training = Training(small, "unified", 0, replace(SETTINGS, budget=budget), tmp_path)
        steps[budget] = training.phase_two(training.learner(data), data).steps
    assert steps["per_task"] == 2 * steps["total"]


def test_who_pulls_in_a_round_robin_is_measured_over_a_turn_of_all_tasks(
    small: Collection, tmp_path: Path
) -> None:
    for mix in ("round_robin", "uniform"):
        trained = Training(small, "unified", 0, replace(SETTINGS, mix=mix), tmp_path / mix).run()
        shares = trained.history[[name for name in trained.history if name.startswith("gradient")]]
        assert (shares > 0).all(axis=None)
        assert np.allclose(shares.sum(axis=1), 1)


def test_ablation_learns_from_the_tasks_that_it_names(small: Collection, tmp_path: Path) -> None:
    alone = Training(small, "ablated", 0, SETTINGS, tmp_path, tasks=("shop_the_look",))
    assert alone.learned == ["shop_the_look"]
    assert Training(small, "ablated", 0, SETTINGS, tmp_path).learned == ["flashlight", "shop_the_look"]
    with pytest.raises(ValueError, match="has no task 'lens'; it has flashlight, shop_the_look"):
        _ = replace(alone, tasks=("lens",)).learned


def test_imagenet_variant_trains_nothing_and_is_as_wide_as_its_trunk(
    small: Collection, tmp_path: Path
) -> None:
    trained = Training(small, "imagenet", 0, SETTINGS, tmp_path).run()
    assert trained.model.linear is None
    assert trained.history.empty
    assert not list(tmp_path.iterdir())


def test_frozen_stages_keep_their_weights(small: Collection, tmp_path: Path) -> None:
    training = Training(small, "flashlight", 0, replace(SETTINGS, frozen_stages=2), tmp_path)
    start = training.model(training_data(small, ["flashlight"], 0.2, 0).classes)
    trained = freeze_stages(start, 2)
    frozen = {name for name, value in start.trunk.named_parameters() if not value.requires_grad}
    assert frozen
    assert trained
    before = {name: value.clone() for name, value in start.trunk.named_parameters()}
    after = dict(training.run().model.trunk.named_parameters())
    assert all(torch.equal(before[name], after[name]) for name in frozen)
    assert any(not torch.equal(before[name], after[name]) for name in before.keys() - frozen)


def test_specialist_sees_as_many_images_of_its_task_as_the_unified_embedding(
    small: Collection, tmp_path: Path
) -> None:
    steps = iterations_per_epoch(small, SETTINGS.batch_size)
    assert steps == 6
    for variant in ("flashlight", "unified"):
        training = Training(small, variant, 0, SETTINGS, tmp_path)
        data = training_data(small, tasks_of(variant, small), 0.2, 0)
        phase = training.phase_two(training.learner(data), data)
        assert phase.steps == SETTINGS.epochs * steps
        assert len(phase.mix.batch(0)) == SETTINGS.batch_size * len(tasks_of(variant, small))


def test_unknown_label_sets_are_masked(small: Collection) -> None:
    data = training_data(small, list(small.tasks), 0.2, 0)
    assert list(data.classes) == ["flashlight/category", "shop_the_look/category", "shop_the_look/product"]
    flashlight, shop = data.labels[:, 0] != NO_LABEL, data.labels[:, 2] != NO_LABEL
    assert not (flashlight & shop).any()
    assert (data.labels[shop, 1] != NO_LABEL).all()
    assert set(data.trained).isdisjoint(data.held_out)
    assert set(data.trained).isdisjoint(small.test_items())
    assert set(data.held_out).isdisjoint(small.test_items())


def test_item_of_several_tasks_counts_in_each_and_is_held_out_of_all(small: Collection) -> None:
    labels = small.labels.copy()
    shared = labels[(labels["task"] == "flashlight") & (labels["role"] == "train")]
    more = shared.assign(task="shop_the_look", label_set="product")
    both = replace(small, labels=pd.concat([labels, more], ignore_index=True))
    unified = training_data(both, list(both.tasks), 0.2, 0)
    columns = unified.labels[:, [0, unified.main["shop_the_look"]]]
    assert (columns[shared["item"]] != NO_LABEL).all()
    for task in both.tasks:
        alone, column = training_data(both, [task], 0.2, 0), unified.main[task]
        of_task = np.flatnonzero(unified.labels[:, column] != NO_LABEL)
        assert np.array_equal(alone.trained, np.intersect1d(unified.trained, of_task))
        assert np.array_equal(alone.held_out, np.intersect1d(unified.held_out, of_task))
    assert set(training_data(small, ["flashlight"], 0.2, 0).held_out) < set(unified.held_out)


def test_images_held_out_are_the_same_for_every_variant_of_a_seed(small: Collection) -> None:
    alone = [training_data(small, [task], 0.2, 0).held_out for task in small.tasks]
    assert np.array_equal(
        np.sort(np.concatenate(alone)), training_data(small, list(small.tasks), 0.2, 0).held_out
    )


def test_task_without_training_items_in_its_label_set_is_named(small: Collection) -> None:
    labels = small.labels[(small.labels["label_set"] != "product") | (small.labels["role"] != "train")]
    broken = replace(small, labels=labels.reset_index(drop=True))
    with pytest.raises(
        ValueError, match="task 'shop_the_look' has no training items in its label set 'product'"
    ):
        training_data(broken, list(broken.tasks), 0.2, 0)


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
        ({"loss": "arcface", "classes_per_step": 9}, "only softmax can sample its classes"),
        ({"loss": "arcface", "distillation": 1.0}, "teachers teach a softmax alone"),
        ({"classes_per_step": 9, "distillation": 1.0}, "teachers need the scores of all classes"),
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
