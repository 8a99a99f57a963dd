"""Pinterest's public Shop-the-Look pairs as the task `shop_the_look`: a box in a scene finds the product's own picture.

Source: Kang et al., "Complete the Look: Scene-based Complementary Product Recommendation", CVPR 2019;
https://github.com/kang205/STL-Dataset. The pictures are fetched by `unifiedlib.loaders.stl_pictures`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from unifiedlib.contract import TaskSpec
from unifiedlib.files import sha256
from unifiedlib.loaders.stl_fetched import fetched_files
from unifiedlib.loaders.stl_pairs import CORNERS, PARTS, part_file, read_categories, read_pairs
from unifiedlib.loaders.stl_split import components, split_pairs
from unifiedlib.loaders.tables import PictureTables

TASK = "shop_the_look"
TASKS = {TASK: TaskSpec(k=1, label_set="product")}
SHARED_BOXES = ("leave_out", "merge")
BOX = ["scene", *CORNERS]

SHARED = "box is offered several products"
CROSSING = "box links a training scene with a test product, or the reverse"
UNFETCHED = "picture of the scene or of the product was not fetched"
FEW = "product has too few boxes"


@dataclass(frozen=True)
class StlSettings:
    """What the loader needs to know.

    source: folder with `<part>.json`, `<part>-cat.json` and the fetched pictures. part: `home` or `fashion`.
    test_share: share of the boxes dealt into test, 0..1; seed: deals them.
    min_boxes: boxes that a product needs to be trained on, or to be looked for; others only stand in the gallery.
    shared_boxes: what becomes of a box that is offered several products, all of which may be right: `leave_out` the box,
        or `merge` those products into one label.
    """

    source: Path
    part: str = "home"
    test_share: float = 0.2
    min_boxes: int = 1
    shared_boxes: str = "leave_out"
    seed: int = 0

    def __post_init__(self) -> None:
        for name, choices in (("part", PARTS), ("shared_boxes", SHARED_BOXES)):
            if getattr(self, name) not in choices:
                raise ValueError(f"{name} is {getattr(self, name)!r}; choose one of {', '.join(choices)}")
        if not 0 < self.test_share < 1:
            raise ValueError(f"test_share is {self.test_share}; it must lie between 0 and 1")
        if self.min_boxes < 1:
            raise ValueError(f"min_boxes is {self.min_boxes}; it must be at least 1")


def _mark(pairs: pd.DataFrame, rows: pd.Series, fault: str) -> None:
    pairs.loc[(pairs["fault"] == "") & rows, "fault"] = fault


def _usable(pairs: pd.DataFrame) -> pd.DataFrame:
    return pairs[pairs["fault"] == ""]


def _label_products(pairs: pd.DataFrame, settings: StlSettings) -> pd.DataFrame:
    """Pairs with the column label: the product, or the smallest of those that share boxes with it."""
    usable = _usable(pairs)
    shared = usable.index[usable.groupby(BOX)["product"].transform("nunique") > 1]
    if settings.shared_boxes == "leave_out":
        _mark(pairs, pairs.index.isin(shared), SHARED)
    _mark(pairs, pairs["scene_in_test"] != pairs["product_in_test"], CROSSING)
    label = pairs["product"]
    if settings.shared_boxes == "merge":
        usable = _usable(pairs)
        first = usable.groupby(BOX)["product"].transform("first")
        label = label.map(components(first, usable["product"])).fillna(label)
    return pairs.assign(label=label)


def _judge(settings: StlSettings, files: dict[str, str]) -> pd.DataFrame:
    """Every line's pair with its group, part, label, and why it is left out (`fault`, empty when it is used)."""
    pairs = read_pairs(settings.source, settings.part)
    pairs = pairs.join(split_pairs(pairs, settings.test_share, settings.seed))
    pairs = _label_products(pairs, settings)
    _mark(pairs, ~(pairs["scene"].isin(files) & pairs["product"].isin(files)), UNFETCHED)
    boxes = _usable(pairs).drop_duplicates([*BOX, "label"])["label"].value_counts()
    _mark(pairs, pairs["label"].map(boxes).fillna(0) < settings.min_boxes, FEW)
    return pairs


