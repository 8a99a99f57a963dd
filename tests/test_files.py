from __future__ import annotations

import os
import subprocess
import sys
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


KILLED = """
import os, shutil, sys
from pathlib import Path
from unifiedlib import files

real, calls = os.replace, []

def replace(old, new):
    calls.append(new)
    if len(calls) == int(sys.argv[2]):
        os._exit(9)
    real(old, new)

os.replace = replace
with files.atomic_folder(Path(sys.argv[1])) as aside:
    (aside / "a").write_text("new")
"""


@pytest.mark.parametrize("renamed", [0, 1])
def test_a_killed_replacement_leaves_the_old_folder_or_has_it_put_back(tmp_path: Path, renamed: int) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    (folder / "a").write_text("old")
    run = subprocess.run([sys.executable, "-c", KILLED, str(folder), str(renamed + 1)], check=False)
    assert run.returncode == 9
    assert folder.exists() == (renamed == 0)

    def fail() -> None:
        with atomic_folder(folder):
            raise RuntimeError("half way")

    with pytest.raises(RuntimeError, match="half way"):
        fail()
    assert (folder / "a").read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["out"]


def test_what_a_linked_folder_leads_to_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "out").symlink_to(tmp_path / "disk")
    with atomic_folder(tmp_path / "out") as aside:
        (aside / "a").write_text("new")
    assert (tmp_path / "out").is_symlink()
    assert (tmp_path / "disk" / "a").read_text() == "new"


def test_what_a_running_process_writes_is_left_alone(tmp_path: Path) -> None:
    other = tmp_path / f".out.{os.getppid()}.part"
    other.mkdir()
    with atomic_folder(tmp_path / "out"):
        pass
    assert other.is_dir()


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
