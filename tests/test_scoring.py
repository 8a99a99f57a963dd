import re

import numpy as np
import pytest
from search_world import make_collection, three_task_collection

from unifiedlib import paths
from unifiedlib.contract import MERGED, TaskSpec
from unifiedlib.relevance import label_relevance, task_relevance
from unifiedlib.scoring import JudgedGallery, judged_galleries, metric_cutoffs, score_queries
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
            r_precision, reciprocal = sum(hits[:n_relevant]) / n_relevant, 1 / (hits.index(True) + 1)
            fixed = [hits[0], sum(hits[:k]) / k, any(hits[:recall_k])]
            scores[query] = [*fixed, average, r_precision, reciprocal]
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
        assert list(one.cutoffs) == ["P@1", "P@5", "R@4", "MAP@R", "R-precision", "MRR"]
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
    assert cutoffs == {"P@1": 1, "R@2": 2, "MAP@R": 0, "R-precision": 0, "MRR": 0}


def one_task_collection():
    generator = np.random.default_rng(2)
    rows = [("g", "lens", f"label {generator.integers(6)}", "query+gallery") for _ in range(50)]
    return make_collection(rows, {"lens": TaskSpec(3, "category")})


def test_gallery_that_is_the_merged_one_gets_the_same_scores_twice():
    collection = one_task_collection()
    vectors = np.random.default_rng(0).standard_normal((50, 8)).astype(np.float32)
    judged = judged_galleries(collection, "lens", 10)
    both = score_queries(vectors, FloatGallery.of(vectors), judged, 16)
    apart = [score_queries(vectors, FloatGallery.of(vectors), [one], 16)[0] for one in judged]
    assert len(both) == 2
    for values, expected in zip(both, apart, strict=True):
        assert np.array_equal(values, expected)


def test_large_gallery_is_scored_in_smaller_batches_with_the_same_result(monkeypatch):
    collection = one_task_collection()
    codes = np.random.default_rng(0).integers(0, 256, (50, 8)).astype(np.uint8)
    judged = judged_galleries(collection, "lens", 10)
    whole = score_queries(codes, BinaryGallery.of(codes), judged, 256)
    monkeypatch.setattr("unifiedlib.scoring.LARGEST_BATCH_BYTES", 3 * 50 * 4)
    shapes = []
    distances = BinaryGallery.distances
    monkeypatch.setattr(
        BinaryGallery, "distances", lambda *args: shapes.append(args[2].shape) or distances(*args)
    )
    parts = score_queries(codes, BinaryGallery.of(codes), judged, 256)
    assert max(shapes) == (3, 50)
    assert all(np.array_equal(one, other) for one, other in zip(whole, parts, strict=True))


def test_arrays_are_scored_without_a_collection():
    labels = np.array(["cup", "cup", "rug", "rug", "lamp"])
    vectors = np.array([[1, 0], [0.9, 0.1], [0, 1], [0.8, 0.2], [-1, 0]], np.float32)
    relevance = label_relevance(labels, labels)
    assert relevance.left_out.tolist() == [4]
    judged = JudgedGallery("task", relevance, np.arange(5), metric_cutoffs(relevance, k=2, recall_k=1))
    queries = vectors[relevance.query_items]
    values = score_queries(queries, FloatGallery.of(vectors), [judged], 256)[0]
    reciprocal = values[list(judged.cutoffs).index("MRR")]
    assert reciprocal.tolist() == [1, 1, 1, 1 / 3]


def test_queries_or_gallery_of_another_size_are_refused():
    vectors = np.eye(4, dtype=np.float32)
    relevance = label_relevance(np.zeros(4), np.zeros(3))
    judged = [JudgedGallery("task", relevance, np.arange(3), {"P@1": 1})]
    with pytest.raises(ValueError, match="2 queries and 3 gallery items do not fit gallery 'task'"):
        score_queries(vectors[:2], FloatGallery.of(vectors[:3]), judged, 256)
    with pytest.raises(ValueError, match="4 queries and 2 gallery items do not fit"):
        score_queries(vectors, FloatGallery.of(vectors[:2]), judged, 256)


def test_batch_of_no_queries_is_refused():
    vectors = np.eye(3, dtype=np.float32)
    relevance = label_relevance(np.zeros(3), np.zeros(3))
    judged = [JudgedGallery("task", relevance, np.arange(3), {"P@1": 1})]
    with pytest.raises(ValueError, match="batch_size is 0; it must be at least 1"):
        score_queries(vectors, FloatGallery.of(vectors), judged, 0)


def test_queries_with_nan_are_refused_naming_the_row():
    vectors = np.eye(3, dtype=np.float32)
    relevance = label_relevance(np.zeros(3), np.zeros(3))
    judged = [JudgedGallery("task", relevance, np.arange(3), {"P@1": 1})]
    queries = vectors.copy()
    queries[2, 1] = np.nan
    with pytest.raises(ValueError, match="queries row 2 holds NaN"):
        score_queries(queries, FloatGallery.of(vectors), judged, 256)


def test_example_of_the_metrics_page_runs_as_it_stands(capsys):
    page = paths.resolve("docs/metrics.md").read_text(encoding="utf-8")
    _, script = re.findall("```python\n(.*?)```", page, re.DOTALL)
    names = {}
    exec(compile(script, "docs/metrics.md", "exec"), names)
    printed = capsys.readouterr().out
    assert "'MRR': 0." in printed
    assert printed.endswith(f"{len(names['relevance'].left_out)} left out\n")
    assert 0.2 < names["values"].mean() < 0.9
