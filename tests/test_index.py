from __future__ import annotations

import importlib
from pathlib import Path
from typing import get_args

import faiss
import numpy as np
import pandas as pd
import pytest
from index_world import bits_apart, clustered, similarity, sorted_ids

from unifiedlib.binarization import binarize
from unifiedlib.index import Index, Where
from unifiedlib.index.approximate import Kind
from unifiedlib.index.vectors import Representation

DIM = 64
REPRESENTATIONS = get_args(Representation)
GALLERY, QUERIES = clustered(400, DIM, 0), clustered(30, DIM, 1)
IDS = np.random.default_rng(2).choice(10**15, 400, replace=False)


def distances_of(representation: str, queries: np.ndarray, gallery: np.ndarray) -> np.ndarray:
    return bits_apart(queries, gallery) if representation == "binary" else -similarity(queries, gallery)


def recall(found: np.ndarray, expected: np.ndarray) -> float:
    return float(np.mean([np.isin(row, own).mean() for row, own in zip(expected, found, strict=True)]))


def same_answers(one: Index, other: Index) -> bool:
    first, second = (index.search(QUERIES, 10) for index in (one, other))
    return np.array_equal(first.ids, second.ids) and np.array_equal(first.distances, second.distances)


# What is found


@pytest.mark.parametrize("representation", REPRESENTATIONS)
def test_flat_search_agrees_with_a_plain_sort(representation: Representation) -> None:
    index = Index.build(GALLERY, IDS, representation=representation)
    results = index.search(QUERIES, 10, shortlist=len(GALLERY))
    assert np.array_equal(results.ids, sorted_ids(distances_of(representation, QUERIES, GALLERY), IDS, 10))


@pytest.mark.parametrize("representation", REPRESENTATIONS)
def test_copies_come_in_the_order_of_their_ids_not_of_their_arrival(representation: Representation) -> None:
    ids = np.array([5, 3, 9, 1, 7])
    index = Index.build(np.repeat(GALLERY[:1], 5, axis=0), ids, representation=representation)
    assert index.search(GALLERY[:1], 3).ids.tolist() == [[1, 3, 5]]


def test_codes_and_the_floats_they_come_from_find_the_same() -> None:
    by_codes, by_floats = Index.build(binarize(GALLERY)), Index.build(GALLERY)
    assert same_answers(by_codes, by_floats)
    results = by_codes.search(binarize(QUERIES), 10)
    assert np.array_equal(results.ids, by_floats.search(QUERIES, 10).ids)
    assert np.array_equal(results.distances, np.sort(bits_apart(QUERIES, GALLERY), axis=1)[:, :10])


def test_reranking_orders_the_shortlist_of_codes_by_floats() -> None:
    results = Index.build(GALLERY, representation="reranked").search(QUERIES, 3, shortlist=12)
    listed = sorted_ids(bits_apart(QUERIES, GALLERY), np.arange(400), 12)
    scores = np.take_along_axis(similarity(QUERIES, GALLERY), listed, axis=1)
    expected = np.take_along_axis(listed, np.argsort(-scores, axis=1)[:, :3], axis=1)
    assert np.array_equal(results.ids, expected)
    assert np.allclose(results.distances, -np.sort(-scores, axis=1)[:, :3], atol=1e-6)


def test_a_batch_finds_what_single_queries_find() -> None:
    queries = clustered(300, DIM, 5)
    for representation in REPRESENTATIONS:
        index = Index.build(GALLERY, representation=representation)
        batch = index.search(queries, 10)
        singles = [index.search(queries[row : row + 1], 10) for row in range(0, 300, 50)]
        assert np.array_equal(batch.ids[::50], np.vstack([one.ids for one in singles]))
        assert np.array_equal(batch.distances[::50], np.vstack([one.distances for one in singles]))


@pytest.mark.parametrize("kind", ["flat", "ivf", "hnsw"])
def test_one_item_is_an_index(kind: str) -> None:
    for representation in REPRESENTATIONS:
        index = Index.build(GALLERY[:1], [77], representation=representation, kind=kind)
        assert index.search(QUERIES[:2], 1).ids.tolist() == [[77], [77]]


