from __future__ import annotations

import pandas as pd
import pytest

from unifiedlib import paths
from unifiedlib.publish import PUBLISHED, SHOWN, published_markdown, with_section
from unifiedlib.results import own_rows


@pytest.mark.parametrize("collection", SHOWN)
def test_readme_shows_the_published_results(collection: str) -> None:
    readme = paths.resolve("README.md").read_text(encoding="utf-8")
    content = published_markdown(paths.resolve(PUBLISHED), collection)
    assert with_section(readme, collection, content) == readme, "run `make publish`"


def test_missing_marker_is_named() -> None:
    with pytest.raises(ValueError, match="<!-- results:decor -->"):
        with_section("# a readme", "decor", "table\n")


def test_specialists_are_shown_on_their_own_task_only() -> None:
    table = pd.DataFrame(
        {"variant": ["imagenet", "lens", "lens", "unified"], "task": ["lens", "lens", "flashlight", "lens"]}
    )
    assert own_rows(table).to_numpy().tolist() == [
        ["imagenet", "lens"],
        ["lens", "lens"],
        ["unified", "lens"],
    ]
