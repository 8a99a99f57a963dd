from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from PIL import Image

from unifiedlib import paths
from unifiedlib.evaluation import SCORE_COLUMNS
from unifiedlib.files import write_json, write_table
from unifiedlib.publish import (
    ABLATIONS,
    ALL,
    CODES,
    COSTS,
    FINDINGS,
    PUBLISHED,
    README,
    REPLAY,
    SHOWN,
    ablation_markdown,
    chosen,
    codes_markdown,
    costs_markdown,
    judged_markdown,
    main,
    markers,
    publish,
    publish_ablations,
    publish_codes,
    publish_costs,
    publish_verdicts,
    published_markdown,
    simulations_markdown,
    verdicts_markdown,
    with_section,
)
from unifiedlib.results import own_rows
from unifiedlib.verdicts import Judged, effect_table, verdict_table, write_verdicts

REPOSITORY = Path(__file__).resolve().parent.parent


# Per part: the page, what writes it, and a file that is there where the part is published.
PARTS: list[tuple[str, str, Callable[[Path, str], str], str]] = [
    ("", README, published_markdown, "scores.csv"),
    ("claims", FINDINGS, judged_markdown, "claims.json"),
    ("ablations", ABLATIONS, ablation_markdown, "ablations-claims.json"),
    ("codes", CODES, codes_markdown, "codes.csv"),
    ("costs", COSTS, costs_markdown, "costs.csv"),
    ("simulations", REPLAY, simulations_markdown, "study.json"),
]


@pytest.mark.parametrize(("part", "page", "content", "file"), PARTS, ids=[part[1] for part in PARTS])
@pytest.mark.parametrize("collection", SHOWN)
def test_pages_show_what_is_published(
    part: str, page: str, content: Callable[[Path, str], str], file: str, collection: str
) -> None:
    published = paths.resolve(PUBLISHED)
    if not (published / f"{collection}-{file}").is_file():
        pytest.skip(f"no {part} of {collection} are published")
    text = paths.resolve(page).read_text(encoding="utf-8")
    written = content(published, collection)
    assert with_section(text, collection, written, part) == text, "run `make publish`"
    for mark in markers(collection, part):
        assert text.count(mark) == 1


@pytest.mark.parametrize(
    "name", [f"{collection}{part}" for collection in SHOWN for part in ("", "-ablations")]
)
def test_published_scores_are_means_of_the_published_queries(name: str) -> None:
    folder = paths.resolve(PUBLISHED)
    queries, scores = (
        folder / f"{name}-per-query.parquet",
        folder / (f"{name}.csv" if "-" in name else f"{name}-scores.csv"),
    )
    if not queries.is_file():
        pytest.skip(f"results of single queries of {name} are not published")
    key = ["variant", "seed", "task", "gallery", "representation", "metric"]
    means = pd.read_parquet(queries).groupby(key, observed=True)["value"].mean()
    published = pd.read_csv(scores).set_index(key)["value"]
    assert len(means) > 0
    found = published.reindex(means.index)
    assert found.notna().all()
    assert (means - found).abs().max() < 1e-4


def test_missing_marker_is_named() -> None:
    with pytest.raises(ValueError, match="<!-- results:decor -->"):
        with_section("# a readme", "decor", "table\n")


def write_page(path: Path, collection: str, part: str = "") -> None:
    """A page with something stale between the markers of a part."""
    start, end = markers(collection, part)
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"before\n{start}\nstale\n{end}\nafter\n", encoding="utf-8")


def claim(name: str, verdict: str) -> dict[str, str | float]:
    numbers = {"effect": -0.1, "low": -0.2, "high": 0.0}
    return {"id": name, "claim": f"{name} holds.", "verdict": verdict, **numbers, "how": "by hand"}


