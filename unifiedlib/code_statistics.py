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

Centred = npt.NDArray[np.float32]

EVEN_BAND = (0.25, 0.75)
BITS_PER_BLOCK = 512
FEWEST_ITEMS = 2


def _centred_bits(codes: Codes) -> Centred:
    """Bits 0 and 1 minus each bit's mean, float32 [n x n_bits]."""
    if len(codes) < FEWEST_ITEMS:
        raise ValueError(f"there are {len(codes)} codes: bits can only be compared over at least two items")
    bits = unpack(codes, codes.shape[1] * BITS_PER_BYTE).astype(np.float32)
    return np.asarray(bits - bits.mean(axis=0, dtype=np.float64).astype(np.float32))


def even_share(codes: Codes) -> float:
    """Share of bits that between a quarter and three quarters of the items set, 0 to 1."""
    low, high = EVEN_BAND
    balance = bit_balance(codes)
    return float(((balance >= low) & (balance <= high)).mean())


@dataclass(frozen=True)
class _Covariance:
    """Sums over the covariance of bits, times the number of items: what the statistics need, not the matrix itself.

    trace; squares: of all entries; correlations: absolute, of pairs of different bits that change; n_changing: such bits.
    """

    trace: float
    squares: float
    correlations: float
    n_changing: int

    @classmethod
    def of(cls, codes: Codes) -> _Covariance:
        """Sum over blocks of at most 512 x n_bits entries at a time, each pair of bits once."""
        centred = _centred_bits(codes)
        variances = np.einsum("ij,ij->j", centred, centred, dtype=np.float64)
        changing = np.ascontiguousarray(centred[:, variances > 0])
        inverse = (1 / np.sqrt(variances[variances > 0])).astype(np.float32)
        above, correlations = 0.0, 0.0
        for start in range(0, changing.shape[1], BITS_PER_BLOCK):
            stop = start + BITS_PER_BLOCK
            block = np.triu(changing[:, start:stop].T @ changing[:, start:], k=1)
            above += float(np.einsum("ij,ij->", block, block, dtype=np.float64))
            block *= inverse[start:stop, np.newaxis]
            correlations += float((np.abs(block) @ inverse[start:]).sum(dtype=np.float64))
        squares = float(np.square(variances).sum()) + 2 * above
        return cls(float(variances.sum()), squares, correlations, changing.shape[1])

    def mean_correlation(self) -> float:
        """See `bit_correlation`."""
        if self.n_changing < 2:
            raise ValueError(f"{self.n_changing} of the bits change: a correlation needs two that do")
        return self.correlations / (self.n_changing * (self.n_changing - 1) / 2)

    def participation(self) -> float:
        """See `effective_bits`."""
        if self.n_changing == 0:
            raise ValueError("none of the bits changes over the items: they carry nothing")
        return self.trace**2 / self.squares


def bit_correlation(codes: Codes) -> float:
    """Mean absolute correlation between two different bits, 0 (independent) to 1 (one bit, repeated or inverted).

    codes: uint8 [n x n_bits/8]. Bits that never change have no correlation and are left out; ValueError where fewer than two
    are left. Independent bits of n items reach about sqrt(2 / (pi n)) by chance, see `chance_correlation`.
    """
    return _Covariance.of(codes).mean_correlation()


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
    return _Covariance.of(codes).participation()


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
        covariance = _Covariance.of(codes)
        measured = (even_share(codes), covariance.mean_correlation(), covariance.participation())
        return cls(codes.shape[1] * BITS_PER_BYTE, *measured)

    def row(self) -> dict[str, int | float]:
        """As columns of a table."""
        return asdict(self)
