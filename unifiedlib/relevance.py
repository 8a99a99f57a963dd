"""Who may be found, and who is right: the relevance of gallery items to a task's queries.

A gallery item is relevant to a query of a task when it stands in that task's gallery and carries the query's
label. In the merged gallery, items of the other tasks' galleries are candidates too, and never relevant. A
query never finds itself (it is removed by item number), nor, where the task says so, items of its own group.
Queries left without any relevant item cannot be judged: they are left out, and listed.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np
import numpy.typing as npt
import pandas as pd

from unifiedlib.contract import Collection

Index = npt.NDArray[np.int64]
Columns = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

NEVER_RELEVANT = -1
NO_ITEM = -1
"""Fills the rows of an array of columns up to the longest."""


@dataclass(frozen=True)
class _Places:
    """Where each number stands in an array: `order` sorts it, `numbers` are its sorted values."""

    order: Index
    numbers: Index

    @classmethod
    def of(cls, numbers: Index) -> Self:
        order = np.argsort(numbers, kind="stable").astype(np.int64)
        return cls(order, numbers[order])

    def find(self, wanted: Index) -> Columns:
        """The places of each wanted number, ascending, [n_wanted x most], filled up with -1."""
        start, stop = (
            np.searchsorted(self.numbers, wanted, side)[:, np.newaxis] for side in ("left", "right")
        )
        place = start + np.arange((stop - start).max(initial=0))
        return np.where(place < stop, self.order[np.minimum(place, len(self.order) - 1)], NO_ITEM)


@dataclass(frozen=True)
class Relevance:
    """The queries of one task against one gallery, all as item numbers and small integer codes.

    query_items: int64 [n_query], only those with a match; gallery_items: int64 [n_gallery];
    query_labels, gallery_labels: one number per label, -1 for a gallery item that is never relevant;
    query_groups, gallery_groups: one number per group, or the item numbers where own groups stay in;
    n_relevant: int64 [n_query], relevant items of each query, at least 1;
    n_candidates: int64 [n_query], gallery items that each query may find;
    left_out: int64 [n_left_out], the item numbers of the queries without a match.
    """

    query_items: Index
    gallery_items: Index
    query_labels: Index
    gallery_labels: Index
    query_groups: Index
    gallery_groups: Index
    n_relevant: Index
    n_candidates: Index
    left_out: Index

    @cached_property
    def _labels(self) -> _Places:
        return _Places.of(self.gallery_labels)

    @cached_property
    def _groups(self) -> _Places:
        return _Places.of(self.gallery_groups)

    def columns(self, rows: slice) -> tuple[Columns, Columns]:
        """For a batch of queries: the columns of the items with its label, and of those it may not find.

        Both int64 [n_batch x most], filled up with -1. An item in both is not relevant.
        """
        return self._labels.find(self.query_labels[rows]), self._groups.find(self.query_groups[rows])

    def masks(self, rows: slice) -> tuple[Mask, Mask]:
        """For a batch of queries: which items are relevant and which may be found, [n_batch x n_gallery]."""
        candidates = self.query_groups[rows, np.newaxis] != self.gallery_groups[np.newaxis]
        relevant = self.query_labels[rows, np.newaxis] == self.gallery_labels[np.newaxis]
        return relevant & candidates, candidates


def _codes(values: pd.Series, known: pd.Index) -> Index:
    return np.asarray(known.get_indexer(pd.Index(values)), np.int64)


def _gallery_labels(collection: Collection, task: str, gallery_items: Index, labels: pd.Series) -> Index:
    """Label number of each gallery item, or NEVER_RELEVANT for those outside the task's own gallery."""
    known = pd.Index(labels.unique())
    numbers = np.full(len(gallery_items), NEVER_RELEVANT, np.int64)
    own = np.isin(gallery_items, collection.gallery(task))
    numbers[own] = _codes(labels.loc[gallery_items[own]], known)
    return numbers


def _groups(collection: Collection, task: str) -> Index:
    """Per item of the collection, the number of what a query must not find: its group, or only itself."""
    if collection.tasks[task].leave_out_group:
        return np.asarray(pd.factorize(collection.items["group"])[0], np.int64)
    return np.arange(len(collection.items), dtype=np.int64)


