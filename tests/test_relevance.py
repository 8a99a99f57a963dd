import numpy as np
import pytest
from search_world import make_collection, three_task_collection, with_label

from unifiedlib.contract import MERGED, TaskSpec
from unifiedlib.relevance import label_relevance, task_relevance

LENS = {"lens": TaskSpec(1, "category")}
TWO = {"lens": TaskSpec(1, "category"), "flashlight": TaskSpec(1, "category")}


def test_same_label_is_relevant_and_another_is_not():
    rows = [("a", "lens", "cup", "query"), ("b", "lens", "cup", "gallery"), ("c", "lens", "rug", "gallery")]
    found = task_relevance(make_collection(rows, LENS), "lens", "lens")
    relevant, candidates = found.masks(slice(0, 1))
    assert relevant.tolist() == [[True, False]]
    assert candidates.tolist() == [[True, True]]


def test_query_never_finds_itself():
    rows = [("a", "lens", "cup", "query+gallery"), ("b", "lens", "cup", "query+gallery")]
    found = task_relevance(make_collection(rows, LENS), "lens", "lens")
    assert found.masks(slice(0, 2))[1].tolist() == [[False, True], [True, False]]
    assert found.n_candidates.tolist() == [1, 1]


def test_own_group_stays_in_unless_the_task_leaves_it_out():
    rows = [
        ("a", "lens", "cup", "query"),
        ("a", "lens", "cup", "gallery"),
        ("b", "lens", "cup", "gallery"),
        ("a", "lens", "rug", "gallery"),
    ]
    kept = task_relevance(make_collection(rows, LENS), "lens", "lens")
    assert kept.n_relevant.tolist() == [2]
    leaving = {"lens": TaskSpec(1, "category", leave_out_group=True)}
    found = task_relevance(make_collection(rows, leaving), "lens", "lens")
    assert found.masks(slice(0, 1))[0].tolist() == [[False, True, False]]
    assert found.masks(slice(0, 1))[1].tolist() == [[False, True, False]]
    assert (found.n_relevant.tolist(), found.n_candidates.tolist()) == ([1], [1])


def test_query_without_match_is_left_out_and_listed():
    rows = [("a", "lens", "cup", "query"), ("b", "lens", "rug", "query"), ("c", "lens", "rug", "gallery")]
    found = task_relevance(make_collection(rows, LENS), "lens", "lens")
    assert found.query_items.tolist() == [1]
    assert found.left_out.tolist() == [0]


def test_task_without_any_match_is_an_error_naming_it():
    rows = [("a", "lens", "cup", "query"), ("c", "lens", "rug", "gallery")]
    with pytest.raises(ValueError, match="none of the 1 queries of task 'lens'"):
        task_relevance(make_collection(rows, LENS), "lens", "lens")


def test_other_tasks_items_are_candidates_but_never_relevant_in_the_merged_gallery():
    rows = [
        ("a", "lens", "cup", "query"),
        ("b", "lens", "cup", "gallery"),
        ("c", "flashlight", "cup", "query"),
        ("d", "flashlight", "cup", "gallery"),
    ]
    found = task_relevance(make_collection(rows, TWO), "lens", MERGED)
    assert found.gallery_items.tolist() == [1, 3]
    assert found.masks(slice(0, 1))[0].tolist() == [[True, False]]
    assert found.masks(slice(0, 1))[1].tolist() == [[True, True]]


def test_a_tasks_query_in_another_tasks_gallery_is_not_relevant():
    rows = [
        ("a", "lens", "cup", "query"),
        ("b", "lens", "cup", "query"),
        ("c", "lens", "cup", "gallery"),
        ("d", "flashlight", "cup", "query+gallery"),
    ]
    collection = with_label(make_collection(rows, TWO), 1, "flashlight", "cup", "gallery")
    found = task_relevance(collection, "lens", MERGED)
    assert found.gallery_items.tolist() == [1, 2, 3]
    relevant, candidates = found.masks(slice(0, 2))
    assert relevant.tolist() == [[False, True, False]] * 2
    assert candidates.tolist() == [[True, True, True], [False, True, True]]


