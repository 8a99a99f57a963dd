"""What `python -m unifiedlib.sources own` lists of a user's pictures, for the pipeline to depend on."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
from own_world import dealt, plain_lines, save_picture, write_csv, write_folders

from unifiedlib.assembly import assemble_pictures
from unifiedlib.paths import ROOT_VARIABLE
from unifiedlib.sources import note


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty project."""
    folder = tmp_path / "project"
    folder.mkdir()
    monkeypatch.setenv(ROOT_VARIABLE, str(folder))
    return folder


def listed(source: Path) -> dict[str, object]:
    pictures = json.loads(note("own", source).read_text())["pictures"]
    assert isinstance(pictures, dict)
    return pictures


def write_table(folder: Path) -> Path:
    """A table of 24 pictures of one colour per label, and the pictures."""
    table = write_csv(folder, "image,task,label", *plain_lines())
    for line in plain_lines():
        image, _, label = line.split(",")
        save_picture(folder / image, label)
    return table


def test_table_lists_the_pictures_that_it_names_and_nothing_beside_them(project: Path) -> None:
    table = write_table(project)
    first = note("own", table).read_bytes()
    assert json.loads(first)["pictures"]["files"] == 24
    (project / "letter.txt").write_text("not a picture")
    (project / "nowhere").symlink_to("nothing")
    (project / "up").symlink_to("..")
    assert note("own", table).read_bytes() == first


def test_listing_beside_the_table_in_the_project_itself_stays_as_it_is(project: Path) -> None:
    table = write_table(project)
    first = note("own", table).read_bytes()
    assert (project / "data/sources/own.json").is_file()
    assert note("own", table).read_bytes() == first


def test_picture_that_a_table_names_and_that_is_missing_changes_the_listing_when_it_comes(
    project: Path,
) -> None:
    table = write_table(project)
    whole = listed(table)
    picture = project / "red" / "0.jpg"
    content = picture.read_bytes()
    picture.unlink()
    lacking = listed(table)
    assert lacking["files"] == 23
    assert lacking["bytes"] == int(str(whole["bytes"])) - len(content)
    assert lacking["listing"] != whole["listing"]
    picture.write_bytes(content)
    assert listed(table) == whole


def test_table_that_cannot_be_read_is_listed_by_itself(project: Path) -> None:
    table = write_csv(project, "picture,task,label", *plain_lines())
    first = note("own", table).read_text()
    assert json.loads(first)["pictures"]["files"] == 0
    write_csv(project, "picture,task,labex", *plain_lines())
    assert note("own", table).read_text() != first


def test_link_to_nothing_in_a_folder_does_not_count_until_it_leads_to_something(
    project: Path, tmp_path: Path
) -> None:
    folder = write_folders(tmp_path / "mine")
    whole = listed(folder)
    for name, target in (("far.jpg", "../blue/9.jpg"), ("round.jpg", "round.jpg")):
        (folder / "lens" / "red" / name).symlink_to(target)
    lacking = listed(folder)
    assert lacking["files"] == whole["files"] == 24
    assert lacking["listing"] != whole["listing"]
    save_picture(folder / "lens" / "blue" / "9.jpg", "blue")
    assert listed(folder)["files"] == 26


def test_link_to_nothing_is_left_out_and_listed_when_assembled(tmp_path: Path) -> None:
    folder = write_folders(tmp_path / "mine")
    (folder / "lens" / "red" / "far.jpg").symlink_to("nothing.jpg")
    tables = dealt(folder)
    args = (tables.source, tables.items, tables.labels, tables.tasks, 24, tables.sources, {})
    collection = assemble_pictures(tmp_path / "data", "own", *args)  # type: ignore[arg-type]
    assert len(collection.left_out) == 1
    assert len(collection.items) == 24


def test_link_that_leads_back_to_a_folder_is_listed_but_not_walked_again(
    project: Path, tmp_path: Path
) -> None:
    folder = write_folders(tmp_path / "mine")
    whole = listed(folder)
    (folder / "lens" / "up").symlink_to("..")
    back = listed(folder)
    assert back["files"] == whole["files"] == 24
    assert back["listing"] != whole["listing"]


def test_label_that_is_a_link_to_another_one_shows_in_the_listing(project: Path, tmp_path: Path) -> None:
    folder = write_folders(tmp_path / "mine")
    (folder / "shop").mkdir()
    listings = []
    for target in ("red", "blue"):
        (folder / "shop" / "all").symlink_to(f"../lens/{target}")
        listings.append(listed(folder)["listing"])
        (folder / "shop" / "all").unlink()
    assert len({*listings, listed(folder)["listing"]}) == 3


def test_listing_without_links_is_the_hash_of_names_and_sizes(project: Path, tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    for name, content in (("b.jpg", b"12"), ("a/z.jpg", b"1"), ("a/c/0.jpg", b"")):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    text = b"b.jpg\t2\na/z.jpg\t1\na/c/0.jpg\t0\n"
    assert listed(folder) == {"files": 3, "bytes": 3, "listing": hashlib.sha256(text).hexdigest()}
