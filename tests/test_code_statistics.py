from __future__ import annotations

import numpy as np
import pytest

from unifiedlib.binarization import binarize, hamming, unpack
from unifiedlib.code_statistics import (
    BitStatistics,
    bit_correlation,
    chance_correlation,
    effective_bits,
    even_share,
    random_pairs,
)


def codes_of(bits: list[list[int]]) -> np.ndarray:
    return np.packbits(np.array(bits, np.uint8), axis=1, bitorder="little")


def random_codes(n: int, n_bits: int, seed: int = 0) -> np.ndarray:
    """Codes of correlated values: 12 directions and noise."""
    generator = np.random.default_rng(seed)
    values = generator.standard_normal((n, 12)) @ generator.standard_normal((12, n_bits))
    return binarize((values + generator.standard_normal((n, n_bits))).astype(np.float32))


@pytest.mark.parametrize(("n", "n_bits"), [(40, 16), (30, 64), (50, 1040)])
def test_correlation_equals_that_of_numpy(n: int, n_bits: int) -> None:
    codes = random_codes(n, n_bits)
    bits = unpack(codes, n_bits)
    table = np.abs(np.corrcoef(bits[:, bits.std(axis=0) > 0], rowvar=False))
    off_diagonal = table[~np.eye(len(table), dtype=bool)]
    assert bit_correlation(codes) == pytest.approx(off_diagonal.mean(), rel=1e-4)


@pytest.mark.parametrize(("n", "n_bits"), [(40, 16), (30, 64), (600, 24), (50, 1040)])
def test_effective_bits_equal_those_of_the_eigenvalues(n: int, n_bits: int) -> None:
    codes = random_codes(n, n_bits)
    values = np.linalg.eigvalsh(np.cov(unpack(codes, n_bits), rowvar=False))
    assert effective_bits(codes) == pytest.approx(values.sum() ** 2 / np.square(values).sum(), rel=1e-4)


def test_a_bit_that_is_repeated_or_inverted_counts_once() -> None:
    codes = codes_of([[1, 1, 0, 1, 1, 1, 0, 0], [0, 0, 1, 0, 0, 0, 1, 1], [1, 1, 0, 1, 1, 1, 0, 0]])
    assert bit_correlation(codes) == pytest.approx(1)
    assert effective_bits(codes) == pytest.approx(1)


def test_all_codes_of_eight_bits_are_independent_and_even() -> None:
    codes = np.arange(256, dtype=np.uint8)[:, np.newaxis]
    assert BitStatistics.of(codes).row() == pytest.approx(
        {"n_bits": 8, "even": 1.0, "correlation": 0.0, "effective": 8.0}, abs=1e-6
    )


def test_bits_that_never_change_are_left_out_of_the_correlation() -> None:
    codes = codes_of([[1, 1, 1, 0, 0, 0, 0, 0], [1, 0, 0, 0, 0, 0, 0, 0], [1, 1, 1, 0, 0, 0, 0, 0]])
    assert bit_correlation(codes) == pytest.approx(1)
    assert even_share(codes) == 2 / 8


def test_codes_without_two_bits_that_change_are_refused() -> None:
    codes = codes_of([[1, 0, 0, 0, 0, 0, 0, 0], [0, 0, 0, 0, 0, 0, 0, 0]])
    with pytest.raises(ValueError, match="1 of the bits change"):
        bit_correlation(codes)
    with pytest.raises(ValueError, match="none of the bits changes"):
        effective_bits(codes[[1, 1]])
    with pytest.raises(ValueError, match="there are 1 codes"):
        effective_bits(codes[:1])


def test_independent_bits_reach_the_correlation_of_chance() -> None:
    bits = np.random.default_rng(0).integers(0, 2, (500, 256))
    assert bit_correlation(codes_of(bits.tolist())) == pytest.approx(chance_correlation(500), rel=0.05)


def test_random_pairs_are_of_different_items_and_measured_by_cosine_and_hamming() -> None:
    floats = np.eye(8, dtype=np.float32)[:3]
    pairs = random_pairs(floats, binarize(floats), seed=0, n_pairs=50)
    assert pairs["cosine"].eq(0).all()
    assert pairs["differing"].eq(hamming(binarize(floats), binarize(floats))[0, 1] / 8).all()
