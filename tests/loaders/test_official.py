from __future__ import annotations

import hashlib
import io
import re
import shutil
import tarfile
import warnings
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from official_archives import WRITERS, cars, cub, inshop, picture, write_zip

from unifiedlib import paths
from unifiedlib.archive import ArchiveError
from unifiedlib.assembly import assemble_pictures
from unifiedlib.loaders.benchmarks import BENCHMARKS, TABLES, benchmarks_tables, official_folder
from unifiedlib.loaders.cub import CUB
from unifiedlib.loaders.official import Benchmark, BenchmarkWarning, provide
from unifiedlib.loaders.official_tables import picture_tables

# The small archives here are made up, so their sums are others.
pytestmark = pytest.mark.filterwarnings("ignore:.* has the MD5:unifiedlib.loaders.official.BenchmarkWarning")

COUNTS = {
    "training pictures": 200,
    "queries": 200,
    "gallery pictures": 200,
    "training classes": 2,
    "test classes": 2,
}
SMALL: Benchmark = replace(CUB, published=COUNTS)


@pytest.mark.parametrize("dataset", list(WRITERS))
def test_archive_is_unpacked_once_and_its_folder_used_after(tmp_path: Path, dataset: str) -> None:
    WRITERS[dataset](tmp_path)
    folder = official_folder(tmp_path, dataset)
    assert folder == tmp_path / "unpacked" / dataset
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    assert official_folder(tmp_path, dataset) == folder
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before


@pytest.mark.parametrize("dataset", list(WRITERS))
def test_folder_that_was_unpacked_by_hand_is_used_as_it_is(tmp_path: Path, dataset: str) -> None:
    WRITERS[dataset](tmp_path / "downloads")
    by_hand = official_folder(tmp_path / "downloads", dataset, into=tmp_path / "hand")
    assert official_folder(by_hand, dataset) == by_hand
    assert official_folder(tmp_path / "hand", dataset) == by_hand == tmp_path / "hand" / dataset


@pytest.mark.parametrize(
    ("dataset", "wanted"),
    [
        ("cub", r"CUB_200_2011\.tgz of CUB-200-2011: get it from https://data\.caltech\.edu"),
        ("cars", r"cars_annos\.mat of Cars-196: get it from https://ai\.stanford\.edu"),
        ("sop", r"Stanford_Online_Products\.zip of .*: get it from https://cvgl\.stanford\.edu"),
        ("inshop", r"list_eval_partition\.txt of .*: get it from https://mmlab\.ie\.cuhk\.edu\.hk"),
    ],
)
def test_missing_archive_is_named_with_its_official_place(tmp_path: Path, dataset: str, wanted: str) -> None:
    with pytest.raises(FileNotFoundError, match=f"does not hold {wanted}"):
        official_folder(tmp_path, dataset)
    with pytest.raises(FileNotFoundError, match=r"does not hold .* is missing; unpack .* from https"):
        TABLES[dataset](tmp_path)


def test_list_without_its_pictures_asks_for_the_archive(tmp_path: Path) -> None:
    cars(tmp_path)
    (tmp_path / "car_ims.tgz").unlink()
    with pytest.raises(FileNotFoundError, match=r"does not hold car_ims\.tgz of Cars-196"):
        official_folder(tmp_path, "cars")


def test_archive_and_list_are_found_in_the_official_folders(tmp_path: Path) -> None:
    inshop(tmp_path)
    for name, place in (("img.zip", "Img"), ("list_eval_partition.txt", "Eval")):
        (tmp_path / place).mkdir()
        (tmp_path / name).rename(tmp_path / place / name)
    folder = official_folder(tmp_path, "inshop")
    assert (folder / "list_eval_partition.txt").is_file()
    assert (folder / "img" / "MEN").is_dir()


def test_list_that_was_corrected_takes_the_place_of_the_old_one(tmp_path: Path) -> None:
    inshop(tmp_path)
    folder = official_folder(tmp_path, "inshop")
    (tmp_path / "list_eval_partition.txt").write_text("a newer list")
    assert official_folder(tmp_path, "inshop") == folder
    assert (folder / "list_eval_partition.txt").read_text() == "a newer list"


