import numpy as np
import pytest

from unifiedlib.binarization import binarize, hamming
from unifiedlib.search import BinaryGallery, FloatGallery


def unit_vectors(count: int, dim: int, seed: int) -> np.ndarray:
    vectors = np.random.default_rng(seed).standard_normal((count, dim)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def test_nan_among_the_queries_is_refused_naming_the_row():
    queries = unit_vectors(3, 8, 0)
    queries[1, 0] = np.nan
    with pytest.raises(ValueError, match="queries row 1 holds NaN"):
        FloatGallery.of(unit_vectors(3, 8, 0)).distances(queries)


def test_wrong_dtype_is_refused():
    with pytest.raises(TypeError, match="float64"):
        FloatGallery.of(np.ones((2, 8), np.float32)).distances(np.ones((1, 8)))
    with pytest.raises(TypeError, match="query codes are int64"):
        BinaryGallery.of(np.ones((2, 1), np.uint8)).distances(np.ones((1, 1), np.int64))


def test_different_widths_are_refused_naming_both():
    with pytest.raises(ValueError, match="queries are 8 values wide and the gallery 16"):
        FloatGallery.of(unit_vectors(2, 16, 0)).distances(unit_vectors(2, 8, 0))
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
