from __future__ import annotations

from pathlib import Path

import pytest
from official_archives import replace_line, sop

from unifiedlib.assembly import assemble_pictures
from unifiedlib.loaders.benchmarks import official_folder
from unifiedlib.loaders.sop import sop_tables

pytestmark = pytest.mark.filterwarnings("ignore::unifiedlib.loaders.official_tables.BenchmarkWarning")


@pytest.fixture
def source(tmp_path: Path) -> Path:
    sop(tmp_path / "downloads")
    return official_folder(tmp_path / "downloads", "sop")


def test_archive_becomes_a_checked_collection(source: Path, tmp_path: Path) -> None:
    tables = sop_tables(source)
    collection = assemble_pictures(
        tmp_path / "data",
        "sop",
        tables.source,
        tables.items,
        tables.labels,
        tables.tasks,
        16,
        tables.sources,
        {},
    )
    assert collection.left_out == []
    assert set(collection.items["domain"]) == {"catalog"}
    trained = collection.training_rows("sop")
    products = trained[trained["label_set"] == "product"]
    assert products["label"].value_counts().to_dict() == {f"product_0000{number}": 2 for number in (1, 2, 3)}
    categories = trained[trained["label_set"] == "category"]
    assert categories["label"].tolist() == ["bicycle"] * 4 + ["cabinet"] * 2
    assert collection.eval_labels("sop").value_counts().to_dict() == {"product_11319": 2, "product_11320": 2}
    assert (collection.queries("sop") == collection.gallery("sop")).all()
    assert collection.tasks["sop"].label_set == "product"


@pytest.mark.parametrize(
    ("part", "line", "new", "reason"),
    [
        ("train", 1, "image class path", r"Ebay_train.txt does not start with 'image_id class_id"),
        (
            "test",
            2,
            "7 1 1 bicycle_final/a.JPG",
            r"product 'product_00001' is tested on, and trained on in other",
        ),
        ("test", 2, "7 x1 1 bicycle_final/a.JPG", r"line 2: class_id 'x1' is not a whole number from 1"),
        ("test", 2, "7 ²1 1 bicycle_final/a.JPG", r"line 2: class_id '²1' is not a whole number from 1"),
        (
            "train",
            3,
            "2 1 1 chair_final/a.JPG",
            r"line 3: chair_final/a.JPG does not lie in the folder of its",
        ),
        (
            "train",
            3,
            "2 1 1 bicycle_final/../../../a.JPG",
            r"names 'bicycle_final/../../..', which leads outside",
        ),
        (
            "test",
            6,
            "11 5 3 chair_final/111085134191_0.JPG",
            r"line 6 lists chair_final/\S+ again, .* line 4",
        ),
    ],
)
def test_list_that_lies_is_refused(source: Path, part: str, line: int, new: str, reason: str) -> None:
    replace_line(source / "Stanford_Online_Products" / f"Ebay_{part}.txt", line, new)
    with pytest.raises(ValueError, match=reason):
        sop_tables(source)


def test_empty_list_or_one_that_is_no_text_is_refused(source: Path) -> None:
    path = source / "Stanford_Online_Products" / "Ebay_test.txt"
    path.write_text("image_id class_id super_class_id path\n")
    with pytest.raises(ValueError, match=r"Ebay_test.txt lists nothing"):
        sop_tables(source)
    path.write_bytes(b"image_id class_id super_class_id path\n1 1 1 \xff\xfe.JPG\n")
    with pytest.raises(ValueError, match=r"Ebay_test.txt is no UTF-8 text"):
        sop_tables(source)
