"""Dealing a user's items into training and test, so that nothing that hangs together is on both sides."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

SPLITS = ("group", "label")
FEWEST_TO_TEST = 2

Index = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]


def codes(*columns: pd.Series) -> Index:
    """One number per distinct combination of values, 0, 1, … in their sorted order, int64 [n_rows]."""
    numbers = np.zeros(len(columns[0]), np.int64)
    for column in columns:
        own, names = pd.factorize(column, sort=True)
        numbers = np.unique(numbers * len(names) + own, return_inverse=True)[1].astype(np.int64)
    return numbers


def clusters(keys: list[Index]) -> Index:
    """Rows that share a value in any of the keys, directly or through other rows, get one number; int64 [n_rows].

    keys: numbers 0, 1, … per row, each [n_rows]; -1 shares nothing.

    >>> clusters([np.array([0, 0, 1, 2]), np.array([-1, 0, 0, 1])]).tolist()
    [0, 0, 0, 1]
    """
    n_rows = len(keys[0])
    starts, ends, n_nodes = [], [], n_rows
    for key in keys:
        linked = np.flatnonzero(key >= 0)
        starts.append(linked)
        ends.append(n_nodes + key[linked])
        n_nodes += int(key.max(initial=-1)) + 1
    edges = (np.concatenate(starts), np.concatenate(ends))
    graph = coo_array((np.ones(len(edges[0]), np.int8), edges), shape=(n_nodes, n_nodes))
    numbers: npt.NDArray[np.int32] = connected_components(graph, directed=False)[1]
    return np.unique(numbers[:n_rows], return_inverse=True)[1].astype(np.int64)


def _smallest(values: Index, cluster: Index) -> Index:
    """The smallest value of each cluster, int64 [n_clusters]."""
    found = np.full(int(cluster.max()) + 1, np.iinfo(np.int64).max)
    np.minimum.at(found, cluster, values)
    return found


def _chances(images: pd.Series, cluster: Index, seed: int) -> npt.NDArray[np.uint64]:
    """A random number per cluster, from the seed and its alphabetically first picture alone, uint64 [n_clusters].

    So neither the order of the rows nor pictures added elsewhere move it.
    """
    numbers, names = pd.factorize(images, sort=True)
    chosen = np.asarray(names, object)[_smallest(numbers.astype(np.int64), cluster)]
    return np.asarray(pd.util.hash_array(chosen, hash_key=f"{seed:016d}", categorize=False), np.uint64)


def _by_count(home: Index, chance: npt.NDArray[np.uint64], share: float) -> Mask:
    """`share` of the clusters of each home, rounded; at least two where there are three, none where there are fewer."""
    order = np.lexsort((chance, home))
    counts = np.bincount(home)
    starts = np.concatenate([[0], np.cumsum(counts)[:-1]])
    wanted = np.clip(np.rint(counts * share), FEWEST_TO_TEST, counts - 1)
    wanted[counts <= FEWEST_TO_TEST] = 0
    is_test = np.empty(len(home), bool)
    is_test[order] = np.arange(len(home)) - starts[home[order]] < wanted[home[order]]
    return is_test


def _by_weight(home: Index, chance: npt.NDArray[np.uint64], weight: Index, share: float) -> Mask:
    """Clusters of each home, in random order, until they hold `share` of its rows."""
    order = np.lexsort((chance, home))
    totals = np.bincount(home, weights=weight)
    starts = np.concatenate([[0], np.cumsum(totals)[:-1]])
    before = np.cumsum(weight[order]) - weight[order] - starts[home[order]]
    is_test = np.empty(len(home), bool)
    is_test[order] = before + weight[order] / 2 < share * totals[home[order]]
    return is_test


def deal(frame: pd.DataFrame, forced: pd.Series, split: str, share: float, seed: int) -> Mask:
    """Whether each row's item is tested, bool [n_rows].

    frame: columns image, group, task, label_set, label and `decides` (whether the row's label decides relevance).
    forced: `train`, `test`, or empty where the row is to be dealt; what hangs together with such a row follows it, the test
    going first. split: `group` keeps pictures and groups together and deals a share of each label's; `label` keeps labels
    together, too, those of one name in several tasks included, and deals a share of each task's.
    """
    decides = frame["decides"].to_numpy(bool)
    keys = [codes(frame["image"]), codes(frame["group"])]
    if split == "label":
        keys.append(np.where(decides, codes(frame["label_set"], frame["label"]), -1))
    cluster = clusters(keys)
    n_clusters = int(cluster.max()) + 1
    names = [frame["task"]] if split == "label" else [frame["task"], frame["label"]]
    home = _smallest(np.where(decides, codes(*names), np.iinfo(np.int64).max), cluster)
    chance = _chances(frame["image"], cluster, seed)
    is_test = np.zeros(n_clusters, bool)
    free = np.ones(n_clusters, bool)
    free[cluster[(forced != "").to_numpy()]] = False
    free &= home < np.iinfo(np.int64).max
    if free.any():
        local = np.unique(home[free], return_inverse=True)[1].astype(np.int64)
        if split == "label":
            weight = np.bincount(cluster[decides], minlength=n_clusters)[free]
            is_test[free] = _by_weight(local, chance[free], weight, share)
        else:
            is_test[free] = _by_count(local, chance[free], share)
    is_test[cluster[(forced == "test").to_numpy()]] = True
    return is_test[cluster]
