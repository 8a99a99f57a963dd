import numpy as np
import pytest

from unifiedlib.binarization import binarize, bit_balance, hamming, unpack


def test_bit_is_set_only_above_zero():
    embeddings = np.array([[0.5, -0.5, 0.0, -0.0, 1e-30, -1e-30, 2.0, -2.0]], np.float32)
    assert unpack(binarize(embeddings), 8).tolist() == [[1, 0, 0, 0, 1, 0, 1, 0]]


def test_lowest_bit_of_a_byte_comes_first():
    embeddings = -np.ones((1, 16), np.float32)
    embeddings[0, [0, 9]] = 1
    assert binarize(embeddings).tolist() == [[1, 2]]


def test_unpacked_bits_are_the_signs():
    embeddings = np.random.default_rng(0).standard_normal((20, 40)).astype(np.float32)
    assert np.array_equal(unpack(binarize(embeddings), 40), embeddings > 0)


def test_hamming_counts_bits_that_differ():
    embeddings = np.random.default_rng(1).standard_normal((7, 24)).astype(np.float32)
    signs = embeddings > 0
    expected = (signs[:, None] != signs[None]).sum(axis=2)
    codes = binarize(embeddings)
    assert np.array_equal(hamming(codes, codes), expected)


def test_hamming_of_codes_of_two_widths_is_refused():
    with pytest.raises(ValueError, match="1 bytes wide and gallery codes 2"):
        hamming(np.zeros((1, 1), np.uint8), np.zeros((1, 2), np.uint8))


def test_bit_balance_is_the_share_of_ones():
    codes = binarize(np.array([[1] * 8, [1, -1] * 4], np.float32))
    assert bit_balance(codes).tolist() == [1, 0.5] * 4


def test_nan_is_refused_naming_the_row():
    embeddings = np.ones((4, 8), np.float32)
    embeddings[2, 3] = np.nan
    with pytest.raises(ValueError, match="row 2 holds NaN"):
        binarize(embeddings)


@pytest.mark.parametrize(
    ("embeddings", "error", "message"),
    [
        (np.ones((2, 8)), TypeError, "float64; they must be float32"),
        (np.ones((2, 9), np.float32), ValueError, "9 wide; a code needs a width divisible by 8"),
        (np.ones(8, np.float32), ValueError, r"shape \[8\]"),
    ],
)
def test_embeddings_that_cannot_be_packed_are_refused(embeddings, error, message):
    with pytest.raises(error, match=message):
        binarize(embeddings)


def test_unpacking_to_another_width_is_refused():
    with pytest.raises(ValueError, match="hold 16 bits, not dim = 12"):
        unpack(np.zeros((1, 2), np.uint8), 12)


def test_balance_of_no_codes_is_refused():
    with pytest.raises(ValueError, match="no codes"):
        bit_balance(np.zeros((0, 2), np.uint8))
