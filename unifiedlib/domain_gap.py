"""The domain gap: does an embedding place pictures by what they show, or by the kind of picture that they are?

A task may look for items of one domain with queries of another: a phone photo for catalogue pictures. Over its queries and its
gallery, three kinds of pairs are compared by their cosine: the same label in the same domain, the same label across domains,
and another label in the same domain. An embedding free of the gap has the second as near as the first, and far from the third.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from scipy.stats import rankdata

from unifiedlib.contract import Collection
from unifiedlib.evaluation import StoredEmbeddings

MATCH_WITHIN, MATCH_ACROSS, OTHER_WITHIN = (
    "same label, same domain",
    "same label, across domains",
    "other label, same domain",
)
COLUMNS = (
    "task",
    "variant",
    "domains",
    MATCH_WITHIN,
    MATCH_ACROSS,
    OTHER_WITHIN,
    "gap",
    "across_wins",
    "n_items",
)
MOST_ITEMS = 1500


def crossing_tasks(collection: Collection) -> list[str]:
    """Tasks whose queries and gallery are of more than one domain."""
    domain = collection.items["domain"].to_numpy()
    return [
        task
        for task in collection.tasks
        if len(set(domain[collection.eval_labels(task).index.to_numpy()])) > 1
    ]


def probability_nearer(first: np.ndarray, second: np.ndarray) -> float:
    """Probability that a value of `first` exceeds one of `second`, ties by half (Mann and Whitney 1947); NaN if one is empty.

    >>> probability_nearer(np.array([0.9, 0.5]), np.array([0.5, 0.1]))
    0.875
    """
    if not len(first) or not len(second):
        return float("nan")
    ranks = rankdata(np.concatenate([first, second]))[: len(first)]
    return float((ranks.sum() - len(first) * (len(first) + 1) / 2) / (len(first) * len(second)))


def pair_kinds(labels: np.ndarray, domains: np.ndarray) -> dict[str, np.ndarray]:
    """Masks of the pairs i < j by kind: bool [n x n] for labels and domains [n]."""
    same_label = labels[:, np.newaxis] == labels
    same_domain = domains[:, np.newaxis] == domains
    once = np.triu(np.ones((len(labels), len(labels)), bool), k=1)
    return {
        MATCH_WITHIN: once & same_label & same_domain,
        MATCH_ACROSS: once & same_label & ~same_domain,
        OTHER_WITHIN: once & ~same_label & same_domain,
    }


def domain_gap_table(
    collection: Collection,
    embeddings: Mapping[str, StoredEmbeddings],
    variants: Sequence[str],
    seed: int = 0,
    most: int = MOST_ITEMS,
) -> pd.DataFrame:
    """A row per task that crosses domains, and variant that is shown on it; columns `COLUMNS`.

    Specialists are shown on their own task alone. The kinds of pairs hold mean cosines; gap: what a change of domain costs a
    match, in cosine; across_wins: the probability that a match across domains is nearer than a non-match of one domain. At most
    `most` items of a task, drawn with `seed`.
    """
    rows = []
    for task in crossing_tasks(collection):
        labels = collection.eval_labels(task)
        chosen = np.sort(np.random.default_rng(seed).permutation(len(labels))[:most])
        items = labels.index.to_numpy(np.int64)[chosen]
        domains = collection.items["domain"].to_numpy()[items].astype(str)
        kinds = pair_kinds(labels.to_numpy()[chosen].astype(str), domains)
        for variant in variants:
            if variant in collection.tasks and variant != task:
                continue
            stored = embeddings[variant]
            rows.append(_row(task, variant, domains, stored.floats[stored.rows(items)], kinds))
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _row(
    task: str, variant: str, domains: np.ndarray, floats: np.ndarray, kinds: Mapping[str, np.ndarray]
) -> dict[str, object]:
    cosines = floats @ floats.T
    values = {name: cosines[mask] for name, mask in kinds.items()}
    means = {name: float(found.mean()) if len(found) else float("nan") for name, found in values.items()}
    return {
        **{"task": task, "variant": variant, "domains": " and ".join(sorted(set(domains))), **means},
        "gap": means[MATCH_WITHIN] - means[MATCH_ACROSS],
        "across_wins": probability_nearer(values[MATCH_ACROSS], values[OTHER_WITHIN]),
        "n_items": len(domains),
    }
