from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from small_world import SIZE, TASKS, picture, tables, write_small

from unifiedlib.contract import (
    FILES,
    MERGED,
    RESERVED,
    ContractError,
    TaskSpec,
    check_collection,
    load_collection,
    write_collection,
)
from unifiedlib.decor import DecorSettings, World
from unifiedlib.files import WriteError, sha256
from unifiedlib.loaders import stl
from unifiedlib.loaders.cars import CARS
from unifiedlib.loaders.cub import CUB
from unifiedlib.loaders.inshop import INSHOP
from unifiedlib.loaders.own_rows import DEFAULT_LABEL_SET
from unifiedlib.loaders.sop import SOP
from unifiedlib.photos import TASKS as PHOTO_TASKS
from unifiedlib.variants import IMAGENET, UNIFIED

Change = Callable[[pd.DataFrame, pd.DataFrame], None]


def put(table: str, row: int, column: str, value: object) -> Change:
    """A change of one cell of `items` or `labels`."""

    def change(items: pd.DataFrame, labels: pd.DataFrame) -> None:
        frame = items if table == "items" else labels
        values = frame[column].astype(object).tolist()
        values[row] = value
        frame[column] = values

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            put("items", 5, "domain", "photo"),
            "items row 5: domain 'photo' is not one of pin, camera, scene, catalog",
        ),
        (put("items", 3, "group", ""), "items row 3: group is empty"),
        (
            put("items", 7, "image", "000.png"),
            "items row 7: '000.png' with the same box stands in an earlier row",
        ),
        (put("items", 4, "box", [0.5, 0.1, 0.4, 0.9]), r"items row 4: box \[0.5, 0.1, 0.4, 0.9\] must be"),
        (put("items", 4, "box", [0.0, 0.0, 1.2, 1.0]), "items row 4: box"),
        (put("labels", 9, "item", 72), r"labels row 9: item 72 is not in 0..71"),
        (
            put("labels", 9, "task", "browse"),
            "labels row 9: task 'browse' is not one of flashlight, shop_the_look",
        ),
        (put("labels", 9, "role", "test"), "labels row 9: role 'test' is not one of train, query"),
        (put("labels", 2, "label", None), "labels row 2: label is empty"),
        (
            put("labels", 9, "label_set", "../x"),
            "labels row 9: label_set '../x' must begin with a small letter",
        ),
        (put("labels", 9, "item", 0.5), "labels: column item is of type float64; items are counted 0, 1"),
        (put("labels", 9, "item", "9"), "labels: column item is of type"),
    ],
)
def test_first_row_out_of_contract_is_named(change: Change, message: str) -> None:
    items, labels = tables()
    change(items, labels)
    with pytest.raises(ContractError, match=message):
        check_collection(items, labels, np.zeros((72, SIZE, SIZE, 3), np.uint8), TASKS)


def test_group_that_crosses_from_training_into_test_is_named() -> None:
    items, labels = tables()
    query = int(labels.loc[labels["role"] == "query+gallery", "item"].iloc[0])
    items.loc[query, "group"] = "train-1"
    with pytest.raises(
        ContractError, match=rf"query item {query} belongs to group 'train-1'.*'flashlight' trains on"
    ):
        check_collection(items, labels, np.zeros((72, SIZE, SIZE, 3), np.uint8), TASKS)


def test_group_that_one_task_trains_on_and_another_queries_with_is_named() -> None:
    items, labels = tables()
    row = int(labels.index[labels["role"] == "query"][0])
    query = int(labels["item"].iloc[row])
    items.loc[query, "group"] = "train-1"
    with pytest.raises(
        ContractError,
        match=rf"labels row {row}: query item {query} belongs to group 'train-1'.*'flashlight' trains on \(labels row \d+\)",
    ):
        check_collection(items, labels, np.zeros((72, SIZE, SIZE, 3), np.uint8), TASKS)


