"""The costs of one embedding against one per task: measured on a tiny world, modelled by hand-worked numbers, judged."""

from __future__ import annotations

import re
from dataclasses import asdict, replace
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
import torch
from small_world import SETTINGS, write_small

from unifiedlib import stages
from unifiedlib.claims import Claim
from unifiedlib.contract import Collection
from unifiedlib.costs import story
from unifiedlib.costs.assumptions import WORDS, Assumptions
from unifiedlib.costs.claims import CostJudging, judge_costs
from unifiedlib.costs.indexing import BINARY, FLOAT, REPRESENTATIONS
from unifiedlib.costs.measuring import Measured, Measuring, compared_variants, measure, overlap
from unifiedlib.costs.medians import measured_table
from unifiedlib.costs.model import (
    CODES_TO_CODES,
    FLOATS_TO_FLOATS,
    PARTS,
    SPECIALISTS,
    STEPS,
    WAYS,
    WORK,
    UnitCosts,
    Way,
    amounts,
    cost_table,
    share_saved,
    total,
    unit_costs,
)
from unifiedlib.costs.sensitivity import (
    bearable_loss,
    break_even_share,
    changed_value,
    saving_by_shared_share,
    saving_by_tasks,
    tornado,
)
from unifiedlib.costs.study import study_of, write_study
from unifiedlib.costs.timing import COLUMNS, CORE_SECONDS, Sample, in_rounds
from unifiedlib.figures import costs as drawing
from unifiedlib.variants import UNIFIED

mpl.use("Agg")
VARIANTS = ["imagenet", "flashlight", "shop_the_look", UNIFIED]
MEASURING = Measuring(
    rounds=3,
    warm_up=1,
    embedded_pictures=6,
    batch_size=4,
    training_steps=1,
    indexed_items=200,
    queries=4,
    k=5,
    seed=0,
)
JUDGING = CostJudging(least_saving=0.05, shared_share=1.0, seed=0, n_resamples=200)
ASSUMED = Assumptions(
    n_tasks=2,
    corpus_items=3600,
    shared_share=0.5,
    new_items_per_day=10,
    refreshes_per_year=2,
    training_images=1800,
    queries_per_day=100,
    searched_share=0.1,
    replicas=3,
    speed_up=2,
    core_hour_price=0.5,
    memory_price=2,
    disk_price=0.1,
    query_value=0.01,
    precision_lost=0.01,
)
UNIT = UnitCosts(
    trained_image={SPECIALISTS: 2, UNIFIED: 3},
    embedding={SPECIALISTS: 1, UNIFIED: 2},
    model={SPECIALISTS: 10, UNIFIED: 20},
    build={FLOAT: 0.5, BINARY: 0.25},
    add={FLOAT: 0.1, BINARY: 0.05},
    compare={FLOAT: 0.01, BINARY: 0.001},
    vector={FLOAT: 3200, BINARY: 100},
    index_item={FLOAT: 3208, BINARY: 108},
)
# Either world takes the same per image, item and query.
ALIKE = replace(
    UNIT,
    trained_image=dict.fromkeys((SPECIALISTS, UNIFIED), 2.0),
    embedding=dict.fromkeys((SPECIALISTS, UNIFIED), 1.0),
    model=dict.fromkeys((SPECIALISTS, UNIFIED), 10.0),
)


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Collection:
    return write_small(tmp_path_factory.mktemp("data") / "small")


