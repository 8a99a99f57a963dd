from fractions import Fraction
from itertools import pairwise, permutations

import numpy as np
import pytest

from unifiedlib.metrics import mean_average_precision_at_r, precision_at, rank_with_ties, recall_at


def rank(distances, relevant, candidates=None, depth=None):
    distances = np.array([distances], np.int32)
    relevant = np.array([relevant], bool)
    candidates = np.ones_like(relevant) if candidates is None else np.array([candidates], bool)
    return rank_with_ties(distances, relevant, candidates, depth or distances.shape[1])


def brute_force(distances, relevant, k):
    """P@k, R@k and MAP@R as exact means over every order of the items that respects the distances."""
    n_relevant = sum(relevant)
    sums, count = [Fraction(0)] * 3, 0
    for order in permutations(range(len(distances))):
        if any(distances[a] > distances[b] for a, b in pairwise(order)):
            continue
        hits = [relevant[item] for item in order]
        precision = [Fraction(sum(hits[: i + 1]), i + 1) for i in range(len(hits))]
        average = sum((p for p, hit in zip(precision[:n_relevant], hits, strict=False) if hit), Fraction(0))
        values = (Fraction(sum(hits[:k]), k), Fraction(int(any(hits[:k]))), average / n_relevant)
        sums = [total + value for total, value in zip(sums, values, strict=True)]
        count += 1
    return [float(total / count) for total in sums]


def all_metrics(distances, relevant, k):
    ranking = rank(distances, relevant)
    n_relevant = np.array([sum(relevant)])
    values = (
        precision_at(ranking, k),
        recall_at(ranking, k),
        mean_average_precision_at_r(ranking, n_relevant),
    )
    return [value.item() for value in values]


@pytest.mark.parametrize("seed", range(40))
def test_metrics_with_ties_equal_the_mean_over_all_orders(seed):
    generator = np.random.default_rng(seed)
    distances = generator.integers(0, generator.integers(1, 5), size=7).tolist()
    relevant = (generator.random(7) < 0.45).tolist()
    relevant[generator.integers(7)] = True
    for k in (1, 3, 6, 7):
        assert all_metrics(distances, relevant, k) == pytest.approx(
            brute_force(distances, relevant, k), abs=1e-12
        )


def test_hand_worked_list_without_ties():
    # ranks:             1     2      3     4      5 ; R = 3
    relevant = [True, False, True, False, True]
    ranking = rank([1, 2, 3, 4, 5], relevant)
    assert precision_at(ranking, 1).item() == 1
    assert precision_at(ranking, 4).item() == 2 / 4
    assert mean_average_precision_at_r(ranking, np.array([3])).item() == pytest.approx((1 + 0 + 2 / 3) / 3)


def test_recall_is_one_from_the_first_hit_on():
    ranking = rank([1, 2, 3, 4], [False, False, True, True])
    assert [recall_at(ranking, k).item() for k in (1, 2, 3, 4)] == [0, 0, 1, 1]


def test_hand_worked_tie_at_the_cut_off():
    # one wrong item ahead, then four tied, two of them relevant; k = 3 leaves two slots for the four
    ranking = rank([0, 1, 1, 1, 1], [False, True, True, False, False])
    assert precision_at(ranking, 3).item() == pytest.approx((0 + 2 * 2 / 4) / 3)
    assert recall_at(ranking, 3).item() == pytest.approx(1 - 1 / 6)
    # R = 2: position 2 is the group's first, relevant with chance 1/2, its precision then 1/2
    assert mean_average_precision_at_r(ranking, np.array([2])).item() == pytest.approx((1 / 2 * 1 / 2) / 2)


def test_all_tied_gives_chance():
    ranking = rank([5] * 10, [True] * 3 + [False] * 7)
    assert precision_at(ranking, 4).item() == pytest.approx(0.3)
    assert recall_at(ranking, 1).item() == pytest.approx(0.3)


def test_recall_is_certain_when_the_wrong_items_do_not_fill_the_slots():
    assert recall_at(rank([1, 1, 1, 1], [True, True, False, False]), 3).item() == 1


