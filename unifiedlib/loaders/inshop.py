"""In-Shop Clothes Retrieval (DeepFashion): clothes in a shop's pictures, with separate query and gallery lists.

Liu et al., DeepFashion: Powering Robust Clothes Recognition and Retrieval with Rich Annotations, CVPR 2016.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from unifiedlib.loaders.official import Benchmark, list_file, official_root
from unifiedlib.loaders.official_lists import read_rows, refuse_first
from unifiedlib.loaders.official_tables import picture_tables
from unifiedlib.loaders.tables import PictureTables

COLUMNS = ("image_name", "item_id", "evaluation_status")
ROLES = ("train", "query", "gallery")
INSHOP = Benchmark(
    task="inshop",
    title="In-Shop Clothes Retrieval",
    label_set="product",
    domain="catalog",
    url="https://mmlab.ie.cuhk.edu.hk/projects/DeepFashion/InShopRetrieval.html",
    licence="non-commercial research and education",
    archive="img.zip",
    tops=("Img", ""),
    holds=("img",),
    lists=(("list_eval_partition.txt", "Eval/list_eval_partition.txt"),),
    published={
        "training pictures": 25882,
        "queries": 14218,
        "gallery pictures": 12612,
        "training classes": 3997,
        "test classes": 3985,
    },
)


def _read_list(path: Path) -> pd.DataFrame:
    with path.open("rb") as stream:
        count, header = stream.readline(200).strip(), stream.readline(200).split()
    if header != [name.encode() for name in COLUMNS] or not count.isdigit():
        raise ValueError(
            f"{path} does not start with a number of pictures and {' '.join(COLUMNS)!r}: it is not the official list"
        )
    table = read_rows(path, COLUMNS, skip=2)
    if len(table) != int(count):
        raise ValueError(f"{path} says that it lists {int(count):,} pictures and lists {len(table):,}")
    refuse_first(
        ~table["evaluation_status"].isin(ROLES),
        path,
        table,
        f"evaluation_status {{evaluation_status!r}} is not one of {', '.join(ROLES)}",
    )
    return table


def inshop_tables(source: Path) -> PictureTables:
    """Tables of In-Shop: task `inshop`, label set `product`, and `category` (such as WOMEN/Dresses) to train on.

    source: holds `img/` (or `Img/img/`) and `list_eval_partition.txt` (or that in `Eval/`). A query is not in the gallery. See
    `picture_tables` for what is an error and what is noted; a list shorter or longer than its first line says is an error too.
    """
    root, path = official_root(source, INSHOP), list_file(source, INSHOP)
    table = _read_list(path)
    kind = table["image_name"].str.split("/")
    refuse_first(kind.str.len() < 4, path, table, "{image_name} is not img/<people>/<kind>/<item>/<picture>")
    listed = pd.DataFrame(
        {
            "where": [f"{path} line {line}" for line in table["line"]],
            "image": table["image_name"],
            "role": table["evaluation_status"],
            "label": table["item_id"],
            "category": kind.str[1] + "/" + kind.str[2],
        }
    )
    return picture_tables(INSHOP, root, listed)