@pytest.mark.parametrize("dataset", list(WRITERS))
def test_unpacked_folder_is_used_when_the_downloads_are_gone(tmp_path: Path, dataset: str) -> None:
    WRITERS[dataset](tmp_path)
    folder = official_folder(tmp_path, dataset)
    (tmp_path / BENCHMARKS[dataset].archive).unlink()
    assert official_folder(tmp_path, dataset) == folder
    for path in [path for path in tmp_path.iterdir() if path.is_file()]:
        path.unlink()
    assert official_folder(tmp_path, dataset) == folder


def test_unpacked_folder_is_used_wherever_it_was_put(tmp_path: Path) -> None:
    cub(tmp_path)
    folder = official_folder(tmp_path, "cub", into=tmp_path / "elsewhere")
    (tmp_path / "CUB_200_2011.tgz").unlink()
    assert official_folder(tmp_path, "cub", into=tmp_path / "elsewhere") == folder


def test_unpacked_folder_that_has_lost_a_file_asks_for_the_archive(tmp_path: Path) -> None:
    cub(tmp_path)
    folder = official_folder(tmp_path, "cub")
    (tmp_path / "CUB_200_2011.tgz").unlink()
    next(folder.rglob("*.jpg")).unlink()
    with pytest.raises(
        FileNotFoundError, match=r"does not hold CUB_200_2011\.tgz of CUB-200-2011: get it from"
    ):
        official_folder(tmp_path, "cub")


def test_corrected_list_is_taken_over_when_the_archive_is_gone(tmp_path: Path) -> None:
    inshop(tmp_path)
    folder = official_folder(tmp_path, "inshop")
    (tmp_path / "img.zip").unlink()
    (tmp_path / "list_eval_partition.txt").write_text("a newer list")
    assert official_folder(tmp_path, "inshop") == folder
    assert (folder / "list_eval_partition.txt").read_text() == "a newer list"


def test_another_archive_replaces_the_unpacked_one_and_the_list_beside_it(tmp_path: Path) -> None:
    inshop(tmp_path)
    folder = official_folder(tmp_path, "inshop")
    write_zip(tmp_path / "img.zip", {"img/WOMEN/new.jpg": picture(1)})
    assert official_folder(tmp_path, "inshop") == folder
    assert {path.name for path in folder.rglob("*") if path.is_file()} == {
        "new.jpg",
        "list_eval_partition.txt",
    }


@pytest.mark.parametrize("place", [".", "{dataset}", "unpacked/{dataset}"])
def test_places_of_one_benchmark_are_those_of_all_four(tmp_path: Path, place: str) -> None:
    for dataset, writer in WRITERS.items():
        writer(tmp_path / "downloads")
        folder = official_folder(tmp_path / "downloads", dataset)
        target = tmp_path / "hand" / place.format(dataset=dataset)
        shutil.copytree(folder, target, dirs_exist_ok=True)
        note = folder.with_name(f"{dataset}.unpacked.json")
        shutil.copyfile(note, target.with_name(note.name))
        assert official_folder(tmp_path / "hand", dataset) == target
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", BenchmarkWarning)
        assert len(benchmarks_tables(tmp_path / "hand").sources) == 4


def test_archive_with_another_md5_is_warned_of_with_both_sums_each_time_but_read_once(tmp_path: Path) -> None:
    cub(tmp_path)
    archive = tmp_path / "CUB_200_2011.tgz"
    found = hashlib.md5(archive.read_bytes()).hexdigest()
    said = rf"CUB-200-2011: CUB_200_2011\.tgz has the MD5 {found}, .* of {CUB.md5[archive.name]}$"
    with pytest.warns(BenchmarkWarning, match=said):
        official_folder(tmp_path, "cub")
    archive.unlink()
    with pytest.warns(BenchmarkWarning, match=said):
        official_folder(tmp_path, "cub")


def test_list_with_another_md5_is_warned_of(tmp_path: Path) -> None:
    cars(tmp_path)
    with pytest.warns(BenchmarkWarning, match=r"Cars-196: car_ims\.tgz has .*; cars_annos\.mat has the MD5"):
        official_folder(tmp_path, "cars")


