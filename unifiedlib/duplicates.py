"""Pictures that stand in training and in test at once: exact copies and near ones, found without an n x n matrix.

Exact copies have the same stored pixels (by SHA-256), so that a copy under another name, with other metadata or in another
lossless format is one, too. Near copies have perceptual hashes of 64 bits (Zauner 2010, section 3.2.1) that differ in few
bits: re-encoded, resized or slightly retouched pictures. A mirrored picture is another picture.

The unified embedding trains on every task, so that exact copies of a query are sought in the training rows of all tasks.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import faiss
import numpy as np
import pandas as pd
from scipy.fft import dctn

from unifiedlib.decoding import in_order

PAIR_COLUMNS = ("item", "other", "task", "other_task", "distance", "kind")
HASH_BITS = 64
# Pictures of one colour have no structure to hash: below this standard deviation of brightness (0..255) none are near.
PLAIN = 2.0
# Test items listed per training item and kind; what is removed does not depend on it.
MAX_OTHERS = 100
LISTED_PAIRS = 100
BLOCK = 128


@dataclass(frozen=True)
class Fingerprints:
    """What tells copies: one entry per item.

    content: int64 [n], equal where the stored pixels are equal. hashes: uint8 [n x 8], perceptual. plain: bool [n], without
    structure, so that `hashes` says nothing.
    """

    content: np.ndarray
    hashes: np.ndarray
    plain: np.ndarray


def perceptual_hashes(pixels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Perceptual hashes of pictures, uint8 [n x 8], and which pictures are plain, bool [n].

    pixels: uint8 [n x size x size x 3]. A bit says whether one of the 8 x 8 lowest frequencies of the brightness lies above
    their median.
    """
    n, size = len(pixels), pixels.shape[1]
    grey = cv2.cvtColor(np.ascontiguousarray(pixels).reshape(n * size, size, 3), cv2.COLOR_RGB2GRAY)
    small = np.stack(
        [cv2.resize(one, (32, 32), interpolation=cv2.INTER_AREA) for one in grey.reshape(n, size, size)]
    ).astype(np.float32)
    low = dctn(small, axes=(1, 2))[:, :8, :8].reshape(n, HASH_BITS)
    bits = low > np.median(low, axis=1, keepdims=True)
    return np.packbits(bits, axis=1), small.std(axis=(1, 2)) < PLAIN