def test_item_that_one_task_trains_on_and_another_queries_with_is_refused() -> None:
    items, labels = tables()
    shop = labels[(labels["task"] == "shop_the_look") & (labels["role"] == "train")].iloc[[0]]
    crossing = shop.assign(task="flashlight", label_set="category", label="category 0", role="query")
    labels = pd.concat([labels, crossing], ignore_index=True)
    with pytest.raises(
        ContractError, match=rf"labels row {len(labels) - 1}: query item 0 .*'shop_the_look' trains on"
    ):
        check_collection(items, labels, np.zeros((72, SIZE, SIZE, 3), np.uint8), TASKS)
    labels["role"] = labels["role"].where(labels.index < len(labels) - 1, "gallery")
    check_collection(items, labels, np.zeros((72, SIZE, SIZE, 3), np.uint8), TASKS)


@pytest.mark.parametrize("name", ["a/b", "../x", "Lens", "2d", "shop the look", "lens\n", "", *RESERVED])
def test_task_whose_name_is_no_plain_name_or_is_reserved_is_refused(name: str) -> None:
    items, labels = tables()
    labels["task"] = labels["task"].replace("flashlight", name)
    tasks = {name: TASKS["flashlight"], "shop_the_look": TASKS["shop_the_look"]}
    rule = (
        "has a name that the pipeline uses itself" if name in RESERVED else "must begin with a small letter"
    )
    with pytest.raises(ContractError) as caught:
        check_collection(items, labels, np.zeros((72, SIZE, SIZE, 3), np.uint8), tasks)
    assert str(caught.value).startswith(f"task {name!r} {rule}")


def test_reserved_are_the_other_variants_and_the_merged_gallery() -> None:
    assert set(RESERVED) == {IMAGENET, UNIFIED, MERGED}


def test_names_of_every_collection_here_are_plain() -> None:
    named = {one.task: one.label_set for one in (CARS, CUB, INSHOP, SOP)}
    for tasks in (PHOTO_TASKS, stl.TASKS):
        named |= {task: spec.label_set for task, spec in tasks.items()}
    drawn = World(DecorSettings()).tables()[1][["task", "label_set"]].drop_duplicates()
    names = [*named.items(), *drawn.itertuples(index=False, name=None), ("own", DEFAULT_LABEL_SET)]
    for task, label_set in names:
        items, labels = tables()
        labels = labels[labels["task"] == "flashlight"].assign(task=task, label_set=label_set)
        tasks = {task: TaskSpec(1, label_set)}
        check_collection(items, labels, np.zeros((72, SIZE, SIZE, 3), np.uint8), tasks)


def test_item_number_that_is_missing_is_named() -> None:
    items, labels = tables()
    labels["item"] = labels["item"].astype("Int64")
    labels.loc[9, "item"] = pd.NA
    with pytest.raises(ContractError, match=r"labels row 9: item <NA> is not in 0\.\.71"):
        check_collection(items, labels, np.zeros((72, SIZE, SIZE, 3), np.uint8), TASKS)


def test_test_role_outside_the_evaluation_label_set_is_named() -> None:
    items, labels = tables()
    row = int(labels.index[labels["role"] == "query"][0])
    labels.loc[row, "label_set"] = "category"
    with pytest.raises(
        ContractError, match=rf"labels row {row}: role 'query' must use .* 'product', not 'category'"
    ):
        check_collection(items, labels, np.zeros((72, SIZE, SIZE, 3), np.uint8), TASKS)


def test_item_with_two_labels_in_one_label_set_is_named() -> None:
    items, labels = tables()
    labels = pd.concat([labels, labels.iloc[[0]].assign(label="product 3")], ignore_index=True)
    with pytest.raises(
        ContractError, match=rf"labels row {len(labels) - 1}: item 0 has two labels in shop_the_look/product"
    ):
        check_collection(items, labels, np.zeros((72, SIZE, SIZE, 3), np.uint8), TASKS)


@pytest.mark.parametrize("role", ["train", "query", "gallery"])
def test_task_without_a_role_is_named(role: str) -> None:
    items, labels = tables()
    labels = labels[(labels["task"] != "shop_the_look") | (labels["role"] != role)].reset_index(drop=True)
    message = f"task 'shop_the_look' has no {'training' if role == 'train' else role} rows"
    with pytest.raises(ContractError, match=message):
        check_collection(items, labels, np.zeros((72, SIZE, SIZE, 3), np.uint8), TASKS)