@pytest.fixture
def ablated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with gathered ablations of `decor`, and a page with their markers."""
    monkeypatch.setattr(paths, "root", lambda: tmp_path)
    rows = [
        (variant, "lens", gallery, "float", metric, k, 0.5)
        for variant in ("unified", "arcface")
        for gallery in ("task", "merged")
        for metric, k in (("P@1", 1), ("P@20", 20), ("MAP@R", 0))
    ]
    columns = ["variant", "task", "gallery", "representation", "metric", "k", "value"]
    write_table(tmp_path / "results/decor-ablations/scores.parquet", pd.DataFrame(rows, columns=columns))
    queries = [
        ("arcface", 0, "lens", gallery, "float", metric, item, 1, item / 4)
        for gallery in ("task", "merged")
        for metric in ("P@1", "P@20", "MAP@R")
        for item in (3, 1)
    ]
    columns = ["variant", "seed", "task", "gallery", "representation", "metric", "item", "cluster", "value"]
    table = pd.DataFrame(queries, columns=columns)
    write_table(tmp_path / "ablations/decor/scores/arcface/per_query.parquet", table)
    write_json(tmp_path / "results/decor/claims.json", [claim("C1", "replicated")])
    claims = [
        claim("C1", "replicated"),
        claim("loss", "inconclusive"),
        claim("loss/arcface/lens", "inconclusive"),
    ]
    write_json(tmp_path / "results/decor-ablations/claims.json", claims)
    (tmp_path / "results/decor-ablations/figures").mkdir()
    Image.new("RGB", (40, 20), "red").save(tmp_path / "results/decor-ablations/figures/loss.png")
    write_page(tmp_path / ABLATIONS, "decor", "ablations")
    return tmp_path


def test_ablations_are_published_as_headline_rows_own_claims_and_figures(ablated: Path) -> None:
    publish_ablations("decor")
    rows = pd.read_csv(ablated / "docs/results/decor-ablations.csv")
    assert rows[["variant", "gallery", "metric"]].to_numpy().tolist() == [
        ["unified", "task", "P@20"],
        ["arcface", "task", "P@20"],
    ]
    queries = pd.read_parquet(ablated / "docs/results/decor-ablations-per-query.parquet")
    assert queries[["gallery", "metric", "item", "cluster", "value"]].to_numpy().tolist() == [
        ["task", "P@20", 1, 1, 0.25],
        ["task", "P@20", 3, 1, 0.75],
    ]
    claims = json.loads((ablated / "docs/results/decor-ablations-claims.json").read_text())
    assert [one["id"] for one in claims] == ["loss", "loss/arcface/lens"]
    assert (ablated / "docs/figures/decor-ablations-loss.png").is_file()
    page = (ablated / ABLATIONS).read_text(encoding="utf-8")
    assert "| loss | loss holds. | inconclusive | −0.100 (95 % −0.200 to 0.000) |" in page
    assert "stale" not in page
    assert page.startswith("before\n")


def test_page_without_markers_stays_as_it_is(ablated: Path) -> None:
    (ablated / ABLATIONS).write_text("no markers\n", encoding="utf-8")
    publish_ablations("decor")
    assert (ablated / ABLATIONS).read_text(encoding="utf-8") == "no markers\n"


def test_where_no_ablations_were_run_nothing_is_published(ablated: Path) -> None:
    publish_ablations("photos")
    assert not (ablated / "docs/results").exists()


# Codes


def code_rows() -> pd.DataFrame:
    """Two widths and ITQ, in both galleries, of two seeds."""
    rows = [
        ("decor", variant, seed, "lens", gallery, kind, dim, metric, k, value + seed / 10, 0.1, 0.9, 40, size)
        for variant, kind, dim, size, value in (
            ("unified", "float", 256, 1024, 0.6),
            ("unified", "binary", 256, 32, 0.5),
            ("unified", "itq", 256, 32, 0.4),
            ("dim_8", "float", 8, 32, 0.3),
            ("dim_8", "binary", 8, 1, 0.2),
        )
        for seed in (0, 1)
        for gallery in ("task", "merged")
        for metric, k in (("P@1", 1), ("P@20", 20), ("MAP@R", 0))
    ]
    return pd.DataFrame(rows, columns=[*SCORE_COLUMNS, "bytes"])


@pytest.fixture
def studied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with a study of codes of `decor`, and a page with its markers."""
    monkeypatch.setattr(paths, "root", lambda: tmp_path)
    folder = tmp_path / "results/decor-codes"
    write_table(folder / "scores.parquet", code_rows())
    queries = [code_rows().assign(item=item, cluster=3) for item in (4, 3)]
    write_table(folder / "per_query.parquet", pd.concat(queries, ignore_index=True))
    write_table(folder / "bits.csv", pd.DataFrame({"variant": ["unified"], "effective": [90.5]}))
    claims = [claim("C4", "replicated"), claim("C4/lens", "replicated"), claim("itq", "inconclusive")]
    write_json(folder / "claims.json", claims)
    (folder / "figures").mkdir()
    Image.new("RGB", (40, 20), "red").save(folder / "figures/precision_against_bytes.png")
    write_page(tmp_path / CODES, "decor", "codes")
    return tmp_path


def test_codes_are_published_as_headline_rows_bits_claims_and_figure(studied: Path) -> None:
    publish_codes("decor")
    rows = pd.read_csv(studied / "docs/results/decor-codes.csv")
    assert len(rows) == 20
    assert set(rows["metric"]) == {"P@20"}
    assert set(rows["gallery"]) == {"task", "merged"}
    queries = pd.read_parquet(studied / "docs/results/decor-codes-per-query.parquet")
    assert set(queries["metric"]) == {"P@20"}
    assert queries.groupby(["variant", "representation", "bytes", "seed"], observed=True).size().eq(4).all()
    assert pd.read_csv(studied / "docs/results/decor-codes-bits.csv")["effective"].tolist() == [90.5]
    claims = json.loads((studied / "docs/results/decor-codes-claims.json").read_text())
    assert [one["id"] for one in claims] == ["C4", "C4/lens", "itq"]
    assert (studied / "docs/figures/decor-codes.png").is_file()


