"""True relevance, graded: for evaluation and simulated raters alone. Nothing of it is in a collection's tables."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from unifiedlib.decor.clicks import similarity
from unifiedlib.decor.world import World

SAME_PRODUCT, SAME_STYLE, KINDRED, UNRELATED = 3, 2, 1, 0
KINDRED_FROM = 0.2
"""Similarity of two styles from which they count as kindred: one category in two looks, or one look in two kindred categories."""


def true_relevance(world: World, queries: Sequence[int], gallery: Sequence[int]) -> NDArray[np.uint8]:
    """How relevant each gallery item is to each query, [n_query x n_gallery].

    3: the same product; 2: another product of the same style; 1: a kindred style; 0: anything else. Numbers are items of
    the world; labels and clicks play no part. Raises IndexError for an item that the world does not have.
    """
    products = [
        np.array([world.listing.item(int(item)).product for item in items]) for items in (queries, gallery)
    ]
    styles = [np.array([world.style_of(int(product)) for product in numbers]) for numbers in products]
    grades = np.where(similarity()[np.ix_(*styles)] >= KINDRED_FROM, KINDRED, UNRELATED)
    grades[styles[0][:, None] == styles[1][None, :]] = SAME_STYLE
    grades[products[0][:, None] == products[1][None, :]] = SAME_PRODUCT
    return grades.astype(np.uint8)
