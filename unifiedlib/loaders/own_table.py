"""A user's table of pictures, CSV or Parquet, read as rows: checked for form here, for content in `own_rows`."""

from __future__ import annotations

import csv
import re
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pandas.errors import EmptyDataError, ParserError, ParserWarning

from unifiedlib.loaders.own_rows import BOX, TEXTS, OwnRows, first, suggestion

SUFFIXES = (".csv", ".parquet")
SEPARATORS = (",", ";", "\t")
NEEDED = ("image", "task", "label")
COLUMNS = (*TEXTS, *BOX)
LONGEST_HEADER = 100_000
CSV_REMEDY = "save it as 'CSV UTF-8', one row per picture and task"
LONE_QUOTE = "a double quote without its partner?"
FIRST_IS_0 = " (the first is row 0)"


def _header(path: Path) -> tuple[list[str], str]:
    """Column names of a CSV file and what separates them: a comma, a semicolon or a tab, whichever the first line has most of."""
    with path.open(encoding="utf-8-sig", newline="") as stream:
        line = stream.readline(LONGEST_HEADER)
    if line.count('"') % 2:
        raise ValueError(f"{path}: row 1: a column's name holds a line break: {LONE_QUOTE}")
    separator = max(SEPARATORS, key=line.count)
    names = next(csv.reader([line], delimiter=separator, skipinitialspace=True), [])
    return [name.strip() for name in names], separator


def _check_header(path: Path, names: list[str]) -> None:
    if repeated := [name for name in COLUMNS if names.count(name) > 1]:
        raise ValueError(f"{path}: column '{repeated[0]}' stands there twice: delete or rename one")
    others = [name for name in names if name not in COLUMNS]
    if "box" in others:
        raise ValueError(f"{path}: column 'box' must be four columns, {', '.join(BOX)}, each 0 to 1")
    absent = [name for name in COLUMNS if name not in names]
    for name in absent:
        if name in NEEDED:
            near = [other for other in others if suggestion(other, [name])]
            meant = f": rename '{near[0]}'" if near else f"; it has {', '.join(names) or 'none'}"
            raise ValueError(
                f"{path}: the column '{name}' is missing (needed are {', '.join(NEEDED)}){meant}"
            )
    for other in others:
        if meant := suggestion(other, absent):
            raise ValueError(
                f"{path}: there is no column '{other}'{meant} Rename it (or, if it means something else, to something else)"
            )
    if (corners := [name for name in BOX if name in names]) and len(corners) < len(BOX):
        raise ValueError(
            f"{path}: a box needs the four columns {', '.join(BOX)}, but only {', '.join(corners)} are there"
        )


def _line_that_is_no_utf8(path: Path) -> int:
    for number, line in enumerate(path.read_bytes().splitlines(), start=1):
        try:
            line.decode("utf-8")
        except UnicodeDecodeError:
            return number
    return 1


def _read_csv(path: Path) -> pd.DataFrame:
    """The known columns as texts; index: row numbers as in a spreadsheet, the header being row 1. Empty rows are left out."""
    try:
        names, separator = _header(path)
        _check_header(path, names)
        with warnings.catch_warnings():
            warnings.simplefilter("error", ParserWarning)
            frame = pd.read_csv(
                path,
                sep=separator,
                names=list(range(len(names))),
                header=0,
                index_col=False,
                dtype="str",
                na_filter=False,
                encoding="utf-8-sig",
                skip_blank_lines=False,
                skipinitialspace=True,
            )
    except UnicodeDecodeError:
        raise ValueError(f"{path}: line {_line_that_is_no_utf8(path)} is not UTF-8: {CSV_REMEDY}") from None
    except ParserWarning:
        raise ValueError(
            f"{path}: row 2 has more values than the header's {len(names)} columns: put values that hold "
            f"{separator!r} in double quotes, or delete separators at the end of the rows"
        ) from None
    except (ParserError, EmptyDataError, csv.Error) as error:
        raise ValueError(f"{path}: {_csv_fault(str(error))}") from None
    frame = frame.set_axis(pd.Index(names), axis=1).fillna("")
    known = frame[[name for name in COLUMNS if name in names]]
    # After the first fault of all, the numbers of rows are no longer those that a user counts.
    if faults := [*_odd_characters(known, LONE_QUOTE), *_swallowed_rows(frame, separator)]:
        place, fault = min(faults)
        raise ValueError(f"{path}: row {place + 2}: {fault}")
    frame = known.apply(lambda column: column.str.strip())
    frame.index = pd.RangeIndex(2, len(frame) + 2)
    frame = frame[~(frame == "").all(axis=1)]
    if separator == ";":
        corners = [name for name in BOX if name in frame]
        frame[corners] = frame[corners].apply(lambda column: column.str.replace(",", ".", regex=False))
    return frame


