"""Which queries of a task are alike, and so count together: the clusters that the bootstrap draws.

Queries come by persons, products or scenes, and those of one are alike. Of the two things that a collection says about
its items, the one that makes fewer clusters counts: the *group* (what must not cross from training into test: a person,
a product, a scene), or the *label* that decides relevance. Labels count only where there are at least
`FEWEST_CLUSTERS` of them: fifty products stand for products that might have been asked for as well, ten kinds of garment
are those that the task is about.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

from unifiedlib.contract import Collection

Index = npt.NDArray[np.int64]

# So few may agree by chance: an interval of five that all agree has no width at all.
FEWEST_CLUSTERS = 20


def _numbered(names: pd.Series, query_items: Index) -> Index:
    """For each query the lowest item number among the queries of its name."""
    frame = pd.DataFrame({"name": names.to_numpy(), "item": query_items})
    return np.asarray(frame.groupby("name", sort=False)["item"].transform("min"), np.int64)


def query_clusters(collection: Collection, task: str, query_items: Index) -> Index:
    """The cluster of each query of a task: int64 [n_query], the lowest item number among the cluster's queries.

    query_items: int64 [n_query], queries of the task. Queries that are alike in nothing that the collection knows get
    their own item number.
    """
    groups = _numbered(collection.items["group"].iloc[query_items], query_items)
    labels = _numbered(collection.eval_labels(task).loc[query_items], query_items)
    n_label = len(np.unique(labels))
    if FEWEST_CLUSTERS <= n_label < len(np.unique(groups)):
        return labels
    return groups
