from fractions import Fraction
from itertools import pairwise, permutations

import numpy as np
import pytest
import torch
from pytorch_metric_learning.utils.accuracy_calculator import AccuracyCalculator
from ranked_lists import rank

from unifiedlib.metrics import (
    mean_average_precision_at_r,
    precision_at,
    r_precision,
    recall_at,
    reciprocal_rank,
)


def brute_force(distances, relevant, k):
    """P@k, R@k, R-precision, MAP@R and MRR, exact means over every order that respects the distances."""
    n_relevant = sum(relevant)
    sums, count = [Fraction(0)] * 5, 0
    for order in permutations(range(len(distances))):
        if any(distances[a] > distances[b] for a, b in pairwise(order)):
            continue
        hits = [relevant[item] for item in order]
        precision = [Fraction(sum(hits[: i + 1]), i + 1) for i in range(len(hits))]
        average = sum((p for p, hit in zip(precision[:n_relevant], hits, strict=False) if hit), Fraction(0))
        values = (
            Fraction(sum(hits[:k]), k),
            Fraction(int(any(hits[:k]))),
            Fraction(sum(hits[:n_relevant]), n_relevant),
            average / n_relevant,
            Fraction(1, hits.index(True) + 1),
        )
        sums = [total + value for total, value in zip(sums, values, strict=True)]
        count += 1
    return [float(total / count) for total in sums]


