"""What an index is, and reading that and its arrays back from a saved one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import numpy as np

from unifiedlib.binarization import BITS_PER_BYTE, Codes, Floats
from unifiedlib.index.approximate import Kind, check_kind
from unifiedlib.index.storage import Saved
from unifiedlib.index.vectors import Representation, Rows, Vectors, check_representation


@dataclass(frozen=True)
class IndexFacts:
    """What an index is. model: fingerprint of the model that made its embeddings; None where any may be compared.

    longest: the length of the longest float embedding (0 without floats). about: whatever its builder notes, as text.
    """

    representation: Representation
    kind: Kind
    dim: int
    model: str | None
    longest: float
    about: dict[str, str]


def facts_of(saved: Saved) -> tuple[IndexFacts, int]:
    """Facts and number of items, from `index.json`; raises KeyError, TypeError or ValueError for what cannot be."""
    names = IndexFacts.__dataclass_fields__
    facts = IndexFacts(**{name: saved.about[name] for name in names})  # type: ignore[arg-type]
    check_representation(facts.representation)
    check_kind(facts.kind)
    n_items = saved.about["n_items"]
    for name, value in (("dim", facts.dim), ("n_items", n_items)):
        if not isinstance(value, int) or value < 1:
            raise ValueError(f"{name} is {value!r}; it must be a whole number above 0")
    return facts, cast(int, n_items)


def vectors_of(saved: Saved, facts: IndexFacts, n_items: int) -> Vectors:
    """The arrays of a saved index, codes and floats mapped; raises ValueError for ids out of order, IndexFileError for others."""
    ids = np.array(saved.array("ids.npy", np.int64, (n_items,)))
    if ids[0] < 0 or np.any(ids[1:] <= ids[:-1]):
        raise ValueError("its ids do not ascend from 0 on")
    codes = floats = None
    if facts.representation != "float":
        codes = cast(Codes, saved.array("codes.npy", np.uint8, (n_items, facts.dim // BITS_PER_BYTE)))
    if facts.representation != "binary":
        floats = cast(Floats, saved.array("floats.npy", np.float32, (n_items, facts.dim)))
    return Vectors(cast(Rows, ids), codes, floats)