def test_an_item_of_two_galleries_stands_in_the_merged_one_once():
    rows = [
        ("a", "lens", "cup", "query"),
        ("b", "lens", "cup", "gallery"),
        ("c", "flashlight", "rug", "query"),
    ]
    collection = with_label(make_collection(rows, TWO), 1, "flashlight", "rug", "gallery")
    assert task_relevance(collection, "lens", MERGED).gallery_items.tolist() == [1]
    assert task_relevance(collection, "flashlight", MERGED).n_relevant.tolist() == [1]


@pytest.mark.parametrize("task", ["flashlight", "lens", "shop_the_look"])
@pytest.mark.parametrize("merged", [False, True])
def test_counts_agree_with_the_masks(task, merged):
    found = task_relevance(three_task_collection(), task, MERGED if merged else task)
    relevant, candidates = found.masks(slice(0, len(found.query_items)))
    assert np.array_equal(found.n_relevant, relevant.sum(axis=1))
    assert np.array_equal(found.n_candidates, candidates.sum(axis=1))


@pytest.mark.parametrize("task", ["flashlight", "lens", "shop_the_look"])
@pytest.mark.parametrize("merged", [False, True])
def test_columns_mark_what_the_masks_do(task, merged):
    found = task_relevance(three_task_collection(), task, MERGED if merged else task)
    rows = slice(3, 21)
    relevant, candidates = found.masks(rows)
    same_label, removed = found.columns(rows)
    for row in range(len(relevant)):
        gone = set(removed[row]) - {-1}
        assert sorted(set(same_label[row]) - gone - {-1}) == np.flatnonzero(relevant[row]).tolist()
        assert sorted(gone) == np.flatnonzero(~candidates[row]).tolist()


def test_every_item_searches_among_all_others_where_labels_are_the_gallerys():
    labels = np.array(["cup", "rug", "cup", "lamp"])
    found = label_relevance(labels, labels)
    assert (found.query_items.tolist(), found.left_out.tolist()) == ([0, 2], [1, 3])
    assert (found.n_relevant.tolist(), found.n_candidates.tolist()) == ([1, 1], [3, 3])


def test_queries_apart_from_the_gallery_find_all_of_it():
    found = label_relevance(np.array([5, 6]), np.array([5, 5, 6]))
    assert (found.n_relevant.tolist(), found.n_candidates.tolist()) == ([2, 1], [3, 3])
    assert found.columns(slice(0, 2))[0].tolist() == [[0, 1], [2, -1]]


def test_query_does_not_find_the_gallery_item_of_its_own_number():
    items, gallery = np.array([8, 9]), np.array([9, 7, 6])
    found = label_relevance(np.array([1, 1]), np.array([1, 1, 2]), items, gallery)
    assert (found.n_relevant.tolist(), found.n_candidates.tolist()) == ([2, 1], [3, 2])


def test_labels_that_no_query_shares_with_the_gallery_are_an_error():
    with pytest.raises(ValueError, match="none of the 2 queries has a relevant item"):
        label_relevance(np.array([1, 2]), np.array([3]))


def test_labels_and_items_that_do_not_fit_or_no_gallery_are_an_error():
    with pytest.raises(ValueError, match="2 labels for 1 query items"):
        label_relevance(np.array([1, 2]), np.array([1]), np.array([0]), np.array([0]))
    with pytest.raises(ValueError, match="give both or neither"):
        label_relevance(np.array([1, 1]), np.array([1, 1]), gallery_items=np.array([8, 9]))
    with pytest.raises(ValueError, match="0 labels for 0 gallery items"):
        label_relevance(np.array([1, 2]), np.array([], np.int64))


def test_gallery_of_the_query_alone_leaves_it_without_a_match():
    labels = np.array([1])
    with pytest.raises(ValueError, match="none of the 1 queries"):
        label_relevance(labels, labels)


def test_both_galleries_judge_the_same_queries():
    collection = three_task_collection()
    own, merged = (task_relevance(collection, "flashlight", name) for name in ("flashlight", MERGED))
    assert np.array_equal(own.query_items, merged.query_items)
    assert np.array_equal(own.n_relevant, merged.n_relevant)
