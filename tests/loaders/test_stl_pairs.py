from __future__ import annotations

import json
from pathlib import Path

import pytest
from stl_world import signature, write_categories, write_pairs

from unifiedlib.loaders.stl_pairs import (
    CORNERS,
    DEGENERATE,
    DUPLICATE,
    OUTSIDE,
    PairsError,
    check_signature,
    read_categories,
    read_pairs,
)

GOOD = {"product": signature("chair"), "scene": signature("room"), "bbox": [0.1, 0.2, 0.5, 0.6]}


def write_line(folder: Path, line: str) -> None:
    (folder / "home.json").write_text(f"{json.dumps(GOOD)}\n\n{line}\n")


def test_line_of_the_official_file_is_read_as_it_stands(tmp_path: Path) -> None:
    (tmp_path / "fashion.json").write_text(
        '{"product": "0027e30879ce3d87f82f699f148bff7e", "scene": "cdab9160072dd1800038227960ff6467", '
        '"bbox": [0.434097, 0.859363, 0.560254, 1.0]}'
    )
    row = read_pairs(tmp_path, "fashion").iloc[0]
    assert row["scene"] == "cdab9160072dd1800038227960ff6467"
    assert row["product"] == "0027e30879ce3d87f82f699f148bff7e"
    assert row[CORNERS].tolist() == [0.434097, 0.859363, 0.560254, 1.0]
    assert row["fault"] == ""


def test_small_overshoot_is_clipped_and_a_large_one_left_out(tmp_path: Path) -> None:
    write_pairs(tmp_path, [("a", "p", [-0.01, 0.1, 0.5, 1.015]), ("b", "p", [0.1, 0.1, 0.5, 1.2])])
    pairs = read_pairs(tmp_path, "home").set_index("scene")
    assert pairs.loc[signature("a"), CORNERS].tolist() == [0, 0.1, 0.5, 1]
    assert pairs.loc[signature("a"), "fault"] == ""
    assert pairs.loc[signature("b"), "fault"] == OUTSIDE


@pytest.mark.parametrize("box", [[0.5, 0.1, 0.5, 0.9], [0.9, 0.1, 0.2, 0.9], [0.1, 0.3, 0.9, 0.305]])
def test_box_without_width_or_height_is_left_out(tmp_path: Path, box: list[float]) -> None:
    write_pairs(tmp_path, [("a", "p", box)])
    assert read_pairs(tmp_path, "home")["fault"].tolist() == [DEGENERATE]


def test_second_line_of_one_box_and_product_is_a_duplicate(tmp_path: Path) -> None:
    box = [0.1, 0.1, 0.5, 0.5]
    write_pairs(tmp_path, [("a", "p", box), ("a", "p", box), ("a", "q", box), ("b", "p", box)])
    assert sorted(read_pairs(tmp_path, "home")["fault"]) == ["", "", "", DUPLICATE]


def test_boxes_that_clipping_makes_equal_are_duplicates(tmp_path: Path) -> None:
    write_pairs(tmp_path, [("a", "p", [0, 0, 0.5, 1.01]), ("a", "p", [0, 0, 0.5, 1.0])])
    assert sorted(read_pairs(tmp_path, "home")["fault"]) == ["", DUPLICATE]


