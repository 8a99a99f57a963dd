import json

import numpy as np
import pandas as pd
import pytest
from search_world import make_collection, three_task_collection, write_embeddings

from unifiedlib.contract import TaskSpec
from unifiedlib.evaluation import (
    QUERY_COLUMNS,
    SCORE_COLUMNS,
    EvaluationSettings,
    evaluate_collection,
    load_embeddings,
    query_counts,
    score_variant,
)

SETTINGS = EvaluationSettings(n_resamples=100)
SIGNAL = {"imagenet": 0.1, "flashlight": 0.5, "lens": 0.5, "shop_the_look": 0.5, "unified": 0.5}


@pytest.fixture(scope="module")
def collection():
    return three_task_collection()


@pytest.fixture(scope="module")
def embedding_folder(tmp_path_factory, collection):
    folder = tmp_path_factory.mktemp("embeddings")
    for number, (variant, signal) in enumerate(SIGNAL.items()):
        for seed in (0,) if variant == "imagenet" else (0, 1):
            write_embeddings(folder / variant / f"seed-{seed}", collection, signal, seed=10 * number + seed)
    return folder


@pytest.fixture(scope="module")
def results(tmp_path_factory, collection, embedding_folder):
    folder = tmp_path_factory.mktemp("results") / "toy"
    return folder, evaluate_collection(collection, embedding_folder, folder, list(SIGNAL), [0, 1], SETTINGS)


def test_scores_have_the_contracts_columns_and_every_combination(results):
    _, scores = results
    assert tuple(scores.columns) == SCORE_COLUMNS
    n_models, n_galleries, n_representations, n_metrics = 9, 2, 2, 6 + 6 + 5
    assert len(scores) == n_models * n_galleries * n_representations * n_metrics
    every = {"P@1", "R@10", "MAP@R", "R-precision", "MRR"}
    assert set(scores.loc[scores["task"] == "lens", "metric"]) == every | {"P@5"}
    assert set(scores.loc[scores["task"] == "shop_the_look", "metric"]) == every
    keys = ["variant", "seed", "task", "gallery", "representation", "metric"]
    assert not scores.duplicated(keys).any()


def test_values_lie_in_their_interval_between_0_and_1(results):
    _, scores = results
    assert (scores["low"] <= scores["value"]).all()
    assert (scores["value"] <= scores["high"]).all()
    assert scores["low"].min() >= 0
    assert scores["high"].max() <= 1


def test_per_query_values_average_to_the_scores(results):
    folder, scores = results
    per_query = pd.read_parquet(folder / "per_query.parquet")
    assert tuple(per_query.columns) == QUERY_COLUMNS
    assert per_query["value"].dtype == np.float32
    keys = ["variant", "seed", "task", "gallery", "representation", "metric"]
    means = per_query.groupby(keys)["value"].mean()
    assert np.allclose(scores.set_index(keys)["value"].sort_index(), means.sort_index(), atol=1e-5)
    counts = per_query.groupby(keys)["item"].nunique()
    assert (scores.set_index(keys)["n_query"].sort_index() == counts.sort_index()).all()


def test_merged_gallery_is_never_easier(results):
    _, scores = results
    keys = ["variant", "seed", "task", "representation", "metric"]
    table = scores.pivot_table(index=keys, columns="gallery", values="value")
    assert (table["merged"] <= table["task"] + 1e-6).all()


def test_more_signal_scores_higher(results):
    _, scores = results
    headline = scores[(scores["metric"] == "P@1") & (scores["gallery"] == "task")]
    means = headline.groupby("variant")["value"].mean()
    assert means["unified"] > means["imagenet"] + 0.2


def test_files_hold_what_was_returned(results):
    folder, scores = results
    names = {
        "claims.json",
        "metrics.json",
        "per_query.parquet",
        "queries.csv",
        "scores.csv",
        "scores.parquet",
    }
    assert {path.name for path in folder.iterdir()} == names
    pd.testing.assert_frame_equal(pd.read_parquet(folder / "scores.parquet"), scores, check_dtype=False)
    pd.testing.assert_frame_equal(pd.read_csv(folder / "scores.csv"), scores, check_dtype=False)
    metrics = json.loads((folder / "metrics.json").read_text())
    rows = scores[(scores["variant"] == "lens") & (scores["task"] == "lens") & (scores["gallery"] == "task")]
    expected = rows[(rows["representation"] == "binary") & (rows["metric"] == "P@5")]["value"].mean()
    assert metrics["lens"]["lens"]["binary"]["P@5"] == pytest.approx(expected, abs=1e-6)
    claims = json.loads((folder / "claims.json").read_text())
    assert len(claims) == 4 * (1 + 3)  # C1, C2, C3 and C9, overall and on each task
    assert {claim["id"]: claim["verdict"] for claim in claims}["C2"] == "replicated"