# Approximate kinds


@pytest.mark.parametrize("representation", REPRESENTATIONS)
@pytest.mark.parametrize("kind", ["ivf", "hnsw"])
def test_approximate_kinds_find_nearly_what_flat_finds(representation: Representation, kind: str) -> None:
    flat = Index.build(GALLERY, IDS, representation=representation)
    index = Index.build(GALLERY, IDS, representation=representation, kind=kind)
    assert recall(index.search(QUERIES, 10).ids, flat.search(QUERIES, 10).ids) >= 0.9


@pytest.mark.parametrize("representation", REPRESENTATIONS)
def test_probing_every_list_is_exact(representation: Representation) -> None:
    flat = Index.build(GALLERY, IDS, representation=representation)
    index = Index.build(GALLERY, IDS, representation=representation, kind="ivf", n_lists=9)
    found, exact = index.search(QUERIES, 10, effort=9), flat.search(QUERIES, 10)
    assert np.array_equal(found.ids, exact.ids)
    assert np.array_equal(found.distances, exact.distances)


@pytest.mark.parametrize("representation", ["float", "binary"])
def test_a_probe_that_finds_too_few_is_followed_by_a_whole_search(representation: Representation) -> None:
    index = Index.build(GALLERY, representation=representation, kind="ivf", n_lists=40)
    expected = Index.build(GALLERY, representation=representation).search(QUERIES, 300)
    assert np.array_equal(index.search(QUERIES, 300, effort=1).ids, expected.ids)


@pytest.mark.parametrize("representation", ["float", "binary"])
@pytest.mark.parametrize("kind", ["ivf", "hnsw"])
def test_the_same_seed_builds_the_same_index_with_any_number_of_threads(
    representation: Representation, kind: str, tmp_path: Path
) -> None:
    before, written = faiss.omp_get_max_threads(), []
    for n_threads in (1, 2):
        faiss.omp_set_num_threads(n_threads)
        Index.build(GALLERY, representation=representation, kind=kind, seed=4).save(tmp_path / str(n_threads))
        written.append((tmp_path / str(n_threads) / "parts-1" / "faiss.index").read_bytes())
    faiss.omp_set_num_threads(before)
    assert written[0] == written[1]


@pytest.mark.parametrize("representation", REPRESENTATIONS)
@pytest.mark.parametrize("kind", ["ivf", "hnsw"])
def test_one_query_finds_what_it_finds_among_others_and_leaves_the_threads_as_they_were(
    representation: Representation, kind: str
) -> None:
    index = Index.build(GALLERY, IDS, representation=representation, kind=kind)
    before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(2)
    together = index.search(QUERIES, 5)
    for row in range(len(QUERIES)):
        alone = index.search(QUERIES[row : row + 1], 5)
        assert np.array_equal(alone.ids[0], together.ids[row])
        assert np.array_equal(alone.distances[0], together.distances[row])
    n_threads = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(before)
    assert n_threads == 2


@pytest.mark.parametrize("kind", ["ivf", "hnsw"])
@pytest.mark.parametrize("n_query", [1, 40])
def test_inner_products_do_not_depend_on_the_kind(kind: Kind, n_query: int) -> None:
    vectors = clustered(400, 200, 0)
    exact = Index.build(vectors, representation="float").search(vectors[:n_query], 400)
    index = Index.build(vectors[:300], representation="float", kind=kind)
    index.add(vectors[300:])
    found = index.search(vectors[:n_query], 5)
    for row in range(n_query):
        places = [exact.ids[row].tolist().index(item) for item in found.ids[row]]
        assert np.array_equal(found.distances[row], exact.distances[row, places])


