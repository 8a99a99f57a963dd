from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from unifiedlib.assembly import assemble_pictures
from unifiedlib.contract import Collection, TaskSpec
from unifiedlib.duplicates import find_duplicates, fingerprints, perceptual_hashes, remove_from_training

SIZE = 64
TASKS = {"lens": TaskSpec(k=1, label_set="product")}


def photo(seed: int, side: int = SIZE) -> np.ndarray:
    """A picture with coarse structure, uint8 [side x side x 3]."""
    coarse = np.random.default_rng(seed).uniform(0, 255, (6, 6, 3))
    return cv2.resize(coarse, (side, side), interpolation=cv2.INTER_CUBIC).clip(0, 255).astype(np.uint8)


def labels_of(roles: list[str], task: str = "lens") -> pd.DataFrame:
    """One row per item: the class of item i is i % 2."""
    return pd.DataFrame(
        {
            "item": range(len(roles)),
            "task": task,
            "label_set": "product",
            "label": [f"product {item % 2}" for item in range(len(roles))],
            "role": roles,
        }
    )


def found(pixels: list[np.ndarray], roles: list[str], max_distance: int = 4) -> list[tuple[int, int, str]]:
    pairs = find_duplicates(np.stack(pixels), labels_of(roles), max_distance)
    return list(pairs[["item", "other", "kind"]].itertuples(index=False, name=None))


def test_same_pixels_in_training_and_test_are_an_exact_pair() -> None:
    roles = ["train", "train", "query", "gallery", "train"]
    pixels = [photo(0), photo(1), photo(0), photo(3), photo(3)]
    assert found(pixels, roles) == [(0, 2, "exact"), (4, 3, "exact")]


def test_copies_within_training_or_within_test_are_no_pairs() -> None:
    roles = ["train", "train", "query", "gallery"]
    assert found([photo(0), photo(0), photo(1), photo(1)], roles) == []


def test_small_change_is_near_and_a_mirrored_or_other_picture_is_not() -> None:
    noise = np.random.default_rng(9).normal(0, 3, (SIZE, SIZE, 3))
    noisy = (photo(0) + noise).clip(0, 255).astype(np.uint8)
    roles = ["train", "train", "train", "query", "gallery"]
    pixels = [noisy, photo(0)[:, ::-1], photo(1), photo(0), photo(4)]
    assert found(pixels, roles) == [(0, 3, "near")]