def test_two_runs_write_the_same_bytes(results, tmp_path, collection, embedding_folder):
    folder, _ = results
    evaluate_collection(collection, embedding_folder, tmp_path / "again", list(SIGNAL), [0, 1], SETTINGS)
    for path in folder.iterdir():
        assert path.read_bytes() == (tmp_path / "again" / path.name).read_bytes(), path.name


def test_untrained_trunk_needs_its_first_seed_only(results):
    _, scores = results
    assert set(scores.loc[scores["variant"] == "imagenet", "seed"]) == {0}
    assert set(scores.loc[scores["variant"] == "unified", "seed"]) == {0, 1}


def test_variants_without_embeddings_are_all_named(collection, embedding_folder, tmp_path):
    with pytest.raises(FileNotFoundError, match="unified/seed-7, lens/seed-7; run the binarize stage"):
        evaluate_collection(
            collection, embedding_folder, tmp_path, ["imagenet", "unified", "lens"], [0, 7], SETTINGS
        )
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("variants", "seeds"), [([], [0]), (["lens"], []), (["lens", "lens"], [0]), (["lens"], [0, 0])]
)
def test_no_or_repeated_variants_and_seeds_are_refused(
    collection, embedding_folder, tmp_path, variants, seeds
):
    with pytest.raises(ValueError, match="name at least one, and each of them once"):
        evaluate_collection(collection, embedding_folder, tmp_path, variants, seeds, SETTINGS)


def test_left_out_queries_are_counted():
    rows = [("a", "lens", "cup", "query"), ("b", "lens", "rug", "query"), ("c", "lens", "rug", "gallery")]
    counts = query_counts(make_collection(rows, {"lens": TaskSpec(1, "category")}))
    assert counts.to_dict("list") == {
        "task": ["lens", "lens"],
        "gallery": ["task", "merged"],
        "n_query": [1, 1],
        "n_cluster": [1, 1],
        "n_left_out": [1, 1],
        "n_gallery": [1, 1],
    }


def test_a_single_task_is_scored_alone(tmp_path):
    rows = [(f"g{i}", "lens", f"{i % 2}", "query+gallery") for i in range(8)]
    collection = make_collection(rows, {"lens": TaskSpec(2, "category")})
    write_embeddings(tmp_path / "e", collection, signal=50.0, seed=0)
    scores, per_query = score_variant(collection, tmp_path / "e", "unified", 3, SETTINGS)
    assert (scores["value"] == 1).all()
    assert set(scores["seed"]) == set(per_query["seed"]) == {3}
    assert set(scores["n_query"]) == {8}


def spoil(folder, name, change):
    np.save(folder / f"{name}.npy", change(np.load(folder / f"{name}.npy")))


@pytest.mark.parametrize(
    ("name", "change", "error", "message"),
    [
        ("items", lambda a: a[::-1], ValueError, "does not hold the test items of collection 'toy'"),
        ("float", lambda a: a.astype(np.float64), TypeError, "float64; they must be float32"),
        (
            "float",
            lambda a: np.where(np.arange(len(a))[:, None] == 5, np.float32(np.nan), a),
            ValueError,
            "row 5 holds NaN",
        ),
        ("float", lambda a: a[:-1], ValueError, "items but 209 embeddings"),
        ("codes", lambda a: a[:, :-1], ValueError, "not the codes of its float.npy"),
        ("codes", lambda a: a ^ np.uint8(1), ValueError, "not the codes of its float.npy"),
    ],
)
def test_embeddings_that_do_not_fit_are_refused(tmp_path, collection, name, change, error, message):
    write_embeddings(tmp_path / "e", collection, signal=1.0, seed=0)
    spoil(tmp_path / "e", name, change)
    with pytest.raises(error, match=message):
        load_embeddings(tmp_path / "e", collection)


def test_missing_file_is_named(tmp_path, collection):
    write_embeddings(tmp_path / "e", collection, signal=1.0, seed=0)
    (tmp_path / "e" / "codes.npy").unlink()
    with pytest.raises(FileNotFoundError, match=r"codes\.npy is missing: run the binarize stage"):
        load_embeddings(tmp_path / "e", collection)


@pytest.mark.parametrize(
    ("setting", "error", "message"),
    [
        ({"n_resamples": 99}, ValueError, "n_resamples is 99; it must be at least 100"),
        ({"n_resamples": 2e3}, TypeError, "n_resamples is 2000.0; it must be int"),
        ({"recall_k": True}, TypeError, "recall_k is True"),
        ({"margin_c1": -0.1}, ValueError, "margin_c1 is -0.1"),
        ({"margin_c3": float("nan")}, ValueError, "margin_c3 is nan"),
        ({"margin_c3": "0.1"}, TypeError, "margin_c3 is '0.1'; it must be int or float"),
        ({"batch_size": 0}, ValueError, "batch_size is 0"),
        ({"seed": -1}, ValueError, "seed is -1"),
    ],
)
def test_settings_that_break_a_rule_are_named(setting, error, message):
    with pytest.raises(error, match=message):
        EvaluationSettings(**setting)