@pytest.mark.parametrize("kind", ["ivf", "hnsw"])
def test_a_filter_is_forgotten_by_the_search_that_follows(kind: str) -> None:
    index = Index.build(GALLERY, IDS, representation="float", kind=kind)
    before = index.search(QUERIES, 5).ids
    kept = np.sort(IDS)[::2]
    assert np.isin(index.search(QUERIES, 5, where=Where(ids=kept)).ids, kept).all()
    assert np.array_equal(index.search(QUERIES, 5).ids, before)


# Adding


@pytest.mark.parametrize("representation", REPRESENTATIONS)
def test_adding_in_two_goes_equals_building_at_once(representation: Representation) -> None:
    index = Index.build(GALLERY[:150], IDS[:150], representation=representation)
    index.add(GALLERY[150:], IDS[150:])
    assert same_answers(index, Index.build(GALLERY, IDS, representation=representation))


@pytest.mark.parametrize("representation", REPRESENTATIONS)
@pytest.mark.parametrize("kind", ["ivf", "hnsw"])
def test_added_items_are_found_by_approximate_kinds_under_their_own_ids(
    representation: Representation, kind: str, tmp_path: Path
) -> None:
    index = Index.build(GALLERY[:150], IDS[:150], representation=representation, kind=kind)
    index.add(GALLERY[150:], IDS[150:])
    index.save(tmp_path / "index")
    for one in (index, Index.load(tmp_path / "index")):
        assert np.mean(one.search(GALLERY, 1).ids[:, 0] == IDS) > 0.97


def test_ids_count_on_where_none_are_given() -> None:
    index = Index.build(GALLERY[:3], [4, 9, 2])
    index.add(GALLERY[3:5])
    assert index.ids.tolist() == [2, 4, 9, 10, 11]


def test_a_longer_embedding_added_is_still_searched_exactly() -> None:
    index = Index.build(GALLERY, representation="float")
    index.add(np.repeat(1000 * GALLERY[:1], 50, axis=0))
    assert index.facts.longest == pytest.approx(1000, rel=1e-5)
    assert index.search(GALLERY[:1], 5).ids.tolist() == [[400, 401, 402, 403, 404]]


def test_an_add_that_fails_changes_nothing() -> None:
    index = Index.build(GALLERY[:100], IDS[:100])
    for vectors, ids, message in (
        (GALLERY[100:101], IDS[:1], f"id {IDS[0]} is in the index already"),
        (clustered(1, 32, 0), None, "embeddings are 32 wide and the index 64"),
    ):
        with pytest.raises(ValueError, match=message):
            index.add(vectors, ids)
    assert same_answers(index, Index.build(GALLERY[:100], IDS[:100]))


# Filters


def tags() -> pd.DataFrame:
    """Items 0..199 are in the task `lens`, 100..299 in `shop_the_look`; odd ones are pins, even ones from a catalogue."""
    numbers = np.concatenate([np.arange(200), np.arange(100, 300)])
    domains = np.where(numbers % 2, "pin", "catalog")
    return pd.DataFrame({"id": numbers, "task": ["lens"] * 200 + ["shop_the_look"] * 200, "domain": domains})


@pytest.mark.parametrize("kind", ["flat", "ivf", "hnsw"])
@pytest.mark.parametrize("representation", REPRESENTATIONS)
def test_filters_leave_just_the_items_that_meet_every_condition(
    representation: Representation, kind: str
) -> None:
    index = Index.build(GALLERY, representation=representation, kind=kind, tags=tags())
    exact = Index.build(GALLERY, representation=representation)
    for where, kept in (
        (Where(task="shop_the_look"), np.arange(100, 300)),
        (Where(task="lens", domain="pin"), np.arange(1, 200, 2)),
        (Where(ids=[390, 7, 200, 5, 6, 17]), np.array([5, 6, 7, 17, 200, 390])),
        (Where(domain="catalog", ids=np.arange(120)), np.arange(0, 120, 2)),
    ):
        found = index.search(QUERIES, 5, where=where, shortlist=400).ids
        assert np.isin(found, kept).all()
        expected = exact.search(QUERIES, 5, where=Where(ids=kept), shortlist=400).ids
        assert recall(found, expected) >= (1 if kind == "flat" else 0.9)
        order = distances_of(representation, QUERIES, GALLERY[kept])
        assert np.array_equal(expected, sorted_ids(order, kept, 5))


