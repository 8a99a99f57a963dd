from __future__ import annotations

from pathlib import Path

import pytest
from own_world import COLOURS, dealt, roles, save_picture, write_folders

from unifiedlib.assembly import assemble_pictures


def refused(source: Path, message: str) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        dealt(source)
    assert str(source) in str(caught.value)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_folders(tmp_path / "mine")


def test_first_level_is_the_task_and_second_the_label(folder: Path) -> None:
    tables = dealt(write_folders(folder, "shop"))
    assert sorted(tables.tasks) == ["lens", "shop"]
    assert tables.source == folder
    rows = tables.labels.assign(image=tables.items["image"].iloc[tables.labels["item"]].to_numpy())
    assert (rows["image"].str.split("/").str[0] == rows["task"]).all()
    assert (rows["image"].str.split("/").str[1] == rows["label"]).all()
    assert set(rows["label_set"]) == {"label"}
    assert set(rows["label"]) == set(COLOURS)


def test_files_that_are_no_pictures_are_left_out_when_assembled(folder: Path, tmp_path: Path) -> None:
    (folder / "lens" / "red" / "notes.txt").write_text("mine")
    (folder / "lens" / "red" / ".DS_Store").write_bytes(b"x")
    (folder / "lens" / "README.md").write_text("mine")
    (folder / ".cache").mkdir()
    tables = dealt(folder)
    args = (tables.source, tables.items, tables.labels, tables.tasks, 24, tables.sources, {})
    collection = assemble_pictures(tmp_path / "data", "own", *args)  # type: ignore[arg-type]
    assert [entry["image"] for entry in collection.left_out] == ["lens/red/notes.txt"]
    assert len(collection.items) == 24


def test_same_pictures_in_the_same_order_whatever_order_the_disk_has(tmp_path: Path) -> None:
    for number, names in enumerate((list(COLOURS), list(reversed(COLOURS)))):
        for label in names:
            for place in range(4):
                save_picture(tmp_path / str(number) / "lens" / label / f"{place}.png", label)
    first, second = (dealt(tmp_path / name) for name in "01")
    assert first.items.equals(second.items)
    assert first.labels.equals(second.labels)


def test_link_inside_the_folder_is_followed_and_the_picture_is_one_item(folder: Path) -> None:
    (folder / "shop").mkdir()
    for label in COLOURS:
        (folder / "shop" / label).symlink_to(Path("..") / "lens" / label)
    tables = dealt(folder)
    assert len(tables.items) == 24
    assert len(tables.labels) == 48
    assert all(len(role) == 1 for role in roles(tables).values())


def test_link_that_leaves_the_folder_is_refused(folder: Path, tmp_path: Path) -> None:
    save_picture(tmp_path / "elsewhere" / "0.jpg")
    (folder / "lens" / "red" / "far.jpg").symlink_to(tmp_path / "elsewhere" / "0.jpg")
    refused(folder, "lens/red/far.jpg: image 'lens/red/far.jpg' is a link, .* leads outside the folder")
    (folder / "lens" / "red" / "far.jpg").unlink()
    (folder / "lens" / "far").symlink_to(tmp_path / "elsewhere")
    refused(folder, "lens/far/0.jpg: .* leads outside the folder")


def test_link_that_leads_back_to_itself_is_refused(folder: Path) -> None:
    (folder / "lens" / "red" / "round.jpg").symlink_to("round.jpg")
    refused(
        folder, "lens/red/round.jpg: image 'lens/red/round.jpg' is a link, .* leads back to itself: delete it"
    )


def test_one_picture_under_two_labels_is_refused(folder: Path) -> None:
    (folder / "lens" / "red" / "again.webp").symlink_to(Path("..") / "blue" / "2.webp")
    refused(
        folder, "lens/red/again.webp: label is 'red', but lens/blue/2.webp says 'blue' of the same picture"
    )


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("0.jpg", "0.jpg lies in no task folder: the layout is task/label/picture"),
        ("lens/0.JPG", "lens/0.JPG lies in no label folder: the layout is task/label/picture"),
        ("lens/red/more/0.jpg", "lens/red/more is a folder inside a label folder: .*; move its pictures up"),
        ("Lens/red/0.jpg", "task is 'Lens'; a task begins with a small letter"),
        ("unified/red/0.jpg", "task is 'unified', a name that the pipeline uses itself: rename it"),
    ],
)
def test_picture_at_a_wrong_place_is_named(folder: Path, path: str, message: str) -> None:
    save_picture(folder / path)
    refused(folder, message)


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("shop", "shop holds no label folder"),
        ("lens/grey", "lens/grey holds no pictures: put some there, or delete the folder"),
    ],
)
def test_empty_folder_is_named(folder: Path, path: str, message: str) -> None:
    (folder / path).mkdir()
    refused(folder, message)


def test_folder_without_anything_is_refused(tmp_path: Path) -> None:
    refused(tmp_path, "holds no task folder: the layout is task/label/picture, such as lens/red_mug/1.jpg")


def test_name_that_is_no_utf_8_is_refused(folder: Path) -> None:
    (folder / "lens" / "red" / "k\udcf6tt.jpg").write_bytes(b"x")
    refused(folder, "is not UTF-8: rename it")
