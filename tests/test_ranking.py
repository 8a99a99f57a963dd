from dataclasses import fields

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ranked_lists import columns_of, rank

from unifiedlib.ranking import rank_with_ties


def naive_ranking(distances, relevant, candidates, depth):
    """The tie groups of one query by sorting the whole list and counting one by one."""
    found = sorted((float(d), bool(r)) for d, r, c in zip(distances, relevant, candidates, strict=True) if c)
    rows = []
    for distance, _ in found[:depth]:
        ahead = [hit for other, hit in found if other < distance]
        inside = [hit for other, hit in found if other == distance]
        rows.append((len(ahead), len(inside), sum(ahead), sum(inside)))
    first = next((distance for distance, hit in found if hit), None)
    ahead, inside = (
        [hit for other, hit in found if first is not None and compare(other, first)]
        for compare in (float.__lt__, float.__eq__)
    )
    return rows, (len(ahead), len(inside), sum(inside))


def check(distances, relevant, candidates, depth):
    ranking = rank(distances, relevant, candidates, depth)
    names = [field.name for field in fields(ranking)]
    for row in range(len(distances)):
        groups, first = naive_ranking(distances[row], relevant[row], candidates[row], depth)
        found = np.stack([getattr(ranking, name)[row] for name in names[:4]], axis=1)
        assert found[: len(groups)].tolist() == [list(group) for group in groups]
        assert not found[len(groups) :, 3].any(), "a removed item is relevant"
        assert tuple(int(getattr(ranking, name)[row]) for name in names[4:]) == first


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_groups_are_those_of_a_full_sort_whatever_ties_or_is_removed(data):
    n_query, n_gallery = data.draw(st.integers(1, 4)), data.draw(st.integers(1, 30))
    generator = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    kind = data.draw(st.sampled_from([np.int32, np.float32]))
    most = data.draw(st.sampled_from([1, 2, 5, 1000]))
    distances = generator.integers(-most, most + 1, (n_query, n_gallery)).astype(kind)
    relevant = generator.random((n_query, n_gallery)) < data.draw(st.sampled_from([0.0, 0.1, 0.5]))
    candidates = generator.random((n_query, n_gallery)) >= data.draw(st.sampled_from([0.0, 0.2, 1.0]))
    check(distances, relevant, candidates, data.draw(st.integers(1, n_gallery)))


def test_groups_of_a_large_gallery_with_many_ties_are_those_of_a_full_sort():
    generator = np.random.default_rng(0)
    distances = generator.integers(0, 40, (3, 2000)).astype(np.int32)
    check(distances, generator.random((3, 2000)) < 0.002, generator.random((3, 2000)) < 0.99, 20)


def test_distances_are_afterwards_as_they_were():
    distances = np.random.default_rng(0).standard_normal((2, 9)).astype(np.float32)
    before = distances.copy()
    rank(distances, np.eye(2, 9, dtype=bool), ~np.eye(2, 9, dtype=bool), 3)
    assert np.array_equal(distances, before)


def test_negative_and_zero_float_distances_sort_as_numbers():
    distances = np.array([[-0.5, 0.25, -0.0, 0.0, -1e-38, -0.75]], np.float32)
    assert rank(distances, distances > -1).size.tolist() == [[1, 1, 1, 2, 2, 1]]
    assert rank(distances, distances == -0.75, depth=1).relevant_inside.tolist() == [[1]]


def test_tie_at_the_cut_counts_the_items_beyond_it():
    ranking = rank([3, 1, 3, 3, 0], [False, False, True, True, False], depth=3)
    assert (ranking.before[0].tolist(), ranking.size[0].tolist()) == ([0, 1, 2], [1, 1, 3])
    assert ranking.relevant_inside[0].tolist() == [0, 0, 2]


def test_gallery_of_one_item_is_ranked():
    ranking = rank([5], [True])
    assert (ranking.size.tolist(), ranking.first_size.tolist()) == ([[1]], [1])


def test_removed_relevant_item_is_no_result():
    ranking = rank([1, 2, 3], [True, False, True], [False, True, True])
    assert (ranking.first_before.tolist(), ranking.relevant_inside[0].tolist()) == ([1], [0, 1, 0])


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_distance_that_is_not_finite_is_refused_naming_the_row(value):
    distances = np.zeros((3, 2), np.float32)
    distances[1, 0] = value
    with pytest.raises(ValueError, match="row 1 holds NaN or infinity"):
        rank(distances, distances == 0)


def test_depth_beyond_the_gallery_is_refused():
    with pytest.raises(ValueError, match=r"4 results.*holds 3 items"):
        rank([1, 2, 3], [True] * 3, depth=4)


def test_empty_gallery_is_refused():
    nothing = np.zeros((1, 0), np.int64)
    with pytest.raises(ValueError, match=r"shape \[1, 0\]"):
        rank_with_ties(np.zeros((1, 0), np.float32), nothing, nothing, 1)


def test_distances_of_another_type_are_refused():
    with pytest.raises(TypeError, match="float64; they must be float32 or int32"):
        rank(np.zeros((1, 2)), [[True, False]])


def test_columns_that_do_not_fit_are_refused_naming_the_row():
    distances, one = np.zeros((2, 3), np.float32), columns_of(np.eye(2, 3))
    with pytest.raises(ValueError, match=r"relevant has shape \[1, 1\]; it must be \[2 x most\]"):
        rank_with_ties(distances, one[:1], one, 1)
    with pytest.raises(ValueError, match="removed row 1 names a column outside the gallery of 3"):
        rank_with_ties(distances, one, np.array([[0], [3]]), 1)
