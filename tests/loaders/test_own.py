from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from own_world import COLOURS, dealt, plain_lines, roles, save_picture, write_csv, write_folders
from PIL import Image

from unifiedlib.assembly import assemble_pictures
from unifiedlib.contract import Collection, TaskSpec, load_collection
from unifiedlib.evaluation import query_counts
from unifiedlib.loaders.own import OwnSettings
from unifiedlib.loaders.tables import PictureTables
from unifiedlib.scoring import judged_galleries

HEADER = "image,task,label"
MATCHED = ["c.jpg,lens,red,query", "d.jpg,lens,red,gallery", "e.jpg,lens,blue,gallery"]
EXPLICIT = ["a.jpg,lens,red,train", "b.jpg,lens,blue,train", *MATCHED]


def assembled(tables: PictureTables, folder: Path) -> Collection:
    args = (tables.source, tables.items, tables.labels, tables.tasks, 24, tables.sources, {})
    assemble_pictures(folder, "own", *args)  # type: ignore[arg-type]
    return load_collection(folder)


def refused(source: Path, message: str, **settings: object) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        dealt(source, **settings)
    assert str(source) in str(caught.value)


def test_folders_become_a_collection_whose_pictures_follow_their_rows(tmp_path: Path) -> None:
    own = assembled(dealt(write_folders(tmp_path / "mine")), tmp_path / "data")
    assert len(own.items) == 24
    labels = own.labels.set_index("item")["label"]
    for item in range(24):
        assert np.abs(own.pixels[item, 8:16, 8:16].mean((0, 1)) - COLOURS[labels[item]]).max() < 25
    assert own.tasks == {"lens": TaskSpec(k=1, label_set="label")}
    assert len(own.queries("lens")) == len(own.gallery("lens")) == 8


def test_table_with_boxes_becomes_a_collection_of_their_contents(tmp_path: Path) -> None:
    lines = []
    for place in range(6):
        halves = np.random.default_rng(place).integers(0, 40, (20, 40, 3)).astype(np.uint8)
        halves[:, :20, 0] = halves[:, 20:, 2] = 255
        Image.fromarray(halves).save(tmp_path / f"{place}.png")
        lines += [f"{place}.png,lens,red,0,0,.5,1", f"{place}.png,lens,blue,.5,0,1,1"]
    own = assembled(
        dealt(write_csv(tmp_path, f"{HEADER},x0,y0,x1,y1", *lines), split="group"), tmp_path / "data"
    )
    assert len(own.items) == 12
    assert own.items["group"].nunique() == 6
    for row in own.labels.itertuples():
        assert own.pixels[row.item, 12, 12, 0 if row.label == "red" else 2] > 250


def test_unreadable_picture_is_left_out_and_listed(tmp_path: Path) -> None:
    source = write_folders(tmp_path / "mine", count=9)
    (source / "lens" / "red" / "0.jpg").write_bytes(b"no picture")
    own = assembled(dealt(source), tmp_path / "data")
    assert [entry["image"] for entry in own.left_out] == ["lens/red/0.jpg"]
    assert len(own.items) == 35


def test_same_picture_and_box_in_several_rows_is_one_item(tmp_path: Path) -> None:
    lines = [line for line in plain_lines() for line in (line, line.replace("lens", "shop"))]
    lines = [f"./{line}" if place % 2 else line for place, line in enumerate(lines)]
    tables = dealt(write_csv(tmp_path, HEADER, *lines))
    assert len(tables.items) == 24
    assert len(tables.labels) == 48
    assert all(len(role) == 1 for role in roles(tables).values())


def test_box_of_the_whole_picture_is_the_whole_picture(tmp_path: Path) -> None:
    lines = [f"{line},0,0,1,1" for line in plain_lines()] + [
        f"{line},,,," for line in plain_lines(task="shop")
    ]
    tables = dealt(write_csv(tmp_path, f"{HEADER},x0,y0,x1,y1", *lines))
    assert len(tables.items) == 24
    assert tables.items["box"].isna().all()


