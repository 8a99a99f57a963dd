"""Simulated users and their tests: each part against hand-worked tables, brute force, or its closed form."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import product
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from search_world import make_collection, with_label, write_embeddings

from unifiedlib import figures
from unifiedlib.contract import Collection, TaskSpec
from unifiedlib.evaluation import StoredEmbeddings
from unifiedlib.graded import GradesOf, decor_grades
from unifiedlib.listing import ranked_items
from unifiedlib.relevance import task_relevance
from unifiedlib.replay import story, study, systems
from unifiedlib.replay.ab import PER_QUERY, aa_check, act, run_test
from unifiedlib.replay.analysis import CRITICAL, compare, drawn_moments, resampled_means
from unifiedlib.replay.arms import deal
from unifiedlib.replay.clicks import Actions, ClickModel, examination_by_power
from unifiedlib.replay.interleaving import (
    Preferences,
    add_up,
    credit,
    interleave,
    preference,
    ratio_moments,
    shared_places,
    team_draft,
)
from unifiedlib.replay.interleaving_check import aa_interleaving
from unifiedlib.replay.measures import Totals
from unifiedlib.replay.population import draw_queries, draw_sessions, draw_visits, mean_sessions
from unifiedlib.replay.position_bias import bias_table
from unifiedlib.replay.power import (
    ab_method,
    closed_form_power,
    detectable_effect,
    interleaving_method,
    needed_range,
    simulated_power,
    users_needed,
)
from unifiedlib.replay.settings import ReplaySettings, replay_settings
from unifiedlib.replay.streams import stream
from unifiedlib.replay.summary import outcome_of, users_of
from unifiedlib.replay.systems import Lists, System

mpl.use("Agg")
SETTINGS = ReplaySettings(
    tasks=("lens",),
    comparisons={
        "specialist": ["unified/float", "specialist/float"],
        "codes": ["unified/binary", "unified/float"],
    },
    k=6,
    examination_power=1.0,
    examination=(),
    attraction=(0.05, 0.2, 0.4, 0.6),
    save=(0.1, 0.2, 0.3, 0.5),
    user_effect=0.8,
    sessions_power=1.5,
    most_sessions=50,
    queries_per_session=2.0,
    n_users=600,
    n_null_users=300,
    n_null_replications=8,
    n_population=800,
    user_counts=(50, 5000),
    n_replications=60,
    n_resamples=100,
    power=0.8,
    seed=0,
)
MODEL = ClickModel.of(SETTINGS)
LABELS = np.repeat(np.arange(4), [1, 2, 3, 4])


def lists(seed: int, n_query: int = 10, k: int = 6, n_items: int = 9) -> Lists:
    """Random lists of distinct items; an item's grade is its number modulo 4."""
    generator = np.random.default_rng(seed)
    items = np.stack([generator.permutation(n_items)[:k] for _ in range(n_query)]).astype(np.int64)
    return Lists(items, (items % 4).astype(np.uint8))


# The click model


def test_probability_of_a_click_is_examination_times_attraction() -> None:
    model = ClickModel(np.array([1.0, 0.5]), np.array([0.1, 0.4]), np.array([0.0, 1.0]), 0.0)
    found = model.click_probabilities(np.array([[1, 0], [0, 1]], np.uint8), model.attraction)
    np.testing.assert_allclose(found, [[0.4, 0.05], [0.1, 0.2]])


def test_each_user_clicks_by_their_own_attraction() -> None:
    own = MODEL.attraction_of(np.array([-1.0, 0.0, 2.0]))
    odds = own / (1 - own)
    np.testing.assert_allclose(own[1], SETTINGS.attraction)
    np.testing.assert_allclose(odds[2] / odds[1], np.exp(2 * 0.8))
    np.testing.assert_allclose(odds[0] / odds[1], np.exp(-0.8))


def test_mean_attraction_is_that_of_many_users() -> None:
    drawn = MODEL.attraction_of(np.random.default_rng(0).standard_normal(400_000)).mean(axis=0)
    np.testing.assert_allclose(MODEL.mean_attraction(), drawn, atol=0.001)


def test_clicks_and_saves_are_those_of_a_loop_over_results() -> None:
    grades = np.random.default_rng(3).integers(0, 4, (7, 6)).astype(np.uint8)
    attraction = MODEL.attraction_of(np.random.default_rng(4).standard_normal(7))
    found = MODEL.act(grades, attraction, np.random.default_rng(5))
    drawn = np.random.default_rng(5).random((7, 6))
    for row, rank in np.ndindex(7, 6):
        grade = grades[row, rank]
        click = attraction[row, grade] / (rank + 1)
        assert found.clicked[row, rank] == (drawn[row, rank] < click)
        assert found.saved[row, rank] == (drawn[row, rank] < click * SETTINGS.save[grade])
    assert not (found.saved & ~found.clicked).any()


