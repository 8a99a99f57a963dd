"""Stanford Online Products: product pictures from online sales, half of the products to train on, the other half searched.

Song et al., Deep Metric Learning via Lifted Structured Feature Embedding, CVPR 2016.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from unifiedlib.loaders.official import Benchmark, official_root
from unifiedlib.loaders.official_lists import read_rows, refuse_first, whole_numbers
from unifiedlib.loaders.official_tables import picture_tables
from unifiedlib.loaders.tables import PictureTables

COLUMNS = ("image_id", "class_id", "super_class_id", "path")
ROLES = {"Ebay_train.txt": "train", "Ebay_test.txt": "query+gallery"}
SOP = Benchmark(
    task="sop",
    title="Stanford Online Products",
    label_set="product",
    domain="catalog",
    url="https://cvgl.stanford.edu/projects/lifted_struct/",
    licence="see LICENSE in the archive",
    archive="Stanford_Online_Products.zip",
    tops=("Stanford_Online_Products", ""),
    holds=("Ebay_train.txt", "Ebay_test.txt"),
    lists=(),
    published={
        "training pictures": 59551,
        "queries": 60502,
        "gallery pictures": 60502,
        "training classes": 11318,
        "test classes": 11316,
    },
    md5={"Stanford_Online_Products.zip": "7f73d41a2f44250d4779881525aea32e"},
)


def _read_list(path: Path, role: str) -> pd.DataFrame:
    with path.open("rb") as stream:
        header = stream.readline(200).split()
    if header != [name.encode() for name in COLUMNS]:
        raise ValueError(f"{path} does not start with {' '.join(COLUMNS)!r}: it is not the official list")
    table = read_rows(path, COLUMNS, skip=1)
    numbers = whole_numbers(path, table, "class_id")
    folder = table["path"].str.partition("/")[0]
    named = folder.groupby(table["super_class_id"]).transform("first")
    refuse_first(
        folder != named,
        path,
        table,
        "{path} does not lie in the folder of its super_class_id {super_class_id}",
    )
    return pd.DataFrame(
        {
            "where": [f"{path} line {line}" for line in table["line"]],
            "image": table["path"],
            "role": role,
            "label": [f"product_{number:05d}" for number in numbers],
            "category": folder.str.removesuffix("_final"),
        }
    )


def sop_tables(source: Path) -> PictureTables:
    """Tables of Stanford Online Products: task `sop`, label set `product`, and `category` (12 super classes) to train on.

    source: holds `Stanford_Online_Products/`, or is that folder. Every test picture is a query and in the gallery. See
    `picture_tables` for what is an error and what is noted; a picture outside the folder of its super class is an error too.
    """
    root = official_root(source, SOP)
    parts = [_read_list(root / name, role) for name, role in ROLES.items()]
    return picture_tables(SOP, root, pd.concat(parts, ignore_index=True))