def _count_pairs(labels: Index, groups: Index, wanted_labels: Index, wanted_groups: Index) -> Index:
    """How often each wanted (label, group) pair stands in `labels`, `groups`."""
    width = max(groups.max(initial=0), wanted_groups.max(initial=0)) + 1
    pairs, counts = np.unique(labels * width + groups, return_counts=True)
    wanted = wanted_labels * width + wanted_groups
    place = np.searchsorted(pairs, wanted).clip(max=len(pairs) - 1)
    return np.where(pairs[place] == wanted, counts[place], 0).astype(np.int64)


def task_relevance(collection: Collection, task: str, gallery: str) -> Relevance:
    """Set up the queries of `task` against a gallery.

    gallery: the name of a task, whose own gallery is then searched, or "merged" for all tasks' galleries in
    one.
    Raises ValueError for an unknown task or gallery, and when no query of the task has any match.
    """
    queries, gallery_items = collection.queries(task), collection.gallery(gallery)
    labels = collection.eval_labels(task)
    query_labels = _codes(labels.loc[queries], pd.Index(labels.unique()))
    gallery_labels = _gallery_labels(collection, task, gallery_items, labels)
    groups = _groups(collection, task)
    found = _judged(
        *(queries, gallery_items, query_labels, gallery_labels, groups[queries], groups[gallery_items])
    )
    if len(found.query_items) == 0:
        raise ValueError(
            f"none of the {len(queries)} queries of task '{task}' has a relevant item in the {gallery} "
            f"gallery of collection '{collection.name}': check the labels and groups of its gallery items"
        )
    return found


def _judged(
    queries: Index,
    gallery_items: Index,
    query_labels: Index,
    gallery_labels: Index,
    query_groups: Index,
    gallery_groups: Index,
) -> Relevance:
    """Count what each query may find, and leave out those without a match; arguments as in `Relevance`."""
    zeros, own_zeros = np.zeros_like(gallery_groups), np.zeros_like(query_groups)
    same_label = _count_pairs(gallery_labels, zeros, query_labels, own_zeros)
    same_both = _count_pairs(gallery_labels, gallery_groups, query_labels, query_groups)
    n_relevant = same_label - same_both
    n_candidates = len(gallery_items) - _count_pairs(zeros, gallery_groups, own_zeros, query_groups)
    kept = n_relevant > 0
    return Relevance(
        query_items=queries[kept],
        gallery_items=gallery_items,
        query_labels=query_labels[kept],
        gallery_labels=gallery_labels,
        query_groups=query_groups[kept],
        gallery_groups=gallery_groups,
        n_relevant=n_relevant[kept],
        n_candidates=n_candidates[kept],
        left_out=queries[~kept],
    )


def label_relevance(
    query_labels: npt.NDArray[np.generic],
    gallery_labels: npt.NDArray[np.generic],
    query_items: Index | None = None,
    gallery_items: Index | None = None,
) -> Relevance:
    """Set up queries and a gallery given as arrays: relevant is what carries the query's label.

    query_labels [n_query], gallery_labels [n_gallery]: labels of any one type.
    query_items, gallery_items: int64 item numbers of the same lengths; a query never finds the item of its own
    number. Without them, items are numbered by their rows where `query_labels` is `gallery_labels`, so that
    every item searches among all others; otherwise queries and gallery share no item. Give both or neither.
    Raises ValueError for one of them alone, when lengths do not fit, the gallery is empty, or no query has a match.

    >>> label_relevance(labels := np.array([7, 7, 8]), labels).left_out.tolist()
    [2]
    """
    if (query_items is None) != (gallery_items is None):
        raise ValueError("query_items and gallery_items say which are the same: give both or neither")
    if query_items is None or gallery_items is None:
        gallery_items = np.arange(len(gallery_labels), dtype=np.int64)
        start = 0 if query_labels is gallery_labels else len(gallery_labels)
        query_items = start + np.arange(len(query_labels), dtype=np.int64)
    lengths = [len(one) for one in (query_labels, query_items, gallery_labels, gallery_items)]
    if lengths[0] != lengths[1] or lengths[2] != lengths[3] or lengths[2] == 0:
        raise ValueError(
            f"there are {lengths[0]} labels for {lengths[1]} query items and {lengths[2]} labels for {lengths[3]} "
            "gallery items: each item needs a label, and the gallery an item"
        )
    numbers = pd.factorize(np.concatenate([query_labels, gallery_labels]))[0].astype(np.int64)
    own, others = numbers[: lengths[0]], numbers[lengths[0] :]
    found = _judged(query_items, gallery_items, own, others, query_items, gallery_items)
    if len(found.query_items) == 0:
        raise ValueError(
            f"none of the {lengths[0]} queries has a relevant item in the gallery: check the labels"
        )
    return found