def test_roles_that_are_given_are_kept(tmp_path: Path) -> None:
    tables = dealt(write_csv(tmp_path, f"{HEADER},role", *EXPLICIT, "d.jpg,lens,red,train"))
    found = roles(tables)
    assert found["a.jpg"] == {"train"}
    assert found["c.jpg"] == {"query"}
    assert found["d.jpg"] == {"gallery", "train"}


def test_dealt_tasks_follow_the_roles_of_the_others(tmp_path: Path) -> None:
    lines = [
        f"{line},{'train' if place < 12 else 'query+gallery'}" for place, line in enumerate(plain_lines())
    ]
    lines += [f"{line}," for line in plain_lines(task="shop")]
    tables = dealt(write_csv(tmp_path, f"{HEADER},role", *lines))
    assert set(map(len, roles(tables).values())) == {1}


def test_tested_items_drop_the_label_sets_that_do_not_decide(tmp_path: Path) -> None:
    lines = [f"{line},{kind}" for line in plain_lines() for kind in ("product", "category")]
    tables = dealt(write_csv(tmp_path, f"{HEADER},label_set", *lines), label_set="product")
    tested = tables.labels[tables.labels["role"] != "train"]
    assert set(tested["label_set"]) == {"product"}
    assert set(tables.labels["label_set"]) == {"product", "category"}
    assert tables.tasks["lens"].label_set == "product"


def test_several_label_sets_without_a_choice_are_refused(tmp_path: Path) -> None:
    lines = [f"{line},{kind}" for line in plain_lines() for kind in ("product", "category")]
    path = write_csv(tmp_path, f"{HEADER},label_set", *lines)
    refused(path, "task 'lens' has the label sets category, product: set label_set to the one that decides")


def test_k_is_lowered_to_the_matches_of_the_median_query(tmp_path: Path) -> None:
    assert dealt(write_csv(tmp_path, HEADER, *plain_lines(20))).tasks["lens"].k == 5
    assert dealt(write_csv(tmp_path, HEADER, *plain_lines(20)), k=3).tasks["lens"].k == 3
    assert dealt(write_csv(tmp_path, HEADER, *plain_lines(60))).tasks["lens"].k == 10


def test_lowered_k_can_be_scored(tmp_path: Path) -> None:
    own = assembled(dealt(write_folders(tmp_path / "mine", count=12)), tmp_path / "data")
    metrics = ["P@1", "P@3", "R@10", "MAP@R", "R-precision", "MRR"]
    assert list(judged_galleries(own, "lens", 10)[0].cutoffs) == metrics


def test_results_leave_out_the_own_group_on_wish(tmp_path: Path) -> None:
    lines = [f"{line},{line.split('/')[1][0]}-{line.split(',')[2]}" for line in plain_lines(8)]
    lines += [f"extra-{line}" for line in lines]
    path = write_csv(tmp_path, f"{HEADER},group", *lines)
    assert dealt(path).tasks["lens"] == TaskSpec(3, "label", False)
    assert dealt(path, leave_out_group=True).tasks["lens"] == TaskSpec(2, "label", True)


