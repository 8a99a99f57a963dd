"""The decor world: the same for a seed in any order and process, and its tables keep the contract."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tracemalloc

import numpy as np
import pandas as pd
import pytest

from unifiedlib.decor import CATEGORIES, STYLES, DecorSettings, World

SMALL = DecorSettings(
    n_train_products=150,
    n_test_products=144,
    flashlight_train_pins=150,
    lens_train_photos=40,
    lens_train_pins=20,
    shop_train_products=60,
    lens_test_photos=30,
    shop_test_boxes=31,
    shop_test_catalog=72,
)
ROLES = {"train", "query", "gallery", "query+gallery"}


@pytest.fixture(scope="module")
def world() -> World:
    return World(SMALL)


@pytest.fixture(scope="module")
def tables(world: World) -> tuple[pd.DataFrame, pd.DataFrame]:
    return world.tables()


def some_items(world: World, per_block: int = 2) -> list[int]:
    return [block.start + k for block in world.listing.blocks for k in range(per_block)]


def digest(world: World, items: list[int]) -> str:
    return hashlib.sha256(b"".join(world.draw(i, 48).tobytes() for i in items)).hexdigest()


def test_picture_is_rgb_of_the_size_asked_for(world: World) -> None:
    for i in some_items(world, 1):
        picture = world.draw(i, 40)
        assert picture.shape == (40, 40, 3)
        assert picture.dtype == np.uint8
        assert picture.std() > 3


def test_item_drawn_alone_equals_item_drawn_in_another_order(world: World) -> None:
    items = some_items(world)
    forward = {i: world.draw(i, 48) for i in items}
    other = World(SMALL)
    for i in reversed(items):
        np.testing.assert_array_equal(other.draw(i, 48), forward[i])


def test_another_process_draws_the_same(world: World) -> None:
    items = some_items(world, 1)
    script = (
        "import hashlib, cv2; cv2.setNumThreads(0)\n"
        "from unifiedlib.decor import DecorSettings, World\n"
        f"world = World({SMALL!r})\n"
        f"print(hashlib.sha256(b''.join(world.draw(i, 48).tobytes() for i in {items})).hexdigest())"
    )
    answer = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == digest(world, items)


def test_another_seed_draws_another_world(world: World) -> None:
    other = World(DecorSettings(**{**vars(SMALL), "seed": 1}))
    assert other.product(0) != world.product(0)
    assert not np.array_equal(other.draw(0, 48), world.draw(0, 48))


def test_tables_are_the_same_twice(tables: tuple[pd.DataFrame, pd.DataFrame]) -> None:
    again = World(SMALL).tables()
    pd.testing.assert_frame_equal(again[0], tables[0])
    pd.testing.assert_frame_equal(again[1], tables[1])


def test_items_have_the_columns_and_domains_of_the_contract(
    tables: tuple[pd.DataFrame, pd.DataFrame],
) -> None:
    items, labels = tables
    assert list(items.columns) == ["image", "box", "domain", "group"]
    assert list(labels.columns) == ["item", "task", "label_set", "label", "role"]
    assert set(items["domain"]) == {"pin", "camera", "scene", "catalog"}
    assert set(labels["role"]) == ROLES
    assert labels["item"].dtype == np.int64
    assert set(labels["item"]) == set(range(len(items)))


def test_only_scene_items_have_boxes_and_all_lie_inside(tables: tuple[pd.DataFrame, pd.DataFrame]) -> None:
    items, _ = tables
    in_scene = items["domain"] == "scene"
    assert items.loc[~in_scene, "box"].isna().all()
    boxes = np.array(items.loc[in_scene, "box"].tolist())
    assert boxes.shape == (in_scene.sum(), 4)
    assert boxes.min() >= 0
    assert boxes.max() <= 1
    assert ((boxes[:, 2:] - boxes[:, :2]) > 0.02).all()


def test_scene_items_share_pictures_and_others_do_not(tables: tuple[pd.DataFrame, pd.DataFrame]) -> None:
    items, _ = tables
    in_scene = items["domain"] == "scene"
    assert items.loc[~in_scene, "image"].is_unique
    assert items.loc[in_scene, "image"].value_counts().max() == SMALL.boxes_per_scene


def test_test_products_are_in_no_training_row(tables: tuple[pd.DataFrame, pd.DataFrame]) -> None:
    items, labels = tables
    group = labels["item"].map(items["group"])
    is_train = labels["role"] == "train"
    assert not set(group[is_train]) & set(group[~is_train])


def test_scene_shows_products_of_its_own_part_only(world: World) -> None:
    for scene in range(world.n_scenes):
        is_test, _ = world.listing.scene_targets(scene)
        numbers = [place.product.number for place in world._layout(scene).placements]
        assert all((number >= SMALL.n_train_products) == is_test for number in numbers)


def test_every_query_has_a_relevant_item_in_the_gallery(tables: tuple[pd.DataFrame, pd.DataFrame]) -> None:
    _, labels = tables
    test = labels[labels["role"] != "train"]
    for name, rows in test.groupby("task"):
        gallery = rows[rows["role"].str.contains("gallery")]
        for item, label in rows.loc[rows["role"].str.contains("query"), ["item", "label"]].itertuples(
            index=False
        ):
            matches = gallery.loc[gallery["label"] == label, "item"]
            assert (matches != item).any(), f"{name}: item {item} ({label}) has no match"


def test_evaluation_rows_use_the_tasks_label_set(
    world: World, tables: tuple[pd.DataFrame, pd.DataFrame]
) -> None:
    test = tables[1][tables[1]["role"] != "train"]
    for name, task in world.tasks.items():
        assert set(test.loc[test["task"] == name, "label_set"]) == {task["label_set"]}


def test_shop_the_look_trains_on_categories_and_products(tables: tuple[pd.DataFrame, pd.DataFrame]) -> None:
    rows = tables[1][(tables[1]["task"] == "shop_the_look") & (tables[1]["role"] == "train")]
    assert set(rows["label_set"]) == {"category", "product"}
    views = rows[rows["label_set"] == "product"].groupby("label").size()
    assert (views == 1 + SMALL.shop_boxes_per_product).all()


def test_default_world_has_at_least_21_test_pins_of_every_style() -> None:
    listing = World(DecorSettings()).listing
    block = next(block for block in listing.blocks if block.name == "test_pins")
    world = World(DecorSettings())
    styles = [world.style_of(listing.item(block.start + k).product) for k in range(block.count)]
    counts = np.bincount(styles, minlength=len(STYLES))
    assert counts.min() >= 21


def test_clicks_name_another_style_about_as_often_as_asked() -> None:
    settings = DecorSettings(flashlight_train_pins=4000, click_noise=0.2)
    world = World(settings)
    wrong = [world.clicked_style(i) != world.style_of(world.listing.item(i).product) for i in range(4000)]
    assert np.mean(wrong) == pytest.approx(0.2, abs=0.02)


def test_stray_clicks_land_on_similar_styles() -> None:
    world = World(DecorSettings(flashlight_train_pins=1500, click_noise=1.0))
    for i in range(1500):
        true = world.style_of(world.listing.item(i).product)
        (category, _), (other, _) = STYLES[true], STYLES[world.clicked_style(i)]
        assert CATEGORIES[category].kin == CATEGORIES[other].kin


def test_catalog_is_brighter_and_cleaner_than_camera(world: World) -> None:
    blocks = {block.name: block for block in world.listing.blocks}
    catalog = np.stack([world.draw(blocks["test_catalog"].start + k, 48) for k in range(24)])
    camera = np.stack([world.draw(blocks["test_photos"].start + k, 48) for k in range(24)])
    edges = [picture[:, [0, 1, -2, -1]].astype(float) for picture in (catalog, camera)]
    assert edges[0].mean() > edges[1].mean() + 40
    assert edges[0].std() < edges[1].std() / 2


def test_whole_scene_shows_what_its_items_crop(world: World) -> None:
    scene = world.draw_scene(0, 160)
    assert scene.shape == (120, 160, 3)
    assert len(world.scene_items(0)) == SMALL.boxes_per_scene


def test_world_of_a_million_products_is_small() -> None:
    tracemalloc.start()
    world = World(DecorSettings(n_train_products=1_000_000, n_test_products=1_000_000))
    world.product(1_999_999)
    world.draw(len(world) - 1, 32)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 20e6


def test_unknown_item_scene_and_product_are_named(world: World) -> None:
    with pytest.raises(IndexError, match=f"no item {len(world)}"):
        world.draw(len(world), 48)
    with pytest.raises(IndexError, match="no scene 99999"):
        world.draw_scene(99999, 100)
    with pytest.raises(IndexError, match="no product -1"):
        world.product(-1)


def test_tiny_picture_is_refused(world: World) -> None:
    with pytest.raises(ValueError, match="at least 8 pixels"):
        world.draw(0, 4)