def test_an_empty_filter_keeps_everything() -> None:
    index = Index.build(GALLERY)
    assert np.array_equal(
        index.search(QUERIES, 5, where=Where()).ids, index.search(QUERIES, 5, where=None).ids
    )


@pytest.mark.parametrize(
    ("where", "message"),
    [
        (
            Where(task="lense"),
            "no item of this index has the task 'lense'; choose one of lens, shop_the_look",
        ),
        (Where(ids=[3, 400]), "id 400 is not in this index of 400 items"),
        (Where(ids=[-1]), "id -1 is not in this index"),
        (Where(ids=[1, 2]), r"k = 3 results were asked for, but Where\(.*\) keeps only 2 items: lower k"),
        (Where(task="lens", ids=[399]), "keeps only 0 items"),
    ],
)
def test_filters_that_cannot_be_met_are_refused(where: Where, message: str) -> None:
    index = Index.build(GALLERY, tags=tags())
    with pytest.raises(ValueError, match=message):
        index.search(QUERIES, 3, where=where)


def test_a_filter_by_task_needs_tags() -> None:
    with pytest.raises(ValueError, match="this index has no tags"):
        Index.build(GALLERY).search(QUERIES, 1, where=Where(task="lens"))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"task": None}, "tags row 0: task is empty"),
        ({"id": 400}, "id 400 is not in this index"),
    ],
)
def test_tags_that_break_a_rule_are_refused(change: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Index.build(GALLERY, tags=tags().assign(**change))
    with pytest.raises(ValueError, match="tags have no column 'domain'"):
        Index.build(GALLERY, tags=tags().drop(columns="domain"))


# Bad input

NAN = GALLERY.copy()
NAN[5000 % 400, 3] = np.nan
QUERY_NAN = QUERIES.copy()
QUERY_NAN[7, 0] = np.inf


@pytest.mark.parametrize(
    ("vectors", "options", "error", "message"),
    [
        (GALLERY.astype(np.float64), {}, TypeError, "gallery embeddings are float64; they must be float32"),
        (GALLERY.tolist(), {}, TypeError, "embeddings are a list; they must be a NumPy array"),
        (GALLERY[0], {}, ValueError, r"gallery embeddings have shape \[64\]"),
        (GALLERY[:0], {}, ValueError, "there are no items to index"),
        (NAN, {}, ValueError, "gallery embeddings row 200 holds NaN or infinity"),
        (GALLERY[:, :12], {}, ValueError, "embeddings are 12 wide; a code needs a width divisible by 8"),
        (binarize(GALLERY), {"representation": "float"}, TypeError, "gallery embeddings are uint8"),
        (GALLERY, {"representation": "bits"}, ValueError, "'bits'; choose one of float, binary, reranked"),
        (GALLERY, {"kind": "tree"}, ValueError, "kind is 'tree'; choose one of flat, ivf, hnsw"),
        (GALLERY, {"kind": "ivf", "n_lists": 0}, ValueError, "n_lists is 0; 400 items fill 1 to 400 lists"),
        (GALLERY, {"kind": "hnsw", "links": 1}, ValueError, "links is 1; a node needs at least 2 neighbours"),
        (GALLERY[:2], {"ids": [1.0, 2.0]}, TypeError, "ids are float64; they must be whole numbers"),
        (GALLERY[:2], {"ids": [3]}, ValueError, r"ids have shape \[1\]; 2 items need 2 ids"),
        (GALLERY[:2], {"ids": [3, -1]}, ValueError, "ids row 1: -1 is out of range; an id is 0 to 2"),
        (
            GALLERY[:2],
            {"ids": np.array([0, 2**63], np.uint64)},
            ValueError,
            "ids row 1: 9223372036854775808 is out",
        ),
        (GALLERY[:3], {"ids": [8, 3, 8]}, ValueError, "id 8 stands twice"),
    ],
)
def test_items_that_break_a_rule_are_refused(
    vectors: np.ndarray, options: dict[str, object], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        Index.build(vectors, **options)


@pytest.mark.parametrize(
    ("queries", "options", "error", "message"),
    [
        (QUERIES.astype(np.float16), {}, TypeError, "queries are float16; they must be float32"),
        (QUERIES.tolist(), {}, TypeError, "queries are a list; they must be a NumPy array"),
        (QUERIES[0], {}, ValueError, r"queries have shape \[64\]"),
        (
            QUERIES[:, :56],
            {},
            ValueError,
            "queries are 56 wide and the index 64: both must come from one model",
        ),
        (QUERY_NAN, {}, ValueError, "queries row 7 holds NaN or infinity"),
        (QUERIES, {"k": 0}, ValueError, "k is 0; ask for at least 1 result"),
        (
            QUERIES,
            {"k": 401},
            ValueError,
            "k = 401 results were asked for, but the index holds only 400 items",
        ),
        (QUERIES, {"effort": 3}, ValueError, "a flat index looks at every item"),
    ],
)
@pytest.mark.parametrize("representation", REPRESENTATIONS)
def test_queries_that_break_a_rule_are_refused(
    queries: np.ndarray,
    options: dict[str, object],
    error: type[Exception],
    message: str,
    representation: Representation,
) -> None:
    index = Index.build(GALLERY, representation=representation)
    with pytest.raises(error, match=message):
        index.search(queries, **{"k": 5, **options})


def test_codes_of_another_width_and_codes_for_floats_are_refused() -> None:
    with pytest.raises(ValueError, match="queries are 56 wide and the index 64"):
        Index.build(GALLERY).search(binarize(QUERIES)[:, :7], 1)
    for representation in ("float", "reranked"):
        with pytest.raises(TypeError, match="queries are uint8; they must be float32"):
            Index.build(GALLERY, representation=representation).search(binarize(QUERIES), 1)


def test_settings_of_other_kinds_are_refused() -> None:
    with pytest.raises(ValueError, match="shortlist is 4; it must be at least k = 5"):
        Index.build(GALLERY, representation="reranked").search(QUERIES, 5, shortlist=4)
    with pytest.raises(ValueError, match="effort is 0; it must be at least 1"):
        Index.build(GALLERY, kind="hnsw").search(QUERIES, 5, effort=0)


@pytest.mark.parametrize(
    ("built", "asked", "message"),
    [
        ("model a", "model b", "queries come from model b, the index holds embeddings of model a"),
        ("model a", None, "queries come from an unnamed model, the index holds embeddings of model a"),
        (None, "model b", "queries come from model b, the index holds embeddings of an unnamed model"),
    ],
)
def test_queries_of_another_model_are_refused_after_a_round_trip(
    built: str | None, asked: str | None, message: str, tmp_path: Path
) -> None:
    Index.build(GALLERY, model=built).save(tmp_path / "index")
    index = Index.load(tmp_path / "index")
    with pytest.raises(ValueError, match=message):
        index.search(QUERIES, 1, model=asked)
    with pytest.raises(ValueError, match="embeddings come from"):
        index.add(QUERIES, model=asked)
    assert index.search(QUERIES, 1, model=built).ids.shape == (30, 1)


@pytest.mark.parametrize("kind", ["ivf", "hnsw"])
def test_filters_hold_where_pytorch_metric_learning_has_changed_faiss(kind: str) -> None:
    index = Index.build(GALLERY, representation="float", kind=kind)
    where = Where(ids=np.arange(100, 300))
    importlib.import_module("faiss.contrib.torch_utils")
    assert hasattr(faiss.IndexIVFFlat, "search_numpy"), "the import changes faiss for the whole process"
    assert np.isin(index.search(QUERIES, 5, where=where).ids, np.arange(100, 300)).all()
