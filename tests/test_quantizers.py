from __future__ import annotations

import faiss
import numpy as np
import pytest

from unifiedlib.binarization import binarize, hamming
from unifiedlib.quantizers import (
    FloatVectors,
    Representation,
    learn_itq,
    learn_product,
    median_thresholds,
    rotation_towards_signs,
    zero_thresholds,
)


def embeddings(n: int, dim: int = 16, seed: int = 0) -> np.ndarray:
    """Unit vectors around 20 centres, off centre, so that no value has its median at zero."""
    generator = np.random.default_rng(seed)
    centres = np.random.default_rng(99).standard_normal((20, dim)) + 0.5
    vectors = centres[generator.integers(20, size=n)] + 0.5 * generator.standard_normal((n, dim))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


TRAINING, QUERIES, GALLERY = embeddings(600), embeddings(20, seed=1), embeddings(50, seed=2)


def found(how: Representation) -> np.ndarray:
    return how.gallery(GALLERY).distances(how.queries(QUERIES))  # type: ignore[arg-type]


def test_floats_are_compared_by_inner_product() -> None:
    how = FloatVectors(16)
    assert how.n_bytes == 64
    np.testing.assert_allclose(found(how), -(QUERIES @ GALLERY.T), rtol=1e-5)


def test_thresholds_at_zero_give_the_codes_of_binarize() -> None:
    how = zero_thresholds(16)
    assert (how.name, how.n_bytes) == ("binary", 2)
    np.testing.assert_array_equal(found(how), hamming(binarize(QUERIES), binarize(GALLERY)))


def test_median_thresholds_halve_the_training_items_and_know_no_others() -> None:
    how = median_thresholds(TRAINING)
    np.testing.assert_array_equal(how.thresholds, np.median(TRAINING, axis=0).astype(np.float32))
    shares = np.unpackbits(how.codes(TRAINING), axis=1).mean(axis=0)
    np.testing.assert_allclose(shares, 0.5, atol=0.002)
    assert np.abs(np.unpackbits(how.codes(GALLERY), axis=1).mean(axis=0) - 0.5).max() > 0.01
    medians = np.median(TRAINING, axis=0)
    naive = (np.greater(QUERIES, medians)[:, np.newaxis] != np.greater(GALLERY, medians)).sum(axis=2)
    np.testing.assert_array_equal(found(how), naive)


# ITQ


@pytest.mark.parametrize("n_bits", [8, 16, 24])
def test_rotation_has_orthonormal_rows_and_its_loss_never_rises(n_bits: int) -> None:
    values = TRAINING[:, : min(n_bits, 16)]
    rotation, losses = rotation_towards_signs(values, n_bits, seed=0, iterations=25)
    np.testing.assert_allclose(rotation @ rotation.T, np.eye(len(rotation)), atol=1e-5)
    assert (np.diff(losses) <= 1e-5).all()
    assert losses[-1] < losses[0] - 0.05
    signs = np.where(values @ rotation > 0, 1, -1)
    assert np.square(signs - values @ rotation).sum(axis=1).mean() <= losses[-1] + 1e-5


def quantisation_loss(rotated: np.ndarray) -> float:
    """How far values, scaled to unit length, are from their signs."""
    unit = rotated / np.linalg.norm(rotated, axis=1, keepdims=True)
    return float(np.square(np.where(unit > 0, 1, -1) - unit).sum(axis=1).mean())


def test_itq_loses_as_little_as_that_of_faiss() -> None:
    theirs = faiss.ITQTransform(16, 8, True)
    theirs.itq.max_iter = 50
    theirs.train(TRAINING)
    ours = learn_itq(TRAINING, 8, seed=0, iterations=50)
    rotated = TRAINING @ ours.rotation - ours.thresholds
    assert quantisation_loss(rotated) <= quantisation_loss(theirs.apply(TRAINING)) * 1.02


def test_itq_codes_are_signs_of_rotated_principal_directions() -> None:
    how = learn_itq(TRAINING, 8, seed=0, iterations=10)
    centred = GALLERY - TRAINING.mean(axis=0)
    near_a_threshold = np.abs(centred @ how.rotation).min(axis=1) < 1e-5
    np.testing.assert_array_equal(
        how.codes(GALLERY)[~near_a_threshold], binarize(centred @ how.rotation)[~near_a_threshold]
    )
    np.testing.assert_allclose(how.rotation.T @ how.rotation, np.eye(8), atol=1e-5)
    unit = TRAINING - TRAINING.mean(axis=0)
    unit = unit / np.linalg.norm(unit, axis=1, keepdims=True)
    _, _, directions = np.linalg.svd(unit, full_matrices=False)
    within = np.linalg.norm(directions[:8] @ how.rotation)
    assert within == pytest.approx(np.sqrt(8), rel=1e-3), "it must span the eight first directions"