def test_simulated_clicks_and_saves_meet_their_expectation() -> None:
    grades = lists(1).grades
    visits = draw_visits(30_000, LABELS, SETTINGS, np.random.default_rng(1))
    actions = act(visits, grades[visits.query], MODEL, np.random.default_rng(2))
    n_queries = len(visits.user)
    for done, expected in (
        (actions.clicked, MODEL.expected_clicks(grades)),
        (actions.saved, MODEL.expected_saves(grades)),
    ):
        per_user = np.bincount(visits.user, done.sum(axis=1) - expected[visits.query])
        error = per_user.std() * np.sqrt(visits.n_users) / n_queries
        assert abs(per_user.sum() / n_queries) < 4 * error
        assert error < 0.02 * expected.mean(), "the comparison must be sharp"


def test_expected_clicks_by_hand_where_users_are_alike() -> None:
    model = ClickModel(examination_by_power(1, 3), np.array([0.0, 0.6]), np.array([0.0, 0.5]), 0.0)
    grades = np.array([[1, 1, 0], [0, 0, 1]], np.uint8)
    np.testing.assert_allclose(model.expected_clicks(grades), [0.9, 0.2])
    np.testing.assert_allclose(model.expected_saves(grades), [0.45, 0.1])


def test_explicit_examination_replaces_the_power() -> None:
    given = (1.0, 0.9, 0.2, 0.0, 0.0, 0.0)
    model = ClickModel.of(replace(SETTINGS, examination=given))
    assert model.examination.tolist() == list(given)
    actions = model.act(np.full((500, 6), 3, np.uint8), model.attraction, np.random.default_rng(0))
    assert not actions.clicked[:, 3:].any()
    assert actions.clicked[:, :3].any(axis=0).all()


# The population


def test_sessions_have_the_tail_that_was_asked_for() -> None:
    drawn = draw_sessions(200_000, 1.5, 20, np.random.default_rng(0))
    assert (drawn.min(), drawn.max()) == (1, 20)
    for n in (2, 5, 20):
        assert (drawn >= n).mean() == pytest.approx(n**-1.5, abs=0.004)
    assert drawn.mean() == pytest.approx(mean_sessions(1.5, 20), rel=0.01)


def test_session_asks_for_one_label_and_every_query_is_as_frequent() -> None:
    lengths = np.full(60_000, 3)
    queries = draw_queries(LABELS, lengths, np.random.default_rng(0))
    asked = LABELS[queries].reshape(-1, 3)
    assert (asked == asked[:, :1]).all()
    assert set(queries) == set(range(len(LABELS)))
    np.testing.assert_allclose(np.bincount(queries) / len(queries), 0.1, atol=0.003)


def test_visits_are_whole() -> None:
    visits = draw_visits(500, LABELS, SETTINGS, np.random.default_rng(0))
    assert (np.diff(visits.user) >= 0).all()
    assert (np.diff(visits.session) >= 0).all()
    assert (visits.queries_per_user() >= 1).all()
    assert visits.queries_per_user().sum() == len(visits.query)
    per_session = pd.Series(visits.user).groupby(visits.session).nunique()
    assert per_session.eq(1).all(), "a session is one user's"
    assert len(visits.query) / (visits.session.max() + 1) == pytest.approx(2.0, rel=0.1)


# The arms


def test_arm_of_a_user_depends_on_nobody_else() -> None:
    whole = deal(np.arange(1000), 7)
    np.testing.assert_array_equal(deal(np.array([3, 999, 500]), 7), whole[[3, 999, 500]])
    np.testing.assert_array_equal(deal(np.arange(1000), 7), whole)


def test_arms_are_balanced_and_another_test_deals_anew() -> None:
    first, second = (deal(np.arange(100_000), salt) for salt in (1, 2))
    assert abs(first.mean() - 0.5) < 0.007
    assert abs((first == second).mean() - 0.5) < 0.007
    assert abs(deal(np.arange(90_000), 3, n_arms=3).mean() - 1) < 0.012
    even, odd = first[::2].mean(), first[1::2].mean()
    assert max(abs(even - 0.5), abs(odd - 0.5)) < 0.01


def test_one_arm_is_no_test() -> None:
    with pytest.raises(ValueError, match="n_arms is 1; a test needs at least two arms"):
        deal(np.arange(3), 0, n_arms=1)


