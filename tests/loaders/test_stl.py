from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from stl_world import BOXES, looks, signature, write_pairs, write_world

from unifiedlib.assembly import assemble_pictures
from unifiedlib.contract import Collection
from unifiedlib.loaders.stl import CROSSING, FEW, SHARED, UNFETCHED, StlSettings, stl_counts, stl_tables
from unifiedlib.loaders.stl_pairs import DEGENERATE, DUPLICATE, PairsError
from unifiedlib.loaders.tables import PictureTables


@pytest.fixture
def source(tmp_path: Path) -> Path:
    write_world(tmp_path / "stl", looks(12))
    return tmp_path / "stl"


def assembled(source: Path, **changes: object) -> Collection:
    tables = stl_tables(replace(StlSettings(source), **changes))  # type: ignore[arg-type]
    return assemble_pictures(
        source.parent / "data",
        "stl",
        tables.source,
        tables.items,
        tables.labels,
        tables.tasks,
        16,
        tables.sources,
        {},
    )


def names(tables: PictureTables, role: str, domain: str) -> set[str]:
    """Signatures of the pictures of one domain that stand in one role."""
    rows = tables.labels[tables.labels["role"] == role]
    items = tables.items.loc[rows["item"].unique()]
    return {Path(image).stem for image in items.loc[items["domain"] == domain, "image"]}


def sides(tables: PictureTables) -> tuple[set[str], set[str]]:
    """Every picture of a training row, and every one of a test row."""
    test_rows = tables.labels["role"] != "train"
    images = tables.labels["item"].map(tables.items["image"])
    return set(images[~test_rows]), set(images[test_rows])


def test_boxes_are_queries_and_test_products_the_gallery(source: Path) -> None:
    stl = assembled(source)
    assert set(stl.items["domain"].iloc[stl.queries("shop_the_look")]) == {"scene"}
    assert set(stl.items["domain"].iloc[stl.gallery("shop_the_look")]) == {"catalog"}
    n_looks = len(stl.gallery("shop_the_look")) // 3
    assert n_looks in (2, 3)
    assert len(stl.queries("shop_the_look")) == 5 * n_looks
    assert stl.items["box"].iloc[stl.gallery("shop_the_look")].isna().all()
    relevant = stl.eval_labels("shop_the_look")
    assert set(relevant[stl.queries("shop_the_look")]) == set(relevant[stl.gallery("shop_the_look")])


def test_training_rows_carry_product_and_category(source: Path) -> None:
    rows = assembled(source).training_rows("shop_the_look")
    by_set = rows.groupby("label_set")["item"].count()
    assert by_set["product"] == by_set["category"]
    assert set(rows.loc[rows["label_set"] == "category", "label"]) == {
        "Furniture|Chairs",
        "Furniture|Chairs|Table & Bar Stools",
        "Home & Garden|Decor|Rugs",
    }
    assert set(rows.loc[rows["label_set"] == "product", "label"].str.len()) == {32}


def test_item_is_the_box_of_its_line(source: Path) -> None:
    stl = assembled(source)
    items = stl.items[stl.items["image"].str.contains(signature("scene-3-0"))]
    assert sorted(list(box) for box in items["box"]) == sorted(BOXES)
    label = stl.labels[stl.labels["label_set"] == "product"].set_index("item")["label"]
    for item, box in items["box"].items():
        assert label[item] == signature(f"product-3-{BOXES.index(list(box))}")


def test_no_picture_stands_on_both_sides(source: Path) -> None:
    train, test = sides(stl_tables(StlSettings(source)))
    assert train.isdisjoint(test)
    assert len(train) + len(test) == 12 * 5


def test_component_that_is_too_large_is_cut_and_still_nothing_crosses(tmp_path: Path) -> None:
    chain = [
        (f"scene-{n}", f"product-{product % 30}", BOXES[place])
        for n in range(30)
        for place, product in enumerate((n, n + 1, 7 * n))
    ]
    write_world(tmp_path / "stl", chain)
    settings = StlSettings(tmp_path / "stl", test_share=0.4)
    train, test = sides(stl_tables(settings))
    assert train.isdisjoint(test)
    counts = stl_counts(settings)
    assert counts[CROSSING] > 0
    assert counts["scene train"] + counts["scene query"] + counts[CROSSING] + counts.get(DUPLICATE, 0) == 90
    assert len(assembled(tmp_path / "stl", test_share=0.4).queries("shop_the_look")) == counts["scene query"]


def shared_world(source: Path) -> None:
    """In every look one more product is offered for the box of product 2."""
    more = [(f"scene-{look}-0", f"product-{look}-5", BOXES[2]) for look in range(12)]
    write_world(source, looks(12) + more)


def test_box_that_is_offered_several_products_is_left_out(source: Path) -> None:
    shared_world(source)
    tables = stl_tables(StlSettings(source))
    assert stl_counts(StlSettings(source))[SHARED] == 24
    boxes = tables.items[tables.items["domain"] == "scene"]
    assert not any(list(box) == BOXES[2] for box in boxes["box"])
    test_products = {Path(image).stem for image in sides(tables)[1]} & {
        signature(f"product-{n}-5") for n in range(12)
    }
    assert test_products <= names(tables, "gallery", "catalog")
    assert len(test_products) in (2, 3)