def test_itq_takes_more_bits_than_there_are_directions() -> None:
    wide = np.pad(TRAINING[:, :5], ((0, 0), (0, 11)))
    how = learn_itq(wide, 16, seed=0, iterations=5)
    assert how.n_bytes == 2
    assert np.isfinite(how.rotation).all()


def test_same_seed_gives_the_same_codes_and_another_gives_others() -> None:
    first, again, other = (learn_itq(TRAINING, 16, seed, 5).codes(GALLERY) for seed in (0, 0, 1))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
    first, again = (learn_product(TRAINING, 4, 0, 5).codes(GALLERY) for _ in range(2))
    assert np.array_equal(first, again)


# Product quantisation


def test_product_distances_are_those_of_the_decoded_vectors_and_of_faiss() -> None:
    how = learn_product(TRAINING, 4, seed=0, iterations=10)
    assert (how.name, how.n_bytes) == ("pq", 4)
    centroids = faiss.vector_to_array(how.quantizer.centroids).reshape(4, 256, 4)
    decoded = np.concatenate([centroids[part][how.codes(GALLERY)[:, part]] for part in range(4)], axis=1)
    squared = np.square(QUERIES[:, np.newaxis] - decoded).sum(axis=2)
    own = 2 * found(how) + np.square(QUERIES).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(own, squared, rtol=1e-5, atol=1e-5)

    index = faiss.IndexPQ(16, 4, 8, faiss.METRIC_L2)
    index.pq, index.is_trained = how.quantizer, True
    index.add(GALLERY)
    theirs, rows = index.search(QUERIES, len(GALLERY))
    np.testing.assert_allclose(np.take_along_axis(own, rows, axis=1), theirs, rtol=1e-4, atol=1e-5)


def test_product_codes_of_unequal_length_are_not_ranked_by_their_length() -> None:
    how = learn_product(TRAINING, 2, seed=0, iterations=10)
    lengths = np.linalg.norm(how.gallery(GALLERY).embeddings[:, :-1], axis=1)
    assert lengths.max() > 1.1 * lengths.min()
    longest, itself = lengths.argmax(), how.gallery(GALLERY).embeddings[:, :-1]
    nearest = how.gallery(GALLERY).distances(how.queries(itself)).argmin(axis=1)
    assert longest in nearest
    np.testing.assert_array_equal(how.codes(GALLERY)[nearest], how.codes(GALLERY))


def test_product_codes_are_the_nearest_centroids() -> None:
    how = learn_product(TRAINING, 4, seed=0, iterations=10)
    centroids = faiss.vector_to_array(how.quantizer.centroids).reshape(4, 256, 4)
    parts = GALLERY.reshape(len(GALLERY), 4, 1, 4)
    nearest = np.square(parts - centroids).sum(axis=3).argmin(axis=2)
    np.testing.assert_array_equal(how.codes(GALLERY), nearest)


def test_items_of_equal_bytes_tie_exactly() -> None:
    how, gallery = learn_product(TRAINING, 1, seed=0, iterations=3), embeddings(400, seed=3)
    codes, distances = how.codes(gallery), how.gallery(gallery).distances(how.queries(QUERIES))
    same = (codes[:, np.newaxis] == codes).all(axis=2)
    assert same.sum() > len(gallery)
    first, second = np.nonzero(same)
    np.testing.assert_array_equal(distances[:, first], distances[:, second])


def test_more_bytes_distort_less() -> None:
    errors = []
    for n_bytes in (2, 4, 8):
        how = learn_product(TRAINING, n_bytes, seed=0, iterations=5)
        errors.append(np.abs(found(how) - (0.5 - QUERIES @ GALLERY.T)).mean())
    assert errors == sorted(errors, reverse=True)


@pytest.mark.parametrize(
    ("learn", "message"),
    [
        (lambda: learn_product(TRAINING, 3, 0, 5), "16 values cannot be cut into 3 equal parts"),
        (lambda: learn_product(TRAINING[:200], 4, 0, 5), "there are 200 training embeddings; 256 centroids"),
        (lambda: learn_itq(TRAINING, 12, 0, 5), "a code of 12 bits was asked for"),
        (lambda: learn_itq(TRAINING, 8, 0, 0), "iterations is 0"),
        (lambda: median_thresholds(TRAINING[:1]), "there are 1 training embeddings"),
        (lambda: rotation_towards_signs(TRAINING, 8, 0, 1), "values are 16 wide, the code 8 bits"),
    ],
)
def test_what_cannot_be_learned_is_named(learn: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        learn()  # type: ignore[operator]
