"""The study with simulated raters: what they see, how they decide, that they are blind, and what is written."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from search_world import three_task_collection, write_embeddings

from unifiedlib.contract import Collection
from unifiedlib.figures import save_figure
from unifiedlib.figures import study as figures
from unifiedlib.study import simulated_study, story
from unifiedlib.study.consistency import consistency_table
from unifiedlib.study.contests import Library
from unifiedlib.study.design import Design
from unifiedlib.study.offline import headline_scores
from unifiedlib.study.preference import preference_table
from unifiedlib.study.presentation import screens
from unifiedlib.study.results import left_out_table, write_results
from unifiedlib.study.simulated_study import Drawn, SimulationSettings
from unifiedlib.study.simulation import RaterModel, decide, pair_worths, simulate_rater, true_grades, worth

mpl.use("Agg")
MODEL = RaterModel(noise=0.02, tie_threshold=0.01, neither_threshold=0.05, depth=5)
SETTINGS = SimulationSettings(
    Design(n_queries=12, k=5, repeat_share=0.25), MODEL, n_raters=3, n_resamples=200
)
SEEDS = [0, 1]
SIGNALS = {"imagenet": 0.1, "flashlight": 0.5, "lens": 0.5, "shop_the_look": 0.5, "unified": 0.9}


def gains_of(collection: Collection):
    """Grade 3 for an item of the query's label, 0 else."""
    labels = collection.labels.drop_duplicates("item").set_index("item")["label"]
    return lambda queries, gallery: np.where(
        labels.loc[queries].to_numpy()[:, None] == labels.loc[gallery].to_numpy()[None], 7.0, 0.0
    )


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Library:
    collection, folder = three_task_collection(), tmp_path_factory.mktemp("embeddings")
    for number, (variant, signal) in enumerate(SIGNALS.items()):
        for seed in SEEDS if variant != "imagenet" else SEEDS[:1]:
            write_embeddings(folder / variant / f"seed-{seed}", collection, signal, 10 * number + seed)
    return Library(replace(collection, pixels=np.zeros((210, 8, 8, 3), np.uint8)), folder, 5)


def draw(library: Library) -> list[Drawn]:
    return simulated_study.draw_studies(
        library, SEEDS, SETTINGS.design, "data/toy", gains_of(library.collection), 5
    )


@pytest.fixture(scope="module")
def drawn(library: Library) -> list[Drawn]:
    return draw(library)


@pytest.fixture(scope="module")
def judgements(drawn: list[Drawn]) -> pd.DataFrame:
    return simulated_study.judge_all(drawn, SETTINGS)


# One rater


def test_worth_is_the_discounted_mean_of_grades_by_hand() -> None:
    discounts = np.array([1, 1 / np.log2(3), 0.5])
    wanted = (3 * discounts[0] + 1 * discounts[2]) / (3 * discounts.sum())
    assert worth(np.array([3.0, 0.0, 1.0]), 3) == pytest.approx(wanted)
    assert worth(np.array([3.0, 0.0, 1.0]), 1) == 1.0
    assert worth(np.array([2.0, 2.0]), 10) == pytest.approx(2 / 3)


def test_better_results_earlier_are_worth_more() -> None:
    assert worth(np.array([3.0, 0.0, 0.0]), 3) > worth(np.array([0.0, 0.0, 3.0]), 3)


def test_grades_are_taken_back_from_gains() -> None:
    gains = np.array([[0.0, 1.0, 3.0, 7.0]])
    assert true_grades(lambda *_: gains, 0, [1, 2, 3, 4]).tolist() == [0.0, 1.0, 2.0, 3.0]


@pytest.mark.parametrize(
    ("left", "right", "answer"),
    [
        (0.5, 0.3, "left"),
        (0.3, 0.5, "right"),
        (0.5, 0.495, "tie"),
        (0.04, 0.01, "neither"),
        (0.06, 0.01, "left"),
    ],
)
def test_decision_by_hand(left: float, right: float, answer: str) -> None:
    assert decide(left, right, MODEL) == answer


@pytest.mark.parametrize(
    ("name", "value"), [("noise", -0.1), ("tie_threshold", -1), ("depth", 0), ("noise", float("nan"))]
)
def test_rater_out_of_range_is_refused(name: str, value: float) -> None:
    with pytest.raises(ValueError, match=f"{name} is .*; it must be at least"):
        replace(MODEL, **{name: value})


