from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest
from PIL import Image

from unifiedlib import paths
from unifiedlib.files import write_json, write_table
from unifiedlib.publish import (
    PUBLISHED,
    SHOWN,
    ablation_markdown,
    markers,
    publish_ablations,
    published_markdown,
    with_section,
)
from unifiedlib.results import own_rows


@pytest.mark.parametrize("collection", SHOWN)
def test_readme_shows_the_published_results(collection: str) -> None:
    readme = paths.resolve("README.md").read_text(encoding="utf-8")
    content = published_markdown(paths.resolve(PUBLISHED), collection)
    assert with_section(readme, collection, content) == readme, "run `make publish`"


def test_missing_marker_is_named() -> None:
    with pytest.raises(ValueError, match="<!-- results:decor -->"):
        with_section("# a readme", "decor", "table\n")


@pytest.mark.parametrize("collection", SHOWN)
def test_readme_shows_the_published_ablations(collection: str) -> None:
    readme = paths.resolve("README.md").read_text(encoding="utf-8")
    published = paths.resolve(PUBLISHED)
    start, _ = markers(collection, ablations=True)
    if start not in readme or not (published / f"{collection}-ablations-claims.json").exists():
        pytest.skip(f"no ablations of {collection} are published")
    content = ablation_markdown(published, collection)
    assert with_section(readme, collection, content, ablations=True) == readme, "run `make publish`"


def claim(name: str, verdict: str) -> dict[str, str | float]:
    numbers = {"effect": -0.1, "low": -0.2, "high": 0.0}
    return {"id": name, "claim": f"{name} holds.", "verdict": verdict, **numbers, "how": "by hand"}


@pytest.fixture
def ablated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with gathered ablations of `decor`, and a README with their markers."""
    monkeypatch.setattr(paths, "root", lambda: tmp_path)
    rows = [
        (variant, "lens", gallery, "float", metric, k, 0.5)
        for variant in ("unified", "arcface")
        for gallery in ("task", "merged")
        for metric, k in (("P@1", 1), ("P@20", 20), ("MAP@R", 0))
    ]
    columns = ["variant", "task", "gallery", "representation", "metric", "k", "value"]
    write_table(tmp_path / "results/decor-ablations/scores.parquet", pd.DataFrame(rows, columns=columns))
    write_json(tmp_path / "results/decor/claims.json", [claim("C1", "replicated")])
    claims = [
        claim("C1", "replicated"),
        claim("loss", "inconclusive"),
        claim("loss/arcface/lens", "inconclusive"),
    ]
    write_json(tmp_path / "results/decor-ablations/claims.json", claims)
    (tmp_path / "results/decor-ablations/figures").mkdir()
    Image.new("RGB", (40, 20), "red").save(tmp_path / "results/decor-ablations/figures/loss.png")
    start, end = markers("decor", ablations=True)
    (tmp_path / "README.md").write_text(f"before\n{start}\nstale\n{end}\nafter\n", encoding="utf-8")
    return tmp_path


def test_ablations_are_published_as_headline_rows_own_claims_and_figures(ablated: Path) -> None:
    publish_ablations("decor")
    rows = pd.read_csv(ablated / "docs/results/decor-ablations.csv")
    assert rows[["variant", "gallery", "metric"]].to_numpy().tolist() == [
        ["unified", "task", "P@20"],
        ["arcface", "task", "P@20"],
    ]
    claims = json.loads((ablated / "docs/results/decor-ablations-claims.json").read_text())
    assert [one["id"] for one in claims] == ["loss", "loss/arcface/lens"]
    assert (ablated / "docs/figures/decor-ablations-loss.png").is_file()
    readme = (ablated / "README.md").read_text(encoding="utf-8")
    assert "| loss | loss holds. | inconclusive | −0.100 (95 % −0.200 to +0.000) |" in readme
    assert "stale" not in readme
    assert readme.startswith("before\n")


def test_readme_without_markers_stays_as_it_is(ablated: Path) -> None:
    (ablated / "README.md").write_text("no markers\n", encoding="utf-8")
    publish_ablations("decor")
    assert (ablated / "README.md").read_text(encoding="utf-8") == "no markers\n"


def test_where_no_ablations_were_run_nothing_is_published(ablated: Path) -> None:
    publish_ablations("photos")
    assert not (ablated / "docs").exists()


def test_specialists_are_shown_on_their_own_task_only() -> None:
    table = pd.DataFrame(
        {"variant": ["imagenet", "lens", "lens", "unified"], "task": ["lens", "lens", "flashlight", "lens"]}
    )
    assert own_rows(table).to_numpy().tolist() == [
        ["imagenet", "lens"],
        ["lens", "lens"],
        ["unified", "lens"],
    ]