def test_all_queries_of_a_user_are_served_by_the_users_arm() -> None:
    """Ours shows what everyone clicks, theirs what nobody does: so each user clicks on all queries, or on none."""
    model = ClickModel(np.ones(6), np.array([0.0, 0.0, 0.0, 1.0]), np.zeros(4), 0.8)
    empty = np.zeros((10, 6), np.int64)
    ours, theirs = (Lists(empty, np.full((10, 6), grade, np.uint8)) for grade in (3, 0))
    visits = draw_visits(300, LABELS, SETTINGS, np.random.default_rng(0))
    log = run_test(ours, theirs, visits, model, 5, np.random.default_rng(1))
    np.testing.assert_array_equal(log.totals.clicks, np.where(log.arm == 0, 6 * visits.queries_per_user(), 0))
    np.testing.assert_array_equal(log.arm, deal(np.arange(300), 5))


# The measures


def test_propensity_and_volume_of_a_log_by_hand() -> None:
    clicked = np.array([[1, 1, 0], [0, 1, 0], [0, 0, 0], [1, 1, 1]], bool)
    saved = np.array([[1, 0, 0], [0, 0, 0], [0, 0, 0], [0, 1, 1]], bool)
    totals = Totals.of(Actions(clicked, saved), np.array([0, 0, 1, 3]), 4)
    assert totals.clicks.tolist() == [3, 0, 0, 3]
    assert totals.repins.tolist() == [1, 0, 0, 2]
    means = {f"{action} {measure}": values.mean() for action, measure, values in totals.each()}
    assert means == {
        "click propensity": 0.5,
        "click volume": 1.5,
        "repin propensity": 0.5,
        "repin volume": 0.75,
    }


def test_unknown_measure_is_named() -> None:
    totals = Totals(np.zeros(2, np.int64), np.zeros(2, np.int64))
    with pytest.raises(ValueError, match="no measure 'like volume'; choose one of click propensity"):
        totals.values("like", "volume")


# The analysis


def test_bootstrap_by_counts_is_that_of_drawing_users_one_by_one() -> None:
    values = np.random.default_rng(0).geometric(0.4, 60).astype(float)
    quick = resampled_means(values, 40_000, np.random.default_rng(1))
    rows = np.random.default_rng(2).integers(0, 60, (40_000, 60))
    slow = values[rows].mean(axis=1)
    assert quick.mean() == pytest.approx(slow.mean(), abs=0.01)
    np.testing.assert_allclose(
        np.quantile(quick, [0.025, 0.5, 0.975]), np.quantile(slow, [0.025, 0.5, 0.975]), atol=0.03
    )


def test_moments_of_drawn_users_are_those_of_the_values_drawn() -> None:
    values = np.array([0.0, 1.0, 4.0])
    mean, variance = drawn_moments(values, 5, 30_000, np.random.default_rng(0))
    assert mean.mean() == pytest.approx(values.mean(), abs=0.02)
    assert variance.mean() == pytest.approx(values.var(), abs=0.05)
    assert mean.var() == pytest.approx(values.var() / 5, rel=0.05)


def test_difference_lift_and_z_by_hand() -> None:
    ours, theirs = np.array([2.0, 4.0, 6.0, 8.0]), np.array([1.0, 3.0, 5.0, 7.0])
    found = compare(ours, theirs, 4000, np.random.default_rng(0))
    assert (found.ours, found.theirs, found.difference, found.lift) == (5.0, 4.0, 1.0, 0.25)
    assert found.z == pytest.approx(1 / np.sqrt(20 / 3 / 4 * 2))
    spread = np.sqrt(5 / 4 * 2)
    assert found.low == pytest.approx(1 - 1.96 * spread, abs=0.25)
    assert found.high == pytest.approx(1 + 1.96 * spread, abs=0.25)
    assert found.lift_low < 0.25 < found.lift_high
    assert not found.is_significant


def test_lift_over_nothing_is_nan() -> None:
    found = compare(np.array([0.0, 1.0, 1.0]), np.zeros(3), 100, np.random.default_rng(0))
    assert found.difference == pytest.approx(2 / 3)
    assert np.isnan([found.lift, found.lift_low, found.lift_high]).all()


def test_arm_without_users_cannot_be_compared() -> None:
    with pytest.raises(ValueError, match="the arms have 3 and 1 users; each needs at least 2"):
        compare(np.ones(3), np.ones(1), 100, np.random.default_rng(0))