def test_raters_are_blind_to_whose_list_it_is(drawn: list[Drawn]) -> None:
    """With all lists on the other side, the same rater prefers the same lists: nothing but worth and noise decides."""
    study, exact = drawn[0].study, replace(MODEL, noise=0.0)
    swapped = study.model_copy(
        update={
            "pairs": [one.model_copy(update={"left": one.right, "right": one.left}) for one in study.pairs]
        }
    )
    worths = drawn[0].worths.to_numpy()
    said = {}
    for one, values in ((study, worths), (swapped, worths[:, ::-1])):
        for answer in simulate_rater(one, values, "ann", exact, [0]):
            pair = one.pairs[answer.pair]
            sides = screens(one, "ann")[answer.place]
            left = pair.right if sides.mirrored else pair.left
            right = pair.left if sides.mirrored else pair.right
            chosen = {"left": tuple(left), "right": tuple(right)}.get(answer.answer, answer.answer)
            said.setdefault(answer.pair, set()).add(chosen)
    assert all(len(chosen) == 1 for chosen in said.values())


def test_without_noise_raters_agree_with_the_truth_and_with_themselves(drawn: list[Drawn]) -> None:
    rows = drawn[0].judged(SETTINGS, noise=0.0)
    worths, ours_left = drawn[0].worths.to_numpy(), drawn[0].key.ours_left
    for row in rows.itertuples():
        ours, theirs = worths[row.pair] if ours_left[row.pair] else worths[row.pair][::-1]
        if row.outcome == "ours":
            assert ours > theirs
        if row.outcome == "theirs":
            assert theirs > ours
    assert consistency_table(rows)["same"].eq(1.0).all()


def test_same_seed_same_answers_to_the_byte_and_another_seed_others(
    library: Library, judgements: pd.DataFrame, tmp_path: Path
) -> None:
    files = []
    for number, settings in enumerate(
        (SETTINGS, SETTINGS, replace(SETTINGS, design=replace(SETTINGS.design, seed=1)))
    ):
        simulated_study.judge_all(draw(library), settings).to_csv(path := tmp_path / f"{number}.csv")
        files.append(path.read_bytes())
    assert files[0] == files[1] != files[2]


# The study


def test_compared_are_the_systems_that_the_page_names(drawn: list[Drawn]) -> None:
    named = {one.name: (one.key.ours["lens"], one.key.theirs["lens"]) for one in drawn}
    assert named == {
        "specialist": ("unified", "lens"),
        "imagenet": ("unified", "imagenet"),
        "codes": ("unified/binary", "unified"),
    }
    assert [(one.name, one.training) for one in drawn] == [(name, seed) for name in named for seed in SEEDS]


def test_trainings_share_their_queries(drawn: list[Drawn]) -> None:
    for one, other in zip(drawn[::2], drawn[1::2], strict=True):
        assert [pair.query for pair in one.study.pairs] == [pair.query for pair in other.study.pairs]
        assert one.study != other.study


def test_clearly_better_embedding_is_preferred(judgements: pd.DataFrame) -> None:
    table = preference_table(judgements, 0, 200).set_index(["study", "task"])
    assert (table.loc["imagenet", "net_low"] > 0).all()
    assert (
        list(table.index.get_level_values("study")) == ["specialist"] * 3 + ["imagenet"] * 3 + ["codes"] * 3
    )
    assert table["n_judgement"].eq(12 * 3 * 2).all()


def test_noise_lowers_agreement(drawn: list[Drawn]) -> None:
    table = simulated_study.agreement_by_noise(drawn, SETTINGS)
    means = table.groupby("noise")["krippendorff"].mean()
    assert means.iloc[0] == pytest.approx(1.0)
    assert means.iloc[0] > means.iloc[3] > means.iloc[5]
    assert table["simulated"].all()


def test_offline_difference_is_about_the_judged_queries(library: Library, drawn: list[Drawn]) -> None:
    table = simulated_study.offline_rows(library, drawn, SEEDS, SETTINGS).set_index(["study", "task"])
    study = next(one.study for one in drawn if one.name == "imagenet")
    queries = [pair.query for pair in study.pairs if pair.task == "lens"]
    means = [
        np.mean(
            [
                headline_scores(library.collection, library.stored(system), "float", "lens")[one]
                for one in queries
            ]
        )
        for system in (simulated_study.System("unified", seed=0), simulated_study.System("unified", seed=1))
    ]
    base = headline_scores(
        library.collection, library.stored(simulated_study.System("imagenet")), "float", "lens"
    )
    wanted = np.mean(means) - np.mean([base[one] for one in queries])
    assert table.loc[("imagenet", "lens"), "difference"] == pytest.approx(wanted, abs=1e-6)
    assert table.loc[("imagenet", "lens"), "metric"] == "P@5"


