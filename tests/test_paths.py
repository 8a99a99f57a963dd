from pathlib import Path

import pytest

from unifiedlib import paths
from unifiedlib.paths import ROOT_VARIABLE


def test_root_is_the_same_from_the_notebooks_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(ROOT_VARIABLE, raising=False)
    at_home = paths.root()
    monkeypatch.chdir(tmp_path)
    assert paths.root() == at_home
    assert (at_home / "params.yaml").is_file()


def test_runner_can_name_the_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ROOT_VARIABLE, str(tmp_path))
    assert paths.resolve("data/decor") == tmp_path / "data" / "decor"


def test_absolute_paths_stay(tmp_path: Path) -> None:
    assert paths.resolve(tmp_path) == tmp_path


def test_root_that_is_no_folder_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ROOT_VARIABLE, "/nowhere/at/all")
    with pytest.raises(FileNotFoundError, match="UNIFIEDLIB_ROOT names /nowhere/at/all"):
        paths.root()


def test_root_is_found_upwards_when_the_package_lies_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "params.yaml").touch()
    below = tmp_path / "notebooks" / "deep"
    below.mkdir(parents=True)
    assert paths._find_root(None, Path("/usr/lib"), below) == tmp_path


def test_no_repository_anywhere_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"no params\.yaml in"):
        paths._find_root(None, tmp_path, tmp_path)
