from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from own_world import dealt, plain_lines, roles, write_csv

from unifiedlib.loaders.own_split import clusters

HEADER = "image,task,label"
MANY = tuple(f"label {number}" for number in range(40))


def naive_clusters(keys: list[list[int]]) -> list[int]:
    """Spread the smaller number over every pair of rows that share a value, until nothing changes."""
    number = list(range(len(keys[0])))
    for _ in number:
        for key in keys:
            for i, one in enumerate(key):
                for j, other in enumerate(key):
                    if one == other >= 0:
                        number[i] = number[j] = min(number[i], number[j])
    return number


@given(
    st.lists(st.tuples(st.integers(-1, 6), st.integers(-1, 6), st.integers(0, 9)), min_size=1, max_size=12)
)
@settings(deadline=None, max_examples=60)
def test_clusters_agree_with_spreading_numbers_pair_by_pair(rows: list[tuple[int, int, int]]) -> None:
    keys = [list(key) for key in zip(*rows, strict=True)]
    found = clusters([np.array(key) for key in keys])
    wanted = naive_clusters(keys)
    assert (found[:, None] == found).tolist() == (np.array(wanted)[:, None] == np.array(wanted)).tolist()


@pytest.mark.parametrize(
    ("count", "share", "wanted"), [(2, 0.3, 0), (3, 0.3, 2), (10, 0.3, 3), (10, 0.99, 9)]
)
def test_each_label_gives_its_share_of_pictures(
    tmp_path: Path, count: int, share: float, wanted: int
) -> None:
    lines = plain_lines(count, ("red", "blue")) + plain_lines(12, ("sand", "green"))
    found = roles(dealt(write_csv(tmp_path, HEADER, *lines), test_share=share))
    tested = [image for image, role in found.items() if role == {"query+gallery"}]
    assert sum(image.startswith("red/") for image in tested) == wanted


def test_split_by_label_never_trains_on_a_tested_label(tmp_path: Path) -> None:
    lines = plain_lines(5, MANY) + [f"shop-{line}" for line in plain_lines(3, MANY, "shop")]
    labels = dealt(write_csv(tmp_path, HEADER, *lines), split="label").labels
    trained = set(labels.loc[labels["role"] == "train", "label"])
    tested = set(labels.loc[labels["role"] != "train", "label"])
    assert trained.isdisjoint(tested)
    assert 0.25 < len(tested) / len(MANY) < 0.35


@pytest.mark.parametrize("split", ["group", "label"])
def test_groups_and_pictures_stay_on_one_side_in_all_tasks(tmp_path: Path, split: str) -> None:
    generator = np.random.default_rng(0)
    lines = [f"{HEADER},group,x0,y0,x1,y1"]
    for place in range(400):
        label, box = int(generator.integers(40)), ",0,0,.5,1" if place % 2 else ",,,,"
        group = f"person {40 * (place // 100) + label // 2}"
        lines.append(
            f"{place // 2 if place < 40 else place}.jpg,{('lens', 'shop')[place % 2]},label {label},{group}{box}"
        )
    tables = dealt(write_csv(tmp_path, *lines), split=split)
    items, labels = tables.items, tables.labels
    trained = items.iloc[labels.loc[labels["role"] == "train", "item"]]
    tested = items.iloc[labels.loc[labels["role"] != "train", "item"]]
    assert set(trained["group"]).isdisjoint(tested["group"])
    assert set(trained["image"]).isdisjoint(tested["image"])


@pytest.mark.parametrize("split", ["group", "label"])
def test_order_of_rows_does_not_matter_and_seeds_do(tmp_path: Path, split: str) -> None:
    lines = plain_lines(6, MANY)
    first, again, other = (
        roles(dealt(write_csv(tmp_path, HEADER, *order), split=split, seed=seed))
        for order, seed in ((lines, 0), (lines[::-1], 0), (lines, 1))
    )
    assert first == again != other


def test_label_that_is_added_moves_no_other(tmp_path: Path) -> None:
    before = roles(dealt(write_csv(tmp_path, HEADER, *plain_lines(6, MANY))))
    after = roles(dealt(write_csv(tmp_path, HEADER, *plain_lines(6, (*MANY, "new")))))
    assert all(after[image] == role for image, role in before.items())


def test_pictures_that_all_hang_together_cannot_be_dealt(tmp_path: Path) -> None:
    lines = [f"{line},anna" for line in plain_lines()]
    with pytest.raises(ValueError, match=r"has no query rows: .* that hang together with no other"):
        dealt(write_csv(tmp_path, f"{HEADER},group", *lines))