def _odd_characters(frame: pd.DataFrame, remedy: str) -> Iterator[tuple[int, str]]:
    """Place and fault of the first text that holds a line break or a zero byte.

    frame: texts as they were read. remedy: for a line break. A double quote without its partner makes all that follows, up to the
    next one, a single text: rows would vanish in it.
    """
    bad = frame.apply(lambda column: column.str.contains(r"[\n\r\x00]", regex=True))
    if (place := first(bad.any(axis=1))) is not None:
        column = frame.columns[int(bad.iloc[place].to_numpy().argmax())]
        broken = re.search(r"[\n\r]", frame[column].iloc[place])
        yield place, f"{column} holds " + (f"a line break: {remedy}" if broken else "a zero byte: delete it")


def _swallowed_rows(frame: pd.DataFrame, separator: str) -> Iterator[tuple[int, str]]:
    """Place and fault of texts in columns that mean nothing here whose further lines look like rows of the table.

    Such a text may run over several lines, but a line with one of the table's tasks at the task's place is a row. frame: all
    columns as texts.
    """
    tasks, place = set(frame["task"].str.strip()) - {""}, frame.columns.get_loc("task")
    least = max(len(NEEDED), place + 1)
    for number in np.flatnonzero(~frame.columns.isin(COLUMNS)):
        texts = frame.iloc[:, number]
        for row in np.flatnonzero(texts.str.contains(r"[\n\r]", regex=True)):
            lines = [line.split(separator) for line in re.split(r"[\n\r]+", texts.iloc[row])[1:]]
            if any(len(values) >= least and values[place].strip() in tasks for values in lines):
                yield int(row), f"{frame.columns[number]} holds a line break, and rows after it: {LONE_QUOTE}"


def _csv_fault(message: str) -> str:
    if ragged := re.search(r"Expected (\d+) fields in line (\d+), saw (\d+)", message):
        wanted, line, found = ragged.groups()
        return f"line {line} has {found} values where {wanted} are expected: put values that hold the separator in double quotes"
    return f"cannot be read as CSV ({message.strip()}): {CSV_REMEDY}"


def _texts(path: Path, name: str, column: pa.ChunkedArray) -> pd.Series:
    kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    is_number = pa.types.is_integer(kind) or (name in BOX and pa.types.is_floating(kind))
    is_text = pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)
    if not (is_number or is_text or pa.types.is_null(kind)):
        wanted = "numbers" if name in BOX else "texts"
        raise ValueError(f"{path}: column '{name}' holds {column.type}, not {wanted}: write it as {wanted}")
    return pc.fill_null(pc.cast(column, pa.string()), "").to_pandas().astype("str")


def _read_parquet(path: Path) -> pd.DataFrame:
    """The known columns as texts; index: row numbers from 0."""
    try:
        with pq.ParquetFile(path) as file:
            names = file.schema_arrow.names
            _check_header(path, names)
            table = file.read(columns=[name for name in COLUMNS if name in names])
            table.validate(full=True)
    except (pa.ArrowException, OSError) as error:
        raise ValueError(
            f"{path}: cannot be read as Parquet ({str(error).strip().splitlines()[0]}): write it again, "
            "or rename it if it is of another kind"
        ) from None
    frame = pd.DataFrame({name: _texts(path, name, table[name]) for name in table.column_names})
    for place, fault in _odd_characters(frame, "write it in one line"):
        raise ValueError(f"{path}: row {place}{FIRST_IS_0}: {fault}")
    return frame.apply(lambda column: column.str.strip())


def _numbers(rows: OwnRows, name: str) -> pd.Series:
    texts = rows.frame[name]
    if (texts == "").all():
        return pd.Series(np.nan, texts.index)
    numbers = pd.to_numeric(texts.mask(texts == "", "nan"), errors="coerce").astype(np.float64)
    if (row := first((texts != "") & ~np.isfinite(numbers))) is not None:
        raise rows.error(
            row,
            f"{name} is '{texts.iloc[row]}', not a number of 0 to 1: leave {', '.join(BOX)} empty for the whole picture",
        )
    return numbers + 0.0


def read_table(source: Path) -> OwnRows:
    """The rows of a table, `image` relative to the table's folder. Columns that mean nothing here are ignored.

    Messages call rows as a spreadsheet does (the header is row 1); of Parquet, as pandas does (the first is row 0).
    Raises ValueError naming the table, the place and the remedy.
    """
    suffix = source.suffix.lower()
    if suffix not in SUFFIXES:
        raise ValueError(
            f"{source}: '{suffix}' is no kind of table that is known: save it as {' or '.join(SUFFIXES)}, "
            "or name a folder of pictures"
        )
    frame = _read_csv(source) if suffix == ".csv" else _read_parquet(source)
    if frame.empty:
        raise ValueError(f"{source}: the table has no rows: write one per picture and task")
    numbers = frame.index
    frame = frame.reset_index(drop=True)
    frame = frame.assign(**dict.fromkeys([name for name in COLUMNS if name not in frame], ""))
    note = "" if suffix == ".csv" else FIRST_IS_0
    rows = OwnRows(source, source.parent, frame, lambda row: f"row {numbers[row]}{note}")
    return OwnRows(
        rows.source, rows.folder, frame.assign(**{name: _numbers(rows, name) for name in BOX}), rows.name
    )
