"""Agreement between raters against tables worked by hand and against a naive version."""

from __future__ import annotations

from itertools import combinations, permutations

import numpy as np
import pytest

from unifiedlib.study.agreement import MISSING, cohens_kappa, krippendorffs_alpha, percent_agreement

# Four observers and twelve units, some unjudged: the example of Krippendorff 2011, nominal alpha .743.
KRIPPENDORFF = [
    "1 2 3 3 2 1 4 1 2 . . .",
    "1 2 3 3 2 2 4 1 2 5 . 3",
    ". 3 3 3 2 3 4 2 2 5 1 .",
    "1 2 3 3 2 4 4 1 2 5 1 .",
]


def krippendorff_table() -> np.ndarray:
    return np.array([[MISSING if one == "." else int(one) for one in row.split()] for row in KRIPPENDORFF])


def naive_alpha(table: np.ndarray) -> float:
    """Observed disagreement over that of all pairs of paired values, counted pair by pair."""
    units = [[value for value in column if value != MISSING] for column in table.T]
    units = [unit for unit in units if len(unit) > 1]
    values = [value for unit in units for value in unit]
    observed = sum(sum(a != b for a, b in permutations(unit, 2)) / (len(unit) - 1) for unit in units) / len(
        values
    )
    expected = sum(a != b for a, b in permutations(values, 2)) / (len(values) * (len(values) - 1))
    return 1 - observed / expected


def test_cohens_kappa_by_hand() -> None:
    """Both yes 20, both no 15, yes and no 5, no and yes 10: .7 agree, .5 by chance, so .4."""
    first = [1] * 25 + [0] * 25
    second = [1] * 20 + [0] * 5 + [1] * 10 + [0] * 15
    assert cohens_kappa(np.array([first, second])) == pytest.approx(0.4)


def test_krippendorffs_alpha_of_his_own_example() -> None:
    assert krippendorffs_alpha(krippendorff_table()) == pytest.approx(0.743, abs=0.0005)


@pytest.mark.parametrize("seed", range(4))
def test_krippendorffs_alpha_against_counting_pairs(seed: int) -> None:
    table = np.random.default_rng(seed).integers(-1, 4, size=(5, 20))
    assert krippendorffs_alpha(table) == pytest.approx(naive_alpha(table))


def test_percent_agreement_against_counting_pairs() -> None:
    table = np.random.default_rng(0).integers(0, 3, size=(4, 15))
    pairs = [a == b for column in table.T for a, b in combinations(column, 2)]
    assert percent_agreement(table) == pytest.approx(np.mean(pairs))


def test_unit_of_a_single_rater_does_not_count() -> None:
    table = np.array([[0, 1, 2], [0, 1, MISSING]])
    assert percent_agreement(table) == 1.0
    assert cohens_kappa(table) == krippendorffs_alpha(table) == pytest.approx(1.0)


def test_raters_who_toss_coins_agree_as_by_chance() -> None:
    table = np.random.default_rng(0).integers(0, 2, size=(2, 20_000))
    assert cohens_kappa(table) == pytest.approx(0, abs=0.03)
    assert krippendorffs_alpha(table) == pytest.approx(0, abs=0.03)


def test_one_and_the_same_answer_says_nothing_about_agreement() -> None:
    table = np.zeros((3, 6), np.int64)
    assert percent_agreement(table) == 1.0
    assert np.isnan(krippendorffs_alpha(table))
    assert np.isnan(cohens_kappa(table[:2]))


def test_agreement_of_one_rater_is_refused() -> None:
    with pytest.raises(ValueError, match="agreement needs two raters or more"):
        percent_agreement(np.array([[0, 1]]))


def test_raters_without_a_unit_in_common_are_refused() -> None:
    table = np.array([[0, MISSING], [MISSING, 1]])
    with pytest.raises(ValueError, match="no unit was judged by two raters"):
        krippendorffs_alpha(table)
    with pytest.raises(ValueError, match="no unit was judged by both raters"):
        cohens_kappa(table)


def test_cohens_kappa_of_three_is_refused() -> None:
    with pytest.raises(ValueError, match="Cohen's kappa is of two raters"):
        cohens_kappa(np.zeros((3, 4), np.int64))