def all_metrics(distances, relevant, k):
    ranking = rank(distances, relevant)
    n_relevant = np.array([sum(relevant)])
    values = (
        precision_at(ranking, k),
        recall_at(ranking, k),
        r_precision(ranking, n_relevant),
        mean_average_precision_at_r(ranking, n_relevant),
        reciprocal_rank(ranking),
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


# Lists worked by hand, no ties: which positions are relevant, then P@1, P@3, R@1, R@3, R-precision, MAP@R and MRR.
TABLE = [
    ("+----", 1, 1 / 3, 1, 1, 1, 1, 1),
    ("-+---", 0, 1 / 3, 0, 1, 0, 0, 1 / 2),
    ("----+", 0, 0, 0, 0, 0, 0, 1 / 5),
    ("++---", 1, 2 / 3, 1, 1, 1, 1, 1),
    ("+-+--", 1, 2 / 3, 1, 1, 1 / 2, 1 / 2, 1),
    ("-++--", 0, 2 / 3, 0, 1, 1 / 2, (1 / 2) / 2, 1 / 2),
    ("---++", 0, 0, 0, 0, 0, 0, 1 / 4),
    ("+-++-", 1, 2 / 3, 1, 1, 2 / 3, (1 + 2 / 3) / 3, 1),
    ("--+++", 0, 1 / 3, 0, 1, 1 / 3, (1 / 3) / 3, 1 / 3),
    ("+++++", 1, 1, 1, 1, 1, 1, 1),
]


@pytest.mark.parametrize("row", TABLE, ids=[row[0] for row in TABLE])
def test_hand_worked_lists_without_ties(row):
    relevant = [sign == "+" for sign in row[0]]
    ranking, n_relevant = rank([1, 2, 3, 4, 5], relevant), np.array([sum(relevant)])
    found = [metric(ranking, k).item() for metric in (precision_at, recall_at) for k in (1, 3)]
    found += [metric(ranking, n_relevant).item() for metric in (r_precision, mean_average_precision_at_r)]
    assert [*found, reciprocal_rank(ranking).item()] == pytest.approx(row[1:])


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
    assert r_precision(ranking, np.array([2])).item() == pytest.approx((1 * 1 / 2) / 2)
    # the first of two relevant ones among four: at place 1, 2, 3 in 3, 2, 1 of 6 cases, behind one item
    assert reciprocal_rank(ranking).item() == pytest.approx((3 / 2 + 2 / 3 + 1 / 4) / 6)


def test_first_relevant_item_beyond_the_ranked_depth_counts_in_the_reciprocal_rank():
    distances, relevant = [1, 2, 3, 4, 4, 9], [False, False, False, True, False, True]
    shallow, deep = (rank(distances, relevant, depth=depth) for depth in (1, 6))
    assert reciprocal_rank(shallow).item() == reciprocal_rank(deep).item() == (1 / 4 + 1 / 5) / 2


def test_one_relevant_item_among_many_tied_has_the_mean_reciprocal():
    relevant = np.zeros(60_000, bool)
    relevant[123] = True
    expected = (1 / np.arange(1, 60_001)).mean()
    assert reciprocal_rank(rank(np.zeros(60_000, np.int32), relevant, depth=1)).item() == pytest.approx(
        expected
    )


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
    rankings = [rank(distances[:, order], relevant[:, order]) for order in (np.arange(60), shuffled)]
    for k in (1, 10, 33):
        for metric in (precision_at, recall_at):
            assert np.array_equal(*(metric(ranking, k) for ranking in rankings))
    assert np.array_equal(*map(reciprocal_rank, rankings))


def test_removed_items_leave_no_trace():
    kept = rank([2, 3, 3, 4], [False, True, False, True], depth=4)
    more = rank(
        [2, 1, 3, 3, 0, 4], [False, True, True, False, False, True], [True, False, True, True, False, True], 4
    )
    for k in (1, 2, 3, 4):
        assert precision_at(kept, k) == precision_at(more, k)
        assert recall_at(kept, k) == recall_at(more, k)
    assert reciprocal_rank(kept) == reciprocal_rank(more)
    assert np.array_equal(*(mean_average_precision_at_r(one, np.array([2])) for one in (kept, more)))


def test_cut_off_beyond_the_gallery_is_refused():
    with pytest.raises(ValueError, match=r"4 results.*holds 3 items"):
        rank([1, 2, 3], [True] * 3, depth=4)
    with pytest.raises(ValueError, match="k is 4; it must be 1 to 3"):
        precision_at(rank([1, 2, 3], [True] * 3), 4)


def test_query_without_relevant_items_is_refused():
    for metric in (mean_average_precision_at_r, r_precision):
        with pytest.raises(ValueError, match="n_relevant must be 1 to 2"):
            metric(rank([1, 2], [False, False]), np.array([0]))
    with pytest.raises(ValueError, match="query 1 has no relevant item"):
        reciprocal_rank(rank([[1, 2], [1, 2]], [[True, False], [False, False]]))


def test_number_of_relevant_items_for_other_queries_is_refused():
    with pytest.raises(ValueError, match="n_relevant has 2 entries for 1 queries"):
        r_precision(rank([1, 2], [True, False]), np.array([1, 1]))


def calculator_values(vectors, labels):
    """What pytorch-metric-learning finds, every item searching among all others."""
    calculator = AccuracyCalculator(
        include=("precision_at_1", "r_precision", "mean_average_precision_at_r", "mean_reciprocal_rank"),
        k=len(vectors) - 1,
        device=torch.device("cpu"),
    )
    return calculator.get_accuracy(torch.from_numpy(vectors), torch.from_numpy(labels))


def test_means_without_ties_are_those_of_pytorch_metric_learning():
    generator = np.random.default_rng(7)
    labels = np.concatenate([np.repeat(np.arange(40), 5), generator.integers(40, 80, 60), [99]])
    vectors = generator.standard_normal((len(labels), 24)) + generator.standard_normal((100, 24))[labels]
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    relevant = (labels[:, None] == labels) & ~np.eye(len(labels), dtype=bool)
    judged = relevant.any(axis=1)
    assert not judged.all(), "some items must have no match"
    ranking = rank((-vectors @ vectors.T)[judged], relevant[judged], ~np.eye(len(labels), dtype=bool)[judged])
    n_relevant = relevant.sum(axis=1)[judged]
    peer = calculator_values(vectors, labels)
    own = {
        "precision_at_1": precision_at(ranking, 1),
        "r_precision": r_precision(ranking, n_relevant),
        "mean_average_precision_at_r": mean_average_precision_at_r(ranking, n_relevant),
        "mean_reciprocal_rank": reciprocal_rank(ranking),
    }
    assert {name: values.mean() for name, values in own.items()} == pytest.approx(peer, rel=1e-6)
