"""The unified embedding on paper: test items projected to two dimensions, coloured by task and by domain."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE

from unifiedlib.contract import Collection
from unifiedlib.evaluation import StoredEmbeddings
from unifiedlib.figures.canvas import new_figure
from unifiedlib.palette import DOMAINS, Look, looks

MOST_ITEMS = 1500
FIRST_DIMENSIONS = 50


def project(embeddings: np.ndarray, seed: int = 0) -> np.ndarray:
    """Points [n x 2] of vectors [n x dim]: principal components, then t-SNE, both seeded."""
    n_components = min(FIRST_DIMENSIONS, *embeddings.shape)
    reduced = PCA(n_components, random_state=seed).fit_transform(embeddings)
    perplexity = min(30.0, (len(embeddings) - 1) / 3)
    layout = TSNE(perplexity=perplexity, init="pca", random_state=seed, max_iter=500).fit_transform(reduced)
    return np.asarray(layout, np.float64)


def _task_of(collection: Collection, items: np.ndarray) -> pd.Series:
    """Per item the task whose test it belongs to, or all of them: "flashlight + lens"."""
    rows = collection.labels[collection.labels["role"] != "train"]
    tasks = rows.groupby("item")["task"].agg(lambda names: " + ".join(sorted(names.unique())))
    return tasks.loc[items].reset_index(drop=True)


def projection_table(
    collection: Collection, stored: StoredEmbeddings, seed: int = 0, most: int = MOST_ITEMS
) -> pd.DataFrame:
    """At most `most` test items, drawn at random: columns item, x, y, task, domain."""
    generator = np.random.default_rng(seed)
    rows = np.sort(generator.permutation(len(stored.items))[:most])
    items = stored.items[rows]
    points = project(stored.floats[rows], seed)
    domain = collection.items["domain"].to_numpy()[items]
    return pd.DataFrame(
        {
            "item": items,
            "x": points[:, 0],
            "y": points[:, 1],
            "task": _task_of(collection, items),
            "domain": domain,
        }
    )


def _scatter(axes: Axes, table: pd.DataFrame, column: str, wanted: dict[str, Look]) -> None:
    for name, look in wanted.items():
        part = table[table[column] == name]
        axes.scatter(
            part["x"],
            part["y"],
            s=13,
            c=look.colour,
            marker=look.marker,
            alpha=0.75,
            linewidths=0,
            label=f"{name} ({len(part):,})",
        )
    axes.set(xticks=[], yticks=[])
    axes.set_title(f"by {column}", loc="left", fontsize=10)
    axes.legend(
        loc="upper center",
        bbox_to_anchor=(0.5, -0.01),
        ncols=2,
        columnspacing=1,
        handletextpad=0.2,
        markerscale=1.5,
        fontsize=8.5,
    )


def projection_figure(table: pd.DataFrame) -> Figure:
    """The projected items twice, coloured by task and by domain; distances across the page mean little, neighbours much."""
    figure = new_figure(
        5.3, "One embedding for all tasks: neighbours should share what they show, whatever their domain"
    )
    by_task = looks(sorted(table["task"].unique(), key=lambda name: (name.count("+"), name)))
    by_domain = {name: look for name, look in DOMAINS.items() if (table["domain"] == name).any()}
    left, right = figure.subplots(1, 2)
    _scatter(left, table, "task", by_task)
    _scatter(right, table, "domain", by_domain)
    return figure