def _scene_boxes(pairs: pd.DataFrame, files: dict[str, str]) -> pd.DataFrame:
    table = _usable(pairs).drop_duplicates(BOX)
    return pd.DataFrame(
        {
            "image": table["scene"].map(files),
            "box": table[CORNERS].to_numpy().tolist(),
            "domain": "scene",
            "group": _group(table, "scene_in_test"),
            "product": table["product"],
            "label": table["label"],
            "role": np.where(table["scene_in_test"], "query", "train"),
        }
    )


def _products(pairs: pd.DataFrame, files: dict[str, str]) -> pd.DataFrame:
    """Pictures of the products trained on, and of every product in test."""
    trained = set(_usable(pairs)["product"])
    table = pairs.drop_duplicates("product")
    table = table[table["product"].isin(files) & (table["product_in_test"] | table["product"].isin(trained))]
    return pd.DataFrame(
        {
            "image": table["product"].map(files),
            "box": None,
            "domain": "catalog",
            "group": _group(table, "product_in_test"),
            "product": table["product"],
            "label": table["label"],
            "role": np.where(table["product_in_test"], "gallery", "train"),
        }
    )


def _group(table: pd.DataFrame, in_test: str) -> pd.Series:
    side = np.where(table[in_test], "-test", "-train")
    return table["group"] + np.where(table["cut"], side, "")


def _rows(table: pd.DataFrame, label_set: str, column: str) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "item": table.index,
            "task": TASK,
            "label_set": label_set,
            "label": table[column],
            "role": table["role"],
        }
    )


def _counts(pairs: pd.DataFrame, table: pd.DataFrame) -> dict[str, int]:
    kinds = (table["domain"] + " " + table["role"]).value_counts()
    left_out = pairs.loc[pairs["fault"] != "", "fault"].value_counts()
    return {"pairs": len(pairs)} | {str(key): int(n) for key, n in [*kinds.items(), *left_out.items()]}


def _items(settings: StlSettings) -> tuple[pd.DataFrame, dict[str, int]]:
    files = fetched_files(settings.source)
    pairs = _judge(settings, files)
    table = pd.concat([_scene_boxes(pairs, files), _products(pairs, files)], ignore_index=True)
    counts = _counts(pairs, table)
    for kind, remedy in (("scene train", "lower"), ("scene query", "raise")):
        if not counts.get(kind):
            raise ValueError(
                f"{settings.source}: no {settings.part} box is left for {kind.removeprefix('scene ')} rows; "
                f"{_text(counts)}; fetch more pictures, or {remedy} test_share, now {settings.test_share}"
            )
    return table, counts


def _text(counts: dict[str, int]) -> str:
    return ", ".join(f"{kind}: {n:,}" for kind, n in counts.items())


def stl_counts(settings: StlSettings) -> dict[str, int]:
    """How many pairs the file holds, how many items come of them by domain and role, and how many pairs are left out by reason.

    Raises as `stl_tables` does.
    """
    return _items(settings)[1]


def stl_tables(settings: StlSettings) -> PictureTables:
    """Boxes of scenes and pictures of products, with their labels, in the form of the data contract.

    Scenes and products that are linked stay on one side of the split, which does not depend on what was fetched. Label sets:
    `product`, and for training `category`, the whole text of the category file, such as `Furniture|Chairs`; products
    without one have no such row. Test boxes are queries, and every test product that was fetched is in the gallery.
    Raises PairsError for a broken file, FileNotFoundError for a missing one, ValueError when training or test is empty.
    """
    categories = read_categories(settings.source, settings.part)
    table, counts = _items(settings)
    table["category"] = table["product"].map(categories)
    known = table[(table["role"] == "train") & table["category"].notna()]
    labels = pd.concat(
        [_rows(table, "product", "label"), _rows(known, "category", "category")], ignore_index=True
    )
    source = {
        "name": f"Pinterest Shop the Look, {settings.part}",
        "url": "https://github.com/kang205/STL-Dataset",
        "commit": f"SHA-256 of {settings.part}.json {sha256(part_file(settings.source, settings.part))}",
        "licence": "none stated; the pictures are their owners'",
        "counts": _text(counts),
    }
    items = table[["image", "box", "domain", "group"]]
    return PictureTables(settings.source, items, labels, dict(TASKS), [source])
