from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from unifiedlib.provenance import commit, environment, processor, timings


def git(folder: Path, *words: str) -> str:
    identity = ["-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false"]
    command = ["git", *identity, "-c", "core.hooksPath=/dev/null", *words]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True).stdout.strip()


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    git(tmp_path, "init", "-q")
    for name in ("params.yaml", "dvc.lock"):
        (tmp_path / name).write_text("a: 1\n")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-q", "-m", "one")
    return tmp_path


def test_commit_is_named_and_changes_are_told(checkout: Path) -> None:
    head = git(checkout, "rev-parse", "HEAD")
    assert commit(checkout) == head[:12]
    (checkout / "dvc.lock").write_text("written by the run itself\n")
    (checkout / "results.csv").write_text("made by the run\n")
    assert commit(checkout) == head[:12]
    (checkout / "params.yaml").write_text("a: 2\n")
    assert commit(checkout) == f"{head[:12]} and changes that are not committed"


def test_folder_without_a_repository_is_told(tmp_path: Path) -> None:
    assert commit(tmp_path) == "not a git checkout"


def test_environment_names_the_machine_but_neither_host_nor_path(checkout: Path) -> None:
    found = environment(checkout, 2)
    assert found["threads"] == "2"
    assert int(found["cores"]) >= 1
    assert str(checkout) not in json.dumps(found)


def test_processor_is_read_from_the_system(tmp_path: Path) -> None:
    info = tmp_path / "cpuinfo"
    info.write_text("processor\t: 0\nmodel name\t: A Fast One @ 3 GHz\nmodel name\t: A Fast One @ 3 GHz\n")
    assert processor(info) == "A Fast One @ 3 GHz"
    assert processor(tmp_path / "none")


def notebook(folder: Path, name: str, metadata: dict[str, object]) -> None:
    (folder / f"{name}.ipynb").write_text(json.dumps({"metadata": metadata, "cells": []}))


def test_times_of_stages_come_oldest_first_from_executed_notebooks(tmp_path: Path) -> None:
    run = {"start_time": "2026-11-25T09:10:11.5+00:00", "duration": 12.345}
    notebook(tmp_path, "04_evaluate", {"papermill": run | {"start_time": "2026-11-25T10:00:00+00:00"}})
    notebook(tmp_path, "02_train-unified", {"papermill": run})
    notebook(tmp_path, "03_binarize", {})
    notebook(tmp_path, "05_report.running", {"papermill": run})
    notebook(tmp_path, "05_report.failed", {"papermill": run | {"duration": None}})
    table = timings(tmp_path)
    assert table.to_numpy().tolist() == [
        ["02_train-unified", "2026-11-25 09:10", 12.3],
        ["04_evaluate", "2026-11-25 10:00", 12.3],
    ]
    assert timings(tmp_path / "nowhere").empty
