from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from unifiedlib.assembly import assemble_photos
from unifiedlib.contract import Collection
from unifiedlib.photos import PhotoSettings, photo_tables

GARMENTS = ("Hat", "Pants", "Shoes", "Skip")
PRODUCE = (("Apple", "Royal-Gala"), ("Banana", "Banana"))
# Pictures that the fixture lists: 60 garments that have a category, and 8 of each of 5 products.
N_LISTED = 100
PACKAGES = (("Milk", "Oatly-Milk"), ("Milk", "Arla-Milk"), ("Juice", "Bravo-Juice"))


def save(path: Path, seed: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    colour = np.random.default_rng(seed).integers(0, 255, 3)
    Image.fromarray(np.broadcast_to(colour.astype(np.uint8), (40, 30, 3)).copy()).save(path)


def write_garments(folder: Path) -> None:
    lines = ["image,sender_id,label,kids"]
    for number in range(80):
        name = f"garment-{number:02d}"
        lines.append(f"{name},{number // 5},{GARMENTS[number % 4]},False")
        save(folder / "images" / f"{name}.jpg", number)
    (folder / "images.csv").write_text("\n".join(lines) + "\n")


def write_groceries(folder: Path) -> None:
    kinds = [("Fruit", *pair) for pair in PRODUCE] + [("Packages", *pair) for pair in PACKAGES]
    coarse = sorted({category for _, category, _ in kinds})
    lines = [
        "Class Name (str),Class ID (int),Coarse Class Name (str),Coarse Class ID (int),Iconic Image Path (str),Description"
    ]
    lists: dict[str, list[str]] = {"train": [], "val": [], "test": []}
    for number, (part, category, product) in enumerate(kinds):
        picture = f"iconic-images-and-descriptions/{part}/{category}/{product}/{product}_Iconic.jpg"
        lines.append(f"{product},{number},{category},{coarse.index(category)},/{picture},/none.txt")
        save(folder / picture, 1000 + number)
        for name, count in (("train", 4), ("val", 1), ("test", 2)):
            for place in range(count):
                photo = f"{name}/{part}/{category}/{product}/{product}_{place:03d}.jpg"
                save(folder / photo, 100 * number + place)
                lists[name].append(f"{photo}, {number}, {coarse.index(category)}")
    (folder / "classes.csv").write_text("\n".join(lines) + "\n")
    for name, rows in lists.items():
        (folder / f"{name}.txt").write_text("\n".join(rows) + "\n")


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A small copy of both data sets in exactly their public folder layout."""
    write_garments(tmp_path / "photos" / "clothing")
    write_groceries(tmp_path / "photos" / "grocery" / "dataset")
    return tmp_path / "photos"


def assembled(source: Path, **changes: object) -> Collection:
    settings = replace(PhotoSettings(source), **changes)  # type: ignore[arg-type]
    return assemble_photos(source.parent / "data", settings, 24)


def test_tasks_hold_the_pictures_that_the_design_gives_them(source: Path) -> None:
    photos = assembled(source)
    lens, shop = (
        photos.labels[photos.labels["task"] == "lens"],
        photos.labels[photos.labels["task"] == "shop_the_look"],
    )
    assert set(photos.items["domain"].iloc[photos.queries("lens")]) == {"camera"}
    assert len(photos.queries("lens")) == 2 * len(PRODUCE)
    assert len(photos.queries("shop_the_look")) == 2 * len(PACKAGES)
    assert set(lens.loc[lens["role"] == "query", "label"]) == {product for _, product in PRODUCE}
    assert set(shop["label_set"]) == {"category", "product"}
    assert set(photos.gallery("flashlight")) == set(photos.queries("flashlight"))


def test_both_grocery_galleries_hold_every_catalogue_picture(source: Path) -> None:
    photos = assembled(source)
    assert len(photos.gallery("lens")) == len(PRODUCE) + len(PACKAGES)
    assert (photos.gallery("lens") == photos.gallery("shop_the_look")).all()
    assert set(photos.items["domain"].iloc[photos.gallery("lens")]) == {"catalog"}


def test_people_in_test_are_never_trained_on(source: Path) -> None:
    photos = assembled(source)
    rows = photos.labels[photos.labels["task"] == "flashlight"]
    people = photos.items["group"].iloc[rows["item"]].to_numpy()
    is_train = (rows["role"] == "train").to_numpy()
    assert set(people[is_train]).isdisjoint(people[~is_train])
    assert 0.15 < (~is_train).mean() < 0.45
    assert photos.tasks["flashlight"].leave_out_group


def test_random_split_crosses_people_and_says_so_in_the_settings(source: Path) -> None:
    photos = assembled(source, garment_split="random")
    assert photos.settings["garment_split"] == "random"
    items, labels = photo_tables(PhotoSettings(source, garment_split="random"))
    assert items["group"].iloc[labels.loc[labels["task"] == "flashlight", "item"]].is_unique


def test_rows_that_are_no_category_are_not_items(source: Path) -> None:
    items, labels = photo_tables(PhotoSettings(source))
    assert set(labels.loc[labels["task"] == "flashlight", "label"]) == {"Hat", "Pants", "Shoes"}
    assert len(items) == N_LISTED


@pytest.mark.parametrize("split", ["person", "random"])
def test_missing_picture_is_left_out_and_listed_and_moves_no_other_into_test(
    source: Path, split: str
) -> None:
    whole = assembled(source, garment_split=split)
    (source / "clothing" / "images" / "garment-04.jpg").unlink()
    photos = assembled(source, garment_split=split)
    assert photos.left_out == [
        {
            "image": "clothing/images/garment-04.jpg",
            "reason": "clothing/images/garment-04.jpg: no such picture",
        }
    ]
    for task in photos.tasks:
        images = [set(one.items["image"].iloc[one.queries(task)]) for one in (whole, photos)]
        assert images[0] - images[1] <= {"clothing/images/garment-04.jpg"}
        assert images[1] <= images[0]


@pytest.mark.parametrize("folder", ["clothing/images", "grocery/dataset/test"])
def test_copy_that_broke_off_is_refused(source: Path, folder: str) -> None:
    # Two of the hundred listed pictures; rows called Skip are not listed.
    missing = [path for path in sorted((source / folder).rglob("*.jpg")) if path.stem != "garment-03"][2:4]
    for path in missing:
        path.unlink()
    first = missing[0].relative_to(source)
    with pytest.raises(
        FileNotFoundError,
        match=rf"2 of the 100 listed pictures are missing in .*, first {first}; run `make photos`",
    ):
        photo_tables(PhotoSettings(source))


def test_same_seed_deals_the_same_people_and_another_others(source: Path) -> None:
    roles = [photo_tables(PhotoSettings(source, seed=seed))[1]["role"].tolist() for seed in (0, 0, 5)]
    assert roles[0] == roles[1] != roles[2]


def test_corrupt_picture_is_left_out_counted_and_listed(source: Path) -> None:
    whole = assembled(source)
    broken = source / "clothing" / "images" / "garment-04.jpg"
    broken.write_bytes(broken.read_bytes()[:200])
    photos = assembled(source)
    assert len(photos.items) == len(whole.items) - 1
    assert [entry["image"] for entry in photos.left_out] == ["clothing/images/garment-04.jpg"]
    assert "corrupt or truncated" in photos.left_out[0]["reason"]
    assert str(source) not in photos.left_out[0]["reason"]
    assert "clothing/images/garment-04.jpg" not in set(photos.items["image"])


def test_pictures_follow_their_rows_when_others_are_left_out(source: Path) -> None:
    (source / "clothing" / "images" / "garment-00.jpg").write_text("no picture")
    photos = assembled(source)
    item = int(photos.items.index[photos.items["image"] == "clothing/images/garment-05.jpg"][0])
    colour = np.random.default_rng(5).integers(0, 255, 3)
    assert np.abs(photos.pixels[item, 12, 12].astype(int) - colour).max() < 6


def test_missing_folder_or_list_names_the_remedy(source: Path, tmp_path: Path) -> None:
    with pytest.raises(
        FileNotFoundError, match=r"nowhere is missing; run `make photos`, or `make photos PHOTOS=FOLDER`"
    ):
        photo_tables(PhotoSettings(tmp_path / "nowhere"))
    (source / "grocery" / "dataset" / "val.txt").unlink()
    with pytest.raises(FileNotFoundError, match=r"val\.txt is missing"):
        photo_tables(PhotoSettings(source))


def test_list_that_leads_outside_its_folder_is_refused(source: Path) -> None:
    path = source / "grocery" / "dataset" / "train.txt"
    path.write_text(path.read_text() + "../../../../etc/passwd.jpg, 0, 0\n")
    with pytest.raises(
        ValueError, match=r"row \d+ names '../../../../etc/passwd.jpg', which leads outside the folder"
    ):
        photo_tables(PhotoSettings(source))
    table = source / "clothing" / "images.csv"
    table.write_text(table.read_text() + "../../secret,3,Hat,False\n")
    with pytest.raises(ValueError, match="leads outside the folder"):
        photo_tables(PhotoSettings(source))


def test_folder_without_one_readable_picture_is_an_error(source: Path) -> None:
    for path in source.rglob("*.jpg"):
        path.write_bytes(b"")
    with pytest.raises(ValueError, match=r"none of the \d+ pictures in .* can be read; the first"):
        assembled(source)
    assert not (source.parent / "data").exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"garment_split": "people"}, "garment_split is 'people'; choose one of person, random"),
        ({"garment_test_share": 1.0}, r"garment_test_share is 1.0; it must lie between 0 and 1"),
    ],
)
def test_settings_out_of_range_are_refused(change: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        PhotoSettings(Path("photos"), **change)  # type: ignore[arg-type]


def test_tables_hold_no_missing_values(source: Path) -> None:
    items, labels = photo_tables(PhotoSettings(source))
    assert not items.drop(columns="box").isna().any(axis=None)
    assert not labels.isna().any(axis=None)
    assert isinstance(labels, pd.DataFrame)
