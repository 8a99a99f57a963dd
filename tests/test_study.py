"""The user study: what is drawn, which list stands where, what answers amount to, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from search_world import make_collection, three_task_collection, write_embeddings

from unifiedlib.contract import TaskSpec
from unifiedlib.study.consistency import consistency_table
from unifiedlib.study.contests import Contests, Library, differing_in_all
from unifiedlib.study.design import Contest, Design, draw_queries, make_study
from unifiedlib.study.document import Key, Study, read_key, read_study, write_study
from unifiedlib.study.judgements import agreement_table, judgement_rows
from unifiedlib.study.log import Answer
from unifiedlib.study.power import half_width, net_by_rater, sizes_below
from unifiedlib.study.preference import preference, preference_table, sign_test, win_rate_interval
from unifiedlib.study.presentation import screens, shown_on
from unifiedlib.study.results import summary_entries
from unifiedlib.study.systems import SPECIALIST, Lists, System, load_system, ranked_lists

DESIGN = Design(n_queries=9, k=5, repeat_share=0.3, seed=3)
RATERS = [f"rater-{number}" for number in range(8)]


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Library:
    collection, folder = three_task_collection(), tmp_path_factory.mktemp("embeddings")
    for number, (variant, signal) in enumerate({"imagenet": 0.1, "lens": 0.4, "unified": 0.6}.items()):
        for seed in (0, 1):
            write_embeddings(folder / variant / f"seed-{seed}", collection, signal, 10 * number + seed)
    return Library(collection, folder, DESIGN.k)


@pytest.fixture(scope="module")
def contests(library: Library) -> Contests:
    return library.contests(System("unified"), System("imagenet"))


@pytest.fixture(scope="module")
def drawn(library: Library, contests: Contests) -> tuple[Study, Key]:
    queries = draw_queries({task: one.differing() for task, one in contests.items()}, DESIGN)
    return make_study(contests, queries, DESIGN, "fingerprint", "data/toy")


# What is compared


@pytest.mark.parametrize("representation", ["float", "binary"])
def test_lists_are_those_of_a_whole_sort(library: Library, representation: str) -> None:
    collection, stored = library.collection, library.stored(System("unified"))
    found = ranked_lists(collection, stored, representation, "flashlight", 5)
    group = collection.items["group"]
    gallery = collection.gallery("flashlight")
    for query, items in zip(found.queries, found.items, strict=True):
        own = [item for item in gallery if group[item] != group[query] and item != query]
        rows, row = stored.rows(np.array(own)), stored.rows(np.array([query]))
        if representation == "float":
            distances = -(stored.floats[rows] @ stored.floats[row][0])
        else:
            distances = np.bitwise_count(stored.codes[rows] ^ stored.codes[row]).sum(axis=1)
        order = np.lexsort([own, distances])[:5]
        np.testing.assert_array_equal(items, np.array(own)[order])


def test_query_without_a_match_is_left_out_and_counted(tmp_path: Path) -> None:
    rows = [
        (f"g{n}", "lens", label, role)
        for n, (label, role) in enumerate(
            [
                ("a", "query"),
                ("alone", "query"),
                ("b", "query"),
                ("a", "gallery"),
                ("b", "gallery"),
                ("a", "gallery"),
            ]
        )
    ]
    collection = make_collection(rows, {"lens": TaskSpec(1, "category")})
    for number, variant in enumerate(("imagenet", "unified")):
        write_embeddings(tmp_path / variant / "seed-0", collection, 0.0, 5 + number)
    contests = Library(collection, tmp_path, 3).contests(System("unified"), System("imagenet"))
    queries = draw_queries({"lens": contests["lens"].differing()}, Design(5, 3))
    study, _ = make_study(contests, queries, Design(5, 3), "f", "d")
    left = study.left_out["lens"]
    assert 1 not in [pair.query for pair in study.pairs]
    assert (left.n_query, left.no_match) == (3, 1)
    assert left.no_match + left.same_lists + left.not_drawn + len(study.pairs) == left.n_query


def test_unknown_variant_is_named_with_the_choices(library: Library) -> None:
    with pytest.raises(ValueError, match="no variant 'unifid'; choose one of imagenet, flashlight, lens"):
        library.lists(System("unifid"), "lens")


def test_variant_without_embeddings_names_the_command(library: Library) -> None:
    with pytest.raises(
        FileNotFoundError, match=r"'flashlight' has no embeddings of seed 0 .*`dvc repro binarize@toy"
    ):
        load_system(library.collection, library.embedding_folder, System("flashlight"))


def test_k_beyond_the_gallery_is_refused(library: Library) -> None:
    stored = library.stored(System("unified"))
    with pytest.raises(ValueError, match=r"k is 41; on task 'lens' a list can hold 1 to 40 results"):
        ranked_lists(library.collection, stored, "float", "lens", 41)


def test_unknown_representation_is_refused() -> None:
    with pytest.raises(ValueError, match="representation is 'bits'; choose one of float, binary"):
        System.parse("unified/bits")


def test_specialist_is_the_variant_of_the_task() -> None:
    assert System(SPECIALIST, "binary", 2).on("lens") == System("lens", "binary", 2)


# What is drawn


def toy_contest(n_same: int, n_differing: int) -> Contest:
    queries = np.arange(n_same + n_differing)
    ours = np.tile([100, 101], (len(queries), 1))
    theirs = ours.copy()
    theirs[n_same:] = [101, 100]
    none = np.array([], np.int64)
    return Contest(Lists(queries, ours, none), Lists(queries, theirs, none), "a", "b")


def test_only_queries_whose_lists_differ_are_asked_and_the_rest_is_counted() -> None:
    contest = toy_contest(n_same=4, n_differing=6)
    assert contest.differing().tolist() == [4, 5, 6, 7, 8, 9]
    queries = draw_queries({"lens": contest.differing()}, Design(5, 2))
    study, _ = make_study({"lens": contest}, queries, Design(5, 2), "f", "d")
    assert study.left_out["lens"].model_dump() == {
        "n_query": 10,
        "no_match": 0,
        "same_lists": 4,
        "not_drawn": 1,
    }


def test_nothing_to_judge_is_said() -> None:
    with pytest.raises(ValueError, match="both lists are the same for every query"):
        draw_queries({"lens": toy_contest(3, 0).differing()}, DESIGN)


def test_every_task_gives_as_many_queries(drawn: tuple[Study, Key]) -> None:
    tasks = pd.Series([pair.task for pair in drawn[0].pairs])
    assert tasks.value_counts().to_dict() == {"flashlight": 9, "lens": 9, "shop_the_look": 9}


def test_queries_of_several_trainings_differ_in_all_of_them() -> None:
    one, other = {"lens": toy_contest(4, 6)}, {"lens": toy_contest(7, 3)}
    assert differing_in_all([one, other])["lens"].tolist() == [7, 8, 9]


def test_lists_on_screen_are_the_systems_own(drawn: tuple[Study, Key], contests: Contests) -> None:
    study, key = drawn
    for pair, ours_left in zip(study.pairs, key.ours_left, strict=True):
        ours, theirs = (pair.left, pair.right) if ours_left else (pair.right, pair.left)
        contest = contests[pair.task]
        assert ours == contest.ours.of(np.array([pair.query]))[0].tolist()
        assert theirs == contest.theirs.of(np.array([pair.query]))[0].tolist()


def test_same_seed_same_study_to_the_byte_and_another_seed_another(
    contests: Contests, tmp_path: Path
) -> None:
    files = []
    for number, seed in enumerate((3, 3, 4)):
        design = Design(9, 5, 0.3, seed)
        queries = draw_queries({task: one.differing() for task, one in contests.items()}, design)
        write_study(folder := tmp_path / str(number), *make_study(contests, queries, design, "f", "d"))
        files.append((folder / "study.json").read_bytes() + (folder / "key.json").read_bytes())
    assert files[0] == files[1] != files[2]


def test_study_json_names_no_system(drawn: tuple[Study, Key]) -> None:
    text = drawn[0].model_dump_json()
    assert not [name for name in ("unified", "imagenet", "ours", "theirs", "float", "binary") if name in text]


@pytest.mark.parametrize("rater", RATERS)
def test_sides_are_balanced_for_every_rater_and_task(drawn: tuple[Study, Key], rater: str) -> None:
    study, key = drawn
    first = [screen for screen in screens(study, rater) if not screen.repeat]
    for task in study.questions:
        left = [
            key.ours_left[one.pair] != one.mirrored for one in first if study.pairs[one.pair].task == task
        ]
        assert sum(left) in (4, 5)


def test_raters_see_other_orders_and_both_ways_round(drawn: tuple[Study, Key]) -> None:
    shown = [screens(drawn[0], rater) for rater in RATERS]
    assert len({tuple(one.pair for one in screen) for screen in shown}) == len(RATERS)
    assert len({next(one.mirrored for one in screen if not one.repeat) for screen in shown}) == 2
    assert screens(drawn[0], RATERS[0]) == shown[0]


def test_repeated_pairs_come_later_with_sides_swapped(drawn: tuple[Study, Key]) -> None:
    study = drawn[0]
    shown = screens(study, "ann")
    assert len(study.repeats) == 3 * round(0.3 * 9)
    assert sorted(one.pair for one in shown if one.repeat) == sorted(study.repeats)
    assert sorted(one.pair for one in shown if not one.repeat) == list(range(len(study.pairs)))
    for again in (one for one in shown if one.repeat):
        first = next(one for one in shown if one.pair == again.pair and not one.repeat)
        assert first.place < again.place
        before, after = shown_on(study, first), shown_on(study, again)
        assert (before.left, before.right) == (after.right, after.left)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"n_queries": 0}, "n_queries is 0; it must be at least 1"),
        ({"k": 0}, "k is 0; it must be at least 1"),
        ({"repeat_share": 1.2}, r"repeat_share is 1\.2; it must be 0 to 1"),
        ({"seed": -1}, "seed is -1; it must be at least 0"),
    ],
)
def test_design_out_of_range_is_refused(changed: dict[str, float], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Design(**({"n_queries": 3, "k": 3} | changed))


# On disk


def test_study_is_read_as_it_was_written(drawn: tuple[Study, Key], tmp_path: Path) -> None:
    write_study(tmp_path, *drawn)
    assert read_study(tmp_path) == drawn[0]
    assert read_key(tmp_path, drawn[0]) == drawn[1]


def test_missing_study_names_the_command(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"study\.json is missing: make a study with `python -m"):
        read_study(tmp_path)


def test_damaged_study_names_the_place(drawn: tuple[Study, Key], tmp_path: Path) -> None:
    write_study(tmp_path, *drawn)
    content = json.loads((tmp_path / "study.json").read_text())
    content["pairs"][4]["left"] = "none"
    (tmp_path / "study.json").write_text(json.dumps(content))
    with pytest.raises(ValueError, match=r"study\.json is damaged at pairs\.4\.left"):
        read_study(tmp_path)


def test_key_of_another_study_is_refused(drawn: tuple[Study, Key], tmp_path: Path) -> None:
    write_study(tmp_path, *drawn)
    other = drawn[0].model_copy(update={"seed": 99})
    with pytest.raises(ValueError, match="is the key of another study"):
        read_key(tmp_path, other)


def test_study_with_answers_is_not_overwritten(drawn: tuple[Study, Key], tmp_path: Path) -> None:
    write_study(tmp_path, *drawn)
    (tmp_path / "raters").mkdir()
    (tmp_path / "raters/ann.jsonl").write_text("{}\n")
    write_study(tmp_path, *drawn)
    with pytest.raises(FileExistsError, match="holds answers of 1 raters to another study"):
        write_study(tmp_path, drawn[0].model_copy(update={"seed": 99}), drawn[1])


# What answers amount to


def judged(*said: tuple[int, str, str], training: int = 0, repeat: bool = False) -> pd.DataFrame:
    """Judgements from (query, rater, outcome); a repeat is of the same pair."""
    rows = [
        {
            **{
                "study": "toy",
                "training": training,
                "simulated": False,
                "rater": rater,
                "task": "lens",
                "pair": query,
            },
            **{"query": query, "place": 0, "repeat": repeat, "ours_side": "left", "outcome": outcome},
            "answer": {"ours": "left", "theirs": "right"}.get(outcome, outcome),
        }
        for query, rater, outcome in said
    ]
    return pd.DataFrame(rows)


def test_answer_counts_for_the_list_that_stood_there(drawn: tuple[Study, Key]) -> None:
    study, key = drawn
    shown = screens(study, "ann")
    rows = judgement_rows(
        study, key, "ann", [Answer(one.place, one.pair, "left") for one in shown], name="toy", simulated=True
    )
    for screen, row in zip(shown, rows.itertuples(), strict=True):
        pair = study.pairs[screen.pair]
        on_the_left = pair.right if screen.mirrored else pair.left
        ours = pair.left if key.ours_left[pair.number] else pair.right
        assert row.outcome == ("ours" if on_the_left == ours else "theirs")
    assert rows["simulated"].all()


def test_preference_of_a_table_worked_by_hand() -> None:
    rows = judged(
        *[(1, "a", "ours"), (1, "b", "ours"), (2, "a", "ours"), (2, "b", "theirs")],
        *[(3, "a", "tie"), (3, "b", "ours"), (4, "a", "neither"), (4, "b", "theirs")],
    )
    found = preference(rows, 0, 500)
    assert found.counts == {"ours": 4, "theirs": 2, "tie": 1, "neither": 1}
    assert found.net.mean == pytest.approx((1 + 0 + 0.5 - 0.5) / 4)
    assert found.win_rate is not None
    assert found.win_rate.mean == pytest.approx(4 / 6)
    assert (found.better, found.worse, found.p_value) == (2, 1, 1.0)
    assert found.net.low <= found.net.mean <= found.net.high


def test_second_showings_do_not_count_for_the_preference() -> None:
    rows = judged((1, "a", "ours"), (2, "a", "theirs"))
    again = judged((1, "a", "theirs"), repeat=True)
    assert preference(pd.concat([rows, again]), 0, 100) == preference(rows, 0, 100)


def test_queries_not_answers_are_resampled() -> None:
    """Ten raters who say the same about two queries are no more certain than one of them."""
    one = judged((1, "a", "ours"), (2, "a", "theirs"))
    ten = judged(*[(query, f"r{n}", said) for n in range(10) for query, said in ((1, "ours"), (2, "theirs"))])
    assert preference(one, 0, 300).net == preference(ten, 0, 300).net


def test_win_rate_interval_against_plain_resampling() -> None:
    generator = np.random.default_rng(1)
    said = generator.choice([1, -1, 0], size=60, p=[0.5, 0.3, 0.2])
    wins, losses = (said == 1).astype(float), (said == -1).astype(float)
    found = win_rate_interval(wins[np.newaxis], losses[np.newaxis], 0, 4000)
    ratios = []
    for _ in range(4000):
        rows = generator.integers(0, 60, 60)
        ratios.append(wins[rows].sum() / (wins[rows].sum() + losses[rows].sum()))
    assert found is not None
    assert (found.low, found.high) == pytest.approx(tuple(np.quantile(ratios, [0.025, 0.975])), abs=0.02)


def test_trainings_that_disagree_widen_the_interval() -> None:
    same = [judged(*[(q, "a", "ours" if q % 2 else "tie") for q in range(40)], training=t) for t in range(3)]
    other = [same[0], judged(*[(q, "a", "theirs") for q in range(40)], training=1), same[2]]
    first, second = (preference(pd.concat(rows), 0, 500).net for rows in (same, other))
    assert second.high - second.low > 2 * (first.high - first.low)


def test_query_that_was_not_judged_for_a_training_is_named() -> None:
    rows = pd.concat([judged((1, "a", "ours"), (2, "a", "ours")), judged((1, "a", "ours"), training=1)])
    with pytest.raises(ValueError, match="query 2 was not judged for training 1"):
        preference(rows, 0, 100)


def test_no_preference_has_no_win_rate() -> None:
    found = preference(judged((1, "a", "tie"), (2, "a", "neither")), 0, 100)
    assert (found.win_rate, found.p_value, found.net.mean) == (None, 1.0, 0.0)


@pytest.mark.parametrize(
    ("better", "worse", "p_value"), [(5, 0, 2 / 32), (6, 1, 16 / 128), (2, 2, 1.0), (0, 0, 1.0)]
)
def test_sign_test_by_hand(better: int, worse: int, p_value: float) -> None:
    assert sign_test(better, worse) == pytest.approx(p_value)


def test_summary_is_the_worst_task_and_keeps_the_mark_of_a_simulation() -> None:
    rows = judged(*[(query, "a", "ours") for query in range(30)])
    other = rows.assign(task="flashlight", pair=rows["pair"] + 30, query=rows["query"] + 30)
    other["outcome"] = ["ours", "theirs", "tie"] * 10
    table = preference_table(pd.concat([rows, other]).assign(simulated=True), 0, 200)
    entries = {str(one["id"]): one for one in summary_entries(table)}
    assert list(entries) == ["toy", "toy/lens", "toy/flashlight"]
    assert [entries[name]["verdict"] for name in entries] == ["undecided", "ours", "undecided"]
    assert all(one["simulated"] is True for one in entries.values())
    assert "Simulated raters" in str(entries["toy/lens"]["said"]) or "simulated raters" in str(
        entries["toy/lens"]["said"]
    )


def test_few_queries_that_agree_decide_nothing() -> None:
    table = preference_table(judged(*[(query, "a", "ours") for query in range(19)]), 0, 200)
    (whole, own) = summary_entries(table)
    assert (whole["verdict"], own["verdict"], own["effect"]) == ("undecided", "undecided", 1.0)
    assert "By fewer than 20 queries nothing is judged" in str(own["how"])


def test_self_consistency_and_side_bias_by_hand() -> None:
    first = judged((1, "a", "ours"), (2, "a", "ours"), (3, "a", "tie"), (4, "a", "theirs"))
    again = judged((1, "a", "ours"), (2, "a", "theirs"), (3, "a", "ours"), repeat=True)
    again["answer"] = ["right", "left", "right"]  # the sides are swapped
    found = consistency_table(pd.concat([first, again])).iloc[0]
    assert (found["n_screen"], found["n_repeat"]) == (7, 3)
    assert (found["same"], found["opposite"]) == pytest.approx((1 / 3, 1 / 3), abs=1e-6)
    assert (found["n_left"], found["n_right"], found["left_share"]) == (3, 3, 0.5)
    assert found["tie"] == pytest.approx(1 / 7, abs=1e-6)


def test_table_of_agreement_has_a_row_per_rater_and_gaps() -> None:
    rows = judged((1, "b", "ours"), (1, "a", "theirs"), (2, "a", "neither"))
    assert agreement_table(rows).tolist() == [[1, 3], [0, -1]]


# How many judgements


def test_four_times_the_queries_halve_the_interval() -> None:
    net = np.random.default_rng(0).choice([1.0, -1.0], size=(1, 640))
    few, many = (half_width(net, size, 1, [0]) for size in (40, 160))
    assert few / many == pytest.approx(2, rel=0.1)
    assert few == pytest.approx(1.96 / np.sqrt(40), rel=0.1)


def test_numbers_of_queries_end_with_all_of_them() -> None:
    assert sizes_below(50) == [10, 20, 40, 50]
    assert sizes_below(8) == [8]


def test_rater_who_left_a_query_out_is_refused_by_the_power_curve() -> None:
    rows = judged((1, "a", "ours"), (2, "a", "tie"), (1, "b", "theirs"))
    with pytest.raises(ValueError, match="some rater did not judge some query"):
        net_by_rater(rows)
    assert net_by_rater(rows[rows["rater"] == "a"]).tolist() == [[1.0, 0.0]]
