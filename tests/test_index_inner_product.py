from __future__ import annotations

from collections.abc import Iterator

import faiss
import numpy as np
import pytest
from index_world import clustered, similarity, sorted_ids

from unifiedlib.index import inner_product
from unifiedlib.index.inner_product import largest_norm, nearest_floats, pair_scores, rounding_of


def whole_numbers(n_items: int, dim: int, seed: int) -> np.ndarray:
    """Embeddings whose inner products are exact in float32, and often equal."""
    return np.random.default_rng(seed).integers(-2, 3, (n_items, dim)).astype(np.float32)


def check_against_a_sort(
    queries: np.ndarray, gallery: np.ndarray, k: int, rows: np.ndarray | None = None
) -> None:
    every = np.arange(len(gallery)) if rows is None else rows
    expected = similarity(queries, gallery[every])
    scores, found = nearest_floats(queries, gallery, k, largest_norm(gallery), rows)
    assert np.array_equal(found, sorted_ids(-expected, every, k))
    assert np.array_equal(scores, -np.sort(-expected, axis=1)[:, :k])


@pytest.fixture
def four_threads(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Four threads, however little there is for each to do."""
    monkeypatch.setattr(inner_product, "BYTES_PER_THREAD", 1)
    before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(4)
    yield
    faiss.omp_set_num_threads(before)


@pytest.mark.parametrize("n_query", [1, 5, 300])
@pytest.mark.parametrize("k", [1, 10, 200])
def test_equal_scores_come_in_the_order_of_rows_at_the_cut_too(n_query: int, k: int) -> None:
    check_against_a_sort(whole_numbers(n_query, 4, 0), whole_numbers(200, 4, 1), k)


@pytest.mark.parametrize("n_query", [1, 3])
@pytest.mark.parametrize("k", [1, 10, 150, 200])
def test_threads_that_share_the_gallery_find_what_one_does(n_query: int, k: int, four_threads: None) -> None:
    queries, gallery = whole_numbers(n_query, 4, 0), whole_numbers(200, 4, 1)
    check_against_a_sort(queries, gallery, k)
    check_against_a_sort(queries, gallery, min(k, 67), np.arange(0, 200, 3))


@pytest.mark.parametrize("dim", [7, 100, 2048, 4096])
def test_faiss_scores_a_single_query_as_pairs_are_scored(dim: int) -> None:
    query, gallery = clustered(1, dim, 0), clustered(3000, dim, 1)
    scores, found = faiss.knn(query, gallery, 50, metric=faiss.METRIC_INNER_PRODUCT)
    assert np.array_equal(scores, pair_scores(query, gallery, found))


def test_only_the_given_rows_are_found_whatever_the_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inner_product, "ROWS_AT_ONCE", 7)
    rows = np.sort(np.random.default_rng(3).choice(200, 90, replace=False))
    check_against_a_sort(whole_numbers(6, 16, 0), whole_numbers(200, 16, 1), 5, rows)
    check_against_a_sort(whole_numbers(2, 2, 0), whole_numbers(200, 2, 1), 5, rows)


def test_copies_tie_exactly_and_a_batch_finds_what_single_queries_find() -> None:
    gallery, queries = clustered(601, 100, 0), clustered(40, 100, 1)
    gallery[[3, 250, 599]] = gallery[600]
    longest = largest_norm(gallery)
    scores, found = nearest_floats(queries, gallery, 601, longest)
    singles = [nearest_floats(queries[row : row + 1], gallery, 601, longest) for row in range(40)]
    assert np.array_equal(scores, np.vstack([single[0] for single in singles]))
    assert np.array_equal(found, np.vstack([single[1] for single in singles]))
    places = np.argwhere(np.isin(found, [3, 250, 599, 600]))[:, 1].reshape(40, 4)
    assert (np.diff(places) == 1).all()
    assert np.array_equal(
        found[np.isin(found, [3, 250, 599, 600])].reshape(40, 4), np.tile([3, 250, 599, 600], (40, 1))
    )


def test_more_copies_than_candidates_still_yield_the_first_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inner_product, "PAIRS_AT_ONCE", 32)
    gallery = clustered(300, 100, 0)
    gallery[40:240] = gallery[40]
    _, found = nearest_floats(gallery[40:41] + np.float32(0), gallery, 5, largest_norm(gallery))
    assert found.tolist() == [[40, 41, 42, 43, 44]]


def test_scores_are_inner_products_and_their_rounding_is_bounded() -> None:
    queries, gallery = clustered(30, 512, 0), 3 * clustered(80, 512, 1)
    pairs = pair_scores(queries, gallery, np.tile(np.arange(80), (30, 1)))
    off = np.abs(pairs - queries @ gallery.T).max(axis=1)
    assert np.allclose(pairs, similarity(queries, gallery), atol=1e-6)
    assert (off <= rounding_of(queries, largest_norm(gallery))).all()


def test_no_queries_find_nothing() -> None:
    scores, found = nearest_floats(clustered(0, 8, 0), clustered(5, 8, 1), 2, 1.0)
    assert scores.shape == found.shape == (0, 2)