def test_gallery_order_does_not_matter():
    generator = np.random.default_rng(3)
    distances, relevant = generator.integers(0, 6, (8, 60)).astype(np.int32), generator.random((8, 60)) < 0.3
    shuffled = generator.permutation(60)
    for k in (1, 10, 33):
        rankings = [
            rank_with_ties(distances[:, order], relevant[:, order], np.ones((8, 60), bool), 60)
            for order in (np.arange(60), shuffled)
        ]
        for metric in (precision_at, recall_at):
            assert np.array_equal(*(metric(ranking, k) for ranking in rankings))


def test_removed_items_leave_no_trace():
    kept = rank([2, 3, 3, 4], [False, True, False, True], depth=4)
    more = rank(
        [2, 1, 3, 3, 0, 4], [False, True, True, False, False, True], [True, False, True, True, False, True], 4
    )
    for k in (1, 2, 3, 4):
        assert precision_at(kept, k) == precision_at(more, k)
        assert recall_at(kept, k) == recall_at(more, k)
    assert np.array_equal(*(mean_average_precision_at_r(one, np.array([2])) for one in (kept, more)))


def test_ranking_to_a_smaller_depth_gives_the_same_metrics():
    generator = np.random.default_rng(4)
    distances, relevant = (
        generator.integers(0, 9, (20, 50)).astype(np.int32),
        generator.random((20, 50)) < 0.1,
    )
    relevant[:, 0] = True
    everyone, n_relevant = np.ones((20, 50), bool), relevant.sum(axis=1)
    deep = rank_with_ties(distances, relevant, everyone, 50)
    shallow = rank_with_ties(distances, relevant, everyone, int(n_relevant.max()))
    assert np.array_equal(
        mean_average_precision_at_r(deep, n_relevant), mean_average_precision_at_r(shallow, n_relevant)
    )


def test_negative_and_zero_float_distances_sort_as_numbers():
    distances = np.array([[-0.5, 0.25, -0.0, 0.0, -1e-38, -0.75]], np.float32)
    ranking = rank_with_ties(distances, distances > -1, np.ones((1, 6), bool), 6)
    assert ranking.size.tolist() == [[1, 1, 1, 2, 2, 1]]
    nearest = rank_with_ties(distances, distances == -0.75, np.ones((1, 6), bool), 1)
    assert precision_at(nearest, 1).item() == 1


def test_float_and_integer_distances_agree():
    generator = np.random.default_rng(5)
    distances, relevant = generator.integers(-9, 9, (5, 40)).astype(np.int32), generator.random((5, 40)) < 0.3
    everyone = np.ones((5, 40), bool)
    whole, real = (
        rank_with_ties(kind, relevant, everyone, 40) for kind in (distances, distances.astype(np.float32))
    )
    assert all(np.array_equal(precision_at(whole, k), precision_at(real, k)) for k in range(1, 41))


def test_nan_among_the_distances_is_refused_naming_the_row():
    distances = np.zeros((3, 2), np.float32)
    distances[1, 0] = np.nan
    everyone = np.ones((3, 2), bool)
    with pytest.raises(ValueError, match="row 1 holds NaN"):
        rank_with_ties(distances, everyone, everyone, 1)


def test_cut_off_beyond_the_gallery_is_refused():
    with pytest.raises(ValueError, match=r"4 results.*holds 3 items"):
        rank([1, 2, 3], [True] * 3, depth=4)
    with pytest.raises(ValueError, match="k is 4; it must be 1 to 3"):
        precision_at(rank([1, 2, 3], [True] * 3), 4)


def test_distances_of_another_kind_or_shape_are_refused():
    everyone = np.ones((1, 2), bool)
    with pytest.raises(TypeError, match="float64; they must be float32 or int32"):
        rank_with_ties(np.zeros((1, 2)), everyone, everyone, 1)
    with pytest.raises(ValueError, match="must all be"):
        rank_with_ties(np.zeros((1, 3), np.int32), everyone, everyone, 1)


def test_query_without_relevant_items_is_refused():
    with pytest.raises(ValueError, match="n_relevant must be 1 to 2"):
        mean_average_precision_at_r(rank([1, 2], [False, False]), np.array([0]))
