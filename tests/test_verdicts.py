"""The page of verdicts: what the stages judged, gathered, put in words and drawn; nothing is judged anew."""

from __future__ import annotations

import json
from pathlib import Path

import matplotlib as mpl
import pandas as pd
import pytest
from matplotlib.figure import Figure

from unifiedlib.claims import INCONCLUSIVE, NOT_REPLICATED, REPLICATED
from unifiedlib.figures import forest_figure, score_tables, verdict_matrix
from unifiedlib.reference import BENCHMARKS, reference_numbers
from unifiedlib.reference_effects import beside_reported, reported_effects
from unifiedlib.verdict_story import folded, summary, verdict_markdown
from unifiedlib.verdicts import (
    ASKED,
    NOT_TESTED,
    Judged,
    effect_table,
    load_all,
    load_judged,
    load_scores,
    standing,
    verdict_table,
    where_of,
    write_verdicts,
)

mpl.use("Agg")
Entry = dict[str, str | float | None]


def entry(claim_id: str, verdict: str = REPLICATED, effect: float | None = 0.03) -> Entry:
    numbers = (None,) * 3 if effect is None else (effect, effect - 0.01, effect + 0.01)
    return {
        **{"id": claim_id, "claim": f"{claim_id}.", "verdict": verdict, "how": f"how {claim_id} came"},
        **dict(zip(("effect", "low", "high"), numbers, strict=True)),
    }


def write_results(folder: Path, collection: str, seeds: tuple[int, ...], **studies: list[Entry]) -> None:
    """Scores of some seeds, and claims.json of the main results (`main`) and of studies."""
    rows = [
        (variant, seed, "lens", "task", kind, 2048, "P@20", 20, 0.5, 0.4, 0.6, 100)
        for variant in ("imagenet", "lens", "unified")
        for seed in (seeds if variant != "imagenet" else seeds[:1])
        for kind in ("float", "binary")
    ]
    columns = ["variant", "seed", "task", "gallery", "representation", "dim", "metric", "k"]
    table = pd.DataFrame(rows, columns=[*columns, "value", "low", "high", "n_query"])
    for study, claims in studies.items():
        target = folder / (collection if study == "main" else f"{collection}-{study}")
        target.mkdir(parents=True, exist_ok=True)
        (target / "claims.json").write_text(json.dumps(claims), encoding="utf-8")
    table.assign(collection=collection).to_csv(folder / collection / "scores.csv", index=False)


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """Two collections: they disagree on C1; C3 cannot be told; C5 was refuted on one; C8 is a share; C4 was not run."""
    main = [entry("C1"), entry("C1/lens"), entry("C2"), entry("C2/lens"), entry("C3", INCONCLUSIVE, -0.02)]
    ablated = [
        entry("C1", NOT_REPLICATED, -0.5),  # stale copy of a main claim: the main results count
        *(entry("C5", NOT_REPLICATED, -0.02), entry("C5/no_layer_norm/lens", NOT_REPLICATED, -0.02)),
        *(entry("C7"), entry("C7/lens+flashlight/lens"), entry("C7/lens+shop_the_look+flashlight/lens")),
    ]
    costs = [entry("C8", REPLICATED, 0.66), entry("C8/storage", REPLICATED, 0.66)]
    write_results(tmp_path, "decor", (0, 1, 2), main=main, ablations=ablated, costs=costs)
    lost = [entry("C1", NOT_REPLICATED, -0.09), entry("C1/lens", NOT_REPLICATED, -0.09), entry("C2")]
    write_results(tmp_path, "photos", (0,), main=lost)
    return tmp_path


@pytest.fixture
def judged(results: Path) -> list[Judged]:
    return load_all(results, ["decor", "photos"])


def cell(table: pd.DataFrame, claim_id: str, collection: str) -> pd.Series:
    rows = table[(table["id"] == claim_id) & (table["collection"] == collection)]
    assert len(rows) == 1
    return rows.iloc[0]


def test_every_claim_has_a_row_on_every_collection_in_the_papers_order(judged: list[Judged]) -> None:
    table = verdict_table(judged)
    assert list(dict.fromkeys(table["id"])) == [asked.id for asked in ASKED]
    assert list(dict.fromkeys(table["of"])) == [f"C{number}" for number in range(1, 11)]
    assert len(table) == 2 * len(ASKED)


