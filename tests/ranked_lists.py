"""Batches of distances with relevant items, given as masks, for the tests of ranking and metrics."""

from __future__ import annotations

import numpy as np

from unifiedlib.ranking import TiedRanking, rank_with_ties


def columns_of(mask: np.ndarray) -> np.ndarray:
    """The columns that a mask [n_query x n_gallery] marks, a row per query, filled up with -1."""
    found = [np.flatnonzero(row) for row in np.atleast_2d(mask)]
    most = max(map(len, found))
    return np.array([[*row, *[-1] * (most - len(row))] for row in found], np.int64).reshape(len(found), most)


def rank(distances, relevant, candidates=None, depth=None) -> TiedRanking:
    """Rank a list, or a batch of lists, given by masks; the depth is the whole gallery by default."""
    distances = np.atleast_2d(distances)
    if distances.dtype == np.int64:
        distances = distances.astype(np.int32)
    relevant = np.atleast_2d(relevant).astype(bool)
    removed = np.zeros_like(relevant) if candidates is None else ~np.atleast_2d(candidates)
    return rank_with_ties(distances, columns_of(relevant), columns_of(removed), depth or distances.shape[1])
