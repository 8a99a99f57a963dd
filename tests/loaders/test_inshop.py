from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from official_archives import inshop, replace_line

from unifiedlib.assembly import assemble_pictures
from unifiedlib.loaders.benchmarks import official_folder
from unifiedlib.loaders.inshop import inshop_tables

pytestmark = pytest.mark.filterwarnings("ignore::unifiedlib.loaders.official_tables.BenchmarkWarning")


@pytest.fixture
def source(tmp_path: Path) -> Path:
    inshop(tmp_path / "downloads")
    return official_folder(tmp_path / "downloads", "inshop")


def test_archive_becomes_a_checked_collection(source: Path, tmp_path: Path) -> None:
    tables = inshop_tables(source)
    collection = assemble_pictures(
        tmp_path / "data",
        "inshop",
        tables.source,
        tables.items,
        tables.labels,
        tables.tasks,
        16,
        tables.sources,
        {},
    )
    assert collection.left_out == []
    trained = collection.training_rows("inshop")
    assert set(trained["label_set"]) == {"product", "category"}
    categories = trained.loc[trained["label_set"] == "category", "label"]
    assert categories.tolist() == ["WOMEN/Dresses"] * 2 + ["MEN/Denim"] * 3
    assert collection.queries("inshop").tolist() == [5, 9]
    assert collection.gallery("inshop").tolist() == [6, 7, 8]
    assert collection.eval_labels("inshop").loc[[5, 9]].tolist() == ["id_00000001", "id_00007982"]


def test_layout_of_the_official_folders_gives_the_same_tables(source: Path, tmp_path: Path) -> None:
    there = tmp_path / "benchmark"
    shutil.copytree(source / "img", there / "Img" / "img")
    (there / "Eval").mkdir()
    shutil.copy(source / "list_eval_partition.txt", there / "Eval")
    tables = inshop_tables(there)
    assert tables.source == there / "Img"
    assert tables.items.equals(inshop_tables(source).items)


@pytest.mark.parametrize(
    ("line", "new", "reason"),
    [
        (1, "52712", r"says that it lists 52,712 pictures and lists 10"),
        (1, "many", r"does not start with a number of pictures and 'image_name item_id"),
        (2, "image item status", r"does not start with a number of pictures and 'image_name item_id"),
        (
            3,
            "img/WOMEN/Dresses/id_2/1.jpg id_2 val",
            r"line 3: evaluation_status 'val' is not one of train, query",
        ),
        (3, "img/1.jpg id_2 train", r"line 3: img/1.jpg is not img/<people>/<kind>/<item>/<picture>"),
        (
            3,
            "img/a/b/../../../../1.jpg id_2 train",
            r"line 3 names 'img/a/b/../../../..', which leads outside",
        ),
        (3, "img/MEN/Denim/id_00000080/01_1_front.jpg x train", r"line 5 lists img/MEN/\S+ again, .* line 3"),
        (
            8,
            "img/MEN/Denim/id_00000080/9.jpg id_00000080 query",
            r"'id_00000080' is tested on, and trained on",
        ),
    ],
)
def test_list_that_lies_is_refused(source: Path, line: int, new: str, reason: str) -> None:
    replace_line(source / "list_eval_partition.txt", line, new)
    with pytest.raises(ValueError, match=reason):
        inshop_tables(source)
