from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from official_archives import WRITERS
from small_world import REPOSITORY

from unifiedlib.assembly import assemble_pictures
from unifiedlib.contract import Collection
from unifiedlib.evaluation import SCORE_COLUMNS
from unifiedlib.loaders.benchmarks import TABLES, benchmarks_tables, official_folder
from unifiedlib.params import load_params
from unifiedlib.reference import beside_reference, reference_numbers
from unifiedlib.stage_parameters import stage_parameters
from unifiedlib.train_settings import TrainSettings, settings_of
from unifiedlib.training import Training
from unifiedlib.trunk import trunk_width

pytestmark = pytest.mark.filterwarnings("ignore::unifiedlib.loaders.official_tables.BenchmarkWarning")


@pytest.fixture
def downloads(tmp_path: Path) -> Path:
    """All four archives, unpacked."""
    for dataset, writer in WRITERS.items():
        writer(tmp_path / "downloads")
        official_folder(tmp_path / "downloads", dataset)
    return tmp_path / "downloads"


@pytest.fixture
def together(downloads: Path, tmp_path: Path) -> Collection:
    """All four as one collection."""
    tables = benchmarks_tables(downloads)
    shown = (tables.source, tables.items, tables.labels, tables.tasks)
    return assemble_pictures(tmp_path / "data", "b", *shown, 32, tables.sources, {})


def test_four_benchmarks_become_one_checked_collection(together: Collection) -> None:
    collection = together
    assert collection.left_out == []
    assert list(collection.tasks) == ["cub", "cars", "sop", "inshop"]
    assert len(collection.sources) == 4
    assert len(collection.gallery("merged")) == sum(
        len(collection.gallery(task)) for task in collection.tasks
    )


def test_rows_of_each_benchmark_stay_with_its_items(downloads: Path) -> None:
    together = benchmarks_tables(downloads)
    for task, loader in TABLES.items():
        alone = loader(downloads / "unpacked" / task)
        rows = together.labels[together.labels["task"] == task]
        image = together.items["image"].iloc[rows["item"]].tolist()
        prefix = (alone.source.relative_to(downloads)).as_posix()
        assert image == [f"{prefix}/{name}" for name in alone.items["image"].iloc[alone.labels["item"]]]
        assert rows["label"].tolist() == alone.labels["label"].tolist()
        assert (together.source / image[0]).is_file()


@pytest.mark.parametrize("place", ["named folders", "side by side"])
def test_folders_unpacked_by_hand_give_the_same_rows(downloads: Path, tmp_path: Path, place: str) -> None:
    by_hand = tmp_path / "hand"
    for task in TABLES:
        target = by_hand / task if place == "named folders" else by_hand
        shutil.copytree(downloads / "unpacked" / task, target, dirs_exist_ok=True)
    tables, same = benchmarks_tables(by_hand), benchmarks_tables(downloads)
    assert tables.labels.equals(same.labels)
    assert all((by_hand / image).is_file() for image in tables.items["image"])


def test_every_missing_benchmark_is_named(downloads: Path) -> None:
    shutil.rmtree(downloads / "unpacked" / "cars")
    shutil.rmtree(downloads / "unpacked" / "sop")
    with pytest.raises(
        FileNotFoundError, match=r"does not hold cars \(car_ims.tgz, .*; sop \(Stanford_"
    ) as error:
        benchmarks_tables(downloads)
    assert "cub (" not in str(error.value)


def test_reference_numbers_are_those_of_the_paper() -> None:
    table = reference_numbers().set_index(["task", "dim", "representation"])["value"]
    assert len(table) == 12
    assert table[("cub", 2048, "float")] == 0.6536
    assert table[("cars", 2048, "binary")] == 0.8929
    assert table[("sop", 512, "float")] == 0.782
    assert table[("inshop", 2048, "binary")] == 0.8876


def score(**changes: object) -> dict[str, object]:
    row = dict.fromkeys(SCORE_COLUMNS, "") | {
        "collection": "benchmarks",
        "variant": "unified",
        "seed": 0,
        "task": "cub",
        "gallery": "task",
        "representation": "float",
        "dim": 2048,
        "metric": "P@1",
        "k": 1,
        "value": 0.6,
        "low": 0.5,
        "high": 0.7,
        "n_query": 5924,
    }
    return row | changes


def test_measured_mean_over_seeds_stands_beside_the_published_number() -> None:
    table = beside_reference(pd.DataFrame([score(), score(seed=1, value=0.64, low=0.6)]))
    assert len(table) == 1
    row = table.iloc[0]
    assert row["measured"] == pytest.approx(0.62)
    assert row["low"] == pytest.approx(0.55)
    assert row["n_seed"] == 2
    assert row["reference"] == 0.6536
    assert row["difference"] == pytest.approx(0.62 - 0.6536)


def test_specialist_stands_beside_the_number_of_its_own_benchmark_alone() -> None:
    rows = [score(variant=variant, task=task) for variant in ("cub", "unified") for task in ("cub", "sop")]
    found = beside_reference(pd.DataFrame(rows))[["variant", "task"]].to_numpy().tolist()
    assert found == [["cub", "cub"], ["unified", "cub"], ["unified", "sop"]]


@pytest.mark.parametrize(
    ("dim", "representation", "reference_dim"),
    [
        (512, "float", 512),
        (2048, "float", 2048),
        (1024, "float", 2048),
        (700, "float", 512),
        (64, "binary", 2048),
    ],
)
def test_other_dims_take_the_nearest_published_one_and_say_so(
    dim: int, representation: str, reference_dim: int
) -> None:
    table = beside_reference(pd.DataFrame([score(dim=dim, representation=representation)]))
    assert table["reference_dim"].tolist() == [reference_dim]
    assert table["dim"].tolist() == [dim]


def test_other_galleries_metrics_and_tasks_are_left_out() -> None:
    others = [score(gallery="merged"), score(metric="MAP@R"), score(task="lens")]
    table = beside_reference(pd.DataFrame([*others, score(task="inshop", representation="binary")]))
    assert table["task"].tolist() == ["inshop"]
    assert np.isclose(table["reference"], 0.8876).all()
    with pytest.raises(ValueError, match=r"hold no P@1 of cub, cars, sop, inshop in their own galleries"):
        beside_reference(pd.DataFrame(others))


@pytest.mark.parametrize("name", ["cub", "cars", "sop", "inshop", "benchmarks"])
def test_settings_of_params_train_with_an_embedding_as_wide_as_the_trunk(
    together: Collection, tmp_path: Path, name: str
) -> None:
    values = stage_parameters(load_params(REPOSITORY / "params.yaml"), "train", name, "unified")
    settings = TrainSettings(**settings_of(TrainSettings, values))
    assert settings.dim == trunk_width(settings.trunk)
    small = {"trunk": "test_resnet", "weights": "none", "dim": trunk_width("test_resnet"), "crop": 32}
    few = {"head_steps": 3, "epochs": 2, "head_batch_size": 5, "batch_size": 5, "images_per_class": 5}
    torch.set_num_threads(1)
    tasks = tuple(together.tasks) if name == "benchmarks" else (name,)
    training = Training(together, "small", 0, replace(settings, **small, **few), tmp_path / "kept", tasks)
    trained = training.run()
    assert trained.model.linear is None
    assert trained.history["phase"].unique().tolist() == [1, 2]
    assert trained.history.filter(like="loss").notna().all(axis=None)
