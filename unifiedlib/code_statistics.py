"""How much the bits of codes say: how even they are, how far they repeat each other, and how many they amount to.

A bit that half of the items set splits them best; two bits that always agree are one. All three numbers describe the codes
of a given set of items, without labels: they say how evenly items are spread, not whether what is right is near.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from unifiedlib.binarization import BITS_PER_BYTE, Codes, Floats, bit_balance, unpack

Covariance = npt.NDArray[np.float32]

EVEN_BAND = (0.25, 0.75)
FEWEST_ITEMS = 2


def _covariance(codes: Codes) -> Covariance:
    """The covariance of the bits, float32 [n_bits x n_bits]: 16 MiB for 2,048 bits."""
    if len(codes) < FEWEST_ITEMS:
        raise ValueError(f"there are {len(codes)} codes: bits can only be compared over at least two items")
    bits = unpack(codes, codes.shape[1] * BITS_PER_BYTE).astype(np.float32)
    centred = bits - bits.mean(axis=0, dtype=np.float64).astype(np.float32)
    return np.asarray(centred.T @ centred / np.float32(len(centred)))


def even_share(codes: Codes) -> float:
    """Share of bits that between a quarter and three quarters of the items set, 0 to 1."""
    low, high = EVEN_BAND
    balance = bit_balance(codes)
    return float(((balance >= low) & (balance <= high)).mean())


def bit_correlation(codes: Codes) -> float:
    """Mean absolute correlation between two different bits, 0 (independent) to 1 (one bit, repeated or inverted).

    codes: uint8 [n x n_bits/8]. Bits that never change have no correlation and are left out; ValueError where fewer than two
    are left. Independent bits of n items reach about sqrt(2 / (pi n)) by chance, see `chance_correlation`.
    """
    return _mean_correlation(_covariance(codes))


def _mean_correlation(covariance: Covariance) -> float:
    variances = covariance.diagonal()
    changing = np.flatnonzero(variances > 0)
    if len(changing) < 2:
        raise ValueError(f"{len(changing)} of the bits change: a correlation needs two that do")
    scale = 1 / np.sqrt(variances[changing])
    correlations = np.abs(covariance[np.ix_(changing, changing)]) * scale * scale[:, np.newaxis]
    pairs = len(changing) * (len(changing) - 1)
    return float((correlations.sum(dtype=np.float64) - correlations.trace(dtype=np.float64)) / pairs)


def chance_correlation(n: int) -> float:
    """The mean absolute correlation of two independent bits over n items: sqrt(2 / (pi n)), for large n."""
    return float(np.sqrt(2 / (np.pi * n)))


def effective_bits(codes: Codes) -> float:
    """How many independent, even bits would spread as the codes do: the participation ratio, 1 to n_bits.

    With the eigenvalues l of the bits' covariance it is (sum l)^2 / sum l^2: n_bits where all bits are independent and equally
    even, 1 where all are one; n items show at most n - 1 (Gao et al., "A theory of multineuronal dimensionality, dynamics and
    measurement", 2017; Del Giudice, "Effective dimensionality: a tutorial", 2021). Both sums follow from the covariance itself,
    its trace and its squared entries, so no eigenvalue is computed. ValueError where no bit changes.
    """
    return _participation(_covariance(codes))


def _participation(covariance: Covariance) -> float:
    # The squares of a symmetric matrix's entries sum to those of its eigenvalues.
    squares = np.einsum("ij,ij->", covariance, covariance, dtype=np.float64)
    if squares == 0:
        raise ValueError("none of the bits changes over the items: they carry nothing")
    return float(covariance.trace(dtype=np.float64) ** 2 / squares)


def random_pairs(embeddings: Floats, codes: Codes, seed: int, n_pairs: int) -> pd.DataFrame:
    """How near random pairs of different items are as floats and as bits: columns cosine, differing (share of bits, 0 to 1).

    embeddings: float32 [n x dim], rows of unit length; codes: uint8 [n x n_bits/8].
    """
    generator, n = np.random.default_rng(seed), len(embeddings)
    if n < FEWEST_ITEMS:
        raise ValueError(f"there are {n} items: a pair needs two")
    first = generator.integers(n, size=n_pairs)
    second = (first + generator.integers(1, n, size=n_pairs)) % n
    cosine = np.einsum("ij,ij->i", embeddings[first], embeddings[second])
    differing = np.bitwise_count(codes[first] ^ codes[second]).mean(axis=1) / BITS_PER_BYTE
    return pd.DataFrame({"cosine": cosine, "differing": differing})


@dataclass(frozen=True)
class BitStatistics:
    """n_bits: of a code; even: see `even_share`; correlation: see `bit_correlation`; effective: see `effective_bits`."""

    n_bits: int
    even: float
    correlation: float
    effective: float

    @classmethod
    def of(cls, codes: Codes) -> BitStatistics:
        """The statistics of codes, uint8 [n x n_bits/8]."""
        covariance = _covariance(codes)
        measured = (even_share(codes), _mean_correlation(covariance), _participation(covariance))
        return cls(codes.shape[1] * BITS_PER_BYTE, *measured)

    def row(self) -> dict[str, int | float]:
        """As columns of a table."""
        return asdict(self)