def fingerprints(pixels: np.ndarray, rows: np.ndarray | None = None) -> Fingerprints:
    """Fingerprints of `pixels[rows]`, or of all of `pixels`, uint8 [n x size x size x 3]; read once, a block at a time."""
    rows = np.arange(len(pixels)) if rows is None else rows
    blocks = (rows[start : start + BLOCK] for start in range(0, len(rows), BLOCK))

    def read(block: np.ndarray) -> tuple[list[bytes], np.ndarray, np.ndarray]:
        stored = np.asarray(pixels[block])
        return [hashlib.sha256(one.data).digest() for one in stored], *perceptual_hashes(stored)

    digests: list[bytes] = []
    hashes, plain = [np.empty((0, HASH_BITS // 8), np.uint8)], [np.empty(0, bool)]
    for _, (some_digests, some_hashes, some_plain) in in_order(read, blocks, os.cpu_count() or 1):
        digests += some_digests
        hashes.append(some_hashes)
        plain.append(some_plain)
    content = pd.factorize(np.array(digests, object))[0].astype(np.int64)
    return Fingerprints(content, np.concatenate(hashes), np.concatenate(plain))


def _nearest_first(pairs: pd.DataFrame, queries: np.ndarray) -> pd.DataFrame:
    """At most MAX_OTHERS per training item: the nearest, of equally near ones queries first."""
    order = pairs.assign(no_query=~pairs["other"].isin(queries))
    order = order.sort_values(["item", "distance", "no_query", "other"])
    return order.groupby("item").head(MAX_OTHERS)[["item", "other", "distance"]]


def _exact_pairs(
    prints: Fingerprints, train: np.ndarray, test: np.ndarray, queries: np.ndarray
) -> pd.DataFrame:
    others = pd.DataFrame({"other": test, "content": prints.content[test]})
    others = others.assign(no_query=~others["other"].isin(queries)).sort_values(["no_query", "other"])
    others = others.groupby("content").head(MAX_OTHERS + 1)[["other", "content"]]
    items = pd.DataFrame({"item": train, "content": prints.content[train]})
    return items.merge(others, on="content")[["item", "other"]].assign(distance=0)


def _near_pairs(
    prints: Fingerprints, train: np.ndarray, test: np.ndarray, queries: np.ndarray, max_distance: int
) -> Iterator[pd.DataFrame]:
    train, test = train[~prints.plain[train]], test[~prints.plain[test]]
    index = faiss.IndexBinaryFlat(HASH_BITS)
    index.add(prints.hashes[test])
    for start in range(0, len(train), BLOCK):
        block = train[start : start + BLOCK]
        # faiss finds what is nearer than its radius.
        limits, distances, found = index.range_search(prints.hashes[block], max_distance + 1)
        pairs = pd.DataFrame(
            {
                "item": np.repeat(block, np.diff(limits.astype(np.int64))),
                "other": test[found],
                "distance": distances.astype(np.int64),
            }
        )
        same = prints.content[pairs["item"]] == prints.content[pairs["other"]]
        yield _nearest_first(pairs[~same], queries)


def _queries(labels: pd.DataFrame) -> pd.Series:
    """The queries of all tasks: index item, value the first task that searches with it."""
    rows = labels[labels["role"].str.contains("query", regex=False)].drop_duplicates("item")
    return rows.set_index("item")["task"]


def _pairs_of_task(
    rows: pd.DataFrame, all_queries: pd.Series, prints: Fingerprints, max_distance: int
) -> pd.DataFrame:
    """The pairs of the items that a task trains on. rows: its labels; all_queries: as `_queries` returns them."""
    is_train, is_query = rows["role"] == "train", rows["role"].str.contains("query", regex=False)
    train, test, queries = (
        np.unique(rows.loc[chosen, "item"].to_numpy(np.int64)) for chosen in (is_train, ~is_train, is_query)
    )
    searched = all_queries.index.to_numpy(np.int64)
    exact = _exact_pairs(prints, train, np.union1d(test, searched), searched).assign(kind="exact")
    exact = _without_open_copies(exact, test, searched)
    near = [
        _without_open_copies(one.assign(kind="near"), test, queries)
        for one in _near_pairs(prints, train, test, queries, max_distance)
    ]
    pairs = pd.concat([exact, *near], ignore_index=True)
    task = rows["task"].iloc[0]
    elsewhere = pairs["other"].map(all_queries).to_numpy(object)
    return pairs.assign(task=task, other_task=np.where(pairs["other"].isin(test), task, elsewhere))


def _without_open_copies(pairs: pd.DataFrame, test: np.ndarray, queries: np.ndarray) -> pd.DataFrame:
    """A catalogue picture may be in the gallery and trained on: then it is no leak of another gallery picture either."""
    open_copy = pairs["item"].isin(test) & ~pairs["other"].isin(queries)
    return pairs[(pairs["item"] != pairs["other"]) & ~open_copy]


def find_duplicates(
    pixels: np.ndarray, labels: pd.DataFrame, max_distance: int = 4, rows: np.ndarray | None = None
) -> pd.DataFrame:
    """Pairs of a training item and another item, in test, that show the same picture.

    Exact pairs are sought between the training items of each task and, of the same task, all test items, of other tasks the
    queries; near pairs within each task only.

    pixels: uint8 [n x size x size x 3]; item i of `labels` (see `unifiedlib.contract`) is `pixels[rows[i]]`, or `pixels[i]`.
    max_distance: bits, of 64, in which the hashes of near pictures may differ. Of 322 photographs encoded anew (quality 30 or
        60, or at 0.8 of their size) all lay within 4 bits; of the 10,598 in `photos`, whose training and test pictures hold
        no copies, 1 pair lay within 4, 10 within 6, 86 within 8.
    Columns: item, other (in test), task (trains on item), other_task (tests with other: the same task, or else the first that
    queries with it), distance (bits; 0 for exact pairs), kind (`exact` or `near`). An item that is itself in both parts is no
    duplicate of itself, and one that is openly in the gallery none of other gallery pictures. Of one item's pairs of a task and
    a kind, the nearest 100 are listed. Raises ValueError for a distance out of range.
    """
    if not 0 <= max_distance < HASH_BITS // 2:
        raise ValueError(f"max_distance is {max_distance}; it must lie in 0..{HASH_BITS // 2 - 1}")
    prints = fingerprints(pixels, rows)
    all_queries = _queries(labels)
    found = [
        _pairs_of_task(part, all_queries, prints, max_distance)
        for _, part in labels.groupby("task", sort=False)
    ]
    pairs = pd.concat(found, ignore_index=True)
    return pairs.sort_values(["kind", "distance", "item", "other"], ignore_index=True)[list(PAIR_COLUMNS)]


def remove_from_training(labels: pd.DataFrame, pairs: pd.DataFrame) -> pd.DataFrame:
    """`labels` without the training rows of items that are exact copies of test items; rows of test roles stay.

    Raises ValueError, naming the task, when no training row of a task would be left.
    """
    copies = pairs.loc[pairs["kind"] == "exact", "item"]
    is_train = labels["role"] == "train"
    kept = labels[~(is_train & labels["item"].isin(copies))]
    left = set(kept.loc[kept["role"] == "train", "task"])
    for task, count in labels.loc[is_train, "task"].value_counts(sort=False).items():
        if task not in left:
            raise ValueError(
                f"task {task!r}: all of its {count} training rows show exact copies of test pictures; give it other training "
                "pictures, or keep the copies with remove_duplicates=False"
            )
    return kept.reset_index(drop=True)


def duplicates_report(
    items: pd.DataFrame, before: pd.DataFrame, after: pd.DataFrame, pairs: pd.DataFrame, max_distance: int
) -> dict[str, object]:
    """What `collection.json` keeps of the search: counts, classes that lost all training rows, and up to 100 pairs.

    before, after: the labels before and after `remove_from_training`. A pair names its `other_task` where that is not its `task`.
    """
    classes = ["task", "label_set", "label"]
    trained, still = (
        set(map(tuple, t.loc[t["role"] == "train", classes].to_numpy())) for t in (before, after)
    )
    listed = pairs.head(LISTED_PAIRS)
    listed = listed.assign(
        item=items["image"].iloc[listed["item"]].to_numpy(),
        other=items["image"].iloc[listed["other"]].to_numpy(),
    )
    return {
        "max_distance": max_distance,
        "exact_pairs": int((pairs["kind"] == "exact").sum()),
        "near_pairs": int((pairs["kind"] == "near").sum()),
        "exact_items": int(pairs.loc[pairs["kind"] == "exact", "item"].nunique()),
        "near_items": int(pairs.loc[pairs["kind"] == "near", "item"].nunique()),
        "removed_training_rows": len(before) - len(after),
        "lost_classes": ["/".join(map(str, lost)) for lost in sorted(trained - still)],
        "pairs": [
            {name: value for name, value in pair.items() if name != "other_task" or value != pair["task"]}
            for pair in listed.to_dict("records")
        ],
    }
