from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from official_archives import CUB_CLASSES, CUB_NAMES, cub, picture, replace_line, text

from unifiedlib.assembly import assemble_pictures
from unifiedlib.loaders.benchmarks import official_folder
from unifiedlib.loaders.cub import cub_tables

pytestmark = pytest.mark.filterwarnings("ignore::unifiedlib.loaders.official_tables.BenchmarkWarning")
FIRST = f"{CUB_NAMES[0]}/Bird_1_0000_1.jpg"


@pytest.fixture
def source(tmp_path: Path) -> Path:
    cub(tmp_path / "downloads")
    return official_folder(tmp_path / "downloads", "cub")


def test_archive_becomes_a_checked_collection(source: Path, tmp_path: Path) -> None:
    tables = cub_tables(source)
    collection = assemble_pictures(
        tmp_path / "data",
        "cub",
        tables.source,
        tables.items,
        tables.labels,
        tables.tasks,
        16,
        tables.sources,
        {},
    )
    assert collection.left_out == []
    assert len(collection.items) == 3 * len(CUB_CLASSES)
    assert set(collection.items["domain"]) == {"pin"}
    assert collection.items["box"].isna().all()
    assert set(collection.training_rows("cub")["label"]) == {CUB_NAMES[number - 1] for number in (1, 2, 100)}
    assert set(collection.eval_labels("cub")) == {CUB_NAMES[number - 1] for number in (101, 102, 200)}
    assert (collection.queries("cub") == collection.gallery("cub")).all()
    assert collection.tasks["cub"].label_set == "category"
    colour = np.random.default_rng(100 * CUB_CLASSES[1] + 2).integers(0, 255, 3)
    assert np.abs(collection.pixels[5, 8, 8].astype(int) - colour).max() < 6


def test_unpacked_folder_itself_is_a_source_too(source: Path) -> None:
    below, itself = cub_tables(source), cub_tables(source / "CUB_200_2011")
    assert below.source == itself.source == source / "CUB_200_2011"
    assert below.items["image"].tolist() == itself.items["image"].tolist()
    assert below.items["image"].iloc[0] == f"images/{FIRST}"


def test_group_is_the_species(source: Path) -> None:
    tables = cub_tables(source)
    label = tables.labels.set_index("item")["label"]
    assert tables.items["group"].tolist() == [f"cub/{name}" for name in label]


@pytest.mark.parametrize(
    ("name", "line", "new", "reason"),
    [
        ("classes", 2, f"2 {CUB_NAMES[2]}", r"classes.txt line 3: the name .* stands for a second class"),
        ("classes", 2, "3 002.Bird_2", r"classes.txt line 3: class 3 is named a second time"),
        ("classes", 2, "201 002.Bird_2", r"line 2: class '201' is not a whole number from 1 to 200"),
        ("classes", 2, "2 101.Bird_101x", r"images.txt line 4: .* does not lie in the folder of its class"),
        ("image_class_labels", 1, "1 101", r"images.txt line 1: .* does not lie in the folder of its class"),
        ("image_class_labels", 1, "1 first", r"class 'first' is not a whole number from 1 to 200"),
        ("image_class_labels", 1, "2 1", r"image_class_labels.txt line 2: picture 2 has a second class"),
        ("image_class_labels", 1, "99 1", r"image_class_labels.txt line 1: picture 99 is not in images.txt"),
        ("images", 1, "2 " + FIRST, r"images.txt line 2: picture number 2 stands there a second time"),
        ("images", 2, "2 " + FIRST, r"images.txt line 2 lists images/001.* again, first listed by .* line 1"),
        ("images", 1, "1 a b.jpg", r"images.txt line 1 has 3 entries, not 2: id image"),
        ("images", 1, "1 ../../../../etc/passwd", r"line 1: .* does not lie in the folder of its class"),
    ],
)
def test_list_that_lies_is_refused(source: Path, name: str, line: int, new: str, reason: str) -> None:
    replace_line(source / "CUB_200_2011" / f"{name}.txt", line, new)
    with pytest.raises(ValueError, match=reason):
        cub_tables(source)


def test_picture_without_a_class_is_named(source: Path) -> None:
    path = source / "CUB_200_2011" / "image_class_labels.txt"
    path.write_text("\n".join(path.read_text().splitlines()[1:]) + "\n")
    with pytest.raises(ValueError, match=r"images.txt line 1: picture 1 has no class"):
        cub_tables(source)


def test_list_with_fewer_classes_cannot_be_split(source: Path) -> None:
    classes = [f"{number} {CUB_NAMES[number - 1]}" for number in range(1, 151)]
    (source / "CUB_200_2011" / "classes.txt").write_bytes(text(classes))
    with pytest.raises(ValueError, match=r"classes.txt names 150 classes, not 200"):
        cub_tables(source)


def test_class_name_that_leads_outside_is_refused(source: Path) -> None:
    folder = source / "CUB_200_2011"
    replace_line(folder / "classes.txt", 1, "1 ../../outside")
    for line in (1, 2, 3):
        replace_line(folder / "images.txt", line, f"{line} ../../outside/{line}.jpg")
    (source.parent / "outside").mkdir()
    with pytest.raises(
        ValueError, match=r"images.txt line 1 names 'images/../../outside', which leads outside"
    ):
        cub_tables(source)


def test_link_that_leads_outside_is_refused(source: Path, tmp_path: Path) -> None:
    inside = source / "CUB_200_2011" / "images" / FIRST
    (tmp_path / "secret.jpg").write_bytes(picture(1))
    inside.unlink()
    inside.symlink_to(tmp_path / "secret.jpg")
    with pytest.raises(ValueError, match=r"images.txt line 1 names .*_0000_1.jpg', which leads outside"):
        cub_tables(source)