def test_headline_scores_by_counting(library: Library) -> None:
    collection, stored = library.collection, library.stored(simulated_study.System("unified"))
    scores = headline_scores(collection, stored, "float", "lens")
    labels = collection.eval_labels("lens")
    lists = library.lists(simulated_study.System("unified"), "lens")
    for query, items in zip(lists.queries, lists.items, strict=True):
        assert scores[query] == pytest.approx((labels.loc[items] == labels.loc[query]).mean())


def test_everything_written_says_that_it_is_simulated(
    drawn: list[Drawn], judgements: pd.DataFrame, library: Library, tmp_path: Path
) -> None:
    tables = {
        "judgements": judgements,
        "preferences": preference_table(judgements, 0, 200),
        "agreement": simulated_study.agreement_rows(judgements, MODEL.noise),
        "consistency": consistency_table(judgements),
        "offline": simulated_study.offline_rows(library, drawn, SEEDS, SETTINGS),
        "left_out": left_out_table(drawn),
    }
    entries = write_results(tmp_path, drawn, tables, SETTINGS)
    written = json.loads((tmp_path / "summary.json").read_text())
    assert written["simulated"] is True
    assert written["results"] == entries
    assert all(one["simulated"] for one in entries)
    for path in tmp_path.glob("*.csv"):
        assert pd.read_csv(path)["simulated"].all(), path.name
    assert pd.read_parquet(tmp_path / "judgements.parquet")["simulated"].all()
    assert (tmp_path / "studies/codes/seed-1/study.json").is_file()
    assert "simulated raters" in story.summary(entries)


def test_figures_say_that_raters_are_simulated(
    drawn: list[Drawn], judgements: pd.DataFrame, library: Library, tmp_path: Path
) -> None:
    table = preference_table(judgements, 0, 200)
    offline = simulated_study.offline_rows(library, drawn, SEEDS, SETTINGS)
    made = {
        "screen": figures.screen_figure(library.collection, drawn[0].study, SETTINGS.names[0], 0),
        "preferences": figures.preference_figure(table),
        "agreement": figures.agreement_figure(
            simulated_study.agreement_by_noise(drawn, SETTINGS), MODEL.noise
        ),
        "power": figures.power_figure(simulated_study.power_of(judgements, SETTINGS), "specialist"),
        "offline": figures.offline_figure(offline, table),
    }
    for name, figure in made.items():
        assert figure.get_suptitle().startswith("Simulated raters"), name
        save_figure(figure, tmp_path / f"{name}.png")
    bars = made["preferences"].axes[0].patches
    row = table.iloc[0]
    assert bars[0].get_width() == pytest.approx(row["ours"] / row["n_judgement"])
    assert bars[1].get_width() == pytest.approx(-row["theirs"] / row["n_judgement"])


def test_sentence_names_where_raters_and_metric_differ() -> None:
    offline = pd.DataFrame(
        {"study": ["a", "a", "a"], "task": ["x", "y", "z"], "difference": [0.1, 0.1, -0.1]}
    )
    chosen = pd.DataFrame(
        {
            "study": ["a"] * 3,
            "task": ["x", "y", "z"],
            "simulated": [True] * 3,
            "net": [0.2, -0.2, 0.0],
            "net_low": [0.1, -0.3, -0.1],
            "net_high": [0.3, -0.1, 0.1],
        }
    )
    said = story.signs_agree(offline, chosen)
    assert said.startswith("Simulated raters prefer one side on 2 of 3 comparisons and tasks; on 1 of these")
    assert said.endswith("Elsewhere they do not: a/y.")


def test_one_rater_is_too_few() -> None:
    with pytest.raises(ValueError, match="n_raters is 1; it must be at least 2"):
        replace(SETTINGS, n_raters=1)


def test_pair_worths_follow_the_lists(drawn: list[Drawn], library: Library) -> None:
    study, gains = drawn[0].study, gains_of(library.collection)
    values = pair_worths(study, gains, 5)
    pair = study.pairs[7]
    assert values[7, 0] == pytest.approx(worth(true_grades(gains, pair.query, pair.left), 5))
    assert values[7, 1] == pytest.approx(worth(true_grades(gains, pair.query, pair.right), 5))
