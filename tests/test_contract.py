from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from small_world import SIZE, TASKS, picture, tables, write_small

from unifiedlib.contract import (
    MERGED,
    ContractError,
    TaskSpec,
    check_collection,
    load_collection,
    write_collection,
)

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
