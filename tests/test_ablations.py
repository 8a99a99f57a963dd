"""Ablations from their definition to verdicts and figures, on fake embeddings of growing quality."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from search_world import three_task_collection, write_embeddings

from unifiedlib import ablation_story, figures, stages
from unifiedlib.ablation_claims import Ablation, Judging, claim_entries, comparisons, judged
from unifiedlib.ablation_results import Found, judge_found, load_found, named, write_found
from unifiedlib.ablations import evaluate_ablation
from unifiedlib.contract import Collection
from unifiedlib.evaluation import EvaluationSettings, evaluate_collection
from unifiedlib.experiments import COLUMNS, experiment_result, experiment_results

mpl.use("Agg")
TASKS = ["flashlight", "lens", "shop_the_look"]
JUDGING = Judging(0.01, 0.02, 0, 100)
SETTINGS = EvaluationSettings(n_resamples=100)
SIGNAL = {"imagenet": 0.1, "flashlight": 0.4, "lens": 0.4, "shop_the_look": 0.4, "unified": 0.6}


def changed(variant: str, setting: str, value: bool | int | float | str, usual: object) -> Ablation:
    return Ablation(variant, {setting: value}, {setting: usual})


NO_NORM = changed("no_layer_norm", "layer_norm", False, True)
PAIR = Ablation("flashlight_lens", tasks=("flashlight", "lens"))
TOTAL = changed("unified_equal_total", "budget", "total", "per_task")
SAMPLED = changed("sampled_classes", "classes_per_step", 64, 0)
PER_CLASS = [changed(f"images_per_class_{number}", "images_per_class", number, 4) for number in (0, 1, 2, 8)]
LOSSES = [changed(name, "loss", name, "softmax") for name in ("arcface", "cosface")]
ALL = {
    one.variant: signal
    for one, signal in ((NO_NORM, 0.1), (PAIR, 0.5), (TOTAL, 0.5), (SAMPLED, 0.6), (LOSSES[0], 0.9))
}
EXPERIMENTS = {
    "layer_norm": ["no_layer_norm"],
    "task_subsets": ["flashlight_lens", "lens_shop_the_look"],
    "equal_total": ["unified_equal_total"],
    "class_subsampling": ["sampled_classes"],
    "loss": ["arcface", "cosface"],
    "pooling": ["gem_pooling"],
}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> SimpleNamespace:
    """Main results of two seeds, and five of the eight ablations that EXPERIMENTS names."""
    root, collection = tmp_path_factory.mktemp("world"), three_task_collection()
    for place, (variant, signal) in enumerate(SIGNAL.items()):
        for seed in (0,) if variant == "imagenet" else (0, 1):
            write_embeddings(
                root / "e" / variant / f"seed-{seed}", collection, signal, seed=10 * place + seed
            )
    evaluate_collection(collection, root / "e", root / "results/toy", list(SIGNAL), [0, 1], SETTINGS)
    folders = {
        "ablation_model_folder": root / "models",
        "result_folder": root / "results/toy",
        "ablation_score_folder": root / "scores",
    }
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stages, "binarize", fake_embedding)
        for one in (NO_NORM, PAIR, TOTAL, SAMPLED, LOSSES[0]):
            evaluate_ablation(collection, one, [0, 1], folders, SETTINGS, JUDGING, 8)
    return SimpleNamespace(root=root, collection=collection, folders=folders)


def fake_embedding(
    collection: Collection,
    variants: Sequence[str],
    seeds: Sequence[int],
    models: Path,
    folder: Path,
    batch_size: int,
    device: str,
) -> None:
    for variant in variants:
        for seed in seeds:
            place = 100 + 10 * list(ALL).index(variant) + seed
            target = stages.seed_folder(folder, variant, seed)
            write_embeddings(target, collection, ALL[variant], seed=place)


@pytest.fixture(scope="module")
def found(world: SimpleNamespace) -> Found:
    return load_found(
        world.folders["result_folder"], world.folders["ablation_score_folder"], named(EXPERIMENTS)
    )


def ids(*ablations: Ablation) -> list[str]:
    return [one.id for one in comparisons(ablations, TASKS, JUDGING)]


# What an ablation tests


@pytest.mark.parametrize(
    ("ablation", "claims"),
    [
        (NO_NORM, ("C5", "C5-codes")),
        (PAIR, ("C7",)),
        (TOTAL, ("C1-total",)),
        (SAMPLED, ("C6",)),
        (PER_CLASS[0], ("C10",)),
        (PER_CLASS[1], ("images_per_class",)),
        (LOSSES[0], ("loss",)),
        (Ablation("mine", {"loss": "arcface", "margin": 0.3}, {"loss": "softmax", "margin": 0.0}), ("loss+margin",)),
        (Ablation("mine", {"layer_norm": False, "dim": 64}, {"layer_norm": True, "dim": 32}), ("layer_norm+dim",)),
        (Ablation("mine", {"dim": 64}, {"dim": 32}, ("lens", "flashlight")), ("tasks+dim",)),
        (changed("mine", "layer_norm", True, False), ("layer_norm",)),
    ],
)  # fmt: skip
def test_what_is_changed_decides_which_claim_is_tested(ablation: Ablation, claims: tuple[str, ...]) -> None:
    assert ablation.claims == claims


def test_ablation_says_what_it_changes() -> None:
    assert LOSSES[0].described == "loss arcface instead of softmax"
    assert PAIR.described == "learned from flashlight and lens"


def test_sides_and_threshold_follow_the_claim() -> None:
    norm, total, sampled, loss = (
        comparisons([one], TASKS, JUDGING)[0] for one in (NO_NORM, TOTAL, SAMPLED, LOSSES[0])
    )
    assert (norm.ours.variant, norm.theirs.variant, norm.threshold) == ("unified", "no_layer_norm", 0)
    assert (total.ours.variant, total.theirs.variant, total.threshold) == (
        "unified_equal_total",
        "flashlight",
        -0.01,
    )
    assert (sampled.ours.variant, sampled.theirs.variant, sampled.threshold) == (
        "sampled_classes",
        "unified",
        -0.02,
    )
    assert (loss.ours.variant, loss.theirs.variant, loss.threshold) == ("unified", "arcface", -0.01)


def test_codes_are_compared_with_codes() -> None:
    codes = [one for one in comparisons([NO_NORM], TASKS, JUDGING) if one.id.startswith("C5-codes/")]
    assert [(one.ours.representation, one.theirs.representation) for one in codes] == [
        ("binary", "binary")
    ] * 3


def test_a_pair_is_compared_with_its_specialists_and_the_unified_one_with_the_pair() -> None:
    assert sorted(ids(PAIR)) == [
        "C7/flashlight+lens+shop_the_look/flashlight",
        "C7/flashlight+lens+shop_the_look/lens",
        "C7/flashlight+lens/flashlight",
        "C7/lens+flashlight/lens",
    ]


def test_three_pairs_give_every_ordered_pair_once() -> None:
    pairs = [Ablation(f"{a}_{b}", tasks=(a, b)) for a, b in (TASKS[:2], TASKS[1:], TASKS[::2])]
    found = ids(*pairs)
    assert len(found) == len(set(found)) == 6 + 6


def test_ablation_that_learned_from_some_tasks_is_compared_on_these() -> None:
    assert ids(Ablation("mine", {"dim": 64}, {"dim": 32}, ("lens", "flashlight"))) == [
        "tasks+dim/mine/flashlight",
        "tasks+dim/mine/lens",
    ]


# Judged


def per_query(levels: dict[str, float], seeds: Sequence[int] = (0, 1)) -> pd.DataFrame:
    spread = np.linspace(-0.05, 0.05, 100)
    frames = [
        pd.DataFrame(
            {
                "variant": variant,
                "seed": seed,
                "task": "lens",
                "gallery": "task",
                "representation": representation,
                "metric": "P@5",
                "item": np.arange(100),
                "cluster": np.arange(100),
                "value": level + spread,
            }
        )
        for variant, level in levels.items()
        for representation in ("float", "binary")
        for seed in seeds
    ]
    return pd.concat(frames, ignore_index=True)


def entries(ablations: Sequence[Ablation], levels: dict[str, float]) -> dict[str, dict[str, object]]:
    listed = claim_entries(judged(per_query(levels), ablations, {"lens": "P@5"}, JUDGING))
    return {str(entry["id"]): entry for entry in listed}


def test_a_helpful_layer_norm_is_replicated_for_floats_and_codes() -> None:
    listed = entries([NO_NORM], {"unified": 0.6, "no_layer_norm": 0.5})
    assert list(listed) == ["C5", "C5/no_layer_norm/lens", "C5-codes", "C5-codes/no_layer_norm/lens"]
    assert {entry["verdict"] for entry in listed.values()} == {"replicated"}
    assert listed["C5"]["effect"] == pytest.approx(0.1)


def test_sampled_classes_may_lose_up_to_their_own_margin() -> None:
    within = entries([SAMPLED], {"unified": 0.6, "sampled_classes": 0.585})["C6"]
    assert within["verdict"] == "replicated"
    assert str(within["how"]).startswith("Sampled_classes loses on lens.")
    assert entries([SAMPLED], {"unified": 0.6, "sampled_classes": 0.57})["C6"]["verdict"] == "not replicated"


def test_better_alternative_is_a_loss_that_is_said_first_and_named() -> None:
    listed = entries(LOSSES, {"unified": 0.6, "arcface": 0.65, "cosface": 0.5})
    assert list(listed) == [
        *("loss", "loss/arcface", "loss/arcface/lens", "loss/cosface", "loss/cosface/lens"),
    ]
    assert [listed[name]["verdict"] for name in ("loss", "loss/arcface", "loss/cosface")] == [
        "not replicated",
        "not replicated",
        "replicated",
    ]
    assert str(listed["loss"]["how"]).startswith("The unified embedding loses on lens (arcface). By part: ")
    assert listed["loss"]["effect"] == pytest.approx(-0.05)


def test_equal_total_is_judged_against_the_specialist() -> None:
    listed = entries([TOTAL], {"unified": 0.9, "unified_equal_total": 0.55, "lens": 0.6})
    assert listed["C1-total"]["verdict"] == "not replicated"
    assert listed["C1-total/unified_equal_total/lens"]["effect"] == pytest.approx(-0.05)


def test_no_entry_names_the_papers_figures_and_all_are_json() -> None:
    listed = entries([NO_NORM, TOTAL, SAMPLED, *LOSSES], {"unified": 0.6, "arcface": 0.6})
    json.dumps(list(listed.values()), allow_nan=False)
    assert listed["C5"]["verdict"] == "inconclusive"
    assert "variant 'no_layer_norm' was not evaluated" in str(listed["C5"]["how"])


# Scored and gathered


def test_scores_of_an_ablation_lie_in_a_folder_of_their_own(world: SimpleNamespace) -> None:
    folder = world.folders["ablation_score_folder"] / "no_layer_norm"
    assert sorted(path.name for path in folder.iterdir()) == [
        *("ablation.json", "claims.json", "per_query.parquet", "scores.parquet"),
    ]
    scores = pd.read_parquet(folder / "scores.parquet")
    assert set(scores["variant"]) == {"no_layer_norm"}
    assert set(scores["seed"]) == {0, 1}
    claims = {claim["id"]: claim for claim in json.loads((folder / "claims.json").read_text())}
    assert claims["C5"]["verdict"] == "replicated"
    assert not (world.root / "models").exists()


def test_ablations_that_have_not_been_run_are_named(found: Found) -> None:
    assert [one.variant for one in found.ablations] == [
        *("no_layer_norm", "flashlight_lens", "unified_equal_total", "sampled_classes", "arcface")
    ]
    assert found.missing == ["lens_shop_the_look", "cosface", "gem_pooling"]
    said = ablation_story.summary(judge_found(found, JUDGING), found.missing, "decor")
    assert "Not run yet: lens_shop_the_look, cosface, gem_pooling. `dvc repro ablation-decor@" in said


def test_what_an_ablation_changed_is_read_from_where_it_was_run(found: Found) -> None:
    assert found.ablations[1] == PAIR
    assert found.ablations[0] == NO_NORM


def test_gathered_results_hold_all_rows_once_and_the_main_claims_first(found: Found, tmp_path: Path) -> None:
    claims = judge_found(found, JUDGING)
    write_found(tmp_path, found, claims)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        *("claims.json", "metrics.json", "scores.csv", "scores.parquet"),
    ]
    scores = pd.read_parquet(tmp_path / "scores.parquet")
    assert set(scores["variant"]) == {*SIGNAL, *ALL}
    keys = ["variant", "seed", "task", "gallery", "representation", "metric"]
    assert not scores.duplicated(keys).any()
    written = [claim["id"] for claim in json.loads((tmp_path / "claims.json").read_text())]
    assert written[0] == "C1"
    assert len(written) == len(set(written)) == 16 + len(claims)
    assert set(json.loads((tmp_path / "metrics.json").read_text())) == {*SIGNAL, *ALL}


def test_gathering_gives_the_verdict_that_the_ablation_alone_gave(
    world: SimpleNamespace, found: Found
) -> None:
    alone = json.loads((world.folders["ablation_score_folder"] / "sampled_classes/claims.json").read_text())
    together = judge_found(found, JUDGING)
    assert [claim for claim in together if str(claim["id"]).startswith("C6")] == alone


def test_no_main_results_name_the_stage(world: SimpleNamespace, tmp_path: Path) -> None:
    with pytest.raises(
        FileNotFoundError, match=r"scores\.parquet is missing: run `dvc repro evaluate@decor`"
    ):
        load_found(tmp_path / "decor", world.folders["ablation_score_folder"], [])


def test_other_seeds_than_the_unified_variants_are_refused(world: SimpleNamespace, tmp_path: Path) -> None:
    shutil.copytree(world.folders["ablation_score_folder"], tmp_path / "scores")
    path = tmp_path / "scores/arcface/scores.parquet"
    scores = pd.read_parquet(path)
    scores[scores["seed"] == 0].to_parquet(path)
    with pytest.raises(
        ValueError, match=r"'arcface' was trained with seeds \[0\], .* `dvc repro ablation-toy@arcface`"
    ):
        load_found(world.folders["result_folder"], tmp_path / "scores", ["arcface"])


# Drawn and told


def test_each_experiment_is_shown_by_what_its_ablations_change(found: Found) -> None:
    results = experiment_results(EXPERIMENTS, found, JUDGING)
    assert {one.name: one.kind for one in results} == {
        "layer_norm": "effects",
        "task_subsets": "subsets",
        "equal_total": "specialists",
        "class_subsampling": "effects",
        "loss": "effects",
    }
    assert {one.name: one.margin for one in results} == {
        "layer_norm": 0.0,
        "task_subsets": 0.0,
        "equal_total": -0.01,
        "class_subsampling": -0.02,
        "loss": 0.01,
    }
    assert next(one for one in results if one.name == "loss").missing == ("cosface",)


def test_effects_are_the_ablation_minus_the_unified_variant(found: Found) -> None:
    table = experiment_result("x", ["arcface"], found, JUDGING).table
    assert tuple(table.columns) == COLUMNS
    rows = found.per_query
    wanted = rows[(rows["task"] == "lens") & (rows["representation"] == "binary")]
    means = wanted.groupby("variant", observed=True)["value"].mean()
    row = table[(table["task"] == "lens") & (table["representation"] == "binary")].iloc[0]
    assert row["effect"] == pytest.approx(means["arcface"] - means["unified"], abs=1e-5)
    assert row["low"] <= row["effect"] <= row["high"]
    assert row["n_seed"] == 2


def test_equal_total_stands_beside_equal_images_per_task(found: Found) -> None:
    table = experiment_result("x", ["unified_equal_total"], found, JUDGING).table
    assert list(table["label"].unique()) == ["unified (equal per task)", "unified_equal_total"]
    main = {claim["id"]: claim for claim in found.main_claims}
    row = table[(table["task"] == "lens") & (table["representation"] == "float")].iloc[0]
    assert row["effect"] == pytest.approx(main["C1/lens"]["effect"], abs=1e-5)


def test_one_setting_at_three_numbers_is_a_curve_through_the_unified_variant(found: Found) -> None:
    rows = found.per_query
    others = [rows[rows["variant"] == "sampled_classes"].assign(variant=one.variant) for one in PER_CLASS]
    more = Found(
        found.scores, pd.concat([rows, *others], ignore_index=True), [], [*found.ablations, *PER_CLASS], []
    )
    one = experiment_result("images_per_class", [a.variant for a in PER_CLASS], more, JUDGING)
    assert (one.kind, one.setting) == ("curve", "images_per_class")
    assert sorted(one.table["x"].unique()) == [0, 1, 2, 4, 8]
    assert (one.table.loc[one.table["label"] == "unified", "effect"] == 0).all()
    panels = figures.experiment_figure(one).axes
    assert [label.get_text() for label in panels[0].get_xticklabels()] == ["0", "1", "2", "4\nunified", "8"]


def test_every_experiment_has_a_figure_with_its_data_beside_it(found: Found, tmp_path: Path) -> None:
    results = experiment_results(EXPERIMENTS, found, JUDGING)
    drawn = figures.save_experiments(results, tmp_path)
    assert [figure.get_suptitle().split(":")[0] for figure in drawn] == [one.name for one in results]
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(
        f"{one.name}{suffix}" for one in results for suffix in (".csv", ".png")
    )


def test_zero_and_the_margin_are_marked(found: Found) -> None:
    figure = figures.experiment_figure(experiment_result("x", ["sampled_classes"], found, JUDGING))
    vertical = {line.get_xdata()[0] for line in figure.axes[0].lines if len(set(line.get_xdata())) == 1}
    assert {0, -0.02} <= {float(place) for place in vertical}


def test_losses_come_first_in_summary_and_table() -> None:
    claims = [
        {"id": name, "claim": f"{name} holds.", "verdict": verdict, "effect": 0.1, "low": 0.0, "high": 0.2}
        for name, verdict in (
            ("C5", "replicated"),
            ("C5/x/lens", "replicated"),
            ("C6", "inconclusive"),
            ("C10", "not replicated"),
        )
    ]
    said = ablation_story.summary(claims, [], "decor")
    assert [line.split()[1] for line in said.splitlines()] == ["**C10", "**C6", "**C5"]
    assert "+0.100 (95 % 0.000 to +0.200)" in said
    table = ablation_story.claims_markdown(claims).splitlines()
    assert [line.split(" | ")[0] for line in table[2:]] == ["| C10", "| C6", "| C5"]


def test_wide_table_has_a_row_for_each_variant_and_representation(found: Found) -> None:
    table = ablation_story.variant_table(found.scores)
    assert list(table.columns) == [
        *("variant", "representation", "flashlight P@5", "lens P@5", "shop_the_look P@1"),
    ]
    assert len(table) == 2 * (len(SIGNAL) + len(ALL))
    assert table[table["variant"] == "lens"]["flashlight P@5"].isna().all()
