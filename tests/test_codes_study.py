"""The study of codes from models to verdicts, tables and figures, on fake embeddings."""

from __future__ import annotations

import json
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
import torch
from search_world import make_collection
from small_world import SIZE, write_small

from unifiedlib import codes_story, codes_study, figures
from unifiedlib.ablation_results import read_queries
from unifiedlib.binarization import binarize
from unifiedlib.claims import Claim
from unifiedlib.codes_claims import CodesJudging, Model, comparison_groups, judge_codes, models_of
from unifiedlib.codes_study import (
    CodesSettings,
    Embedded,
    Study,
    byte_sizes,
    embed_model,
    study_codes,
    write_study,
)
from unifiedlib.contract import MERGED, Collection, TaskSpec
from unifiedlib.embedding import embed
from unifiedlib.evaluation import EvaluationSettings, evaluate_collection
from unifiedlib.model import EmbeddingModel, ModelSettings, save_model
from unifiedlib.publish import headline_rows, publish_queries
from unifiedlib.quantizers import median_thresholds
from unifiedlib.scoring import OWN_GALLERY

mpl.use("Agg")
TASKS = {"lens": TaskSpec(3, "category"), "shop_the_look": TaskSpec(1, "product")}
SETTINGS = CodesSettings(EvaluationSettings(n_resamples=100), itq_iterations=3, pq_iterations=2, batch_size=8)
DIMS = {"unified": 256, "dim_8": 8, "dim_64": 64, "no_layer_norm": 256}
SEEDS = [0, 1]


def world() -> Collection:
    """Per task 20 queries and 30 gallery items of 5 labels, and 130 training items."""
    rows = [
        (f"{task} {role} {number}", task, f"label {number % 5}", role)
        for task in TASKS
        for role, count in (("query", 20), ("gallery", 30), ("train", 130))
        for number in range(count)
    ]
    return make_collection(rows, TASKS)


def vectors(collection: Collection, items: np.ndarray, dim: int, seed: int) -> np.ndarray:
    """Unit vectors of noise around their label's centre; the training items lie off centre, the test items do not."""
    generator, rows = np.random.default_rng(seed), collection.labels.set_index("item").loc[items]
    centres = np.random.default_rng(99).standard_normal((5, 256))[:, :dim]
    number = rows["label"].str.removeprefix("label ").astype(int).to_numpy()
    made = centres[number] + 1.5 * generator.standard_normal((len(items), dim))
    made += np.where(rows["role"].eq("train"), 1.5, 0.0)[:, np.newaxis]
    return (made / np.linalg.norm(made, axis=1, keepdims=True)).astype(np.float32)


def fake_model(collection: Collection, folder: Path, batch_size: int, device: str) -> Embedded:
    variant, seed = folder.parent.name, int(folder.name.removeprefix("seed-"))
    test, training = collection.test_items(), codes_study.training_items(collection)
    made = [vectors(collection, items, DIMS[variant], seed + 7) for items in (test, training)]
    return Embedded(test, *made, layer_norm=variant != "no_layer_norm")


@pytest.fixture(scope="module")
def study() -> Study:
    ablations = ["dim_8", "dim_64", "no_layer_norm"]
    folders = {"model_folder": Path("models"), "ablation_model_folder": Path("ablations")}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(codes_study, "embed_model", fake_model)
        patch.setattr(codes_study.torch, "get_num_threads", lambda: 1)
        return study_codes(world(), ablations, SEEDS, folders, SETTINGS)


@pytest.fixture(scope="module")
def claims(study: Study) -> list[Claim]:
    return judge_codes(study.scores, study.per_query, SETTINGS.judging)


def test_codes_are_halved_down_to_eight_bytes() -> None:
    assert byte_sizes(2048) == [256, 128, 64, 32, 16, 8]
    assert byte_sizes(24) == [3]
    assert byte_sizes(96) == [12]


def test_model_embeds_test_and_training_items_each_in_their_order(tmp_path: Path) -> None:
    collection = write_small(tmp_path / "data")
    settings = ModelSettings("test_resnet", "none", dim=16, size=SIZE, layer_norm=False)
    model = EmbeddingModel(settings, {}, torch.Generator().manual_seed(0)).eval()
    save_model(tmp_path / "model", model, {}, "")
    found = embed_model(collection, tmp_path / "model", 5, "cpu")
    training = np.unique(collection.labels.loc[collection.labels["role"] == "train", "item"])
    np.testing.assert_array_equal(found.items, collection.test_items())
    assert not set(found.items) & set(training)
    for items, floats in ((found.items, found.floats), (training, found.training)):
        np.testing.assert_allclose(floats, embed(model, collection.pixels[items], 64), atol=1e-5)
    np.testing.assert_array_equal(found.of(found.items[[3, 1]]), found.floats[[3, 1]])
    assert (found.dim, found.layer_norm) == (16, False)