def test_pixels_of_another_length_or_type_are_refused() -> None:
    items, labels = tables()
    with pytest.raises(ContractError, match=r"pixels holds 71 items, items.parquet 72"):
        check_collection(items, labels, np.zeros((71, SIZE, SIZE, 3), np.uint8), TASKS)
    with pytest.raises(ContractError, match="must be uint8"):
        check_collection(items, labels, np.zeros((72, SIZE, SIZE, 3), np.float32), TASKS)


def test_written_collection_reads_back_equal(tmp_path: Path) -> None:
    written = write_small(tmp_path / "small")
    read = load_collection(tmp_path / "small")
    pd.testing.assert_frame_equal(read.items, written.items)
    assert read.tasks == TASKS
    assert (read.pixels[5] == picture(5)).all()
    assert isinstance(read.pixels, np.memmap)
    assert read.fingerprint == write_small(tmp_path / "again").fingerprint


def test_pixels_are_the_bytes_that_numpy_writes(tmp_path: Path) -> None:
    write_small(tmp_path / "small")
    np.save(tmp_path / "whole.npy", np.stack([picture(number) for number in range(72)]))
    assert sha256(tmp_path / "small" / "pixels.npy") == sha256(tmp_path / "whole.npy")


@pytest.mark.skipif(not hasattr(os, "posix_fallocate"), reason="this system cannot reserve space")
def test_full_disk_is_an_error_before_the_first_picture_and_an_older_collection_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_small(tmp_path / "small")
    before = {name: sha256(tmp_path / "small" / name) for name in FILES}

    def full(descriptor: int, start: int, length: int) -> None:
        assert (start, length) == (0, os.fstat(descriptor).st_size)
        assert length > 72 * SIZE * SIZE * 3
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def pictures() -> Iterator[np.ndarray]:
        raise AssertionError("a picture was asked for")
        yield picture(0)

    monkeypatch.setattr(os, "posix_fallocate", full)
    items, labels = tables()
    with pytest.raises(
        WriteError, match=r"small could not be written: .*No space left on device.*; mend that"
    ):
        write_collection(tmp_path / "small", "small", items, labels, TASKS, pictures(), SIZE, [], {})
    assert {name: sha256(tmp_path / "small" / name) for name in FILES} == before
    assert [path.name for path in tmp_path.iterdir()] == ["small"]


def test_queries_galleries_and_the_merged_gallery(tmp_path: Path) -> None:
    small = write_small(tmp_path / "small")
    flashlight, shop = small.gallery("flashlight"), small.gallery("shop_the_look")
    assert set(small.queries("flashlight")) == set(flashlight)
    assert set(small.gallery(MERGED)) == set(flashlight) | set(shop)
    assert set(small.queries("shop_the_look")).isdisjoint(shop)
    assert set(small.test_items()) == set(small.gallery(MERGED)) | set(small.queries("shop_the_look"))
    assert small.eval_labels("shop_the_look").loc[shop[0]].startswith("product")
    with pytest.raises(ValueError, match="has no task 'lens'; it has flashlight, shop_the_look"):
        small.queries("lens")


def test_interrupted_writing_leaves_no_collection(tmp_path: Path) -> None:
    items, labels = tables()

    def pictures() -> object:
        yield picture(0)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_collection(tmp_path / "small", "small", items, labels, TASKS, pictures(), SIZE, [], {})  # type: ignore[arg-type]
    assert not list(tmp_path.iterdir())
    with pytest.raises(FileNotFoundError, match=r"items.parquet is missing; run the assemble stage first"):
        load_collection(tmp_path / "small")


def test_too_few_or_misshapen_pictures_are_refused(tmp_path: Path) -> None:
    items, labels = tables()
    with pytest.raises(ContractError, match="2 pictures came for 72 items"):
        write_collection(
            tmp_path / "a", "small", items, labels, TASKS, [picture(0), picture(1)], SIZE, [], {}
        )
    with pytest.raises(ContractError, match=r"picture 0 is \[16, 16, 3\]"):
        write_collection(tmp_path / "a", "small", items, labels, TASKS, [picture(0)[:16, :16]], SIZE, [], {})


def test_task_needs_a_positive_k() -> None:
    items, labels = tables()
    with pytest.raises(ContractError, match="k is 0; it must be at least 1"):
        check_collection(
            items,
            labels,
            np.zeros((72, SIZE, SIZE, 3), np.uint8),
            {**TASKS, "flashlight": TaskSpec(0, "category")},
        )