@pytest.fixture(scope="module")
def models(small: Collection, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    settings = replace(SETTINGS, head_steps=2, epochs=1)
    for variant in VARIANTS:
        stages.train(small, variant, [0], settings, folder, folder / "checkpoints")
    return folder


@pytest.fixture(scope="module")
def measured(small: Collection, models: Path) -> Measured:
    return measure(small, VARIANTS, 0, models, MEASURING)


def made(seconds: dict[tuple[str, str], list[float]], budget: str = "per_task") -> Measured:
    """Measurements of two specialists with these seconds per round, and what is counted."""
    usual = {("search", one): [0.001] * 3 for one in REPRESENTATIONS}
    usual |= {("index build", one): [0.0] * 3 for one in REPRESENTATIONS}
    rows = [
        (number, quantity, what, CORE_SECONDS, value)
        for (quantity, what), values in (usual | seconds).items()
        for number, value in enumerate(values, start=1)
    ]
    rows += [(0, "vector", FLOAT, "bytes", 64.0)]
    rows += [(0, "training images", name, "images", 100.0) for name in ("a", "b", UNIFIED)]
    about: dict[str, object] = {"specialists": ["a", "b"], "budget": budget}
    return Measured(pd.DataFrame(rows, columns=list(COLUMNS)), about)


def by_id(claims: list[Claim]) -> dict[str, Claim]:
    return {str(claim["id"]): claim for claim in claims}


# Measuring


def test_every_quantity_is_measured_and_positive(measured: Measured) -> None:
    table = measured_table(measured, 100, 0)
    phases = ("head training", "fine-tuning", "training")
    of_models = (*phases, "embedding", "embedding alone", "training images", "model")
    of_indexes = (
        "index build",
        "index add",
        "search",
        "search alone",
        "vector",
        "index item",
        "compared items",
    )
    wanted = {(quantity, name) for quantity in of_models for name in VARIANTS[1:]}
    wanted |= {(f"{phase}, equal batches", name) for phase in phases for name in VARIANTS[1:-1]}
    wanted |= {(quantity, kind) for quantity in of_indexes for kind in REPRESENTATIONS}
    assert set(zip(table["quantity"], table["what"], strict=True)) == wanted
    assert len(table) == len(wanted)
    assert (table[["value", "low", "high"]] > 0).all(axis=None)
    assert (table["low"] <= table["value"]).all()
    assert (table["value"] <= table["high"]).all()
    timed = table["unit"] == CORE_SECONDS
    assert set(table.loc[timed, "rounds"]) == {3}
    assert set(table.loc[~timed, "rounds"]) == {0}


def test_bytes_are_those_of_floats_bits_and_an_id(measured: Measured) -> None:
    dim = SETTINGS.dim
    assert [measured.counted("vector", kind) for kind in REPRESENTATIONS] == [4 * dim, dim / 8]
    assert [measured.counted("index item", kind) for kind in REPRESENTATIONS] == [4 * dim + 8, dim / 8 + 8]


def test_a_whole_training_is_its_recorded_images_by_what_one_takes(measured: Measured) -> None:
    # Each task has 24 training pictures: 6 steps of 4 images of each task, after 2 steps of 8.
    head, tuned = (measured.timed(name, UNIFIED) for name in ("head training", "fine-tuning"))
    features = measured.timed("embedding", UNIFIED)
    expected = 2 * 2 * 8 * head + 6 * 2 * 4 * tuned + 48 * features
    np.testing.assert_allclose(measured.timed("training", UNIFIED), expected)


def test_unified_training_sees_as_many_images_as_the_specialists_together(measured: Measured) -> None:
    own = [measured.counted("training images", name) for name in VARIANTS[1:]]
    assert own[-1] == sum(own[:-1])


def test_measuring_leaves_threads_as_they_were(measured: Measured) -> None:
    before = torch.get_num_threads()
    inside: list[int] = []
    torch.set_num_threads(2)
    in_rounds([lambda: [Sample("threads", "torch", inside.append(torch.get_num_threads()) or 1.0)]], 1, 0)
    after = torch.get_num_threads()
    torch.set_num_threads(before)
    assert (inside, after) == ([1], 2)


def test_rounds_take_turns_and_warm_up_is_not_counted() -> None:
    order: list[str] = []

    def way(name: str) -> list[Sample]:
        order.append(name)
        return [Sample("work", name, float(len(order)))]

    table = in_rounds([lambda: way("a"), lambda: way("b")], rounds=2, warm_up=1)
    assert order == ["a", "b", "b", "a", "a", "b"]
    assert table["value"].tolist() == [4.0, 5.0, 3.0, 6.0]
    assert table["round"].tolist() == [1, 2, 1, 2]


def test_overlap_of_galleries_is_zero_where_no_item_is_in_two(small: Collection) -> None:
    assert overlap(small) == 0
    labels = small.labels
    doubled = labels[labels["role"] == "query+gallery"].assign(task="shop_the_look", role="gallery")
    both = pd.concat([labels, doubled], ignore_index=True)
    n_shared, n_own = 24 // 2, (labels["role"] == "gallery").sum()
    copies = (2 * n_shared + n_own) / (n_shared + n_own)
    assert overlap(replace(small, labels=both)) == pytest.approx(copies - 1)


def test_one_specialist_alone_has_batches_of_one_size(small: Collection, tmp_path: Path) -> None:
    own = small.labels[small.labels["task"] == "flashlight"].reset_index(drop=True)
    only = replace(small, tasks={"flashlight": small.tasks["flashlight"]}, labels=own)
    for variant in ("flashlight", UNIFIED):
        stages.train(
            only, variant, [0], replace(SETTINGS, head_steps=2, epochs=1), tmp_path, tmp_path / "kept"
        )
    found = measure(only, ["flashlight", UNIFIED], 0, tmp_path, replace(MEASURING, rounds=1, warm_up=0))
    assert not found.rounds["quantity"].str.contains("equal batches").any()
    assert unit_costs(found).trained_image[SPECIALISTS] == found.timed("fine-tuning", "flashlight")[0]
    assert len(judge_costs(found, JUDGING)) == 6


def test_a_task_without_a_specialist_is_said(small: Collection, models: Path) -> None:
    with pytest.raises(ValueError, match="no specialist on shop_the_look is named"):
        measure(small, ["flashlight", UNIFIED], 0, models, MEASURING)


@pytest.mark.parametrize("variants", [[], ["imagenet", UNIFIED], ["lens"]])
def test_nothing_to_compare_is_said(variants: list[str]) -> None:
    with pytest.raises(ValueError, match="compare `unified` with specialists; name at least one task"):
        compared_variants(variants)


def test_missing_model_names_the_stage(small: Collection, models: Path, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"model\.json is missing: run the train stage for variant"):
        measure(small, VARIANTS, 0, tmp_path, MEASURING)
    with pytest.raises(FileNotFoundError, match=r"seed-7.*is missing"):
        measure(small, VARIANTS, 7, models, MEASURING)


@pytest.mark.parametrize(
    ("name", "value", "rule"),
    [
        ("rounds", 0, "rounds is 0; it must be at least 1"),
        ("warm_up", -1, "warm_up is -1; it must be at least 0"),
        ("training_steps", 21, "training_steps is 21; it must be at most 20"),
        ("k", 201, "only 200 items are indexed"),
    ],
)
def test_senseless_measurement_is_refused(name: str, value: int, rule: str) -> None:
    with pytest.raises(ValueError, match=rule):
        replace(MEASURING, **{name: value})


# The model


def test_amounts_of_a_hand_worked_case() -> None:
    # 1.5 vectors per item; 2,700 items of a task; 73,000 queries a year; half as many core-hours, for twice the speed.
    specialists = amounts(ASSUMED, UNIT, Way(SPECIALISTS, FLOAT))
    assert specialists == pytest.approx(
        {
            "training": 2 * 2 * 1800 * 2 / 7200,
            "back-fill": 2 * 5400 * 1.5 / 7200,
            "new items": 3650 * 1.5 * 1.1 / 7200,
            "queries": 73000 / 7200,
            "search": 73000 * 270 * 0.01 / 7200,
            "storage": 5400 * 3200 / 1e9,
            "models": 2 * 10 / 1e9,
            "index memory": 3 * 5400 * 3208 / 1e9,
        }
    )
    assert specialists["training"] == 2
    assert specialists["back-fill"] == 2.25
    assert specialists["search"] == pytest.approx(27.375)
    assert amounts(ASSUMED, UNIT, Way(UNIFIED, BINARY)) == pytest.approx(
        {
            "training": 3,
            "back-fill": 2 * 3600 * 2.25 / 7200,
            "new items": 3650 * 2.05 / 7200,
            "queries": 2 * 73000 / 7200,
            "search": 2.7375,
            "storage": 3600 * 100 / 1e9,
            "models": 20 / 1e9,
            "index memory": 3 * 3600 * 108 / 1e9,
        }
    )


def test_money_of_a_hand_worked_case() -> None:
    hours = 3 + 2.25 + 3650 * 2.05 / 7200 + 146000 / 7200 + 2.7375
    disk, memory = (3600 * 100 + 20) / 1e9, 3 * 3600 * 108 / 1e9
    expected = hours * 0.5 + disk * 12 * 0.1 + memory * 12 * 2
    assert total(ASSUMED, UNIT, Way(UNIFIED, BINARY)) == pytest.approx(expected)
    table = cost_table(ASSUMED, UNIT)
    own = table[(table["world"] == UNIFIED) & (table["representation"] == BINARY)]
    assert own["money"].sum() == pytest.approx(expected)
    assert own.set_index("part").loc["storage", "amount"] == pytest.approx(3600 * 100 / 1e12)
    assert len(table) == len(WAYS) * len(PARTS)


def test_one_task_has_nothing_to_unify() -> None:
    alone = replace(ASSUMED, n_tasks=1)
    for kind in REPRESENTATIONS:
        specialists, unified = (amounts(alone, ALIKE, Way(world, kind)) for world in (SPECIALISTS, UNIFIED))
        assert {part: unified[part] / specialists[part] for part in PARTS} == dict.fromkeys(PARTS, 1.0)
    assert share_saved(alone, ALIKE, CODES_TO_CODES) == 0


def test_tasks_that_share_nothing_save_no_storage_and_no_back_fill() -> None:
    apart = replace(ASSUMED, shared_share=0.0)
    specialists, unified = (amounts(apart, ALIKE, Way(world, FLOAT)) for world in (SPECIALISTS, UNIFIED))
    for part in ("back-fill", "new items", "storage", "index memory", "queries", "search", "training"):
        assert unified[part] == specialists[part]


def test_tasks_that_share_everything_store_one_vector_of_n() -> None:
    shared = replace(ASSUMED, shared_share=1.0, n_tasks=5)
    specialists, unified = (amounts(shared, ALIKE, Way(world, FLOAT)) for world in (SPECIALISTS, UNIFIED))
    for part in ("back-fill", "new items", "storage", "index memory"):
        assert specialists[part] == pytest.approx(5 * unified[part])
    for part in ("queries", "search", "training"):
        assert specialists[part] == unified[part]


def test_codes_take_exactly_a_thirty_second_of_the_floats() -> None:
    for world in (SPECIALISTS, UNIFIED):
        floats, codes = (amounts(ASSUMED, UNIT, Way(world, kind))["storage"] for kind in REPRESENTATIONS)
        assert floats == 32 * codes


def test_measured_codes_take_a_thirty_second_too(measured: Measured) -> None:
    unit = unit_costs(measured)
    assert unit.vector[FLOAT] == 32 * unit.vector[BINARY]


def test_at_an_equal_budget_in_all_one_training_replaces_n() -> None:
    thrifty = replace(ALIKE, budget="total")
    specialists, unified = (amounts(ASSUMED, thrifty, Way(world, FLOAT)) for world in (SPECIALISTS, UNIFIED))
    assert specialists["training"] == 2 * unified["training"]


def test_a_faster_device_takes_fewer_core_hours_and_as_many_bytes() -> None:
    slow, fast = (amounts(replace(ASSUMED, speed_up=factor), UNIT, WAYS[0]) for factor in (1.0, 4.0))
    assert {part: slow[part] / fast[part] for part in PARTS} == pytest.approx(
        {part: 4.0 if part in WORK else 1.0 for part in PARTS}
    )


def test_unit_costs_of_a_specialist_are_the_mean_of_the_medians(measured: Measured) -> None:
    unit, names = unit_costs(measured), measured.specialists
    assert unit.embedding[SPECIALISTS] == pytest.approx(
        np.mean([np.median(measured.timed("embedding", name)) for name in names])
    )
    tuned = [np.median(measured.timed("fine-tuning, equal batches", name)) for name in names]
    assert unit.trained_image[SPECIALISTS] == pytest.approx(np.mean(tuned))
    assert unit.compare[FLOAT] == pytest.approx(np.median(measured.timed("search", FLOAT)) / 200)


@pytest.mark.parametrize(
    ("name", "value", "rule"),
    [
        ("memory_price", -1.0, r"memory_price is -1\.0; it must be a number of at least 0"),
        ("corpus_items", 0.0, r"corpus_items is 0\.0; it must be a number above 0"),
        ("shared_share", 1.5, r"shared_share is 1\.5; it is a share"),
        ("speed_up", float("nan"), "speed_up is nan; it must be a number above 0"),
        ("n_tasks", 0, "n_tasks is 0; it must be a number above 0"),
    ],
)
def test_senseless_assumption_is_refused(name: str, value: float, rule: str) -> None:
    with pytest.raises(ValueError, match=rule):
        Assumptions(**(asdict(ASSUMED) | {name: value}))


def test_nothing_to_save_where_all_is_free() -> None:
    free = replace(ASSUMED, core_hour_price=0, memory_price=0, disk_price=0)
    with pytest.raises(ValueError, match="every price is 0"):
        share_saved(free, UNIT, CODES_TO_CODES)


# What the saving hangs on


def test_saving_grows_with_tasks_and_with_what_they_share() -> None:
    tasks, share = saving_by_tasks(ASSUMED, ALIKE), saving_by_shared_share(ASSUMED, ALIKE)
    for step in list(STEPS)[:2]:
        by_tasks = tasks.loc[tasks["step"] == step, "saved"].to_numpy()
        by_share = share.loc[share["step"] == step, "saved"].to_numpy()
        assert [by_tasks[0], by_share[0]] == pytest.approx([0, 0], abs=1e-8)  # a model is shared, too
        assert (np.diff(by_tasks) > 0).all()
        assert (np.diff(by_share) > 0).all()


def test_tornado_has_each_assumption_halved_and_doubled_longest_first() -> None:
    table = tornado(ASSUMED, UNIT)
    assert set(table["assumption"]) == set(WORDS) - {"query_value", "precision_lost"}
    one = table[(table["assumption"] == "replicas") & (table["change"] == "halved")].iloc[0]
    changed = replace(ASSUMED, replicas=2)
    assert (one["value"], one["saved"]) == (2, share_saved(changed, UNIT, STEPS[one["step"]]))
    reach = (table["saved"] - table["base"]).abs().groupby(table["assumption"], sort=False).max()
    assert reach.is_monotonic_decreasing


def test_changed_assumption_stays_in_its_range() -> None:
    assert changed_value("searched_share", 0.75, 2.0) == 1.0
    assert changed_value("replicas", 1, 0.5) == 1
    assert changed_value("corpus_items", 10.0, 0.5) == 5.0


def test_break_even_share_is_where_the_saving_pays_for_the_loss() -> None:
    share = break_even_share(replace(ASSUMED, precision_lost=0.0005), ALIKE, FLOATS_TO_FLOATS)
    assert share is not None
    assert 0 < share < 1
    assert bearable_loss(replace(ASSUMED, shared_share=share), ALIKE, FLOATS_TO_FLOATS) == pytest.approx(
        0.0005
    )


def test_bearable_loss_is_the_saving_by_what_answers_are_worth() -> None:
    before, after = (total(ASSUMED, UNIT, way) for way in FLOATS_TO_FLOATS)
    assert bearable_loss(ASSUMED, UNIT, FLOATS_TO_FLOATS) == pytest.approx((before - after) / (73000 * 0.01))


def test_a_loss_too_large_is_never_paid_for_and_none_always() -> None:
    assert break_even_share(replace(ASSUMED, precision_lost=1.0), ALIKE, CODES_TO_CODES) is None
    assert break_even_share(replace(ASSUMED, precision_lost=0.0), ALIKE, CODES_TO_CODES) == 0
    assert "never paid for" in story.break_even(replace(ASSUMED, precision_lost=1.0), ALIKE)


# The verdict

SAME = {
    ("training", UNIFIED): [20.0, 20.4, 19.8],
    ("training", "a"): [12.0, 12.1, 12.2],
    ("training", "b"): [12.0, 12.1, 12.2],
    ("training, equal batches", "a"): [10.0, 10.1, 10.2],
    ("training, equal batches", "b"): [10.0, 10.1, 10.2],
    **{("embedding", name): [0.010, 0.0101, 0.0102] for name in ("a", "b", UNIFIED)},
}


def test_training_that_gets_no_cheaper_keeps_c8_from_being_replicated() -> None:
    claims = by_id(judge_costs(made(SAME), JUDGING))
    assert list(claims) == [
        "C8",
        *(f"C8/{part}" for part in ("training", "back-fill", "storage", "index memory", "search")),
    ]
    assert {name: claim["verdict"] for name, claim in claims.items()} == {
        "C8": "not replicated",
        "C8/training": "not replicated",
        "C8/back-fill": "replicated",
        "C8/storage": "replicated",
        "C8/index memory": "replicated",
        "C8/search": "not replicated",
    }
    assert claims["C8"]["effect"] == claims["C8/training"]["effect"]
    assert claims["C8/back-fill"]["effect"] == pytest.approx(0.5, abs=1e-6)


def test_what_larger_batches_save_is_told_but_not_counted() -> None:
    claim = by_id(judge_costs(made(SAME), JUDGING))["C8/training"]
    assert claim["effect"] == pytest.approx(1 - 20 / 20.2, abs=1e-6)
    assert f"a share saved of {1 - 20 / 24.2:+.4f}" in str(claim["how"])


def test_c8_is_replicated_where_every_named_part_is() -> None:
    cheaper = SAME | {("training", UNIFIED): [7.0, 7.1, 7.2]}
    claims = by_id(judge_costs(made(cheaper, "total"), JUDGING))
    assert claims["C8"]["verdict"] == "replicated"
    assert claims["C8/search"]["verdict"] == "not replicated"


def test_timings_that_scatter_are_inconclusive() -> None:
    wild = SAME | {("training", UNIFIED): [5.0, 20.0, 40.0]}
    assert by_id(judge_costs(made(wild), JUDGING))["C8/training"]["verdict"] == "inconclusive"


def test_arithmetic_parts_are_exact_and_follow_the_shared_share() -> None:
    for share, saved in ((0.0, 0.0), (0.5, 1 / 3), (1.0, 0.5)):
        claims = by_id(judge_costs(made(SAME), replace(JUDGING, shared_share=share)))
        for part in ("C8/storage", "C8/index memory"):
            found = [claims[part][name] for name in ("effect", "low", "high")]
            assert found == pytest.approx([saved] * 3, abs=1e-6)
        assert claims["C8/back-fill"]["effect"] == pytest.approx(saved, abs=1e-6)
        assert claims["C8/storage"]["verdict"] == ("replicated" if saved else "not replicated")


def test_senseless_judging_is_refused() -> None:
    with pytest.raises(ValueError, match=r"least_saving is 2; it is a share"):
        replace(JUDGING, least_saving=2)
    with pytest.raises(ValueError, match="n_resamples is 0"):
        judge_costs(made(SAME), replace(JUDGING, n_resamples=0))


# The study


def test_same_measurements_give_the_same_bytes(measured: Measured, tmp_path: Path) -> None:
    for name in ("first", "second"):
        write_study(tmp_path / name, study_of(measured, ASSUMED, JUDGING))
    again = study_of(Measured.read(tmp_path / "first"), ASSUMED, JUDGING)
    write_study(tmp_path / "third", again)
    files = sorted(path.name for path in (tmp_path / "first").iterdir())
    assert {"rounds.csv", "about.json", "measured.csv", "costs.csv", "claims.json"} <= set(files)
    for name in files:
        texts = {(tmp_path / run / name).read_bytes() for run in ("first", "second", "third")}
        assert len(texts) == 1, name


def test_measurements_that_are_missing_name_the_stage(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="run the costs stage first"):
        Measured.read(tmp_path)


def test_manager_table_says_what_each_way_takes() -> None:
    table = story.manager_table(cost_table(replace(ASSUMED, shared_share=1.0, corpus_items=36e9), ALIKE))
    rows = {line.split(" | ")[0].strip("|* "): line for line in table.splitlines()}
    assert "| 230 | 7.2 | 115 | 3.6 |" in rows["vectors and models on disk"]
    assert rows["saved by unifying alone"].count("%") == 2
    assert len({line.count("|") for line in table.splitlines()}) == 1


def test_numbers_have_three_digits_and_words() -> None:
    assert [story.number(value) for value in (999.6, 1e6 - 1, 2.04e11, 1234567, 0.00534, -1500)] == [
        "1,000",
        "1 million",
        "204 billion",
        "1.23 million",
        "0.00534",
        "-1,500",
    ]


def test_summary_names_each_part_with_its_share() -> None:
    said = story.summary(judge_costs(made(SAME), JUDGING))
    assert "- **C8/storage replicated.**" in said
    assert "Share saved: 50 % (exactly)." in said
    assert re.search(r"\*\*C8 not replicated\.\*\* .* Worst share saved: 1\.0 %", said)


def test_figures_draw_every_way_and_step(measured: Measured) -> None:
    study = study_of(measured, ASSUMED, JUDGING)
    bars = drawing.cost_bars(study.costs, story.number, story.CURRENCY)
    floats = study.costs[study.costs["representation"] == FLOAT].groupby("world", sort=False)["money"].sum()
    assert [text.get_text() for text in bars.axes[0].texts] == [story.number(value) for value in floats]
    widths = sum(patch.get_width() for patch in bars.axes[0].patches)
    assert widths == pytest.approx(floats.sum())
    curves = drawing.saving_curves(study.by_tasks, study.by_share, 2, 0.5)
    assert [len(axes.lines) for axes in curves.axes] == [len(STEPS) + 2] * 2
    rows = drawing.tornado_figure(study.tornado, WORDS).axes[0].get_yticklabels()
    assert len(rows) == drawing.MOST_ROWS
    assert len(drawing.part_dumbbells(study.costs, story.number, "USD").axes[0].get_yticks()) == len(PARTS)
    assert [len(axes.get_yticks()) for axes in drawing.measured_figure(study.table).axes] == [3, 3, 2]
    for axes in drawing.break_even_figure(study.by_share, 0.01).axes:
        assert axes.get_xlim() == (0, 1)
