"""Ways to store an embedding in few bytes, all behind one small interface: as it is, as signs, by ITQ, by product quantisation.

A representation is learned from the embeddings of training items alone, and then prepares queries and a gallery for
`unifiedlib.scoring`. Signs of any kind are packed bits, compared by Hamming distance. Product quantisation stores one of 256
centroids for each part of a vector; the query stays a float vector (asymmetric distance), so its distances are the inner
products with the vectors that the stored bytes stand for.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import faiss
import numpy as np
import numpy.typing as npt

from unifiedlib.binarization import BITS_PER_BYTE, Codes, Floats, binarize, check_embeddings
from unifiedlib.search import BinaryGallery, FloatGallery

BYTES_PER_FLOAT = 4
CENTROIDS = 256
FLOAT, BINARY, MEDIAN, ITQ, PRODUCT = "float", "binary", "binary_median", "itq", "pq"
SMALLEST_VARIANCE = 1e-6


class Representation(Protocol):
    """What is stored of an embedding, and how queries are compared with it.

    name: as in the column `representation` of scores; n_bytes: stored bytes of one item.
    """

    @property
    def name(self) -> str:
        """As in the column `representation` of scores."""

    @property
    def n_bytes(self) -> int:
        """Stored bytes of one item."""

    def queries(self, embeddings: Floats) -> Floats | Codes:
        """What is searched with, a row for each of the embeddings, float32 [n_query x dim]."""

    def gallery(self, embeddings: Floats) -> FloatGallery | BinaryGallery:
        """What is searched in, with distances from `queries` to each of the embeddings, float32 [n_gallery x dim]."""


@dataclass(frozen=True)
class FloatVectors:
    """The embedding as it is, 4 bytes for each of `dim` values, compared by inner product."""

    dim: int
    name: str = FLOAT

    @property
    def n_bytes(self) -> int:
        """Stored bytes of one item."""
        return BYTES_PER_FLOAT * self.dim

    def queries(self, embeddings: Floats) -> Floats:
        """The embeddings."""
        return embeddings

    def gallery(self, embeddings: Floats) -> FloatGallery:
        """The embeddings, searched by inner product."""
        return FloatGallery.of(embeddings)


@dataclass(frozen=True)
class Signs:
    """One bit for each threshold, set where a value lies above it; the values may be rotated first.

    thresholds: float32 [n_bits]; rotation: float32 [dim x n_bits], or None where the values are taken as they are.
    """

    name: str
    thresholds: Floats
    rotation: Floats | None = None

    @property
    def n_bytes(self) -> int:
        """Stored bytes of one item."""
        return len(self.thresholds) // BITS_PER_BYTE

    def codes(self, embeddings: Floats) -> Codes:
        """Packed bits, uint8 [n x n_bits/8], of embeddings float32 [n x dim]."""
        check_embeddings(embeddings)
        values = embeddings if self.rotation is None else embeddings @ self.rotation
        return binarize(values - self.thresholds)

    def queries(self, embeddings: Floats) -> Codes:
        """The codes of the queries."""
        return self.codes(embeddings)

    def gallery(self, embeddings: Floats) -> BinaryGallery:
        """The codes of the gallery, searched by Hamming distance."""
        return BinaryGallery.of(self.codes(embeddings))


@dataclass(frozen=True)
class ProductCodes:
    """One byte for each part of a vector: the number of the part's nearest centroid (Jégou et al., PAMI 2011).

    quantizer: a trained faiss.ProductQuantizer. Queries stay floats, and are compared by Euclidean distance with what an item's
    bytes stand for, as in the paper and as faiss.IndexPQ does. Embeddings have unit length, what bytes stand for has not: by
    inner product alone, items that were decoded too long would come first. Items with the same bytes get exactly the same
    distances.
    """

    quantizer: faiss.ProductQuantizer
    name: str = PRODUCT

    @property
    def n_bytes(self) -> int:
        """Stored bytes of one item."""
        return int(self.quantizer.code_size)

    def codes(self, embeddings: Floats) -> Codes:
        """The stored bytes, uint8 [n x n_bytes], of embeddings float32 [n x dim]."""
        check_embeddings(embeddings)
        return np.asarray(self.quantizer.compute_codes(np.ascontiguousarray(embeddings)))

    def queries(self, embeddings: Floats) -> Floats:
        """The queries' embeddings, which are not stored and need not be made small, and a 1: float32 [n x (dim + 1)]."""
        check_embeddings(embeddings, "queries")
        return np.pad(embeddings, ((0, 0), (0, 1)), constant_values=1)

    def gallery(self, embeddings: Floats) -> FloatGallery:
        """What the stored bytes stand for, and minus half its squared length: float32 [n x (dim + 1)].

        The negative inner product with a query q and its 1 is |decoded|^2 / 2 - q decoded: half the squared distance, but for
        |q|^2, which is the same for every item.
        """
        decoded = self.quantizer.decode(self.codes(embeddings))  # type: ignore[call-arg, func-returns-value]
        vectors = np.asarray(decoded, np.float32)
        halves = np.square(vectors, dtype=np.float64).sum(axis=1, keepdims=True) / 2
        return FloatGallery.of(np.concatenate([vectors, -halves.astype(np.float32)], axis=1))


