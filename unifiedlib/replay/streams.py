"""Random generators named by what they are for, so that each part of the replay can be drawn alone and in any order."""

from __future__ import annotations

from hashlib import blake2b

import numpy as np

SEPARATOR = "\x1f"


def stream(seed: int, *names: str | int) -> np.random.Generator:
    """A generator that depends on nothing but the seed and the names.

    >>> stream(0, "clicks", "lens").integers(100) == stream(0, "clicks", "lens").integers(100)
    True
    """
    return np.random.default_rng([seed, salt(*names)])


def salt(*names: str | int) -> int:
    """A whole number for a list of names, 0 to 2^64 - 1: the same on every machine."""
    text = SEPARATOR.join(map(str, names)).encode()
    return int.from_bytes(blake2b(text, digest_size=8).digest(), "little")
