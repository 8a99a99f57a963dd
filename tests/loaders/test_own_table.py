from __future__ import annotations

from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from own_world import dealt, plain_lines, write_csv

HEADER = "image,task,label"


def refused(source: Path, message: str) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        dealt(source)
    assert str(source) in str(caught.value)
    assert "\n" not in str(caught.value)


def write_parquet(folder: Path, **columns: object) -> Path:
    lines = [line.split(",") for line in plain_lines()]
    frame = pd.DataFrame(lines, columns=["image", "task", "label"])
    table = pa.Table.from_pandas(frame, preserve_index=False)
    for name, values in columns.items():
        made = values if isinstance(values, pa.Array) else pa.array(values)
        if name in table.column_names:
            table = table.set_column(table.column_names.index(name), name, made)
        else:
            table = table.append_column(name, made)
    path = folder / "pictures.parquet"
    pq.write_table(table, path)
    return path


def test_csv_and_parquet_give_the_same_tables(tmp_path: Path) -> None:
    first = dealt(write_csv(tmp_path, HEADER, *plain_lines()))
    second = dealt(write_parquet(tmp_path))
    pd.testing.assert_frame_equal(first.items, second.items)
    pd.testing.assert_frame_equal(first.labels, second.labels)
    assert first.source == tmp_path
    assert first.sources == [{"name": "pictures.csv", "url": "", "commit": "", "licence": "your own"}]


@pytest.mark.parametrize("separator", [";", "\t"])
def test_semicolons_and_tabs_separate_columns_too(tmp_path: Path, separator: str) -> None:
    plain = dealt(write_csv(tmp_path, HEADER, *plain_lines()))
    lines = [line.replace(",", separator) for line in (HEADER, *plain_lines())]
    other = dealt(write_csv(tmp_path, *lines, name="other.csv"))
    pd.testing.assert_frame_equal(plain.items, other.items)


def test_decimal_commas_are_read_between_semicolons(tmp_path: Path) -> None:
    lines = [f"{line.replace(',', ';')};0,25;0;1,0;0,5" for line in plain_lines()]
    tables = dealt(write_csv(tmp_path, "image;task;label;x0;y0;x1;y1", *lines))
    assert tables.items["box"].iloc[0] == [0.25, 0.0, 1.0, 0.5]


def test_byte_order_mark_spaces_and_carriage_returns_do_no_harm(tmp_path: Path) -> None:
    path = tmp_path / "pictures.csv"
    text = "\r\n".join(["image, task , label", *(line.replace(",", " , ") for line in plain_lines())])
    path.write_bytes(b"\xef\xbb\xbf" + text.encode())
    plain = dealt(write_csv(tmp_path, HEADER, *plain_lines(), name="plain.csv"))
    pd.testing.assert_frame_equal(dealt(path).items, plain.items)


def test_labels_that_look_like_something_else_stay_as_they_are_written(tmp_path: Path) -> None:
    labels = ("007", "NA", "1e3", "true", "1.10", "kött")
    tables = dealt(write_csv(tmp_path, HEADER, *plain_lines(labels=labels)))
    assert set(tables.labels["label"]) == set(labels)


def test_whole_numbers_and_categories_of_parquet_are_labels(tmp_path: Path) -> None:
    path = write_parquet(tmp_path, label=[7, 8] * 12)
    assert set(dealt(path).labels["label"]) == {"7", "8"}
    path = write_parquet(tmp_path, label=pa.array(["cup", "jug"] * 12).dictionary_encode())
    assert set(dealt(path).labels["label"]) == {"cup", "jug"}


def test_empty_rows_are_passed_over_but_counted(tmp_path: Path) -> None:
    lines = [HEADER, "", ",,", *plain_lines(), "", ","]
    assert len(dealt(write_csv(tmp_path, *lines)).items) == 24
    refused(
        write_csv(tmp_path, *lines, "a.jpg,lens,"), "row 30: label is empty: fill it in, or delete the row"
    )


def test_row_number_counts_records_where_a_cell_holds_a_line_break(tmp_path: Path) -> None:
    lines = [f"{HEADER},note", 'a.jpg,lens,red,"two\nlines"', "b.jpg,lens,,"]
    refused(write_csv(tmp_path, *lines), "row 3: label is empty")


