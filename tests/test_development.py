from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from small_world import SETTINGS, write_params, write_small

from unifiedlib.contract import Collection, load_collection
from unifiedlib.development.__main__ import main
from unifiedlib.development.split import development_labels, write_development
from unifiedlib.paths import ROOT_VARIABLE


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Collection:
    return write_small(tmp_path_factory.mktemp("data") / "decor")


def with_labels(collection: Collection, labels: pd.DataFrame) -> Collection:
    return replace(collection, labels=labels.reset_index(drop=True))


def groups(collection: Collection, rows: pd.DataFrame) -> set[str]:
    return set(collection.items["group"].iloc[rows["item"]])


def test_held_out_groups_are_trained_on_by_no_task_and_hold_the_share(small: Collection) -> None:
    found = development_labels(small, 0.3, 0)
    trained, tested = (found[found["role"].eq("train") == one] for one in (True, False))
    assert not groups(small, trained) & groups(small, tested)
    for task in small.tasks:
        before = small.training_rows(task)["item"].nunique()
        assert tested.loc[tested["task"] == task, "item"].nunique() == pytest.approx(0.3 * before, abs=4)
    assert found["item"].isin(small.labels.loc[small.labels["role"] == "train", "item"]).all()


def test_roles_are_those_that_test_items_of_the_domain_have(small: Collection) -> None:
    found = development_labels(small, 0.3, 0)
    flashlight = found[(found["task"] == "flashlight") & (found["role"] != "train")]
    assert set(flashlight["role"]) == {"query+gallery"}
    shop = found[(found["task"] == "shop_the_look") & (found["role"] != "train")]
    domains = small.items["domain"].iloc[shop["item"]].to_numpy()
    assert set(zip(domains, shop["role"], strict=True)) <= {
        ("catalog", "gallery"),
        ("camera", "query"),
        ("pin", "query"),
    }
    assert set(shop["label_set"]) == {"product"}


def test_the_same_seed_holds_out_the_same_and_another_does_not(small: Collection) -> None:
    first, again, other = (development_labels(small, 0.3, seed) for seed in (0, 0, 1))
    assert first.equals(again)
    assert not first.equals(other)


def test_gallery_that_is_trained_on_stays_and_is_searched(small: Collection) -> None:
    catalog = np.flatnonzero(small.items["domain"] == "catalog")
    own = (small.labels["task"] == "shop_the_look") & (small.labels["label_set"] == "product")
    train = small.labels[own & small.labels["item"].isin(catalog) & small.labels["role"].eq("train")]
    labels = small.labels[~(own & small.labels["role"].eq("gallery"))]
    both = with_labels(small, pd.concat([labels, train.assign(role="gallery")]))
    found = development_labels(both, 0.3, 0)
    shop = found[(found["task"] == "shop_the_look") & (found["label_set"] == "product")]
    searched = set(shop.loc[shop["role"] == "gallery", "item"])
    assert searched == set(train["item"])
    assert searched <= set(shop.loc[shop["role"] == "train", "item"])
    assert not searched & set(shop.loc[shop["role"] == "query", "item"])


def test_whole_labels_are_held_out_where_test_asks_for_new_ones(small: Collection) -> None:
    labels = small.labels.copy()
    own = (labels["task"] == "shop_the_look") & (labels["label_set"] == "product")
    labels.loc[own & labels["role"].ne("train"), "label"] += ", never trained on"
    items = small.items.assign(
        group=[f"{one}-{number % 4}" for number, one in enumerate(small.items["group"])]
    )
    found = development_labels(replace(with_labels(small, labels), items=items), 0.3, 0)
    shop = found[(found["task"] == "shop_the_look") & (found["label_set"] == "product")]
    trained, tested = (set(shop.loc[shop["role"].eq("train") == one, "label"]) for one in (True, False))
    assert trained
    assert tested
    assert not trained & tested


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_senseless_share_is_refused(small: Collection, share: float) -> None:
    with pytest.raises(ValueError, match=rf"share is {share}; it must lie between 0 and 1"):
        development_labels(small, share, 0)


def test_split_that_leaves_nothing_to_train_on_is_named(small: Collection) -> None:
    with pytest.raises(ValueError, match=r"share 0.99 leaves task '.*' without training items"):
        development_labels(small, 0.99, 0)


def test_split_is_a_collection_with_the_pictures_of_its_items(small: Collection, tmp_path: Path) -> None:
    found = write_development(small, tmp_path / "development", 0.3, 0)
    again = load_collection(tmp_path / "development")
    assert found.fingerprint == again.fingerprint != small.fingerprint
    assert again.settings["development_of"] == small.fingerprint
    names = small.items["image"].tolist()
    for item in (0, len(again.items) - 1):
        whole = names.index(again.items["image"].iloc[item])
        assert np.array_equal(again.pixels[item], small.pixels[whole])


def test_ablations_are_tried_beside_the_unified_variant(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_small(tmp_path / "data" / "decor")
    write_params(tmp_path, replace(SETTINGS, epochs=1))
    monkeypatch.setenv(ROOT_VARIABLE, str(tmp_path))
    assert main(["decor", "gem_pooling"]) == 0
    assert "| gem_pooling | binary |" in capsys.readouterr().out
    scores = pd.read_csv(tmp_path / "build/development/decor/scores.csv")
    assert set(scores["variant"]) == {"unified", "gem_pooling"}
    assert main(["decor", "gem_poling"]) == 1
    assert "there is no ablation 'gem_poling'; did you mean 'gem_pooling'?" in capsys.readouterr().err