def test_query_without_a_match_is_allowed_and_counted_as_left_out(tmp_path: Path) -> None:
    for seed, name in enumerate("abcdef"):
        save_picture(tmp_path / f"{name}.jpg", seed=seed)
    path = write_csv(tmp_path, f"{HEADER},role", *EXPLICIT, "f.jpg,lens,sand,query")
    counts = query_counts(assembled(dealt(path), tmp_path / "data"))
    assert counts.loc[0, ["n_query", "n_cluster", "n_left_out", "n_gallery"]].tolist() == [1, 1, 1, 2]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (",lens,red,", "row 26: image is empty: fill it in, or delete the row"),
        ("a.jpg,,red,", "row 26: task is empty"),
        ("a.jpg,lens, ,", "row 26: label is empty"),
        ("a.jpg,Lens,red,", "row 26: task is 'Lens'; a task begins with a small letter"),
        ("a.jpg,merged,red,", "row 26: task is 'merged', a name that the pipeline uses itself"),
        ("a.jpg,imagenet,red,", "row 26: task is 'imagenet', a name"),
        (
            "a.jpg,lens,red,trian",
            r"row 26: role is 'trian', not one of train, query, gallery, query\+gallery; did you mean 'train'",
        ),
        (
            "a.jpg,lens,red,train",
            "row 2: role is empty, but other rows of task 'lens' have one: fill all of them, or none",
        ),
        (
            "red/0.jpg,lens,red,",
            r"row 26: repeats row 2 \(same picture, box, task and label set\): delete one of the two",
        ),
        (
            "red/0.jpg,lens,blue,",
            "row 26: label is 'blue', but row 2 says 'red' of the same picture and box in lens/label",
        ),
        ("red/../red//0.jpg,lens,blue,", "row 26: label is 'blue', but row 2 says 'red'"),
        ("/tmp/a.jpg,lens,red,", "row 26: image '/tmp/a.jpg' is an absolute path: write it relative to"),
        ("C:/a.jpg,lens,red,", "row 26: image 'C:/a.jpg' is an absolute path"),
        ("red\\0.jpg,lens,red,", "row 26: image .* holds a backslash: write / between folders"),
        ("red/\0.jpg,lens,red,", "row 26: image holds a zero byte: delete it"),
        ("../a.jpg,lens,red,", "row 26: image '../a.jpg' leads outside the folder"),
        ("red/../../a.jpg,lens,red,", "row 26: image 'red/../../a.jpg' leads outside the folder"),
    ],
)
def test_wrong_row_is_named_with_its_remedy(tmp_path: Path, line: str, message: str) -> None:
    lines = [f"{one}," for one in plain_lines()]
    refused(write_csv(tmp_path, f"{HEADER},role", *lines, line), message)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("c.jpg,lens,red,train", "row 4: is a query of the group 'c.jpg', which row 7 trains on"),
        ("c.jpg,shop,red,train", "row 4: is a query of the group 'c.jpg', which row 7 trains on"),
        ("c.jpg,lens,red,gallery", r"row 7: repeats row 4 .*: write one row with the role 'query\+gallery'"),
        ("d.jpg,lens,blue,train", "row 7: label is 'blue', but row 5 says 'red'"),
    ],
)
def test_roles_that_contradict_each_other_are_refused(tmp_path: Path, line: str, message: str) -> None:
    refused(write_csv(tmp_path, f"{HEADER},role", *EXPLICIT, line), message)


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (MATCHED, "task 'lens' has no training rows: give more rows that role"),
        (
            EXPLICIT[1:],
            "task 'lens' has one label only in its training rows, so that there is nothing to tell apart",
        ),
        ([*EXPLICIT[:2], *EXPLICIT[3:]], "task 'lens' has no query rows"),
        (EXPLICIT[:3], "task 'lens' has no gallery rows"),
        (EXPLICIT[:4], "task 'lens' has one label only in its gallery rows"),
        (
            [*EXPLICIT[:3], "d.jpg,lens,sand,gallery", EXPLICIT[4]],
            "no query of task 'lens' has a match: its gallery needs",
        ),
    ],
)
def test_task_that_cannot_be_judged_is_refused(tmp_path: Path, lines: list[str], message: str) -> None:
    refused(write_csv(tmp_path, f"{HEADER},role", *lines), message)


