"""What an index holds per item: an id, and a code, a float embedding or both; checked, and in the order of ids."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from operator import lt
from typing import Literal, Self, TypeVar, cast, get_args

import numpy as np
import numpy.typing as npt

from unifiedlib.binarization import BITS_PER_BYTE, Codes, Floats, binarize, check_codes, check_embeddings

Representation = Literal["float", "binary", "reranked"]
Rows = npt.NDArray[np.int64]
Value = TypeVar("Value", bound=np.generic)

# Rows that are checked or turned into codes at a time: 32 MiB of 2,048 floats.
ROWS_AT_ONCE = 4096


def check_representation(representation: str) -> None:
    """Raise ValueError unless `representation` is float, binary or reranked."""
    if representation not in get_args(Representation):
        choices = ", ".join(get_args(Representation))
        raise ValueError(f"representation is {representation!r}; choose one of {choices}")


def check_array(vectors: object, what: str) -> None:
    """Raise TypeError unless `vectors` is a NumPy array."""
    if not isinstance(vectors, np.ndarray):
        raise TypeError(
            f"{what} are a {type(vectors).__name__}; they must be a NumPy array, one row per item"
        )


def blocks(n_rows: int, at_once: int = ROWS_AT_ONCE) -> Iterator[slice]:
    """Slices that cover `n_rows` rows, `at_once` at a time."""
    yield from (slice(start, min(start + at_once, n_rows)) for start in range(0, n_rows, at_once))


def check_finite(embeddings: Floats, what: str) -> None:
    """`check_embeddings` a block at a time: an array larger than memory may be mapped from a file."""
    check_embeddings(embeddings[:0] if embeddings.ndim == 2 else embeddings, what)
    for block in blocks(len(embeddings)):
        finite = np.isfinite(embeddings[block]).all(axis=1)
        if not finite.all():
            row = block.start + int(np.argmin(finite))
            raise ValueError(f"{what} row {row} holds NaN or infinity: embed that item again")


def check_ids(ids: npt.ArrayLike | None, n_items: int, first: int = 0) -> Rows:
    """Ids as int64 [n_items]; None counts on from `first`.

    Raises TypeError unless they are integers; ValueError unless there is one per item, from 0 to 2^63 - 1, none twice.
    """
    if ids is None:
        return np.arange(first, first + n_items, dtype=np.int64)
    given = np.asarray(ids)
    if given.size and given.dtype.kind not in "iu":
        raise TypeError(f"ids are {given.dtype}; they must be whole numbers, as int64")
    if given.shape != (n_items,):
        raise ValueError(f"ids have shape {list(given.shape)}; {n_items} items need {n_items} ids in a row")
    wrong = (given < 0) | (given > np.iinfo(np.int64).max)
    if wrong.any():
        row = int(np.argmax(wrong))
        raise ValueError(f"ids row {row}: {given[row]} is out of range; an id is 0 to 2^63 - 1")
    whole = given.astype(np.int64, copy=False)
    if np.any(whole[1:] <= whole[:-1]):
        order = np.sort(whole)
        if (twice := order[1:] == order[:-1]).any():
            raise ValueError(f"id {order[int(np.argmax(twice))]} stands twice; an id names one item")
    return whole


def rises(values: npt.NDArray[Value]) -> bool:
    """Whether `values` are those of one query, [1 x n], and each is above the one before: found out faster than sorted."""
    if len(values) != 1:
        return False
    listed = values[0].tolist()
    return all(map(lt, listed, listed[1:]))


def nearest_first(
    distances: npt.NDArray[Value], rows: Rows, k: int | None = None
) -> tuple[npt.NDArray[Value], Rows]:
    """Both arrays, [n_query x n], ordered by (distance, row), and cut after the first k."""
    if rises(distances):
        return distances[:, :k], rows[:, :k]
    order = np.lexsort((rows, distances))[:, :k]
    if len(rows) > 1:  # places in the arrays laid out flat
        order += np.arange(0, rows.size, rows.shape[1])[:, np.newaxis]
    return distances.take(order), rows.take(order)


def codes_of(embeddings: Floats) -> Codes:
    """The code of each embedding, a block at a time: uint8 [n x dim/8] of float32 [n x dim]."""
    codes = np.empty((len(embeddings), embeddings.shape[1] // BITS_PER_BYTE), np.uint8)
    for block in blocks(len(embeddings)):
        codes[block] = binarize(embeddings[block])
    return codes


@dataclass(frozen=True)
class Vectors:
    """Items in the order of their ids, so that of equally near rows the first has the lowest id.

    ids: int64 [n]; codes: uint8 [n x dim/8]; floats: float32 [n x dim]. `float` holds no codes, `binary` no floats.
    """

    ids: Rows
    codes: Codes | None
    floats: Floats | None

    @classmethod
    def of(
        cls,
        vectors: Floats | Codes,
        ids: npt.ArrayLike | None,
        representation: Representation,
        first: int = 0,
    ) -> Self:
        """Check and sort what a caller gives: float32 embeddings, or for `binary` also uint8 codes.

        Nothing is copied where ids ascend already. Raises TypeError or ValueError naming what breaks the rule.
        """
        is_code = representation == "binary" and vectors.dtype == np.uint8
        if is_code:
            check_codes(vectors, "gallery codes")
        else:
            check_finite(cast(Floats, vectors), "gallery embeddings")
            if representation != "float" and vectors.shape[1] % BITS_PER_BYTE:
                raise ValueError(
                    f"embeddings are {vectors.shape[1]} wide; a code needs a width divisible by {BITS_PER_BYTE}"
                )
        numbers = check_ids(ids, len(vectors), first)
        if np.any(numbers[1:] < numbers[:-1]):
            order = np.argsort(numbers)
            numbers, vectors = numbers[order], vectors[order]
        rows = np.ascontiguousarray(vectors)
        if is_code:
            return cls(numbers, cast(Codes, rows), None)
        floats = cast(Floats, rows)
        codes = None if representation == "float" else codes_of(floats)
        return cls(numbers, codes, None if representation == "binary" else floats)

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def dim(self) -> int:
        """Values of a float embedding, bits of a code."""
        if self.codes is not None:
            return int(self.codes.shape[1]) * BITS_PER_BYTE
        return int(self.searched.shape[1])

    @property
    def searched(self) -> npt.NDArray[np.generic]:
        """What a query is compared with first: the codes where there are any, else the floats."""
        array = self.codes if self.codes is not None else self.floats
        if array is None:
            raise ValueError("an index needs codes or floats")
        return array

    def rows_of(self, ids: npt.ArrayLike) -> Rows:
        """Row of each id, int64. Raises ValueError naming the first id that is not here."""
        wanted = np.asarray(ids)
        if wanted.size and wanted.dtype.kind not in "iu":
            raise TypeError(f"ids are {wanted.dtype}; they must be whole numbers, as int64")
        rows = np.searchsorted(self.ids, wanted).astype(np.int64)
        missing = (rows == len(self)) | (self.ids[np.minimum(rows, len(self) - 1)] != wanted)
        if missing.any():
            raise ValueError(f"id {wanted[missing][0]} is not in this index of {len(self):,} items")
        return rows

    def merged(self, other: Self) -> tuple[Self, Rows]:
        """These items and others, and the row that each old one, then each new one now has: int64 [n + n_other].

        Raises ValueError when an id is in both.
        """
        shared = np.isin(other.ids, self.ids)
        if shared.any():
            raise ValueError(f"id {other.ids[shared][0]} is in the index already; an id names one item")
        order = np.argsort(np.concatenate([self.ids, other.ids]), kind="stable")
        now = np.empty(len(order), np.int64)
        now[order] = np.arange(len(order))
        ids = np.concatenate([self.ids, other.ids])[order]
        codes, floats = _joined(self.codes, other.codes, now), _joined(self.floats, other.floats, now)
        return type(self)(ids, codes, floats), now


def _joined(
    old: npt.NDArray[Value] | None, new: npt.NDArray[Value] | None, now: Rows
) -> npt.NDArray[Value] | None:
    """Rows of both arrays, each at the place that `now` gives it."""
    if old is None or new is None:
        return None
    joined = np.empty((len(now), old.shape[1]), old.dtype)
    joined[now[: len(old)]] = old
    joined[now[len(old) :]] = new
    return joined