@pytest.mark.parametrize("column", ["image", "label", "group"])
def test_double_quote_without_its_partner_names_the_row_in_which_it_stands(
    tmp_path: Path, column: str
) -> None:
    rows = [
        dict(zip(("image", "task", "label"), line.split(","), strict=True)) for line in plain_lines(count=8)
    ]
    for row in rows:
        row["group"] = row["image"]
    for number in (4, 15):  # rows 6 and 17 of the file; all between them would be one text
        rows[number][column] = f'"5 inch {rows[number][column]}'
    lines = [",".join(row.values()) for row in rows]
    path = write_csv(tmp_path, f"{HEADER},group", *lines)
    refused(path, f"row 6: {column} holds a line break: a double quote without its partner\\?")


def test_label_between_two_lone_quotes_of_neighbours_is_refused(tmp_path: Path) -> None:
    lines = plain_lines()
    lines[2:4] = ['blue/0.jpg,lens,"', 'sand/0.jpg,lens,"']  # stripped, it is one line
    refused(write_csv(tmp_path, HEADER, *lines), "row 4: label holds a line break: a double quote")


def test_rows_that_a_lone_quote_puts_into_an_ignored_column_are_missed(tmp_path: Path) -> None:
    lines = [f"{line},a note" for line in plain_lines()]
    lines[1] = lines[1].replace("a note", '"5 inch')
    lines[9] = lines[9].replace("a note", '"7 inch')
    said = "row 3: note holds a line break, and rows after it: a double quote without its partner"
    refused(write_csv(tmp_path, f"{HEADER},note", *lines), said)


def test_first_of_several_lone_quotes_is_the_one_that_is_named(tmp_path: Path) -> None:
    lines = [f"{line},a note" for line in plain_lines()]
    lines[1], lines[4] = (lines[row].replace("a note", '"5 inch') for row in (1, 4))
    lines[9], lines[12] = (lines[row].replace(",lens,", ',lens,"') for row in (9, 12))
    refused(
        write_csv(tmp_path, f"{HEADER},note", *lines), "row 3: note holds a line break, and rows after it"
    )
    lines = [*reversed(lines)]
    refused(write_csv(tmp_path, f"{HEADER},note", *lines), "row 13: label holds a line break")


def test_note_of_several_lines_in_an_ignored_column_is_no_fault(tmp_path: Path) -> None:
    lines = [
        f'{line},"bought in Rome, Italy, in May,\nwith a lens, a bag, a strap"' for line in plain_lines()
    ]
    assert len(dealt(write_csv(tmp_path, f"{HEADER},note", *lines)).items) == 24


def test_lone_quote_in_the_header_is_refused(tmp_path: Path) -> None:
    lines = plain_lines()
    lines[5] += '"'
    refused(write_csv(tmp_path, 'image,task,"label', *lines), "row 1: a column's name holds a line break")


def test_line_break_and_zero_byte_in_a_text_of_parquet_are_refused(tmp_path: Path) -> None:
    path = write_parquet(tmp_path, label=["red", "blue\n"] * 12)
    refused(path, r"row 1 \(the first is row 0\): label holds a line break: write it in one line")
    path = write_parquet(tmp_path, label=["red", "blue"] * 12, group=["", "", "a\0b"] + [""] * 21)
    refused(path, r"row 2 \(the first is row 0\): group holds a zero byte: delete it")


def test_other_columns_are_ignored(tmp_path: Path) -> None:
    plain = dealt(write_csv(tmp_path, HEADER, *plain_lines()))
    more = dealt(
        write_csv(tmp_path, f"{HEADER},price", *(f"{line},3" for line in plain_lines()), name="b.csv")
    )
    pd.testing.assert_frame_equal(plain.items, more.items)


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ("picture,task,label", r"the column 'image' is missing .*; it has picture, task, label"),
        ("Image,task,label", "the column 'image' is missing .*: rename 'Image'"),
        ("image,task,labels", "the column 'label' is missing .*: rename 'labels'"),
        ("image,task,label,domian", r"there is no column 'domian'; did you mean 'domain'\? Rename it"),
        ("image,task,label,label", "column 'label' stands there twice"),
        ("image,task,label,box", "column 'box' must be four columns, x0, y0, x1, y1"),
        ("image,task,label,x0,y0", "a box needs the four columns x0, y0, x1, y1, but only x0, y0 are there"),
    ],
)
def test_header_that_does_not_fit_names_the_column(tmp_path: Path, header: str, message: str) -> None:
    refused(write_csv(tmp_path, header, "a.jpg,lens,red" + ",1" * (header.count(",") - 2)), message)


def test_missing_source_and_unknown_kind_name_the_choices(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"nowhere is not there: name a table of pictures \(.csv or"):
        dealt(tmp_path / "nowhere")
    refused(
        write_csv(tmp_path, HEADER, name="pictures.xlsx"), "'.xlsx' is no kind of table .* save it as .csv or"
    )