def test_everything_is_stored_at_its_bytes(study: Study) -> None:
    stored = study.scores[["variant", "representation", "dim", "bytes"]].drop_duplicates()
    found = {tuple(row) for row in stored.itertuples(index=False)}
    own = {
        (variant, name, dim, dim * 4 if name == "float" else dim // 8)
        for variant, dim in DIMS.items()
        for name in ("float", "binary", "binary_median")
    }
    learned = {("unified", name, 256, size) for name in ("itq", "pq") for size in (32, 16, 8)}
    assert found == own | learned
    assert not study.scores.duplicated(
        ["variant", "seed", "task", "gallery", "representation", "bytes", "metric"]
    ).any()


def test_floats_and_codes_score_as_in_the_main_results(study: Study, tmp_path: Path) -> None:
    collection = world()
    floats = fake_model(collection, Path("unified/seed-0"), 8, "cpu").floats
    folder = tmp_path / "unified/seed-0"
    folder.mkdir(parents=True)
    arrays = {"items": collection.test_items(), "float": floats, "codes": binarize(floats)}
    for name, array in arrays.items():
        np.save(folder / f"{name}.npy", array)
    main = evaluate_collection(
        collection, tmp_path, tmp_path / "results", ["unified"], [0], SETTINGS.evaluation
    )
    scores = study.scores[(study.scores["variant"] == "unified") & (study.scores["seed"] == 0)]
    ours = scores[scores["representation"].isin(["float", "binary"])].drop(columns="bytes")
    keys = ["task", "gallery", "representation", "metric"]
    pd.testing.assert_frame_equal(
        ours.sort_values(keys, ignore_index=True), main.sort_values(keys, ignore_index=True)
    )


def test_medians_are_those_of_training_items_alone(study: Study) -> None:
    collection = world()
    embedded = fake_model(collection, Path("unified/seed-0"), 8, "cpu")
    wanted = median_thresholds(vectors(collection, np.flatnonzero(np.arange(360) % 180 >= 50), 256, 7))
    rows = study.bits[(study.bits["variant"] == "unified") & (study.bits["seed"] == 0)]
    even = rows.set_index("representation")["even"]
    balance = np.unpackbits(wanted.codes(embedded.floats), axis=1).mean(axis=0)
    assert even["binary_median"] == pytest.approx(((balance >= 0.25) & (balance <= 0.75)).mean())
    assert even["binary_median"] < even["binary"]


def test_bits_are_described_for_every_model_and_kind_of_sign(study: Study) -> None:
    kinds = study.bits.groupby("variant")["representation"].unique().map(set).to_dict()
    assert kinds["unified"] == {"binary", "binary_median", "itq"}
    assert kinds["no_layer_norm"] == {"binary", "binary_median"}
    rows = study.bits.set_index("variant")
    assert not rows.loc["no_layer_norm", "layer_norm"].any()
    assert rows.loc["dim_64", "layer_norm"].all()
    assert (study.bits["effective"] <= study.bits["n_bits"]).all()
    assert study.bits["n_item"].eq(100).all()


def test_pairs_are_of_the_first_seed(study: Study) -> None:
    assert study.pairs.groupby("variant").size().eq(codes_study.PAIRS_PER_MODEL).all()
    assert study.pairs[["cosine", "differing"]].corr().iloc[0, 1] < -0.5


def test_claims_can_be_judged_again_from_what_is_published(study: Study, tmp_path: Path) -> None:
    publish_queries(study.per_query, study.scores, tmp_path / "queries.parquet")
    scores = headline_rows(study.scores, (OWN_GALLERY, MERGED))
    again = judge_codes(scores, read_queries(tmp_path / "queries.parquet"), SETTINGS.judging)
    assert again == judge_codes(study.scores, study.per_query, SETTINGS.judging)


def test_per_query_holds_the_headline_metric_of_own_galleries(study: Study) -> None:
    assert set(study.per_query["metric"]) == {"P@3", "P@1"}
    assert set(study.per_query["gallery"]) == {"task"}
    assert study.per_query.groupby(["variant", "seed", "representation", "bytes", "task"]).size().eq(20).all()


# Verdicts


def test_models_are_sorted_by_width_and_those_of_another_kind_stand_last(study: Study) -> None:
    assert [one.name for one in models_of(study.scores)] == ["8", "64", "256", "no_layer_norm"]
    assert Model("no_layer_norm", 256).bits == "256 bits of no_layer_norm"


def test_each_claim_compares_what_it_says(study: Study) -> None:
    groups = {claim: compared for claim, _, compared in comparison_groups(study.scores, SETTINGS.judging)}
    assert list(groups) == ["C3-8", "C3-64", "C3-256", "C3-no_layer_norm", "C4", "thresholds", "itq", "pq"]

    def sides(claim: str) -> list[tuple[str, ...]]:
        return [
            (one.id, one.ours.variant, one.ours.representation, one.theirs.variant, one.theirs.representation)
            for one in groups[claim]
            if one.task == "lens"
        ]

    assert sides("C3-64") == [("C3-64/lens", "dim_64", "binary", "dim_64", "float")]
    assert sides("C4") == [("C4/lens", "unified", "binary", "dim_8", "float")]
    assert sides("thresholds")[-1][1:] == ("no_layer_norm", "binary", "no_layer_norm", "binary_median")
    assert sides("itq") == [
        ("itq/8/lens", "dim_64", "binary", "unified", "itq 8"),
        ("itq/32/lens", "unified", "binary", "unified", "itq 32"),
    ]
    assert [one.threshold for one in groups["C3-8"] + groups["C4"] + groups["pq"]] == [
        *[-0.02] * 2,
        *[0.0] * 2,
        *[-0.01] * 4,
    ]


def test_equal_bytes_are_equal(study: Study) -> None:
    """Both sides of C4 and of the quantisers take the same bytes, by the scores' own column."""
    sizes = {
        (
            row.variant,
            f"{row.representation} {row.bytes}" if row.representation in ("itq", "pq") else row[2],
        ): (row.bytes)
        for row in study.scores[["variant", "dim", "representation", "bytes"]]
        .drop_duplicates()
        .rename_axis(None)[["variant", "representation", "bytes"]]
        .itertuples()
    }
    for claim, _, compared in comparison_groups(study.scores, SETTINGS.judging):
        for one in compared if claim in ("C4", "itq", "pq") else ():
            ours, theirs = (sizes[side.variant, side.representation] for side in (one.ours, one.theirs))
            assert ours == theirs, one.id


def test_verdict_is_about_the_paired_difference(study: Study, claims: list[Claim]) -> None:
    rows = study.per_query[(study.per_query["variant"] == "unified") & (study.per_query["task"] == "lens")]
    means = rows.groupby(["representation", "bytes"])["value"].mean()
    effects = {claim["id"]: claim["effect"] for claim in claims}
    assert effects["C3-256/lens"] == pytest.approx(means["binary", 32] - means["float", 1024], abs=1e-5)
    assert effects["itq/32/lens"] == pytest.approx(means["binary", 32] - means["itq", 32], abs=1e-5)
    narrow = study.per_query[
        (study.per_query["variant"] == "dim_8") & (study.per_query["representation"] == "float")
    ]
    low = narrow.loc[narrow["task"] == "lens", "value"].mean()
    assert effects["C4/lens"] == pytest.approx(means["binary", 32] - low, abs=1e-5)
    # Two trainings cannot tell how much trainings differ; the queries of one alone can tell these apart.
    assert next(claim for claim in claims if claim["id"] == "C4")["verdict"] == "inconclusive"
    first = (table[table["seed"] == 0] for table in (study.scores, study.per_query))
    alone = judge_codes(*first, SETTINGS.judging)
    assert next(claim for claim in alone if claim["id"] == "C4")["verdict"] == "replicated"


def test_c4_without_the_narrow_floats_is_not_tested(study: Study) -> None:
    scores, per_query = (table[table["variant"] != "dim_8"] for table in (study.scores, study.per_query))
    found = judge_codes(scores, per_query, CodesJudging(0.01, 0.02, 0, 100))
    entry = next(claim for claim in found if claim["id"] == "C4")
    assert (entry["verdict"], entry["effect"]) == ("inconclusive", None)
    assert "variant 'dim_8' was not evaluated" in str(entry["how"])


def test_study_is_written_whole(study: Study, claims: list[Claim], tmp_path: Path) -> None:
    assert write_study(tmp_path, study, SETTINGS) == claims
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "bits.csv",
        "claims.json",
        "per_query.parquet",
        "scores.csv",
        "scores.parquet",
    ]
    assert json.loads((tmp_path / "claims.json").read_text(encoding="utf-8")) == claims
    read = pd.read_parquet(tmp_path / "scores.parquet")
    assert tuple(read.columns) == codes_study.CODE_SCORE_COLUMNS
    pd.testing.assert_frame_equal(pd.read_csv(tmp_path / "scores.csv"), read, check_dtype=False)