def test_archive_with_the_known_md5_or_without_one_is_not_warned_of(tmp_path: Path) -> None:
    cub(tmp_path)
    inshop(tmp_path)
    sums = {CUB.archive: hashlib.md5((tmp_path / CUB.archive).read_bytes()).hexdigest()}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        provide(tmp_path, replace(CUB, md5=sums))
        official_folder(tmp_path, "inshop")


def test_md5_sums_of_the_page_are_those_that_are_compared() -> None:
    page = paths.resolve("docs/benchmarks.md").read_text(encoding="utf-8")
    listed = dict(re.findall(r"`([\w.]+)`\s`([0-9a-f]{32})`", page))
    assert listed == {
        name: known for benchmark in BENCHMARKS.values() for name, known in benchmark.md5.items()
    }


def test_archive_of_something_else_is_refused(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "CUB_200_2011.tgz", "w:gz") as tar:
        tar.addfile(tarfile.TarInfo("something_else.txt"), io.BytesIO())
    with pytest.raises(
        FileNotFoundError, match=r"not the official archive of CUB-200-2011: images.txt is not in"
    ):
        official_folder(tmp_path, "cub")


def test_cut_download_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    cub(tmp_path)
    archive = tmp_path / "CUB_200_2011.tgz"
    archive.write_bytes(archive.read_bytes()[:-400])
    with pytest.raises(ArchiveError, match="cut short or corrupt"):
        official_folder(tmp_path, "cub")
    assert list((tmp_path / "unpacked").iterdir()) == []


def test_unknown_benchmark_names_the_choices(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no benchmark 'birds'; choose one of cub, cars, sop, inshop"):
        official_folder(tmp_path, "birds")


def listed(root: Path) -> pd.DataFrame:
    """400 pictures of four classes, every one there."""
    (root / "images").mkdir(parents=True)
    for number in range(400):
        (root / "images" / f"{number}.jpg").write_bytes(picture(number))
    return pd.DataFrame(
        {
            "where": [f"list line {number}" for number in range(400)],
            "image": [f"images/{number}.jpg" for number in range(400)],
            "role": ["train"] * 200 + ["query+gallery"] * 200,
            "label": [f"class {number // 100}" for number in range(400)],
        }
    )


def test_benchmark_as_published_has_no_note_and_no_warning(tmp_path: Path) -> None:
    rows = listed(tmp_path)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert picture_tables(SMALL, tmp_path, rows).sources[0]["note"] == ""


def test_other_counts_than_published_are_warned_of_and_noted(tmp_path: Path) -> None:
    rows = listed(tmp_path).iloc[1:].reset_index(drop=True)
    with pytest.warns(BenchmarkWarning, match="CUB-200-2011: 199 training pictures where 200 were published"):
        tables = picture_tables(SMALL, tmp_path, rows)
    assert tables.sources[0]["note"] == "199 training pictures where 200 were published"


def test_few_missing_pictures_are_noted_and_left_to_assembly(tmp_path: Path) -> None:
    rows = listed(tmp_path)
    for number in (7, 8, 250, 399):
        (tmp_path / "images" / f"{number}.jpg").unlink()
    with pytest.warns(BenchmarkWarning, match="4 listed pictures are missing, first images/7.jpg"):
        tables = picture_tables(SMALL, tmp_path, rows)
    collection = assemble_pictures(
        tmp_path / "data", "x", tmp_path, tables.items, tables.labels, tables.tasks, 8, tables.sources, {}
    )
    assert [entry["image"] for entry in collection.left_out] == [f"images/{n}.jpg" for n in (7, 8, 250, 399)]
    assert "4 listed pictures are missing" in collection.sources[0]["note"]


def test_more_than_one_in_a_hundred_missing_is_an_error(tmp_path: Path) -> None:
    rows = listed(tmp_path)
    for number in (7, 8, 9, 250, 399):
        (tmp_path / "images" / f"{number}.jpg").unlink()
    said = r"5 of the 400 pictures of CUB-200-2011 are missing, first images/7.jpg \(list line 7\): download or unpack"
    with pytest.raises(FileNotFoundError, match=said):
        picture_tables(SMALL, tmp_path, rows)