def test_page_of_codes_shows_the_figure_the_claims_and_every_size(studied: Path) -> None:
    publish_codes("decor")
    page = (studied / CODES).read_text(encoding="utf-8")
    for line in (
        "![Precision against stored bytes](figures/decor-codes.png)",
        "| 1,024 | 256 floats | 0.650 |",
        "| 32 | 8 floats | 0.350 |",
        "| 1 | 8 bits above zero | 0.250 |",
        "| itq | itq holds. |",
    ):
        assert line in page
    assert "stale" not in page
    assert page.startswith("before\n")


def test_where_codes_were_not_studied_nothing_is_published(studied: Path) -> None:
    publish_codes("photos")
    assert not (studied / "docs/results").exists()


def test_specialists_are_shown_on_their_own_task_only() -> None:
    table = pd.DataFrame(
        {"variant": ["imagenet", "lens", "lens", "unified"], "task": ["lens", "lens", "flashlight", "lens"]}
    )
    assert own_rows(table).to_numpy().tolist() == [
        ["imagenet", "lens"],
        ["lens", "lens"],
        ["unified", "lens"],
    ]


def test_readme_shows_the_published_verdicts() -> None:
    readme = paths.resolve(README).read_text(encoding="utf-8")
    content = verdicts_markdown(paths.resolve(PUBLISHED))
    assert with_section(readme, ALL, content, "verdicts") == readme, "run `make verdicts publish`"


def test_verdicts_are_copied_with_their_figure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paths, "root", lambda: tmp_path)
    write_page(tmp_path / README, ALL, "verdicts")
    publish_verdicts()
    assert "stale" in (tmp_path / README).read_text(encoding="utf-8")

    judged = [Judged("decor", (claim("C1", "not replicated"), claim("C1/lens", "not replicated")), 3)]
    write_verdicts(tmp_path / "verdicts", verdict_table(judged), effect_table(judged, {}))
    Image.new("RGB", (20, 10), "white").save(tmp_path / "verdicts/forest.png")
    publish_verdicts()
    readme = (tmp_path / README).read_text(encoding="utf-8")
    assert "| | claim | `decor`, 3 seeds |" in readme
    assert "✗ not replicated<br>−0.100 (−0.200 to 0.000)" in readme
    assert "not tested" in readme
    assert readme == with_section(readme, ALL, verdicts_markdown(tmp_path / PUBLISHED), "verdicts")
    assert (tmp_path / "docs/figures/verdicts.png").is_file()
    assert len(pd.read_csv(tmp_path / PUBLISHED / "effects.csv")) == 1


def test_scores_are_copied_into_readme_findings_and_figure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(paths, "root", lambda: tmp_path)
    write_page(tmp_path / README, "decor")
    write_page(tmp_path / FINDINGS, "decor", "claims")
    folder, published = tmp_path / "results/decor", REPOSITORY / PUBLISHED
    scores = pd.read_csv(published / "decor-scores.csv")
    write_table(folder / "scores.csv", scores)
    queries = pd.read_parquet(published / "decor-per-query.parquet").iloc[:50]
    write_table(folder / "per_query.parquet", queries.assign(cluster=0))
    write_json(folder / "claims.json", [claim("C1", "not replicated"), claim("C1/lens", "replicated")])
    publish("decor")
    readme, findings = ((tmp_path / page).read_text(encoding="utf-8") for page in (README, FINDINGS))
    assert published_markdown(published, "decor") in readme
    assert "- **C1, not replicated.** by hand\n<!-- end:claims:decor -->" in findings
    assert (tmp_path / "docs/figures/results.png").is_file()


def test_collections_are_checked_before_anything_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(paths, "root", lambda: tmp_path)
    write_table(tmp_path / "results/decor/scores.csv", pd.DataFrame({"variant": []}))
    for named, message in (
        (["photo"], "there is no collection 'photo'"),
        (["decor", "photos"], "make photos"),
    ):
        monkeypatch.setattr("sys.argv", ["publish", *named])
        assert main() == 1
        assert message in capsys.readouterr().err
        assert not (tmp_path / "docs").exists()
    assert chosen([]) == ["decor"]
    assert "'photos' has no results here" in capsys.readouterr().out


def test_costs_are_copied_into_their_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paths, "root", lambda: tmp_path)
    write_page(tmp_path / COSTS, "decor", "costs")
    publish_costs("decor")
    assert "stale" in (tmp_path / COSTS).read_text(encoding="utf-8")

    folder = tmp_path / "results/decor-costs"
    for name, published in (("costs", "decor-costs"), ("measured", "decor-costs-measured")):
        write_table(folder / f"{name}.csv", pd.read_csv(REPOSITORY / PUBLISHED / f"{published}.csv"))
    write_json(folder / "claims.json", [claim("C8", "not replicated"), claim("C8/storage", "replicated")])
    publish_costs("decor")
    text = (tmp_path / COSTS).read_text(encoding="utf-8")
    assert "| C8 | not replicated | −10 % (−20 % to 0.0 %) |" in text
    assert text == with_section(text, "decor", costs_markdown(tmp_path / PUBLISHED, "decor"), "costs")