def _check_training(training: Floats, n_bits: int) -> None:
    check_embeddings(training, "training embeddings")
    if n_bits < BITS_PER_BYTE or n_bits % BITS_PER_BYTE:
        raise ValueError(f"a code of {n_bits} bits was asked for; it must be a multiple of {BITS_PER_BYTE}")
    if len(training) < 2:
        raise ValueError(f"there are {len(training)} training embeddings; learning needs at least two")


def zero_thresholds(dim: int) -> Signs:
    """Bits are set above zero, as in the paper: nothing is learned."""
    return Signs(BINARY, np.zeros(dim, np.float32))


def median_thresholds(training: Floats) -> Signs:
    """Bits are set above the median that each value has over the training items: as even as single bits can be made.

    training: float32 [n x dim].
    """
    _check_training(training, training.shape[-1])
    return Signs(MEDIAN, np.median(training, axis=0).astype(np.float32))


def _principal_directions(unit: Floats, n_bits: int) -> Floats:
    """The directions of largest variance, float32 [dim x n], n at most n_bits; without those in which nothing varies."""
    variances, directions = np.linalg.eigh((unit.T @ unit) / np.float32(len(unit)))
    variances, directions = variances[::-1][:n_bits], directions[:, ::-1][:, :n_bits]
    kept = variances > SMALLEST_VARIANCE * variances[0]
    return np.ascontiguousarray(directions[:, kept], np.float32)


def rotation_towards_signs(
    values: Floats, n_bits: int, seed: int, iterations: int
) -> tuple[Floats, npt.NDArray[np.float64]]:
    """ITQ's second half: a rotation R, float32 [n_value x n_bits], that brings `values` R near their signs.

    values: float32 [n x n_value], n_value at most n_bits; R has orthonormal rows. From a random start, each iteration takes the
    signs of values R and then the R that brings the values nearest to them (orthogonal Procrustes): neither step can raise the
    loss. Returns R and the loss before each iteration: mean over items of |signs - values R|^2.
    """
    if iterations < 1:
        raise ValueError(f"iterations is {iterations}; it must be at least 1")
    n_value = values.shape[1]
    if n_value > n_bits:
        raise ValueError(
            f"values are {n_value} wide, the code {n_bits} bits: keep at most as many directions"
        )
    start = np.random.default_rng(seed).standard_normal((n_bits, n_value)).astype(np.float32)
    rotation = np.ascontiguousarray(np.linalg.qr(start)[0].T)
    losses = np.empty(iterations)
    for number in range(iterations):
        rotated = values @ rotation
        signs = np.where(rotated > 0, np.float32(1), np.float32(-1))
        losses[number] = np.square(signs - rotated).sum(axis=1, dtype=np.float64).mean()
        left, _, right = np.linalg.svd(values.T @ signs, full_matrices=False)
        rotation = left @ right
    return rotation, losses


def learn_itq(training: Floats, n_bits: int, seed: int, iterations: int) -> Signs:
    """Codes by iterative quantisation (Gong & Lazebnik, CVPR 2011): principal directions, rotated so that signs lose least.

    training: float32 [n x dim]; n_bits: may be more than dim. Embeddings are centred and brought to unit length, as
    `faiss.ITQTransform` does. This is not that class because it factorises in double precision, by a slower method:
    `benchmarks/itq.py` times both, and a test compares what they lose.
    """
    _check_training(training, n_bits)
    mean = training.mean(axis=0, dtype=np.float64).astype(np.float32)
    unit = training - mean
    unit /= np.maximum(np.linalg.norm(unit, axis=1, keepdims=True), np.float32(1e-12))
    directions = _principal_directions(unit, n_bits)
    rotation, _ = rotation_towards_signs(unit @ directions, n_bits, seed, iterations)
    whole = directions @ rotation
    return Signs(ITQ, mean @ whole, whole)


def learn_product(training: Floats, n_bytes: int, seed: int, iterations: int) -> ProductCodes:
    """Product quantisation into `n_bytes` bytes, each the number of one of 256 centroids, by faiss.

    training: float32 [n x dim], n at least 256, dim divisible by n_bytes. iterations: of k-means.
    """
    check_embeddings(training, "training embeddings")
    n, dim = training.shape
    if n_bytes < 1 or dim % n_bytes:
        raise ValueError(f"{dim} values cannot be cut into {n_bytes} equal parts: choose a divisor of {dim}")
    if n < CENTROIDS:
        raise ValueError(
            f"there are {n} training embeddings; {CENTROIDS} centroids need at least as many to learn from"
        )
    quantizer = faiss.ProductQuantizer(dim, n_bytes, BITS_PER_BYTE)
    quantizer.cp.seed, quantizer.cp.niter = seed, iterations
    quantizer.cp.min_points_per_centroid = 1
    quantizer.cp.max_points_per_centroid = n // CENTROIDS + 1
    quantizer.train(np.ascontiguousarray(training))
    return ProductCodes(quantizer)
