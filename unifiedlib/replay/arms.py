"""Who sees what: users, not queries, are dealt to the arms of a test by a hash of their number and the test's salt.

A user stays in an arm however often they come back, and whoever else takes part.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Index = npt.NDArray[np.int64]
STEP, FIRST, SECOND = (np.uint64(n) for n in (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB))


def hash_users(users: Index, salt: int) -> npt.NDArray[np.uint64]:
    """A number for each user, evenly spread over 0 to 2^64 - 1: SplitMix64 (Steele et al., OOPSLA 2014) of user and salt.

    users: int64 [n], at least 0; salt: 0 to 2^64 - 1, another one for every test.
    """
    mixed = _mix(users.astype(np.uint64) * STEP + STEP)
    return _mix(mixed ^ _mix(np.full(1, salt, np.uint64) + STEP))


def _mix(value: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    value = (value ^ (value >> np.uint64(30))) * FIRST
    value = (value ^ (value >> np.uint64(27))) * SECOND
    return value ^ (value >> np.uint64(31))


def deal(users: Index, salt: int, n_arms: int = 2) -> Index:
    """The arm of each user, int64 [n], 0 to n_arms - 1. Raises ValueError for fewer than two arms."""
    if n_arms < 2:
        raise ValueError(f"n_arms is {n_arms}; a test needs at least two arms")
    return (hash_users(users, salt) % np.uint64(n_arms)).astype(np.int64)