def test_near_pairs_are_those_that_counting_differing_bits_finds() -> None:
    pixels = np.stack([photo(seed // 3) for seed in range(60)])
    noise = np.random.default_rng(1).normal(0, 30, pixels.shape)
    pixels = (pixels + noise).clip(0, 255).astype(np.uint8)
    roles = (["train", "query", "gallery"] * 20)[:60]
    bits = np.unpackbits(perceptual_hashes(pixels)[0], axis=1).astype(int)
    expected = {
        (item, other, int(distance))
        for item in range(0, 60, 3)
        for other in range(60)
        if other % 3 and (distance := np.abs(bits[item] - bits[other]).sum()) <= 10
    }
    pairs = find_duplicates(pixels, labels_of(roles), 10)
    assert set(pairs[["item", "other", "distance"]].itertuples(index=False, name=None)) == expected
    assert len(expected) > 20
    assert 10 in {distance for *_, distance in expected}


def test_gallery_picture_that_is_trained_on_is_a_duplicate_of_queries_only() -> None:
    labels = pd.concat(
        [labels_of(["train"] * 2), labels_of(["gallery", "gallery", "query"])], ignore_index=True
    )
    same = find_duplicates(np.stack([photo(0), photo(0), photo(5)]), labels)
    assert same.empty
    leak = find_duplicates(np.stack([photo(0), photo(1), photo(0)]), labels)
    assert leak[["item", "other"]].to_numpy().tolist() == [[0, 2]]


def in_tasks(**roles: list[str]) -> pd.DataFrame:
    """The rows of several tasks; an empty role is no row."""
    labels = pd.concat([labels_of(some, task) for task, some in roles.items()], ignore_index=True)
    return labels[labels["role"] != ""].reset_index(drop=True)


def crossing(pixels: list[np.ndarray], labels: pd.DataFrame) -> list[list[object]]:
    columns = ["item", "other", "task", "other_task", "kind"]
    rows: list[list[object]] = find_duplicates(np.stack(pixels), labels)[columns].to_numpy().tolist()
    return rows


def test_copy_of_a_query_of_the_same_task_is_listed_for_that_task() -> None:
    labels = in_tasks(lens=["train", "query"], shop=["query", "train"])
    assert crossing([photo(0), photo(0)], labels) == [
        [0, 1, "lens", "lens", "exact"],
        [1, 0, "shop", "shop", "exact"],
    ]


def test_copy_of_a_query_of_another_task_is_an_exact_pair_of_both_tasks() -> None:
    labels = in_tasks(lens=["train", "", "query", ""], shop=["", "query", "", "train"])
    pixels = [photo(0), photo(0), photo(3), photo(3)]
    assert crossing(pixels, labels) == [
        [0, 1, "lens", "shop", "exact"],
        [3, 2, "shop", "lens", "exact"],
    ]


def test_copy_of_another_tasks_query_is_found_though_it_is_openly_in_a_gallery() -> None:
    labels = in_tasks(lens=["train", "gallery", "query"], shop=["", "query+gallery"])
    labels = pd.concat([labels, labels_of(["gallery"])], ignore_index=True)
    assert crossing([photo(0), photo(0), photo(2)], labels) == [[0, 1, "lens", "lens", "exact"]]


def test_picture_of_another_tasks_gallery_and_what_only_resembles_its_query_are_no_pairs() -> None:
    noisy = (photo(0) + np.random.default_rng(9).normal(0, 3, (SIZE, SIZE, 3))).clip(0, 255).astype(np.uint8)
    labels = in_tasks(lens=["train", "train", "query"], shop=["", "", "", "query", "gallery"])
    pixels = [noisy, photo(4), photo(5), photo(0), photo(4)]
    assert crossing(pixels, labels) == []


def test_plain_pictures_of_different_colours_are_not_near() -> None:
    plain = [np.full((SIZE, SIZE, 3), colour, np.uint8) for colour in (10, 200, 200)]
    assert found(plain, ["train", "train", "query"]) == [(1, 2, "exact")]


def test_hundreds_of_copies_list_the_nearest_hundred_and_queries_first() -> None:
    roles = ["train"] + ["gallery"] * 150 + ["query"]
    pairs = find_duplicates(np.stack([photo(0)] * 152), labels_of(roles))
    assert len(pairs) == 101
    assert 151 in set(pairs["other"])


def test_hash_is_the_same_in_any_block() -> None:
    pixels = np.stack([photo(seed) for seed in range(300)])
    together = fingerprints(pixels)
    alone = fingerprints(pixels, np.array([299, 7]))
    assert (together.hashes[[299, 7]] == alone.hashes).all()
    assert not alone.plain.any()


def test_distance_out_of_range_is_refused() -> None:
    with pytest.raises(ValueError, match=r"max_distance is 40; it must lie in 0\.\.31"):
        find_duplicates(np.stack([photo(0)] * 2), labels_of(["train", "query"]), 40)


def test_task_that_would_lose_all_its_training_rows_is_named() -> None:
    labels = labels_of(["train", "train", "query"])
    pairs = find_duplicates(np.stack([photo(0)] * 3), labels)
    with pytest.raises(
        ValueError, match=r"task 'lens': all of its 2 training rows show exact copies of test"
    ):
        remove_from_training(labels, pairs)


def assembled(folder: Path, names: dict[str, str], **options: bool) -> Collection:
    """A collection of the pictures in `folder / "source"`. names: role by name; the class is the name's first letter."""
    items = pd.DataFrame({"image": list(names), "box": None, "domain": "camera", "group": list(names)})
    labels = labels_of(list(names.values())).assign(label=[name[0] for name in names])
    return assemble_pictures(
        folder / "data", "mine", folder / "source", items, labels, TASKS, SIZE, [], {}, **options
    )


@pytest.fixture
def copies(tmp_path: Path) -> dict[str, str]:
    """Training pictures of which `b-copy` is a query under another name and `a-again` a query encoded anew."""
    source = tmp_path / "source"
    source.mkdir()
    for seed, name in enumerate(("a-0", "a-1", "c-0", "c-1")):
        Image.fromarray(photo(seed, 300)).save(source / f"{name}.png")
    query = Image.fromarray(photo(50, 300))
    query.save(source / "a-query.jpg", quality=95)
    Image.open(source / "a-query.jpg").resize((260, 260)).save(source / "a-again.jpg", quality=60)
    (source / "b-copy.jpg").write_bytes((source / "a-query.jpg").read_bytes())
    Image.open(source / "c-1.png").save(source / "c-saved.bmp")
    parts = {"a-0.png": "train", "a-again.jpg": "train", "b-copy.jpg": "train", "c-saved.bmp": "train"}
    return {**parts, "a-query.jpg": "query", "a-1.png": "gallery", "c-0.png": "query", "c-1.png": "gallery"}


def test_exact_copies_leave_training_and_near_ones_are_reported(
    tmp_path: Path, copies: dict[str, str]
) -> None:
    collection = assembled(tmp_path, copies)
    trained = collection.items["image"].iloc[collection.training_rows("lens")["item"]]
    assert sorted(trained) == ["a-0.png", "a-again.jpg"]
    assert len(collection.items) == len(copies)
    assert len(collection.test_items()) == 4
    report = collection.settings["duplicates"]
    assert isinstance(report, dict)
    assert (report["exact_pairs"], report["near_pairs"], report["removed_training_rows"]) == (2, 1, 2)
    assert report["lost_classes"] == ["lens/product/b", "lens/product/c"]
    found = [(pair["item"], pair["other"], pair["kind"]) for pair in report["pairs"]]
    assert found == [
        ("b-copy.jpg", "a-query.jpg", "exact"),
        ("c-saved.bmp", "c-1.png", "exact"),
        ("a-again.jpg", "a-query.jpg", "near"),
    ]


def test_picture_copied_into_another_task_that_queries_with_it_is_trained_on_in_none(tmp_path: Path) -> None:
    roles = {
        "lens/a.png": {"lens": "train", "browse": "train"},
        "lens/b.png": {"lens": "train", "browse": "train"},
        "lens/c.png": {"lens": "query+gallery", "browse": "gallery"},
        "shop/a.png": {"shop": "query+gallery"},
        "shop/d.png": {"shop": "train"},
        "browse/e.png": {"browse": "query"},
    }
    for seed, name in enumerate(roles):
        path = tmp_path / "source" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(photo(0 if name.endswith("a.png") else seed + 1)).save(path)
    rows = [(item, task, role) for item, of in enumerate(roles.values()) for task, role in of.items()]
    labels = pd.DataFrame(rows, columns=["item", "task", "role"]).assign(label_set="product", label="one")
    items = pd.DataFrame({"image": list(roles), "box": None, "domain": "camera", "group": list(roles)})
    tasks = {task: TaskSpec(k=1, label_set="product") for task in ("lens", "browse", "shop")}
    collection = assemble_pictures(
        tmp_path / "data", "mine", tmp_path / "source", items, labels, tasks, SIZE, [], {}
    )
    for task, left in (("lens", ["lens/b.png"]), ("browse", ["lens/b.png"]), ("shop", ["shop/d.png"])):
        assert collection.items["image"].iloc[collection.training_rows(task)["item"]].tolist() == left
    report = collection.settings["duplicates"]
    assert isinstance(report, dict)
    assert (report["exact_pairs"], report["exact_items"], report["removed_training_rows"]) == (2, 1, 2)
    pair = {"item": "lens/a.png", "other": "shop/a.png", "distance": 0, "kind": "exact", "other_task": "shop"}
    assert report["pairs"] == [{**pair, "task": "lens"}, {**pair, "task": "browse"}]


def test_pair_within_a_task_names_the_task_once(tmp_path: Path, copies: dict[str, str]) -> None:
    report = assembled(tmp_path, copies).settings["duplicates"]
    assert isinstance(report, dict)
    assert {tuple(pair) for pair in report["pairs"]} == {("item", "other", "task", "distance", "kind")}


def test_copies_stay_in_training_on_demand_and_are_reported_all_the_same(
    tmp_path: Path, copies: dict[str, str]
) -> None:
    collection = assembled(tmp_path, copies, remove_duplicates=False)
    assert len(collection.training_rows("lens")) == 4
    report = collection.settings["duplicates"]
    assert isinstance(report, dict)
    assert (report["exact_pairs"], report["removed_training_rows"]) == (2, 0)


def test_numbers_fit_when_other_pictures_are_left_out(tmp_path: Path, copies: dict[str, str]) -> None:
    (tmp_path / "source" / "a-0.png").write_bytes(b"")
    collection = assembled(tmp_path, copies)
    trained = collection.items["image"].iloc[collection.training_rows("lens")["item"]]
    assert sorted(trained) == ["a-again.jpg"]
