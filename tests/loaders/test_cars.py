from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from official_archives import CARS_NAMES, car_annotations, cars
from scipy.io import savemat

from unifiedlib.assembly import assemble_pictures
from unifiedlib.loaders.benchmarks import official_folder
from unifiedlib.loaders.cars import cars_tables

pytestmark = pytest.mark.filterwarnings("ignore::unifiedlib.loaders.official_tables.BenchmarkWarning")


@pytest.fixture
def source(tmp_path: Path) -> Path:
    cars(tmp_path / "downloads")
    return official_folder(tmp_path / "downloads", "cars")


def annotate(source: Path, images: list[str], classes: list[int], names: list[str] = CARS_NAMES) -> None:
    car_annotations(source / "cars_annos.mat", images, classes, names)


def test_archive_becomes_a_checked_collection(source: Path, tmp_path: Path) -> None:
    tables = cars_tables(source)
    collection = assemble_pictures(
        tmp_path / "data",
        "cars",
        tables.source,
        tables.items,
        tables.labels,
        tables.tasks,
        16,
        tables.sources,
        {},
    )
    assert collection.left_out == []
    assert collection.items["image"].tolist() == [f"car_ims/{place:06d}.jpg" for place in range(1, 9)]
    assert collection.training_rows("cars")["label"].unique().tolist() == [
        f"001 {CARS_NAMES[0]}",
        f"098 {CARS_NAMES[97]}",
    ]
    assert set(collection.eval_labels("cars")) == {f"099 {CARS_NAMES[98]}", f"196 {CARS_NAMES[195]}"}
    assert collection.queries("cars").tolist() == collection.gallery("cars").tolist() == [4, 5, 6, 7]
    colour = np.random.default_rng(5006).integers(0, 255, 3)
    assert np.abs(collection.pixels[6, 8, 8].astype(int) - colour).max() < 6


def test_classes_of_the_same_name_stay_apart(source: Path) -> None:
    images = [f"car_ims/{place:06d}.jpg" for place in range(1, 9)]
    annotate(source, images, [1, 1, 2, 2, 100, 100, 101, 101], ["the same name"] * 196)
    assert cars_tables(source).labels["label"].nunique() == 4


@pytest.mark.parametrize(
    ("images", "classes", "names", "reason"),
    [
        (["car_ims/000001.jpg"], [197], CARS_NAMES, r"row 1: class 197 of car_ims/000001.jpg is not one of"),
        (["car_ims/000001.jpg"], [0], CARS_NAMES, r"row 1: class 0 of car_ims/000001.jpg is not one of"),
        (["car_ims/000001.jpg"], [1], CARS_NAMES[:99], r"names 99 classes, not 196"),
        (["car_ims/000001.jpg"] * 2, [1, 1], CARS_NAMES, r"row 2 lists car_ims/000001.jpg again, .* row 1"),
        (["car_ims/000001.jpg", "car_ims/./000001.jpg"], [1, 1], CARS_NAMES, r"row 2 lists .* again"),
        (["../../x/1.jpg"], [1], CARS_NAMES, r"row 1 names '../../x', which leads outside the folder"),
        (["car_ims/.."], [1], CARS_NAMES, r"row 1 names 'car_ims/..', which is no picture"),
    ],
)
def test_annotations_that_lie_are_refused(
    source: Path, images: list[str], classes: list[int], names: list[str], reason: str
) -> None:
    annotate(source, images, classes, names)
    with pytest.raises(ValueError, match=reason):
        cars_tables(source)


def test_file_that_is_no_matlab_file_is_refused(source: Path) -> None:
    path = source / "cars_annos.mat"
    for content in (b"", b"<html>not found</html>" * 40, path.read_bytes()[:900]):
        path.write_bytes(content)
        with pytest.raises(ValueError, match=r"is not the official cars_annos.mat, .*: download it again"):
            cars_tables(source)


def test_damaged_file_that_crashes_scipy_is_an_error_like_any_other(source: Path) -> None:
    path = source / "cars_annos.mat"
    content = bytearray(path.read_bytes())
    content[376] = 255  # the type of a field: scipy 1.17 ends with a segmentation fault
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"\((the reader ended with -\d+|.*Error.*)\): download it again"):
        cars_tables(source)


def test_another_matlab_file_is_refused(source: Path) -> None:
    savemat(source / "cars_annos.mat", {"annotations": np.ones((1, 3)), "class_names": np.ones((1, 196))})
    with pytest.raises(ValueError, match=r"is not the official cars_annos.mat"):
        cars_tables(source)


def test_missing_annotations_are_named(source: Path) -> None:
    (source / "cars_annos.mat").unlink()
    with pytest.raises(FileNotFoundError, match=r"does not hold Cars-196: cars_annos.mat is missing"):
        cars_tables(source)