def test_system_against_itself_is_rarely_significant_by_user_and_often_by_query() -> None:
    settings = replace(SETTINGS, n_null_users=500, n_null_replications=250, user_effect=1.2)
    rows = pd.DataFrame(aa_check(lists(1), LABELS, settings, "lens"))
    by_user = rows[rows["unit"] != PER_QUERY]
    assert len(by_user) == 8
    share = by_user["n_significant"].sum() / by_user["n_tests"].sum()
    assert 0.025 < share < 0.085
    by_query = rows[rows["unit"] == PER_QUERY].iloc[0]
    assert by_query["n_significant"] / by_query["n_tests"] > 0.2


# Interleaving


def draft_of(ours: list[int], theirs: list[int], coins: list[int]) -> tuple[list[int], list[int]]:
    """The interleaved items, and who picked each (1: theirs)."""
    first, second = np.array([ours]), np.array([theirs])
    there, here = shared_places(first, second), shared_places(second, first)
    draft = team_draft(there, here, np.array([coins], bool))
    return draft.taken(first, second)[0].tolist(), draft.theirs[0].astype(int).tolist()


@pytest.mark.parametrize(
    ("coins", "items", "teams"),
    [
        # ours 1 2 3 4, theirs 2 5 1 6
        ([0, 0], [1, 2, 3, 5], [0, 1, 0, 1]),
        ([1, 0], [2, 1, 3, 5], [1, 0, 0, 1]),
        ([0, 1], [1, 2, 5, 3], [0, 1, 1, 0]),
        ([1, 1], [2, 1, 5, 3], [1, 0, 1, 0]),
    ],
)
def test_drafts_by_hand(coins: list[int], items: list[int], teams: list[int]) -> None:
    assert draft_of([1, 2, 3, 4], [2, 5, 1, 6], coins) == (items, teams)


def test_last_round_of_an_odd_list_has_one_pick() -> None:
    assert draft_of([1, 2, 3], [4, 5, 6], [0, 1]) == ([1, 4, 5], [0, 1, 1])


def plain_draft(ours: list[int], theirs: list[int], coins: list[bool]) -> tuple[list[int], list[int]]:
    """The algorithm as the paper states it, with lists."""
    found: list[int] = []
    teams: list[int] = []
    while len(found) < len(ours):
        counts = (teams.count(0), teams.count(1))
        picker = int(coins[counts[0]]) if counts[0] == counts[1] else int(counts[1] < counts[0])
        found.append(next(item for item in (ours, theirs)[picker] if item not in found))
        teams.append(picker)
    return found, teams