# Tables and figures


def test_bytes_are_listed_from_most_to_fewest_with_what_is_stored(study: Study) -> None:
    table = codes_story.bytes_table(study.scores)
    assert table["bytes"].is_monotonic_decreasing
    assert list(table.columns) == ["bytes", "stored", "lens P@3", "shop_the_look P@1"]
    assert list(codes_story.equal_bytes(study.scores)["stored"]) == [
        "256 floats",
        "8 floats",
        "256 bits above zero",
        "256 bits above the training median",
        "ITQ of 256 floats",
        "product quantisation of 256 floats",
    ]
    own = study.scores[
        (study.scores["variant"] == "dim_64")
        & (study.scores["representation"] == "float")
        & (study.scores["gallery"] == "task")
        & (study.scores["task"] == "lens")
        & (study.scores["metric"] == "P@3")
    ]
    shown = table.loc[(table["bytes"] == 256) & (table["stored"] == "64 floats"), "lens P@3"]
    assert shown.item() == pytest.approx(own["value"].mean())
    lines = codes_story.bytes_markdown(table).splitlines()
    assert lines[0] == "| bytes | stored | lens P@3 | shop_the_look P@1 |"
    assert lines[2].startswith("| 1,024 | 256 floats | ")


def test_unknown_gallery_is_named(study: Study) -> None:
    with pytest.raises(ValueError, match="there are no scores for gallery 'other'"):
        codes_story.summary_table(study.scores, "other")


