"""Pinterest's public Shop-the-Look files, read and checked line by line (github.com/kang205/STL-Dataset).

`home.json` and `fashion.json` hold one JSON object a line: `product`, `scene` (signatures of their pictures) and `bbox`
(left, top, right, bottom in 0..1). `home-cat.json` and `fashion-cat.json` map a product to its category, `A|B|C`.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pandas as pd

PARTS = ("home", "fashion")
CORNERS = ["x0", "y0", "x1", "y1"]
PAIR_COLUMNS = ["scene", "product", *CORNERS]
OVERSHOOT = 0.02
MIN_SIDE = 0.01
LARGEST = 1e6

OUTSIDE = f"box reaches more than {OVERSHOOT} out of the picture"
DEGENERATE = f"box is narrower or lower than {MIN_SIDE} of the picture"
DUPLICATE = "box and product stand in an earlier line"

_SIGNATURE = re.compile(r"[0-9a-f]{32}")


class PairsError(ValueError):
    """A file of pairs or categories breaks its format; the message names the file, the line and the rule."""


def check_signature(value: object, where: str) -> str:
    """`value` when it is a picture's signature, 32 of 0-9 and a-f. Raises PairsError that starts with `where` otherwise.

    >>> check_signature("0027e30879ce3d87f82f699f148bff7e", "home.json line 1")
    '0027e30879ce3d87f82f699f148bff7e'
    """
    if not isinstance(value, str) or not _SIGNATURE.fullmatch(value):
        raise PairsError(f"{where}: {value!r} is no signature: 32 characters of 0-9 and a-f are wanted")
    return value


def _box(value: object, where: str) -> list[float]:
    if not isinstance(value, list) or len(value) != 4:
        raise PairsError(f"{where}: bbox is {value!r}; it must be four numbers: left, top, right, bottom")
    for number in value:
        if isinstance(number, bool) or not isinstance(number, int | float) or not abs(number) < LARGEST:
            raise PairsError(f"{where}: bbox is {value!r}; {number!r} is no place in a picture")
    return [float(number) for number in value]


def _pair(line: str, where: str) -> list[object]:
    try:
        record = json.loads(line)
    except json.JSONDecodeError as error:
        raise PairsError(f"{where} is no JSON ({error.msg}): get the file again") from None
    if not isinstance(record, dict):
        raise PairsError(f"{where}: an object with product, scene and bbox is wanted, not {line.strip()!r}")
    for key in ("product", "scene", "bbox"):
        if key not in record:
            raise PairsError(f"{where} has no {key!r}; it has {', '.join(map(repr, record)) or 'nothing'}")
    scene, product = (check_signature(record[key], f"{where}: {key}") for key in ("scene", "product"))
    return [scene, product, *_box(record["bbox"], where)]


def part_file(folder: Path, part: str, suffix: str = "") -> Path:
    """The file of `part`, one of `PARTS`. suffix: `-cat` for the categories.

    Raises ValueError for another part, FileNotFoundError when the file is missing.
    """
    if part not in PARTS:
        raise ValueError(f"part is {part!r}; choose one of {', '.join(PARTS)}")
    path = folder / f"{part}{suffix}.json"
    if not path.is_file():
        raise FileNotFoundError(
            f"{path} is missing: put the JSON files of https://github.com/kang205/STL-Dataset into {folder}"
        )
    return path


def _faults(pairs: pd.DataFrame, corners: np.ndarray) -> pd.Series:
    sides = pairs[["x1", "y1"]].to_numpy() - pairs[["x0", "y0"]].to_numpy()
    fault = pd.Series("", index=pairs.index)
    fault[(sides < MIN_SIDE).any(axis=1)] = DEGENERATE
    fault[(corners < -OVERSHOOT).any(axis=1) | (corners > 1 + OVERSHOOT).any(axis=1)] = OUTSIDE
    usable = pairs[fault == ""]
    fault[usable.index[usable.duplicated(PAIR_COLUMNS)]] = DUPLICATE
    return fault


def read_pairs(folder: Path, part: str) -> pd.DataFrame:
    """Every line of `folder/<part>.json`: columns scene, product, x0, y0, x1, y1 and fault; sorted, one row per line.

    Boxes are clipped to 0..1. fault: why a box cannot be used (`OUTSIDE`, `DEGENERATE`, `DUPLICATE`), empty when it can.
    Raises PairsError naming file and line for anything but a pair, FileNotFoundError when the file is missing.
    """
    path = part_file(folder, part)
    with path.open(encoding="utf-8", errors="replace") as stream:
        rows = [_pair(line, f"{path} line {n}") for n, line in enumerate(stream, start=1) if line.strip()]
    if not rows:
        raise PairsError(f"{path} is empty: get the file again")
    pairs = pd.DataFrame(rows, columns=pd.Index(PAIR_COLUMNS))
    pairs = pairs.sort_values(PAIR_COLUMNS).reset_index(drop=True)
    corners = pairs[CORNERS].to_numpy(np.float64)
    pairs[CORNERS] = corners.clip(0, 1)
    return pairs.assign(fault=_faults(pairs, corners))


def read_categories(folder: Path, part: str) -> dict[str, str]:
    """Category of each product that has one, from `folder/<part>-cat.json`: the whole text, as `Furniture|Chairs`.

    Raises PairsError naming file and line when it is no such map, FileNotFoundError when the file is missing.
    """
    path = part_file(folder, part, "-cat")
    text = path.read_text(encoding="utf-8", errors="replace")
    try:
        table = json.loads(text)
    except json.JSONDecodeError as error:
        raise PairsError(f"{path} line {error.lineno} is no JSON ({error.msg}): get the file again") from None
    if not isinstance(table, dict):
        raise PairsError(f"{path} line 1: a map from product to category is wanted")
    for product, category in table.items():
        if not _SIGNATURE.fullmatch(product) or not isinstance(category, str):
            line = text.count("\n", 0, max(0, text.find(json.dumps(product)))) + 1
            check_signature(product, f"{path} line {line}")
            raise PairsError(f"{path} line {line}: the category of {product} is {category!r}, no text")
    return {product: category.strip() for product, category in table.items() if category.strip()}