def test_verdict_is_that_of_the_stage_that_judged_it(judged: list[Judged]) -> None:
    table = verdict_table(judged)
    assert cell(table, "C1", "decor")["effect"] == 0.03
    assert cell(table, "C5", "decor")["verdict"] == NOT_REPLICATED
    assert cell(table, "C8", "decor")["unit"] == "share saved"
    assert (cell(table, "C1", "decor")["n_seed"], cell(table, "C1", "photos")["n_seed"]) == (3, 1)
    assert cell(table, "C8", "decor")["n_seed"] == 1


def test_claim_that_was_not_run_is_told_with_the_command_that_runs_it(judged: list[Judged]) -> None:
    table = verdict_table(judged)
    missing = cell(table, "C4", "photos")
    assert missing["verdict"] == NOT_TESTED
    assert pd.isna(missing["effect"])
    assert missing["command"] == "make codes COLLECTION=photos"
    assert cell(table, "C9", "decor")["command"] == "make repro"
    assert "`make codes COLLECTION=photos`" in summary(table)


def test_claim_without_an_effect_counts_as_not_tested(tmp_path: Path) -> None:
    write_results(tmp_path, "decor", (0,), main=[entry("C2", INCONCLUSIVE, None)])
    table = verdict_table(load_all(tmp_path, ["decor"]))
    assert cell(table, "C2", "decor")["verdict"] == NOT_TESTED


def test_effects_are_those_of_single_tasks_with_their_thresholds(judged: list[Judged]) -> None:
    effects = effect_table(judged, {"decor C1": -0.01, "decor C8": 0.05})
    assert effects[["id", "collection", "where"]].to_numpy().tolist() == [
        *(["C1", "decor", "lens"], ["C1", "photos", "lens"], ["C2", "decor", "lens"]),
        ["C5", "decor", "lens"],
        *(["C7", "decor", "lens: + flashlight"], ["C7", "decor", "lens (with shop_the_look): + flashlight"]),
        ["C8", "decor", "storage"],
    ]
    assert effects["threshold"].tolist() == [-0.01, 0, 0, 0, 0, 0, 0.05]


def test_a_comparison_on_which_a_claim_does_not_rest_is_no_effect_behind_it() -> None:
    claims = (entry("C8"), entry("C8/storage"), entry("C8/search"))
    effects = effect_table([Judged("decor", claims, 1)], {})
    assert effects["where"].tolist() == ["storage"]


def test_where_several_ablations_test_a_claim_each_effect_names_its_own() -> None:
    one = (entry("C6"), entry("C6/sampled_classes/lens"), entry("C6/few_classes/lens"))
    other = (entry("C6"), entry("C6/few_classes/lens"))
    effects = effect_table([Judged("decor", one, 1), Judged("photos", other, 1)], {})
    assert effects["where"].tolist() == ["lens (sampled_classes)", "lens (few_classes)", "lens (few_classes)"]


def test_entries_of_variants_and_of_all_tasks_are_no_effects() -> None:
    claims = (entry("C10"), entry("C10/a"), entry("C10/a/lens"), entry("C10/b/lens"), entry("C1/lens"))
    assert [one["id"] for one in Judged("decor", claims, 1).parts("C10")] == ["C10/a/lens", "C10/b/lens"]
    assert [one["id"] for one in Judged("decor", claims, 1).parts("C1")] == ["C1/lens"]


def test_disagreement_and_losses_come_first(judged: list[Judged]) -> None:
    table = verdict_table(judged)
    groups = standing(table)
    assert groups["disagree"] == ["C1"]
    assert groups["against"] == ["C5"]
    assert groups["open"] == ["C3"]
    assert groups["replicated"] == ["C2", "C7", "C8"]
    assert groups["untested"] == ["C1-total", "C4", "C5-codes", "C6", "C9", "C10"]
    text = summary(table)
    places = [text.index(words) for words in ("disagree", "Against", "Cannot be told", "**Replicated**")]
    assert places == sorted(places)
    assert "on `decor` (3 seeds) 4 replicated, 1 not replicated, 1 inconclusive, 4 not tested" in text
    assert "66% saved (65% to 67%)" in text


def test_table_for_the_readme_has_a_column_per_collection(judged: list[Judged]) -> None:
    lines = verdict_markdown(verdict_table(judged)).splitlines()
    assert lines[0] == "| | claim | `decor`, 3 seeds | `photos`, 1 seed |"
    assert len(lines) == 2 + len(ASKED)
    assert lines[2].endswith(
        "✓ replicated<br>+0.030 (+0.020 to +0.040) | ✗ not replicated<br>−0.090 (−0.100 to −0.080) |"
    )
    assert "not tested" in next(line for line in lines if line.startswith("| C4"))