def test_pictures_too_few_to_deal_are_refused_with_what_to_do(tmp_path: Path) -> None:
    path = write_csv(tmp_path, HEADER, *plain_lines(2))
    refused(
        path,
        "task 'lens' has no query rows: split 'group' tests labels with at least three pictures .*set split to 'label'",
    )
    assert dealt(path, split="label", test_share=0.5)
    path = write_csv(tmp_path, HEADER, *plain_lines(9, ("red", "blue", "sand")))
    refused(path, "task 'lens' has one label only in its gallery rows, .*set split to 'group'", split="label")


def test_labels_in_the_column_of_tasks_are_refused(tmp_path: Path) -> None:
    lines = [f"{number}.jpg,task_{number},red" for number in range(65)]
    refused(
        write_csv(tmp_path, HEADER, *lines),
        "there are 65 tasks, and at most 64 can be learnt: a task is a way",
    )


def test_test_rows_in_two_label_sets_are_refused(tmp_path: Path) -> None:
    lines = [f"{line},label" for line in EXPLICIT] + ["f.jpg,lens,cup,gallery,kind"]
    path = write_csv(tmp_path, f"{HEADER},role,label_set", *lines)
    refused(path, "row 7: a test row of task 'lens' uses label set 'kind', an earlier one 'label'")


@pytest.mark.parametrize(("column", "value"), [("domain", "camera"), ("group", "anna")])
def test_item_that_is_described_in_two_ways_is_refused(tmp_path: Path, column: str, value: str) -> None:
    path = write_csv(tmp_path, f"{HEADER},{column}", "a.jpg,lens,red,", f"a.jpg,shop,red,{value}")
    refused(
        path,
        f"row 3: {column} is '{value}', but row 2 says '.+' of the same picture and box: make them equal",
    )


def test_unknown_domain_and_label_set_are_refused(tmp_path: Path) -> None:
    path = write_csv(tmp_path, f"{HEADER},domain", "a.jpg,lens,red,catalogue")
    refused(
        path, "row 2: domain is 'catalogue', not one of pin, camera, scene, catalog; did you mean 'catalog'"
    )
    path = write_csv(tmp_path, f"{HEADER},label_set", "a.jpg,lens,red,kind.of")
    refused(path, "row 2: label_set is 'kind.of'; a label_set begins with a small letter")


@pytest.mark.parametrize("box", ["0.5,0,0.5,1", "0,0,1,1.2", "-0.1,0,1,1", "10,20,200,300"])
def test_box_out_of_range_is_refused(tmp_path: Path, box: str) -> None:
    path = write_csv(tmp_path, f"{HEADER},x0,y0,x1,y1", f"a.jpg,lens,red,{box}")
    refused(path, r"row 2: box \[.*\] must have 0 <= x0 < x1 <= 1 .*, not pixels")


def test_box_with_an_empty_corner_is_refused(tmp_path: Path) -> None:
    path = write_csv(tmp_path, f"{HEADER},x0,y0,x1,y1", "a.jpg,lens,red,0,0,,1")
    refused(path, "row 2: x1 is empty beside other corners: give all of x0, y0, x1, y1, or none of them")


def test_link_in_a_table_must_stay_inside(tmp_path: Path) -> None:
    save_picture(tmp_path / "elsewhere.jpg")
    folder = tmp_path / "mine"
    path = write_csv(folder, HEADER, *plain_lines(), "red/far.jpg,lens,red")
    (folder / "red").mkdir()
    (folder / "red" / "far.jpg").symlink_to(tmp_path / "elsewhere.jpg")
    refused(path, "row 26: image 'red/far.jpg' is a link, or lies behind one, that leads outside the folder")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"k": 0}, "k is 0; it must be at least 1"),
        ({"split": "labels"}, "split is 'labels'; choose one of group, label"),
        ({"test_share": 1.0}, "test_share is 1.0; it must lie between 0 and 1"),
        ({"seed": -1}, "seed is -1; it must be at least 0"),
    ],
)
def test_settings_out_of_range_are_refused(change: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        OwnSettings(Path("mine"), **change)  # type: ignore[arg-type]
