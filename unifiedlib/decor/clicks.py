"""Simulated co-clicks: where the noisy labels of flashlight come from.

People who look for one style also click on similar ones. A pin's label is the style of the searches in which
it was clicked most. For a share of the pins (the noise) that is a wrong style, drawn by its similarity to the
true one (same category in another look, or a kindred category) times how high its results are shown.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from unifiedlib.decor.product import CATEGORIES, STYLES
from unifiedlib.decor.randomness import Stream, generator

_SAME_CATEGORY = 0.6
_SAME_KIN_AND_LOOK = 0.2
_SAME_KIN = 0.04


@lru_cache(maxsize=1)
def similarity() -> NDArray[np.float64]:
    """True similarity of every two styles [n_style x n_style]: 1 on the diagonal, 0 for unrelated ones."""
    table = np.zeros((len(STYLES), len(STYLES)))
    for one, (category, look) in enumerate(STYLES):
        for two, (other, other_look) in enumerate(STYLES):
            if category == other:
                table[one, two] = 1.0 if look == other_look else _SAME_CATEGORY
            elif CATEGORIES[category].kin == CATEGORIES[other].kin:
                table[one, two] = _SAME_KIN_AND_LOOK if look == other_look else _SAME_KIN
    return table


@lru_cache(maxsize=8)
def stray_shares(seed: int, position_bias: float) -> NDArray[np.float64]:
    """Where stray clicks land [n_style x n_style]: rows sum to 1, diagonal 0; popular styles get more."""
    rank = generator(seed, Stream.CLICK, 0).permutation(len(STYLES))
    seen = 1.0 / (1.0 + rank / 8.0) ** position_bias
    weights = similarity() * seen[None, :]
    np.fill_diagonal(weights, 0.0)
    return np.asarray(weights / weights.sum(axis=1, keepdims=True))


def clicked_style(style: int, seed: int, pin: int, noise: float, position_bias: float) -> int:
    """The style that a training pin is labelled with: its own with chance 1 - noise, else a similar one."""
    rng = generator(seed, Stream.CLICK, 1, pin)
    if rng.random() >= noise:
        return style
    shares = np.cumsum(stray_shares(seed, position_bias)[style])
    return min(int(np.searchsorted(shares, rng.random())), len(STYLES) - 1)