def test_table_without_rows_or_without_anything_is_refused(tmp_path: Path) -> None:
    refused(write_csv(tmp_path, HEADER), "the table has no rows")
    (tmp_path / "empty.csv").write_bytes(b"")
    refused(tmp_path / "empty.csv", "the column 'image' is missing .* it has none")


def test_csv_that_is_not_utf_8_names_the_line(tmp_path: Path) -> None:
    path = tmp_path / "pictures.csv"
    path.write_bytes(b"image,task,label\na.jpg,lens,red\nb.jpg,lens,k\xf6tt\n")
    refused(path, "line 3 is not UTF-8: save it as 'CSV UTF-8'")
    path.write_bytes(b"image,task,k\xf6tt\n")
    refused(path, "line 1 is not UTF-8")
    path.write_bytes("image,task,label\na.jpg,lens,red\n".encode("utf-16"))
    refused(path, "line 1 is not UTF-8")


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["a.jpg,lens,red", "b.jpg,lens,red,dark"], "line 3 has 4 values where 3 are expected"),
        (["a.jpg,lens,red,dark", "b.jpg,lens,red,dark"], "row 2 has more values than the header's 3 columns"),
        (["a.jpg,lens", "b.jpg,lens,red"], "row 2: label is empty"),
        (['"a.jpg,lens,red', "b.jpg,lens,red"], "cannot be read as CSV .*EOF inside string"),
    ],
)
def test_ragged_rows_are_named(tmp_path: Path, lines: list[str], message: str) -> None:
    refused(write_csv(tmp_path, HEADER, *lines), message)


def test_parquet_that_is_none_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "pictures.parquet"
    path.write_text("image,task,label\n")
    refused(path, "cannot be read as Parquet")
    path.write_bytes(b"")
    refused(path, "cannot be read as Parquet")
    whole = write_parquet(tmp_path).read_bytes()
    path.write_bytes(whole[: len(whole) // 2] + whole[-200:])
    refused(path, "cannot be read as Parquet")
    (tmp_path / "pictures.csv").write_bytes(whole)
    refused(tmp_path / "pictures.csv", "is not UTF-8|column 'image' is missing")


def test_nested_columns_and_fractions_as_labels_are_refused(tmp_path: Path) -> None:
    refused(write_parquet(tmp_path, label=[["red"]] * 24), "column 'label' holds list<.*>, not texts")
    refused(write_parquet(tmp_path, group=[{"a": 1}] * 24), "column 'group' holds struct<.*>, not texts")
    refused(write_parquet(tmp_path, label=[0.5] * 24), "column 'label' holds double, not texts")


def test_nested_column_that_means_nothing_here_is_not_read(tmp_path: Path) -> None:
    assert len(dealt(write_parquet(tmp_path, extra=[["any"]] * 24)).items) == 24


def test_text_of_parquet_that_is_not_utf_8_is_refused(tmp_path: Path) -> None:
    labels = pa.Array.from_buffers(pa.string(), 24, pa.array([b"k\xf6tt", b"red"] * 12).buffers())
    refused(write_parquet(tmp_path, label=labels), "cannot be read as Parquet .*UTF8")


def test_missing_value_in_parquet_names_the_row_from_0(tmp_path: Path) -> None:
    labels = ["red", None] * 12
    refused(write_parquet(tmp_path, label=labels), r"row 1 \(the first is row 0\): label is empty")


def test_boxes_of_parquet_are_numbers_or_nothing(tmp_path: Path) -> None:
    corners = {
        name: [value] + [None] * 23 for name, value in (("x0", 0.1), ("y0", 0.2), ("x1", 0.7), ("y1", 1.0))
    }
    tables = dealt(write_parquet(tmp_path, **corners))
    assert tables.items["box"].iloc[0] == [0.1, 0.2, 0.7, 1.0]
    assert tables.items["box"].iloc[1] is None
    nan = {name: [float("nan")] * 24 for name in corners}
    refused(
        write_parquet(tmp_path, **nan),
        r"row 0 .*: x0 is 'nan', not a number of 0 to 1: leave x0, y0, x1, y1 empty",
    )


@pytest.mark.parametrize("value", ["nan", "inf", "-inf", "wide", "0,5"])
def test_corner_that_is_no_number_is_refused(tmp_path: Path, value: str) -> None:
    path = write_csv(tmp_path, f"{HEADER},x0,y0,x1,y1", f'a.jpg,lens,red,"{value}",0,1,1')
    refused(path, f"row 2: x0 is '{value}', not a number of 0 to 1")
