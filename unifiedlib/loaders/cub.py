"""CUB-200-2011: birds of 200 species, as metric learning uses it: the first 100 train, the others are searched.

Wah et al., The Caltech-UCSD Birds-200-2011 Dataset, 2011; the split is that of Song et al., CVPR 2016. Pictures are taken whole:
results with the birds' boxes cut out are not comparable.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from unifiedlib.loaders.official import Benchmark, official_root
from unifiedlib.loaders.official_lists import read_rows, refuse_first, whole_numbers
from unifiedlib.loaders.official_tables import picture_tables
from unifiedlib.loaders.tables import PictureTables

N_CLASSES = 200
N_TRAINED = 100
CUB = Benchmark(
    task="cub",
    title="CUB-200-2011",
    label_set="category",
    domain="pin",
    url="https://data.caltech.edu/records/65de6-vp158",
    licence="see its page; the photographers hold the rights",
    archive="CUB_200_2011.tgz",
    tops=("CUB_200_2011", ""),
    holds=("images.txt", "image_class_labels.txt", "classes.txt", "images"),
    lists=(),
    published={
        "training pictures": 5864,
        "queries": 5924,
        "gallery pictures": 5924,
        "training classes": 100,
        "test classes": 100,
    },
    md5={"CUB_200_2011.tgz": "97eceeb196236b17998738112f37df78"},
)


def _class_names(path: Path) -> dict[int, str]:
    table = read_rows(path, ["class", "name"])
    numbers = whole_numbers(path, table, "class", N_CLASSES)
    refuse_first(numbers.duplicated(), path, table, "class {class} is named a second time")
    refuse_first(table["name"].duplicated(), path, table, "the name {name!r} stands for a second class")
    if len(table) != N_CLASSES:
        raise ValueError(
            f"{path} names {len(table)} classes, not {N_CLASSES}: the split into training and test needs them all"
        )
    return dict(zip(numbers, table["name"], strict=True))


def _listed(root: Path) -> pd.DataFrame:
    """Each picture of images.txt with its class number and name."""
    names = _class_names(root / "classes.txt")
    path, labels_path = root / "images.txt", root / "image_class_labels.txt"
    images, labels = read_rows(path, ["id", "image"]), read_rows(labels_path, ["id", "class"])
    refuse_first(images["id"].duplicated(), path, images, "picture number {id} stands there a second time")
    refuse_first(labels["id"].duplicated(), labels_path, labels, "picture {id} has a second class")
    labels["class"] = whole_numbers(labels_path, labels, "class", N_CLASSES)
    refuse_first(~labels["id"].isin(images["id"]), labels_path, labels, "picture {id} is not in images.txt")
    table = images.merge(labels[["id", "class"]], on="id", how="left", validate="one_to_one")
    refuse_first(table["class"].isna(), path, table, "picture {id} has no class in image_class_labels.txt")
    table["label"] = table["class"].astype(int).map(names)
    refuse_first(
        table["image"].str.rpartition("/")[0] != table["label"],
        path,
        table,
        "{image} does not lie in the folder of its class {label!r}; images.txt, image_class_labels.txt and classes.txt disagree",
    )
    return table


def cub_tables(source: Path) -> PictureTables:
    """Tables of CUB-200-2011: task `cub`, label set `category`; every test picture is a query and in the gallery.

    source: holds `CUB_200_2011/`, or is that folder. See `picture_tables` for what is an error and what is noted; a class that
    the three lists do not agree on is an error too.
    """
    root = official_root(source, CUB)
    table = _listed(root)
    listed = pd.DataFrame(
        {
            "where": [f"{root / 'images.txt'} line {line}" for line in table["line"]],
            "image": "images/" + table["image"],
            "role": np.where(table["class"].astype(int) <= N_TRAINED, "train", "query+gallery"),
            "label": table["label"],
        }
    )
    return picture_tables(CUB, root, listed)
