import numpy as np
import pytest
from search_world import make_collection, three_task_collection

from unifiedlib.contract import MERGED, TaskSpec
from unifiedlib.relevance import task_relevance
from unifiedlib.scoring import judged_galleries, metric_cutoffs, score_queries
from unifiedlib.search import BinaryGallery, FloatGallery


def naive_scores(collection, task, gallery_name, distance, k, recall_k):
    """Every metric of every judged query, one at a time; `distance(query, item)` must not tie."""
    labels, group = collection.eval_labels(task), collection.items["group"]
    own_gallery = set(collection.gallery(task))
    leave_out = collection.tasks[task].leave_out_group
    scores = {}
    for query in collection.queries(task):
        found = [
            item
            for item in collection.gallery(gallery_name)
            if item != query and not (leave_out and group[item] == group[query])
        ]
        found.sort(key=lambda item: distance(query, item))
        hits = [item in own_gallery and labels[item] == labels[query] for item in found]
        if n_relevant := sum(hits):
            average = sum(sum(hits[: i + 1]) / (i + 1) for i in range(n_relevant) if hits[i]) / n_relevant
            scores[query] = [hits[0], sum(hits[:k]) / k, any(hits[:recall_k]), average]
    return scores


@pytest.fixture(scope="module")
def world():
    collection = three_task_collection()
    vectors = np.random.default_rng(0).standard_normal((len(collection.items), 16)).astype(np.float32)
    return collection, vectors


@pytest.mark.parametrize("task", ["flashlight", "lens"])
def test_scores_equal_a_naive_loop_in_both_galleries(world, task):
    collection, vectors = world
    judged = judged_galleries(collection, task, recall_k=4)
    prepared = FloatGallery.of(vectors[collection.gallery(MERGED)])
    results = score_queries(vectors[judged[0].relevance.query_items], prepared, judged, batch_size=7)
    for one, values, gallery in zip(judged, results, (task, MERGED), strict=True):
        naive = naive_scores(collection, task, gallery, lambda a, b: -float(vectors[a] @ vectors[b]), 5, 4)
        assert list(naive) == one.relevance.query_items.tolist()
        assert list(one.cutoffs) == ["P@1", "P@5", "R@4", "MAP@R"]
        assert np.allclose(values.T, list(naive.values()))


def test_batch_size_does_not_change_the_scores(world):
    collection, vectors = world
    codes = np.packbits(vectors > 0, axis=1, bitorder="little")
    judged = judged_galleries(collection, "lens", 10)
    queries, gallery = (
        codes[judged[0].relevance.query_items],
        BinaryGallery.of(codes[collection.gallery(MERGED)]),
    )
    small, large = (score_queries(queries, gallery, judged, size) for size in (1, 1000))
    assert all(np.array_equal(one, other) for one, other in zip(small, large, strict=True))


def test_constant_codes_score_chance(world):
    collection, _ = world
    judged = judged_galleries(collection, "lens", 10)
    relevance = judged[0].relevance
    codes = np.zeros((len(collection.items), 8), np.uint8)
    values = score_queries(
        codes[relevance.query_items], BinaryGallery.of(codes[collection.gallery(MERGED)]), judged, 256
    )[0]
    assert np.allclose(values[1], relevance.n_relevant / relevance.n_candidates)


def test_k_larger_than_the_gallery_is_refused_naming_the_query():
    rows = [("a", "lens", "cup", "query"), ("b", "lens", "cup", "gallery"), ("c", "lens", "rug", "gallery")]
    collection = make_collection(rows, {"lens": TaskSpec(3, "category")})
    with pytest.raises(
        ValueError, match="k = 3 is larger than the gallery: query item 0 can find only 2 items"
    ):
        judged_galleries(collection, "lens", 10)


def test_recall_k_is_lowered_to_a_small_gallery():
    rows = [("a", "lens", "cup", "query"), ("b", "lens", "cup", "gallery"), ("c", "lens", "rug", "gallery")]
    collection = make_collection(rows, {"lens": TaskSpec(1, "category")})
    cutoffs = metric_cutoffs(task_relevance(collection, "lens", "lens"), 1, 10)
    assert cutoffs == {"P@1": 1, "R@2": 2, "MAP@R": 0}