@pytest.mark.parametrize("k", [1, 4, 5])
def test_drafts_are_those_of_the_plain_algorithm(k: int) -> None:
    first, second = lists(1, 200, k).items, lists(2, 200, k).items
    coins = np.random.default_rng(3).integers(0, 2, (200, -(-k // 2))).astype(bool)
    draft = team_draft(shared_places(first, second), shared_places(second, first), coins)
    items = draft.taken(first, second)
    for row in range(200):
        wanted = plain_draft(first[row].tolist(), second[row].tolist(), coins[row].tolist())
        assert (items[row].tolist(), draft.theirs[row].astype(int).tolist()) == wanted


@pytest.mark.parametrize("seed", range(5))
def test_over_all_coins_both_teams_hold_each_place_equally_often(seed: int) -> None:
    """So clicks that know nothing but the rank prefer nobody, whatever the lists."""
    first, second = lists(seed, 1, 6), lists(seed + 50, 1, 6)
    coins = np.array(list(product([False, True], repeat=3)))
    there, here = shared_places(first.items, second.items), shared_places(second.items, first.items)
    draft = team_draft(there.repeat(8, axis=0), here.repeat(8, axis=0), coins)
    np.testing.assert_array_equal(draft.theirs.mean(axis=0), 0.5)


@pytest.mark.parametrize(
    ("attraction", "same"),
    [((0.3,) * 4, False), (SETTINGS.attraction, True)],
    ids=["random clicks", "same lists"],
)
def test_interleaving_prefers_nobody_without_reason(attraction: tuple[float, ...], same: bool) -> None:
    model = ClickModel.of(replace(SETTINGS, attraction=attraction))
    visits = draw_visits(8000, LABELS, SETTINGS, np.random.default_rng(0))
    pair = (lists(1), lists(1 if same else 2))
    found = preference(
        interleave(*pair, visits, model, np.random.default_rng(1)), 300, np.random.default_rng(2)
    )
    assert abs(found.z) < 3
    assert found.high - found.low < 0.05, "the test must be sharp"


def test_better_list_is_preferred_and_the_sign_turns_with_the_sides() -> None:
    best, worst = (
        Lists(np.arange(6)[None] + shift, np.full((1, 6), grade, np.uint8))
        for shift, grade in ((0, 3), (9, 0))
    )
    visits = draw_visits(400, np.zeros(1, np.int64), SETTINGS, np.random.default_rng(0))
    for pair, sign in (((best, worst), 1), ((worst, best), -1)):
        found = preference(
            interleave(*pair, visits, MODEL, np.random.default_rng(1)), 200, np.random.default_rng(2)
        )
        assert sign * found.preference > 0.2
        assert sign * found.low > 0 or sign * found.high > 0
        assert sign * found.z > CRITICAL


def test_credit_and_preference_by_hand() -> None:
    theirs = np.array([[0, 1, 0], [0, 1, 1], [1, 0, 0], [1, 0, 1]], bool)
    clicked = np.array([[1, 0, 1], [1, 1, 1], [1, 1, 0], [0, 0, 0]], bool)
    signs = credit(clicked, theirs)
    assert signs.tolist() == [1, -1, 0, 0]
    found = add_up(signs, np.array([0, 0, 0, 1]), 2)
    assert (found.score.tolist(), found.queries.tolist()) == ([0, 0], [3, 1])
    once = preference(Preferences(np.array([2, -1, 0]), np.array([4, 1, 3])), 200, np.random.default_rng(0))
    assert once.preference == pytest.approx(1 / 8)
    assert (once.n_users, once.n_queries) == (3, 8)


def test_variance_of_a_preference_is_that_of_resampled_users() -> None:
    generator = np.random.default_rng(0)
    queries = generator.geometric(0.4, 500)
    score = np.rint(generator.uniform(0.2, 1, 500) * queries).astype(int)
    pairs, counts = np.unique(np.stack([score, queries], axis=1), axis=0, return_counts=True)
    _, variance = ratio_moments(pairs, counts[None])
    rows = generator.integers(0, 500, (8000, 500))
    drawn = score[rows].sum(axis=1) / queries[rows].sum(axis=1)
    assert np.sqrt(variance[0]) == pytest.approx(drawn.std(), rel=0.04)


def test_coins_of_another_shape_are_refused() -> None:
    places = np.zeros((2, 4), np.int64)
    with pytest.raises(ValueError, match=r"coins have shape \[2, 4\]; they must be \[2 x 2\]"):
        team_draft(places, places, np.zeros((2, 4), bool))


def test_interleaving_a_system_with_itself_is_rarely_significant() -> None:
    settings = replace(SETTINGS, n_null_users=200, n_null_replications=150)
    row = aa_interleaving(lists(1), LABELS, settings, "lens")
    assert row["n_tests"] == 150
    assert 1 <= row["n_significant"] <= 17


# Power


def test_power_by_simulation_meets_the_normal_approximation() -> None:
    generator = np.random.default_rng(0)
    theirs = generator.poisson(2.0, 5000).astype(float)
    method = ab_method(theirs + (generator.random(5000) < 0.2), theirs)
    for n_users in (200, 1500):
        found = simulated_power(method, n_users, 3000, generator)
        assert found == pytest.approx(closed_form_power(method.effect, method.error, n_users), abs=0.03)


def test_users_needed_by_the_textbook_formula() -> None:
    ours, theirs = np.array([0.0, 1.0] * 50), np.array([0.0, 0.8] * 50)
    method = ab_method(ours, theirs)
    per_arm = (1.959964 + 0.841621) ** 2 * (ours.var(ddof=1) + theirs.var(ddof=1)) / 0.1**2
    needed = users_needed(method.effect, method.error, 0.8)
    assert needed == pytest.approx(2 * per_arm, abs=1.5)
    assert closed_form_power(method.effect, method.error, needed) == pytest.approx(0.8, abs=0.002)
    assert detectable_effect(method.error, int(needed), 0.8) == pytest.approx(0.1, abs=0.001)


def test_no_effect_needs_infinitely_many_users_and_has_the_power_of_chance() -> None:
    assert users_needed(0.0, 1.0, 0.8) == np.inf
    assert closed_form_power(0.0, 1.0, [10, 10**6]).round(6).tolist() == [0.05, 0.05]


def test_range_of_users_is_open_where_the_effect_may_be_none() -> None:
    method = ab_method(np.array([0.0, 1.0, 0.0, 1.0]), np.array([1.0, 0.0, 0.0, 0.0]))
    fewest, most = needed_range(method, 0.8)
    assert fewest == users_needed(max(abs(method.low), abs(method.high)), method.error, 0.8)
    assert most == np.inf


def test_interleaving_power_meets_the_normal_approximation() -> None:
    generator = np.random.default_rng(0)
    queries = generator.geometric(0.5, 4000)
    score = generator.binomial(queries, 0.55) - generator.binomial(queries, 0.45)
    method = interleaving_method(Preferences(score, queries))
    found = simulated_power(method, 300, 3000, generator)
    assert 0.4 < found < 0.97
    assert found == pytest.approx(closed_form_power(method.effect, method.error, 300), abs=0.03)


# Position bias


def test_weighted_clicks_recover_attraction_and_raw_ones_do_not() -> None:
    visits = draw_visits(20_000, LABELS, SETTINGS, np.random.default_rng(0))
    table = bias_table(lists(1), visits, MODEL, np.random.default_rng(1))
    whole = table[table["rank"] == 0]
    assert whole["n_shown"].sum() == 6 * len(visits.user)
    np.testing.assert_allclose(whole["weighted"], whole["truth"], rtol=0.08)
    assert (whole["raw"] < 0.75 * whole["truth"]).all()
    first = table[table["rank"] == 1]
    np.testing.assert_array_equal(first["raw"], first["weighted"])


# Systems and the whole replay


def decor_like() -> Collection:
    """20 queries and 30 gallery items of 5 labels in lens, and one query that stands in the gallery too, named as `decor`."""
    rows = [
        (f"group {role} {number}", "lens", f"label {number % 5}", role)
        for role, count in (("query", 20), ("gallery", 30))
        for number in range(count)
    ]
    rows.append(("group gallery 0", "lens", "label 0", "query+gallery"))
    collection = make_collection(
        rows, {"lens": TaskSpec(3, "style", leave_out_group=True), "other": TaskSpec(1, "style")}
    )
    return replace(with_label(collection, 50, "other", "label 0", "query+gallery"), name="decor")


def true_grades(collection: Collection) -> GradesOf:
    """Stands for the world's truth: 2 for the same label, else 0, or 1 for a neighbouring number."""
    labels = collection.eval_labels("lens")

    def grades(queries: np.ndarray, gallery: np.ndarray) -> np.ndarray:
        number = labels.str[-1].astype(int)
        gap = np.abs(number.loc[queries].to_numpy()[:, None] - number.loc[gallery].to_numpy())
        return np.select([gap == 0, gap == 1], [2, 1], 0).astype(np.uint8)

    return grades


@pytest.fixture(scope="module")
def embedded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("embeddings")
    for variant, signal in (("unified", 0.6), ("lens", 0.35), ("imagenet", 0.1)):
        for seed in (0, 1):
            write_embeddings(folder / variant / f"seed-{seed}", decor_like(), signal, seed)
    return folder


@pytest.fixture
def graded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(systems, "decor_grades", true_grades)


@pytest.mark.usefixtures("graded")
@pytest.mark.parametrize("kind", ["float", "binary"])
def test_lists_are_those_of_sorting_without_the_query_and_its_group(embedded: Path, kind: str) -> None:
    collection, system = decor_like(), System("unified", kind)
    found = systems.served_lists(collection, embedded, [("lens", system)], [0, 1], SETTINGS)
    stored = systems.load_embeddings(embedded / "unified/seed-1", collection)
    relevance, shown = task_relevance(collection, "lens", "lens"), found["lens", system, 1]
    bits = np.where(stored.floats > 0, 1.0, -1.0)
    vectors = stored.floats if kind == "float" else bits
    groups = collection.items["group"]
    for row, query in enumerate(relevance.query_items):
        allowed = [item for item in relevance.gallery_items if groups[item] != groups[query]]
        scores = {
            item: float(vectors[stored.rows(np.array([query, item]))].prod(axis=0).sum()) for item in allowed
        }
        own = [scores[item] for item in shown.items[row]]
        np.testing.assert_allclose(own, sorted(scores.values(), reverse=True)[:6], atol=1e-5)
        assert query not in shown.items[row]
    np.testing.assert_array_equal(
        shown.grades,
        np.take_along_axis(
            true_grades(collection)(relevance.query_items, relevance.gallery_items),
            np.searchsorted(relevance.gallery_items, shown.items),
            axis=1,
        ),
    )


def test_equal_distances_do_not_come_in_the_order_of_the_gallery() -> None:
    collection = decor_like()
    relevance, items = task_relevance(collection, "lens", "lens"), collection.test_items()
    same = StoredEmbeddings(items, np.ones((len(items), 64), np.float32), np.zeros((len(items), 8), np.uint8))
    order = np.random.default_rng(0).permutation(len(relevance.gallery_items))
    for representation in ("float", "binary"):
        found = ranked_items(same, representation, relevance, 5, order)
        np.testing.assert_array_equal(found[0], relevance.gallery_items[order[:5]])


@pytest.mark.usefixtures("graded")
def test_k_beyond_the_gallery_names_the_query_that_finds_fewest(embedded: Path) -> None:
    wanted = [("lens", System("unified", "float"))]
    with pytest.raises(
        ValueError,
        match="k is 30; on task 'lens' a list can hold 1 to 29 results, as many as query item 50 can",
    ):
        systems.served_lists(decor_like(), embedded, wanted, [0], replace(SETTINGS, k=30))


def test_unknown_system_is_named_with_choices() -> None:
    for text in ("unifed/float", "unified/floats", "unified"):
        settings = replace(SETTINGS, comparisons={"x": ["unified/float", text]})
        with pytest.raises(
            ValueError,
            match=f"there is no system '{text}'; write VARIANT/KIND with a variant of specialist, imagenet",
        ):
            systems.contests(decor_like(), settings)


def test_unknown_task_is_named() -> None:
    with pytest.raises(ValueError, match="collection 'decor' has no task 'look'; it has lens, other"):
        systems.contests(decor_like(), replace(SETTINGS, tasks=("look",)))


@pytest.mark.usefixtures("graded")
def test_missing_embeddings_name_the_stage(tmp_path: Path) -> None:
    with pytest.raises(
        FileNotFoundError, match=r"unified/seed-0/items\.npy is missing: run the binarize stage"
    ):
        study.open_world(decor_like(), tmp_path, [0], SETTINGS)


def test_collection_without_truth_is_refused(embedded: Path) -> None:
    with pytest.raises(ValueError, match="collection 'photos' has no graded truth"):
        decor_grades(replace(decor_like(), name="photos"))


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"attraction": (0.1, 0.2, 1.3, 0.4)}, r"attraction holds 1\.3; a probability lies between 0 and 1"),
        ({"save": (-0.1, 0.2, 0.3, 0.4)}, r"save holds -0\.1; a probability lies between 0 and 1"),
        ({"examination": (1.0, 0.5)}, "examination has 2 values; it needs 6"),
        ({"attraction": (0.1, 0.2)}, "attraction has 2 values; it needs 4"),
        ({"k": 0}, "k is 0; it must be at least 1"),
        ({"queries_per_session": 0.5}, r"queries_per_session is 0\.5; it must be at least 1"),
        ({"sessions_power": 0.0}, r"sessions_power is 0\.0; it must be above 0"),
        ({"power": 1.0}, r"power is 1\.0; it must lie between"),
        ({"user_counts": (2,)}, r"user_counts are \[2\]; a test needs at least 4 users"),
        ({"comparisons": {"x": ["unified/float"]}}, "comparison 'x' names 1 systems; it compares two"),
    ],
)
def test_setting_against_its_rule_is_one_sentence(changed: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        replace(SETTINGS, **changed)


def test_settings_come_from_a_notebooks_parameters() -> None:
    values = {**vars(SETTINGS), "attraction": list(SETTINGS.attraction), "tasks": ["lens"], "threads": 1}
    assert replay_settings(values) == SETTINGS


@pytest.fixture
def found(embedded: Path, graded: None) -> study.Replay:
    return study.run_replay(study.open_world(decor_like(), embedded, [0, 1], SETTINGS))


def test_everything_says_that_it_is_simulated_and_comes_out_the_same_to_the_byte(
    found: study.Replay, embedded: Path, tmp_path: Path
) -> None:
    again = study.run_replay(study.open_world(decor_like(), embedded, [0, 1], SETTINGS))
    other = study.run_replay(study.open_world(decor_like(), embedded, [0, 1], replace(SETTINGS, seed=1)))
    for name, one in (("a", found), ("b", again), ("c", other)):
        study.write_replay(tmp_path / name, one)
    names = sorted(path.name for path in (tmp_path / "a").iterdir())
    assert names == [
        "aa.csv",
        "ab.csv",
        "bias.csv",
        "interleaving.csv",
        "needed.csv",
        "power.csv",
        "summary.json",
    ]
    for name in names:
        first, second, third = ((tmp_path / run / name).read_bytes() for run in "abc")
        assert first == second
        assert first != third
        if name.endswith(".csv"):
            assert pd.read_csv(tmp_path / "a" / name)["simulated"].all()
    assert all(entry["simulated"] for entry in json.loads((tmp_path / "a/summary.json").read_text("utf-8")))


def test_tables_hold_every_comparison_seed_and_measure(found: study.Replay) -> None:
    assert len(found.ab) == 2 * 2 * 4
    assert not found.ab.duplicated(["comparison", "seed", "action", "measure"]).any()
    assert (found.ab["n_ours"] + found.ab["n_theirs"]).eq(600).all()
    assert len(found.interleaving) == 2 * 2
    assert len(found.power) == 2 * 5 * len(SETTINGS.user_counts)
    assert len(found.needed) == len(found.summary) == 2 * 5
    np.testing.assert_allclose(
        found.ab["difference"], found.ab["value_ours"] - found.ab["value_theirs"], atol=2e-6
    )
    better = found.interleaving[found.interleaving["comparison"] == "specialist"]
    assert (better["low"] > 0).all(), "the embedding with more signal wins"


def test_outcome_needs_every_seed() -> None:
    def rows(*intervals: tuple[float, float]) -> pd.DataFrame:
        return pd.DataFrame(intervals, columns=["low", "high"])

    assert outcome_of(rows((0.1, 0.2), (0.01, 0.3))) == "ahead"
    assert outcome_of(rows((-0.2, -0.1), (-0.3, -0.01))) == "behind"
    assert outcome_of(rows((0.1, 0.2), (-0.01, 0.3))) == "not told"


def test_systems_that_act_alike_need_no_number_of_users() -> None:
    without = dict.fromkeys(("users_needed", "users_fewest", "users_most"), np.inf)
    assert set(users_of(pd.Series(without)).values()) == {None}


def test_summary_names_losses_first(found: study.Replay) -> None:
    order = [("behind", "not told", "ahead").index(str(entry["outcome"])) for entry in found.summary]
    assert order == sorted(order)
    entry = next(one for one in found.summary if one["id"] == "replay/specialist/lens/click preference")
    rows = found.interleaving[found.interleaving["comparison"] == "specialist"]
    assert entry["effect"] == pytest.approx(rows["preference"].mean(), abs=1e-5)
    assert str(entry["how"]).startswith("Simulated. unified/float instead of lens/float on lens")
    assert story.opening(found.summary, 600).startswith("**Simulated users")


def test_figures_can_be_drawn_and_say_that_they_are_simulated(found: study.Replay, tmp_path: Path) -> None:
    visits = draw_visits(200, LABELS, SETTINGS, stream(0))
    named = story.method_names(found.power), story.method_names(found.needed)
    drawn = {
        "model": figures.click_model_figure(story.model_table(MODEL, visits)),
        "ab": figures.lift_figure(story.lift_table(found.ab)),
        "aa": figures.check_figure(story.check_table(found.aa)),
        "interleaving": figures.preference_figure(story.preference_table(found.interleaving)),
        "power": figures.power_figure(found.power.assign(name=named[0]), 0.8),
        "users": figures.users_figure(found.needed.assign(name=named[1]), 0.8),
        "bias": figures.bias_figure(found.bias, "lens"),
    }
    for name, figure in drawn.items():
        assert figure.get_suptitle().startswith("Simulated")
        figures.save_figure(figure, tmp_path / f"{name}.png")
    assert len(drawn["power"].axes) == 2


def test_users_are_listed_as_a_number_or_as_more_than() -> None:
    rows = [
        ("A/B", "repin", "volume", 42_408.0, 26_717.0, 77_417.0),
        ("interleaving", "click", "preference", 3_511.0, 2_744.0, np.inf),
    ]
    columns = ["method", "action", "measure", "users_needed", "users_fewest", "users_most"]
    table = story.users_table(pd.DataFrame(rows, columns=columns).assign(task="lens", comparison="codes"))
    assert table.to_dict("records") == [
        {"simulated test by": "repin volume", "lens, codes": "42,000 (27,000 to 77,000)"},
        {"simulated test by": "interleaving", "lens, codes": "more than 2,700"},
    ]


def test_gain_of_interleaving_is_told_where_every_method_finds_the_effect() -> None:
    rows = [
        ("codes", "A/B", 1000.0, np.inf),
        ("codes", "interleaving", 10.0, 20.0),
        ("specialist", "A/B", 600.0, 900.0),
        ("specialist", "A/B", 200.0, 300.0),
        ("specialist", "interleaving", 20.0, 30.0),
    ]
    columns = ["comparison", "method", "users_needed", "users_most"]
    table = story.gain_table(pd.DataFrame(rows, columns=columns).assign(task="lens"))
    assert table.to_numpy().tolist() == [["lens", "specialist", "20", "200", "600", "10 to 30"]]
