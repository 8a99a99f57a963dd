from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from small_world import write_small

from unifiedlib import data_card, story
from unifiedlib.contract import Collection
from unifiedlib.params import COLLECTIONS

REPORT = {
    "max_distance": 4,
    "exact_items": 2,
    "near_items": 3,
    "removed_training_rows": 5,
    "pairs": [{"item": "a.jpg", "other": "b.jpg", "task": "lens", "distance": 0, "kind": "exact"}],
}


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Collection:
    return write_small(tmp_path_factory.mktemp("data") / "small")


def with_report(collection: Collection) -> Collection:
    return replace(collection, settings={**collection.settings, "duplicates": REPORT})


@pytest.mark.parametrize("name", COLLECTIONS)
def test_every_collection_says_what_it_is_for_and_where_it_ends(small: Collection, name: str) -> None:
    text = data_card.use_and_limits(replace(small, name=name))
    assert text.startswith("**Intended use.** ")
    assert "**Limits.** " in text


def test_copies_are_counted_and_listed(small: Collection) -> None:
    assert data_card.duplicates_sentence(with_report(small)).startswith(
        "2 training pictures are exact copies of test pictures of their task or of queries of another "
        "(5 training rows removed); 3 more"
    )
    assert data_card.duplicates_table(with_report(small)).to_dict("records") == REPORT["pairs"]


def test_table_names_the_task_of_a_copy_in_another_task(small: Collection) -> None:
    crossing = {**REPORT["pairs"][0], "other_task": "shop_the_look"}  # type: ignore[index]
    report = {**REPORT, "pairs": [*REPORT["pairs"], crossing]}  # type: ignore[misc]
    table = data_card.duplicates_table(replace(small, settings={"duplicates": report}))
    assert list(table.columns) == ["item", "other", "task", "other_task", "distance", "kind"]
    assert table["other_task"].tolist() == ["lens", "shop_the_look"]


def test_drawn_collection_says_that_copies_were_not_looked_for(small: Collection) -> None:
    assert "not looked for" in data_card.duplicates_sentence(small)
    assert data_card.duplicates_table(small).empty


def test_settings_table_keeps_a_nested_setting_short(small: Collection) -> None:
    table = story.settings_table(with_report(small).settings).set_index("setting")["value"]
    assert table["duplicates"] == "max_distance 4, exact_items 2, near_items 3, removed_training_rows 5"


def test_note_of_a_source_is_shown_where_there_is_one(small: Collection, tmp_path: Path) -> None:
    about = {"name": "n", "url": "u", "commit": "c", "licence": "l"}
    plain, noted = (
        replace(small, sources=[source])
        for source in (about, {**about, "note": "99 pictures instead of 100"})
    )
    assert list(story.source_table(plain).columns) == ["name", "url", "commit", "licence"]
    assert story.source_table(noted)["note"].tolist() == ["99 pictures instead of 100"]
