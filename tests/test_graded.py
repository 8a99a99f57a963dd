from dataclasses import asdict, replace
from fractions import Fraction
from itertools import pairwise, permutations
from math import log2

import numpy as np
import pytest
from ranked_lists import columns_of
from search_world import make_collection, three_task_collection
from sklearn.metrics import ndcg_score

from unifiedlib.contract import TaskSpec
from unifiedlib.decor import DecorSettings, World
from unifiedlib.decor.relevance import true_relevance
from unifiedlib.graded import decor_gains, exponential_gains, normalized_dcg, score_graded
from unifiedlib.relevance import task_relevance
from unifiedlib.search import BinaryGallery, FloatGallery

NONE = np.zeros((1, 0), np.int64)


def ndcg(distances, gains, k=None, removed=NONE):
    found = normalized_dcg(np.array([distances], np.int32), np.array([gains], np.float64), removed, k)
    return found.item()


def dcg(gains, k):
    return sum(gain / log2(position + 1) for position, gain in enumerate(gains[:k], start=1))


def brute_force(distances, gains, k):
    """nDCG@k as the mean over every order of the items that respects the distances."""
    orders = [
        order
        for order in permutations(range(len(gains)))
        if not any(distances[a] > distances[b] for a, b in pairwise(order))
    ]
    total = sum(dcg([gains[item] for item in order], k) for order in orders)
    return total / len(orders) / dcg(sorted(gains, reverse=True), k)


@pytest.mark.parametrize("seed", range(12))
def test_ndcg_with_ties_equals_the_mean_over_all_orders(seed):
    generator = np.random.default_rng(seed)
    distances = generator.integers(0, generator.integers(1, 5), size=6).tolist()
    gains = [*exponential_gains(generator.integers(0, 4, 5)).tolist(), 1.0]
    for k in (1, 2, 4, 6):
        assert ndcg(distances, gains, k) == pytest.approx(brute_force(distances, gains, k), abs=1e-12)


def test_hand_worked_list():
    # gains 3, 0, 7 at positions 1, 2, 3; discounts 1, 1 / log2(3), 1/2; best order 7, 3, 0
    assert ndcg([1, 2, 3], [3, 0, 7]) == pytest.approx((3 + 7 / 2) / (7 + 3 / log2(3)))
    assert ndcg([1, 2, 3], [3, 0, 7], k=1) == pytest.approx(3 / 7)


def test_hand_worked_tie():
    # items of gain 1 and 0 share positions 1 and 2: half a gain at each
    assert ndcg([4, 4], [1, 0]) == pytest.approx(float(Fraction(1, 2)) * (1 + 1 / log2(3)))


def test_best_order_scores_one():
    assert ndcg([1, 2, 3, 4], [7, 3, 3, 0]) == pytest.approx(1)


@pytest.mark.parametrize("k", [None, 5])
def test_values_are_those_of_scikit_learn_with_many_ties(k):
    generator = np.random.default_rng(0)
    distances = generator.integers(0, 12, (30, 80)).astype(np.int32)
    gains = exponential_gains(generator.integers(0, 4, (30, 80)))
    found = normalized_dcg(distances, gains, np.zeros((30, 0), np.int64), k)
    expected = [
        ndcg_score([row], [-scores], k=k) for row, scores in zip(gains, distances.astype(float), strict=True)
    ]
    assert found == pytest.approx(expected)


def test_removed_items_count_neither_in_the_list_nor_in_the_ideal():
    removed = columns_of([[True, False, False, True]])
    assert ndcg([0, 1, 2, 3], [7, 0, 3, 7], removed=removed) == pytest.approx(ndcg([1, 2], [0, 3]))


def test_distances_and_gains_stay_as_they_were():
    distances, gains = np.array([[2.0, 1.0]], np.float32), np.array([[1.0, 3.0]])
    normalized_dcg(distances, gains, np.array([[0]]))
    assert (distances.tolist(), gains.tolist()) == ([[2, 1]], [[1, 3]])


def test_query_without_any_gain_is_refused_naming_it():
    with pytest.raises(ValueError, match="no candidate of query 0 has a gain"):
        ndcg([1, 2], [0, 5], removed=np.array([[1]]))


@pytest.mark.parametrize("gain", [-1.0, np.nan, np.inf])
def test_gain_that_is_no_gain_is_refused_naming_the_row(gain):
    with pytest.raises(ValueError, match="gains row 0 holds a negative or infinite gain, or NaN"):
        ndcg([1, 2], [1, gain])


def test_shapes_and_cut_offs_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match=r"gains have shape \[1, 3\]; distances have \[1, 2\]"):
        ndcg([1, 2], [1, 0, 0])
    with pytest.raises(ValueError, match="3 results are to be judged, but the gallery holds 2"):
        ndcg([1, 2], [1, 0], k=3)


def label_gains(collection, task):
    labels = collection.eval_labels(task)
    return lambda queries, gallery: (
        labels.loc[queries].to_numpy()[:, None] == labels.loc[gallery].to_numpy()
    ).astype(np.float64)


@pytest.mark.parametrize("batch_size", [1, 7, 256])
def test_scores_are_those_of_a_loop_over_queries(batch_size):
    collection = three_task_collection()
    relevance = task_relevance(collection, "flashlight", "flashlight")
    vectors = np.random.default_rng(1).standard_normal((len(collection.items), 16)).astype(np.float32)
    queries, gallery = vectors[relevance.query_items], vectors[relevance.gallery_items]
    gains_of = label_gains(collection, "flashlight")
    found = score_graded(queries, FloatGallery.of(gallery), relevance, gains_of, k=9, batch_size=batch_size)
    relevant, candidates = relevance.masks(slice(0, len(queries)))
    assert not candidates.all(), "some query must leave its group out"
    expected = [
        ndcg_score([hits[kept]], [(gallery @ query)[kept]], k=9)
        for query, hits, kept in zip(queries, relevant, candidates, strict=True)
    ]
    assert found == pytest.approx(expected)


def test_queries_that_do_not_fit_the_relevance_are_refused():
    collection = three_task_collection()
    relevance = task_relevance(collection, "lens", "lens")
    gallery = BinaryGallery.of(np.zeros((len(relevance.gallery_items), 8), np.uint8))
    with pytest.raises(ValueError, match="1 queries and 40 gallery items do not fit"):
        score_graded(np.zeros((1, 8), np.uint8), gallery, relevance, label_gains(collection, "lens"))


def test_gains_of_the_drawn_world_follow_its_true_grades():
    world = World(DecorSettings())
    block = next(one for one in world.listing.blocks if one.name == "test_pins")
    items = np.arange(block.start, block.start + 40)
    drawn = replace(three_task_collection(), name="decor", settings={**asdict(world.settings), "size": 80})
    found = decor_gains(drawn)(items[:9], items)
    grades = true_relevance(world, items[:9].tolist(), items.tolist())
    assert np.array_equal(found, np.array([0.0, 1.0, 3.0, 7.0])[grades])
    assert {1.0, 7.0} <= set(np.unique(found))


def test_collection_without_graded_truth_is_refused():
    rows = [("a", "lens", "cup", "query"), ("b", "lens", "cup", "gallery")]
    with pytest.raises(ValueError, match="collection 'toy' has no graded truth"):
        decor_gains(make_collection(rows, {"lens": TaskSpec(1, "category")}))