def test_reasons_are_folded_html_of_one_line(judged: list[Judged]) -> None:
    text = folded(judged)
    assert text.count("<details>") == text.count("</details>") == 2
    assert "\n" not in text
    assert "how C5 came" in text
    assert "no_layer_norm" not in text


def drawn(figure: Figure) -> list[str]:
    return [text.get_text() for axes in figure.axes for text in axes.texts]


def test_forest_draws_each_effect_once_and_shares_apart(judged: list[Judged]) -> None:
    effects = effect_table(judged, {"decor C1": 0.01})
    figure = forest_figure(effects)
    assert len(figure.axes) == 2
    signs = [text for text in drawn(figure) if text in "✓✗?"]
    assert len(signs) == len(effects)
    marks = [
        line
        for axes in figure.axes
        for line in axes.lines
        if line.get_marker() in ("o", "s") and len(line.get_xdata()) == 1
    ]
    assert sorted(float(line.get_xdata()[0]) for line in marks) == sorted(effects["effect"])
    assert sum(line.get_linestyle() == ":" for axes in figure.axes for line in axes.lines) == 1
    assert forest_figure(effects.iloc[:0]).axes == []


def test_effect_far_away_stands_in_words_at_the_edge(judged: list[Judged]) -> None:
    effects = effect_table(judged, {})
    far = effects["id"] == "C2"
    effects.loc[far, ["effect", "low", "high"]] = [0.65, 0.6, 0.7]
    axes = forest_figure(effects).axes[0]
    assert axes.get_xlim()[1] < 0.2
    assert [text.get_text() for text in axes.texts if "→" in text.get_text()] == [
        "+0.650 (+0.600 to +0.700) →"
    ]


def test_matrix_shows_verdict_and_interval(judged: list[Judged]) -> None:
    html = verdict_matrix(verdict_table(judged)).to_html()
    assert "✗ not replicated" in html
    assert "−0.090 (−0.100 to −0.080)" in html
    assert html == verdict_matrix(verdict_table(judged)).to_html()


def test_score_tables_carry_their_collection_and_seeds(results: Path, judged: list[Judged]) -> None:
    tables = score_tables(load_scores(results, judged))
    assert ["decor, 3 seeds" in tables[0].to_html(), "photos, 1 seed<" in tables[1].to_html()] == [True, True]


def test_written_tables_come_back_and_are_the_same_twice(judged: list[Judged], tmp_path: Path) -> None:
    table, effects = verdict_table(judged), effect_table(judged, {})
    write_verdicts(tmp_path / "a", table, effects)
    write_verdicts(tmp_path / "b", table, effects)
    assert (tmp_path / "a/verdicts.csv").read_bytes() == (tmp_path / "b/verdicts.csv").read_bytes()
    assert len(pd.read_csv(tmp_path / "a/effects.csv")) == len(effects)


def test_collection_without_results_is_left_out_and_none_at_all_is_named(
    results: Path, tmp_path: Path
) -> None:
    assert [one.collection for one in load_all(results, ["own", "decor"])] == ["decor"]
    assert load_judged(results, "own") is None
    with pytest.raises(FileNotFoundError, match=r"no results of own or cub .* run `make repro` first"):
        load_all(results, ["own", "cub"])


@pytest.mark.parametrize("content", ["{", '["C1"]', '[{"id": "C1"}]'])
def test_file_that_holds_no_claims_is_named(results: Path, content: str) -> None:
    (results / "decor/claims.json").write_text(content)
    with pytest.raises(ValueError, match=r"decor/claims\.json .* run the stage that writes it again"):
        load_all(results, ["decor"])


def test_place_of_a_comparison_is_its_task() -> None:
    assert where_of({"id": "C8/back-fill"}) == "back-fill"
    assert where_of({"id": "C6/sampled_classes/shop_the_look"}) == "shop_the_look"


def test_reported_effects_follow_from_the_published_numbers(judged: list[Judged]) -> None:
    assert list(dict.fromkeys(reference_numbers()["task"])) == list(BENCHMARKS)
    codes = {one.where: round(one.effect, 4) for one in reported_effects() if one.id == "C3"}
    assert codes == {"cub": -0.0169, "cars": -0.0021, "sop": -0.0152, "inshop": -0.0059}
    table = beside_reported(effect_table(judged, {}))
    assert table["claim"].tolist() == ["C3"] * 4 + ["C4"] + ["C5"] * 2 + ["C10"]
    assert table[table["claim"] == "C5"]["by"].tolist() == ["BMVC 2019", "here, decor"]
