"""Embeddings for the tests of the index, and the plain sorts that its answers are compared with."""

from __future__ import annotations

import numpy as np

from unifiedlib.binarization import binarize, hamming


def clustered(n_items: int, dim: int, seed: int, n_clusters: int = 20) -> np.ndarray:
    """Unit vectors, float32 [n_items x dim], around centres that are the same for every seed."""
    centres = np.random.default_rng(99).standard_normal((n_clusters, dim))
    generator = np.random.default_rng(seed)
    vectors = centres[generator.integers(n_clusters, size=n_items)] + 0.7 * generator.standard_normal(
        (n_items, dim)
    )
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def sorted_ids(distances: np.ndarray, ids: np.ndarray, k: int) -> np.ndarray:
    """Ids ordered by (distance, id), [n_query x k], of distances [n_query x n]."""
    return np.stack([ids[np.lexsort((ids, row))[:k]] for row in distances])


def bits_apart(queries: np.ndarray, gallery: np.ndarray) -> np.ndarray:
    """Hamming distances of the codes of float embeddings."""
    return hamming(binarize(queries), binarize(gallery))


def similarity(queries: np.ndarray, gallery: np.ndarray) -> np.ndarray:
    """Inner products in double precision."""
    return queries.astype(np.float64) @ gallery.astype(np.float64).T