def test_order_of_lines_does_not_matter(tmp_path: Path) -> None:
    pairs = [(f"s{n}", f"p{n % 3}", [0.1, 0.1, 0.5, 0.5]) for n in range(9)]
    write_pairs(tmp_path / "one", pairs)
    write_pairs(tmp_path / "two", pairs[::-1])
    assert read_pairs(tmp_path / "one", "home").equals(read_pairs(tmp_path / "two", "home"))


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{'product': 1}", r"home\.json line 3 is no JSON \(.*\): get the file again"),
        ("[1, 2]", r"home\.json line 3: an object with product, scene and bbox is wanted, not '\[1, 2\]'"),
        (
            json.dumps({"product": "x", "scene": "y"}),
            r"home\.json line 3 has no 'bbox'; it has 'product', 'scene'",
        ),
        ("{}", r"home\.json line 3 has no 'product'; it has nothing"),
        (json.dumps(GOOD | {"bbox": [0.1, 0.2, 0.3]}), r"line 3: bbox is \[0.1, 0.2, 0.3\]; it must be four"),
        (json.dumps(GOOD | {"bbox": "0,0,1,1"}), r"line 3: bbox is '0,0,1,1'; it must be four numbers"),
        (json.dumps(GOOD | {"bbox": [0, 0, 1, "1"]}), r"line 3: bbox is .*; '1' is no place in a picture"),
        (json.dumps(GOOD | {"bbox": [0, 0, 1, True]}), r"line 3: bbox is .*; True is no place in a picture"),
        (
            json.dumps(GOOD | {"bbox": [0, 0, 1, float("nan")]}),
            r"line 3: bbox is .*; nan is no place in a picture",
        ),
        (json.dumps(GOOD | {"bbox": [0, 0, 1, 10**400]}), r"line 3: bbox is .* is no place in a picture"),
        (
            json.dumps(GOOD | {"scene": "../../etc/passwd"}),
            r"home\.json line 3: scene: '../../etc/passwd' is no signature: 32 characters of 0-9 and a-f",
        ),
        (json.dumps(GOOD | {"product": 7}), r"home\.json line 3: product: 7 is no signature"),
        (json.dumps(GOOD | {"product": "A" * 32}), r"home\.json line 3: product: 'A+' is no signature"),
    ],
)
def test_line_that_is_no_pair_is_named_with_its_file(tmp_path: Path, line: str, message: str) -> None:
    write_line(tmp_path, line)
    with pytest.raises(PairsError, match=message):
        read_pairs(tmp_path, "home")


def test_line_of_other_bytes_than_text_is_named(tmp_path: Path) -> None:
    (tmp_path / "home.json").write_bytes(json.dumps(GOOD).encode() + b"\n\xff\xfe\x00\n")
    with pytest.raises(PairsError, match=r"home\.json line 2 is no JSON"):
        read_pairs(tmp_path, "home")


@pytest.mark.parametrize("text", ["a" * 32 + "\n", "a" * 31, "g" * 32, "", None])
def test_anything_but_32_hexadecimal_characters_is_no_signature(text: str | None) -> None:
    with pytest.raises(PairsError, match=r"here: .* is no signature"):
        check_signature(text, "here")


def test_empty_file_of_pairs_is_refused(tmp_path: Path) -> None:
    (tmp_path / "home.json").write_text("\n")
    with pytest.raises(PairsError, match=r"home\.json is empty: get the file again"):
        read_pairs(tmp_path, "home")


def test_missing_file_names_where_to_get_it(tmp_path: Path) -> None:
    with pytest.raises(
        FileNotFoundError, match=r"fashion\.json is missing: put the JSON files of https://git"
    ):
        read_pairs(tmp_path, "fashion")
    with pytest.raises(FileNotFoundError, match=r"home-cat\.json is missing"):
        read_categories(tmp_path, "home")


def test_unknown_part_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="part is 'garden'; choose one of home, fashion"):
        read_pairs(tmp_path, "garden")


def test_category_is_the_whole_text_and_an_empty_one_is_none(tmp_path: Path) -> None:
    write_categories(tmp_path, {"chair": "Furniture|Chairs", "rug": " "})
    assert read_categories(tmp_path, "home") == {signature("chair"): "Furniture|Chairs"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{\n"a": \n', r"home-cat\.json line \d is no JSON"),
        ("[]", r"home-cat\.json line 1: a map from product to category is wanted"),
        (f'{{"{signature("a")}": "A",\n"b": "B"}}', r"home-cat\.json line 2: 'b' is no signature"),
        (f'{{\n"{signature("a")}": 3}}', r"home-cat\.json line 2: the category of \w+ is 3, no text"),
    ],
)
def test_broken_file_of_categories_is_named_with_its_line(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "home-cat.json").write_text(text)
    with pytest.raises(PairsError, match=message):
        read_categories(tmp_path, "home")
