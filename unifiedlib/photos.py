"""The collection `photos`: real photographs of garments and groceries, as three visual search tasks.

Sources, at pinned commits (see `unifiedlib.sources`): the Clothing Dataset (CC0) and the Grocery Store Dataset
(Klasson et al., WACV 2019; MIT), each in its public folder layout.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from unifiedlib.contract import TaskSpec
from unifiedlib.files import inside

NOT_CATEGORIES = ("Not sure", "Skip", "Other")
SPLITS = ("person", "random")
# Share of the listed pictures; more, and the copy broke off. The same as `unifiedlib.loaders` allow a benchmark.
MISSING_ALLOWED = 0.01
REMEDY = "run `make photos`, or `make photos PHOTOS=FOLDER` with a folder that holds clothing/ and grocery/"
TASKS = {
    "flashlight": TaskSpec(k=20, label_set="category", leave_out_group=True),
    "lens": TaskSpec(k=1, label_set="product"),
    "shop_the_look": TaskSpec(k=1, label_set="product"),
}


@dataclass(frozen=True)
class Source:
    """A public data set at one commit. folder: its name below `data/sources/<collection>`; needs: a file that it must hold."""

    name: str
    folder: str
    url: str
    commit: str
    licence: str
    needs: str


SOURCES = (
    Source(
        "Clothing Dataset",
        "clothing",
        "https://github.com/alexeygrigorev/clothing-dataset",
        "7ed86a9cc56763b6acb35e41cb35184e43a5d218",
        "CC0 1.0",
        "images.csv",
    ),
    Source(
        "Grocery Store Dataset",
        "grocery",
        "https://github.com/marcusklasson/GroceryStoreDataset",
        "fc80ba90f803d79d0383df52c5a4ac5de99ff6fc",
        "MIT",
        "dataset/classes.csv",
    ),
)


@dataclass(frozen=True)
class PhotoSettings:
    """What `assemble` needs to know for `photos`.

    source: folder that holds `clothing/` and `grocery/`.
    garment_split: `person`: nobody who took a training picture took a test picture; `random`: pictures dealt at random,
        as many published figures do.
    garment_test_share: share of garment pictures in the test set, 0..1.
    seed: deals people (or pictures) into training and test.
    """

    source: Path
    garment_split: str = "person"
    garment_test_share: float = 0.3
    seed: int = 0

    def __post_init__(self) -> None:
        if self.garment_split not in SPLITS:
            raise ValueError(f"garment_split is {self.garment_split!r}; choose one of {', '.join(SPLITS)}")
        if not 0 < self.garment_test_share < 1:
            raise ValueError(f"garment_test_share is {self.garment_test_share}; it must lie between 0 and 1")


def _require(path: Path) -> Path:
    if not path.exists():
        raise FileNotFoundError(f"the photos are not complete: {path} is missing; {REMEDY}")
    return path


def _require_pictures(source: Path, images: pd.Series) -> None:
    """Refuse a copy that broke off. A few missing pictures are left to assembly, which leaves them out and lists them."""
    missing = [image for image in images if not (source / image).is_file()]
    if len(missing) > MISSING_ALLOWED * len(images):
        raise FileNotFoundError(
            f"the photos are not complete: {len(missing):,} of the {len(images):,} listed pictures are missing in {source}, "
            f"first {missing[0]}; {REMEDY}"
        )


def _test_people(people: pd.Series, share: float, generator: np.random.Generator) -> set[str]:
    """People drawn at random until they hold `share` of the pictures."""
    counts = people.value_counts(sort=False).sort_index()
    order = generator.permutation(len(counts))
    before = np.concatenate([[0], np.cumsum(counts.to_numpy()[order])[:-1]])
    return set(counts.index[order[before + counts.to_numpy()[order] / 2 < share * len(people)]])


def _garments(settings: PhotoSettings) -> tuple[pd.DataFrame, pd.DataFrame]:
    folder = settings.source / "clothing"
    table = pd.read_csv(_require(folder / "images.csv"), dtype=str)
    table = table[~table["label"].isin(NOT_CATEGORIES)].sort_values("image").reset_index(drop=True)
    names = [inside(folder, f"images/{image}.jpg", f"row {row}") for row, image in enumerate(table["image"])]
    table["image"] = [f"clothing/{name}" for name in names]
    generator = np.random.default_rng(settings.seed)
    if settings.garment_split == "person":
        is_test = table["sender_id"].isin(
            _test_people(table["sender_id"], settings.garment_test_share, generator)
        )
        group = "person-" + table["sender_id"]
    else:
        is_test = pd.Series(generator.random(len(table)) < settings.garment_test_share)
        group = table["image"]
    items = pd.DataFrame({"image": table["image"], "box": None, "domain": "pin", "group": group})
    role = np.where(is_test, "query+gallery", "train")
    numbered = table.assign(item=range(len(items)), category=table["label"])
    labels = _rows(numbered, "flashlight", "category", role)
    return items, labels


def _grocery_items(settings: PhotoSettings) -> pd.DataFrame:
    """Columns image, domain, group, part (train, test or catalog), product, category, packaged."""
    folder = _require(settings.source / "grocery" / "dataset")
    classes = pd.read_csv(_require(folder / "classes.csv"))
    classes.columns = pd.Index(["product", "product_id", "category", "category_id", "picture", "description"])
    classes["packaged"] = classes["picture"].str.contains("/Packages/", regex=False)
    catalog = classes.assign(image=classes["picture"], domain="catalog", part="catalog")
    photos = []
    for name, part in (("train", "train"), ("val", "train"), ("test", "test")):
        columns = ["image", "product_id", "category_id"]
        listed = pd.read_csv(
            _require(folder / f"{name}.txt"), header=None, names=columns, skipinitialspace=True
        )
        photos.append(listed[["image", "product_id"]].assign(domain="camera", part=part))
    phone = pd.concat(photos).merge(
        classes.drop(columns="picture"), on="product_id", how="left", validate="many_to_one"
    )
    table = pd.concat([catalog, phone], ignore_index=True)
    table["image"] = [
        f"grocery/dataset/{inside(folder, image, f'row {row}')}" for row, image in enumerate(table["image"])
    ]
    table["group"] = table["image"]
    return table


def _grocery_labels(table: pd.DataFrame, first_item: int) -> pd.DataFrame:
    """Produce is `lens`, packaged goods are `shop_the_look`; both galleries hold every catalogue picture."""
    table = table.assign(item=np.arange(len(table)) + first_item)
    rows = []
    for task, chosen in (("lens", table[~table["packaged"]]), ("shop_the_look", table[table["packaged"]])):
        trained, tested = chosen[chosen["part"] != "test"], chosen[chosen["part"] == "test"]
        catalog = table[table["part"] == "catalog"]
        for part, role in ((trained, "train"), (tested, "query"), (catalog, "gallery")):
            rows.append(_rows(part, task, "product", role))
        if task == "shop_the_look":
            rows.append(_rows(trained, task, "category", "train"))
    return pd.concat(rows, ignore_index=True)


def _rows(table: pd.DataFrame, task: str, label_set: str, role: str | np.ndarray) -> pd.DataFrame:
    label = table[label_set]
    return pd.DataFrame(
        {"item": table["item"], "task": task, "label_set": label_set, "label": label, "role": role}
    )


def photo_tables(settings: PhotoSettings) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Items and labels of `photos`, in the form of the data contract; `image` is relative to `settings.source`.

    A listed picture is dealt into training or test whether its file is there or not, so that the split does not depend on it.
    Raises FileNotFoundError with the remedy when a folder or list is missing, or more than `MISSING_ALLOWED` of the listed
    pictures are, ValueError when a list leads outside its folder.
    """
    _require(settings.source)
    garments, garment_labels = _garments(settings)
    grocery = _grocery_items(settings)
    columns = ["image", "domain", "group"]
    items = pd.concat([garments, grocery[columns].assign(box=None)], ignore_index=True)
    _require_pictures(settings.source, items["image"])
    labels = pd.concat([garment_labels, _grocery_labels(grocery, len(garments))], ignore_index=True)
    return items[["image", "box", "domain", "group"]], labels