def test_changed_queries_are_counted_by_hand() -> None:
    rows = [
        ("unified", "lens", "P@2", 0, item, kind, value, size)
        for item, (float_value, code_value) in enumerate([(0.5, 0.5), (1.0, 0.5), (0.0, 0.25), (1.0, 0.0)])
        for kind, value, size in (("float", float_value, 32), ("binary", code_value, 1), ("itq", 1.0, 1))
    ]
    columns = ["variant", "task", "metric", "seed", "item", "representation", "value", "bytes"]
    scores = pd.DataFrame({"variant": ["unified"], "dim": [8]})
    table = codes_story.change_table(pd.DataFrame(rows, columns=columns), scores)
    assert table.to_dict("records") == [
        {
            **{"variant": "unified", "model": "8", "task": "lens", "metric": "P@2"},
            **{"worse": 0.5, "same": 0.25, "better": 0.25, "n_query": 4, "n_seed": 1},
        }
    ]


def test_costs_are_those_of_the_claims(claims: list[Claim]) -> None:
    costs = codes_story.cost_table(claims)
    assert list(dict.fromkeys(costs["model"])) == ["8", "64", "256", "no_layer_norm"]
    entry = next(claim for claim in claims if claim["id"] == "C3-8/lens")
    assert costs.iloc[0].to_dict() == {
        "model": "8",
        "task": "lens",
        **{name: entry[name] for name in ("effect", "low", "high")},
    }


def test_each_representation_has_a_line_in_each_panel(study: Study) -> None:
    figure = figures.precision_against_bytes(codes_story.summary_table(study.scores))
    assert [axes.get_title() for axes in figure.axes] == ["lens  P@3", "shop_the_look  P@1"]
    lines = {line.get_label(): line.get_xydata() for line in figure.axes[0].lines}
    assert list(lines) == list(codes_story.WORDS.values())
    assert len(lines["floats"]) == len(lines["bits above zero"]) == 3
    table = codes_story.summary_table(study.scores)
    floats = table[(table["representation"] == "float") & (table["task"] == "lens")]
    assert sorted(lines["floats"][:, 1]) == sorted(floats.loc[floats["variant"] != "no_layer_norm", "value"])


def test_bars_of_changed_queries_are_as_long_as_their_shares(study: Study) -> None:
    changes = codes_story.change_table(study.per_query, study.scores)
    np.testing.assert_allclose(changes["worse"] + changes["same"] + changes["better"], 1)
    axes = figures.changed_queries(changes).axes[0]
    lens = changes[changes["task"] == "lens"]
    widths = [bar.get_width() for bar in axes.patches]
    assert widths == pytest.approx([value for row in lens.itertuples() for value in (-row.worse, row.better)])


def test_figures_of_bits_costs_and_distances_can_be_drawn(
    study: Study, claims: list[Claim], tmp_path: Path
) -> None:
    pairs = codes_story.pair_table(study.pairs)
    drawn = {
        "bits": figures.bit_figure(codes_story.bit_table(study.bits), 0.08),
        "costs": figures.code_costs(codes_story.cost_table(claims), 0.02),
        "distances": figures.hamming_by_width(pairs),
    }
    for name, figure in drawn.items():
        figures.save_figure(figure, tmp_path / f"{name}.png")
    assert [axes.get_title().split("\n")[0] for axes in drawn["distances"].axes] == [
        "8 bits",
        "64 bits",
        "256 bits",
        "no_layer_norm",
    ]
    assert len(drawn["costs"].axes[0].get_xticklabels()) == 4