def test_products_of_one_box_can_be_merged_into_one_label(source: Path) -> None:
    shared_world(source)
    stl = assembled(source, shared_boxes="merge")
    assert len(stl.items) == 12 * (5 + 4)
    relevant = stl.eval_labels("shop_the_look")
    gallery = relevant[stl.gallery("shop_the_look")].value_counts()
    assert sorted(gallery.unique()) == [1, 2]
    queries = set(relevant[stl.queries("shop_the_look")])
    assert queries == set(gallery.index)
    pair = {signature("product-3-2"), signature("product-3-5")}
    labels = stl.labels[stl.labels["label_set"] == "product"].set_index("item")["label"]
    items = stl.items[stl.items["image"].map(lambda image: Path(image).stem in pair)]
    assert {labels[item] for item in items.index} == {min(pair)}


def test_picture_that_was_not_fetched_takes_its_boxes_along(tmp_path: Path) -> None:
    write_world(tmp_path / "stl", looks(12), without=["scene-1-0", "product-2-0"])
    whole_world = tmp_path / "whole"
    write_world(whole_world, looks(12))
    counts = stl_counts(StlSettings(tmp_path / "stl"))
    assert counts[UNFETCHED] == 3 + 2
    before, after = (sides(stl_tables(StlSettings(folder))) for folder in (whole_world, tmp_path / "stl"))
    assert after[0] < before[0] or after[1] < before[1]
    assert after[0] <= before[0]
    assert after[1] <= before[1]


def test_picture_whose_file_is_gone_counts_as_not_fetched(source: Path) -> None:
    gone = next(source.rglob(f"{signature('scene-1-0')}.jpg"))
    gone.unlink()
    assert stl_counts(StlSettings(source))[UNFETCHED] == 3


def test_product_with_too_few_boxes_only_stands_in_the_gallery(source: Path) -> None:
    settings = StlSettings(source, min_boxes=2)
    tables = stl_tables(settings)
    assert stl_counts(settings)[FEW] == 12
    single = {signature(f"product-{look}-2") for look in range(12)}
    assert not single & names(tables, "train", "catalog")
    assert len(single & names(tables, "gallery", "catalog")) in (2, 3)
    labels = tables.labels[tables.labels["item"].map(tables.items["domain"]) == "scene"]
    assert not single & set(labels["label"])


def test_product_without_category_is_trained_by_product_alone(source: Path) -> None:
    (source / "home-cat.json").write_text("{}")
    tables = stl_tables(StlSettings(source))
    assert set(tables.labels["label_set"]) == {"product"}
    assert len(assembled(source).training_rows("shop_the_look")) > 0


def test_left_out_lines_are_counted_in_the_collection(source: Path) -> None:
    bad = [("scene-0-0", "product-0-0", [0.2, 0.2, 0.2, 0.9]), ("scene-0-0", "product-0-0", BOXES[0])]
    write_pairs(source, looks(12) + bad)
    counts = stl_counts(StlSettings(source))
    assert counts["pairs"] == 62
    assert (counts[DEGENERATE], counts[DUPLICATE]) == (1, 1)
    assert f"{DEGENERATE}: 1" in assembled(source).sources[0]["counts"]


def test_same_seed_gives_the_same_tables_and_another_others(source: Path) -> None:
    first, again, other = (stl_tables(StlSettings(source, seed=seed)) for seed in (1, 1, 4))
    assert first.items.equals(again.items)
    assert first.labels.equals(again.labels)
    assert sides(first)[1] != sides(other)[1]


def test_source_is_told_by_the_hash_of_its_list(source: Path) -> None:
    before = stl_tables(StlSettings(source)).sources[0]
    write_pairs(source, looks(11))
    after = stl_tables(StlSettings(source)).sources[0]
    assert before["commit"] != after["commit"]
    assert before["licence"].startswith("none stated")


def test_without_fetched_pictures_the_error_counts_and_says_what_to_do(tmp_path: Path) -> None:
    write_world(tmp_path, looks(12))
    (tmp_path / "pictures.parquet").unlink()
    with pytest.raises(
        ValueError, match=rf"no home box is left for train rows; pairs: 60, {UNFETCHED}: 60; fetch"
    ):
        stl_tables(StlSettings(tmp_path))


def test_broken_line_or_missing_file_is_named(source: Path) -> None:
    path = source / "home.json"
    path.write_text(path.read_text() + "no JSON\n")
    with pytest.raises(PairsError, match=r"home\.json line 61 is no JSON"):
        stl_tables(StlSettings(source))
    with pytest.raises(FileNotFoundError, match=r"fashion-cat\.json is missing"):
        stl_tables(StlSettings(source, part="fashion"))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"part": "garden"}, "part is 'garden'; choose one of home, fashion"),
        ({"shared_boxes": "keep"}, "shared_boxes is 'keep'; choose one of leave_out, merge"),
        ({"test_share": 0.0}, r"test_share is 0.0; it must lie between 0 and 1"),
        ({"min_boxes": 0}, "min_boxes is 0; it must be at least 1"),
    ],
)
def test_settings_out_of_range_are_refused(change: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        StlSettings(Path("stl"), **change)  # type: ignore[arg-type]
