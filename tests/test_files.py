from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from unifiedlib.files import atomic_folder, atomic_path, sha256, write_json, write_table


def test_a_failed_write_leaves_the_old_file_and_no_other(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("old")

    def write() -> None:
        with atomic_path(path) as aside:
            aside.write_text("new, but only ha")
            raise RuntimeError("half way")

    with pytest.raises(RuntimeError, match="half way"):
        write()
    assert [(p.name, p.read_text()) for p in tmp_path.iterdir()] == [("a.txt", "old")]


def test_a_failed_folder_leaves_the_old_folder(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    (folder / "a").write_text("old")

    def write() -> None:
        with atomic_folder(folder) as aside:
            (aside / "a").write_text("new")
            raise RuntimeError("half way")

    with pytest.raises(RuntimeError, match="half way"):
        write()
    assert (folder / "a").read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["out"]


def test_a_whole_folder_replaces_the_old_one(tmp_path: Path) -> None:
    for text in ("old", "new"):
        with atomic_folder(tmp_path / "out") as aside:
            (aside / text).write_text(text)
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["new"]


def test_tables_are_written_by_suffix_and_others_refused(tmp_path: Path) -> None:
    frame = pd.DataFrame({"a": [1, 2]})
    for suffix, read in ((".csv", pd.read_csv), (".parquet", pd.read_parquet)):
        write_table(tmp_path / f"t{suffix}", frame)
        pd.testing.assert_frame_equal(read(tmp_path / f"t{suffix}"), frame)
    with pytest.raises(ValueError, match=r"use \.parquet or \.csv"):
        write_table(tmp_path / "t.xls", frame)


def test_json_refuses_nan(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(tmp_path / "a.json", {"value": float("nan")})
    assert not list(tmp_path.iterdir())


def test_sha256_is_that_of_the_bytes(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"abc")
    assert sha256(tmp_path / "a").startswith("ba7816bf8f01cfea")
