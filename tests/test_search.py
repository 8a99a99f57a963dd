import numpy as np
import pytest

from unifiedlib.binarization import binarize, hamming
from unifiedlib.search import BinaryGallery, FloatGallery, search_binary, search_float


def unit_vectors(count: int, dim: int, seed: int) -> np.ndarray:
    vectors = np.random.default_rng(seed).standard_normal((count, dim)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def test_float_search_finds_the_highest_inner_products():
    queries, gallery = unit_vectors(9, 24, 0), unit_vectors(50, 24, 1)
    scores, found = search_float(queries, gallery, 5)
    expected = np.argsort(-(queries @ gallery.T), axis=1)[:, :5]
    assert np.array_equal(found, expected)
    assert np.allclose(scores, np.take_along_axis(queries @ gallery.T, expected, axis=1), atol=1e-6)


def test_binary_search_finds_the_fewest_differing_bits():
    queries, gallery = binarize(unit_vectors(9, 24, 0)), binarize(unit_vectors(50, 24, 1))
    distances, found = search_binary(queries, gallery, 5)
    reference = hamming(queries, gallery)
    assert np.array_equal(distances, np.sort(reference, axis=1)[:, :5])
    assert np.array_equal(np.take_along_axis(reference, found, axis=1), distances)


def test_search_in_several_batches_is_the_same(monkeypatch):
    queries, gallery = unit_vectors(10, 16, 0), unit_vectors(30, 16, 1)
    whole = (*search_float(queries, gallery, 3), *search_binary(binarize(queries), binarize(gallery), 3))
    monkeypatch.setattr("unifiedlib.search.QUERIES_PER_BATCH", 4)
    parts = (*search_float(queries, gallery, 3), *search_binary(binarize(queries), binarize(gallery), 3))
    assert np.allclose(whole[0], parts[0], atol=1e-6)
    assert all(np.array_equal(one, other) for one, other in zip(whole[1:], parts[1:], strict=True))


def test_k_larger_than_the_gallery_is_refused_naming_both():
    vectors = unit_vectors(3, 8, 0)
    with pytest.raises(ValueError, match=r"k = 4 results.*only 3 items"):
        search_float(vectors, vectors, 4)
    with pytest.raises(ValueError, match=r"k = 4 results.*only 3 items"):
        search_binary(binarize(vectors), binarize(vectors), 4)


def test_no_results_are_not_asked_for():
    with pytest.raises(ValueError, match="k is 0"):
        search_float(unit_vectors(3, 8, 0), unit_vectors(3, 8, 0), 0)


def test_nan_among_the_queries_is_refused_naming_the_row():
    queries = unit_vectors(3, 8, 0)
    queries[1, 0] = np.nan
    with pytest.raises(ValueError, match="queries row 1 holds NaN"):
        search_float(queries, unit_vectors(3, 8, 0), 1)


def test_wrong_dtype_is_refused():
    with pytest.raises(TypeError, match="float64"):
        search_float(np.ones((1, 8)), np.ones((2, 8), np.float32), 1)
    with pytest.raises(TypeError, match="query codes are int64"):
        search_binary(np.ones((1, 1), np.int64), np.ones((2, 1), np.uint8), 1)


def test_different_widths_are_refused_naming_both():
    with pytest.raises(ValueError, match="queries are 8 values wide and the gallery 16"):
        search_float(unit_vectors(2, 8, 0), unit_vectors(2, 16, 0), 1)
    with pytest.raises(ValueError, match="queries are 1 bytes wide and the gallery 2"):
        BinaryGallery.of(np.zeros((2, 2), np.uint8)).distances(np.zeros((2, 1), np.uint8))


def test_float_distances_are_negative_inner_products_in_gallery_order():
    queries, gallery = unit_vectors(4, 16, 0), unit_vectors(20, 16, 1)
    assert np.allclose(FloatGallery.of(gallery).distances(queries), -queries @ gallery.T, atol=1e-6)


def test_copies_in_the_gallery_tie_exactly():
    gallery = unit_vectors(601, 100, 1)
    gallery[[3, 250, 599]] = gallery[600]
    distances = FloatGallery.of(gallery).distances(unit_vectors(50, 100, 2))
    assert (distances[:, [3, 250, 599]] == distances[:, [600]]).all()


def test_copies_that_differ_in_the_sign_of_zero_tie_exactly():
    gallery = np.array([[0.0, 1.0], [0.5, 0.5], [-0.0, 1.0]], np.float32)
    prepared = FloatGallery.of(gallery)
    assert (prepared.copies.tolist(), prepared.firsts.tolist()) == ([2], [0])


def test_gallery_is_not_copied():
    gallery = unit_vectors(20, 16, 1)
    assert np.shares_memory(FloatGallery.of(gallery).embeddings, gallery)


def test_distances_are_written_where_they_are_wanted():
    vectors = unit_vectors(6, 16, 0)
    for prepared, queries in (
        (FloatGallery.of(vectors), vectors[:2]),
        (BinaryGallery.of(binarize(vectors)), binarize(vectors)[:2]),
    ):
        out = np.empty((2, 6), prepared.dtype)
        assert prepared.distances(queries, out) is out
        assert np.array_equal(out, prepared.distances(queries))


def test_place_of_another_shape_for_hamming_distances_is_refused():
    codes = binarize(unit_vectors(3, 16, 0))
    with pytest.raises(ValueError, match=r"out is int32 \[2, 3\]; it must be contiguous int32 \[3, 3\]"):
        BinaryGallery.of(codes).distances(codes, np.empty((2, 3), np.int32))


def test_empty_gallery_is_refused():
    with pytest.raises(ValueError, match="the gallery is empty"):
        FloatGallery.of(np.zeros((0, 8), np.float32))
    with pytest.raises(ValueError, match="the gallery is empty"):
        BinaryGallery.of(np.zeros((0, 1), np.uint8))


@pytest.mark.parametrize("dim", [8, 24, 64, 72, 2048])
def test_hamming_distances_agree_with_the_reference_at_any_width(dim):
    queries, gallery = binarize(unit_vectors(5, dim, 0)), binarize(unit_vectors(11, dim, 1))
    assert np.array_equal(BinaryGallery.of(gallery).distances(queries), hamming(queries, gallery))
