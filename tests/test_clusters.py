import numpy as np
import pytest

from tests.search_world import make_collection, with_label
from unifiedlib.clusters import query_clusters
from unifiedlib.contract import TaskSpec


def collection(groups: list[str], labels: list[str]):
    """Queries of one task by group and label, and a gallery of its own that is of no matter."""
    rows = [(group, "lens", label, "query") for group, label in zip(groups, labels, strict=True)]
    return make_collection([*rows, ("shelf", "lens", labels[0], "gallery")], {"lens": TaskSpec(1, "product")})


def clusters(groups: list[str], labels: list[str]) -> list[int]:
    made = collection(groups, labels)
    return query_clusters(made, "lens", made.queries("lens")).tolist()


def test_queries_of_one_person_are_one_cluster_named_by_its_first_item():
    assert clusters(["ann", "bob", "ann", "cid"], ["a", "b", "c", "d"]) == [0, 1, 0, 3]


def test_queries_that_share_nothing_are_clusters_of_their_own():
    assert clusters(list("abcd"), ["cup"] * 4) == [0, 1, 2, 3]


@pytest.mark.parametrize(("n_label", "n_cluster"), [(20, 20), (19, 100)])
def test_labels_make_clusters_where_there_are_enough_of_them(n_label, n_cluster):
    found = clusters([f"group {i}" for i in range(100)], [f"label {i % n_label}" for i in range(100)])
    assert len(set(found)) == n_cluster


def test_the_coarser_of_group_and_label_counts():
    persons = [f"person {i % 30}" for i in range(120)]
    products = [f"product {i % 40}" for i in range(120)]
    assert len(set(clusters(persons, products))) == 30
    assert len(set(clusters(products, persons))) == 30


def test_queries_left_out_do_not_name_a_cluster():
    made = collection(["ann", "ann", "ann"], ["a", "b", "a"])
    assert query_clusters(made, "lens", np.array([1, 2])).tolist() == [1, 1]


def test_each_task_has_its_own_labels():
    groups = [f"group {i}" for i in range(40)]
    made = make_collection(
        [(group, "lens", f"pair {i // 2}", "query") for i, group in enumerate(groups)],
        {"lens": TaskSpec(1, "product"), "shop": TaskSpec(1, "style")},
    )
    for item in range(40):
        made = with_label(made, item, "shop", "one style", "query")
    assert len(set(query_clusters(made, "lens", np.arange(40)).tolist())) == 20
    assert len(set(query_clusters(made, "shop", np.arange(40)).tolist())) == 40
