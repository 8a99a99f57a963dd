from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from search_world import make_collection

from unifiedlib.binarization import binarize
from unifiedlib.contract import Collection, TaskSpec
from unifiedlib.domain_gap import (
    MATCH_ACROSS,
    MATCH_WITHIN,
    OTHER_WITHIN,
    crossing_tasks,
    domain_gap_table,
    pair_kinds,
    probability_nearer,
)
from unifiedlib.evaluation import StoredEmbeddings
from unifiedlib.figures import domain_gap_figure


def world(crossing: bool = True) -> Collection:
    """Two labels, each with two phone photos as queries and two catalogue pictures; a second task within one domain."""
    rows = [
        *[("g", "lens", label, role) for label in "ab" for role in ("query", "query", "gallery", "gallery")],
        *[("g", "flashlight", "a", "query+gallery")] * 2,
    ]
    collection = make_collection(rows, {"lens": TaskSpec(1, "x"), "flashlight": TaskSpec(1, "x")})
    domains = (["camera"] * 2 + ["catalog"] * 2) * 2 + ["pin"] * 2
    return replace(collection, items=collection.items.assign(domain=domains if crossing else "pin"))


def stored(vectors: list[list[float]]) -> StoredEmbeddings:
    floats = np.array(vectors, np.float32)
    floats /= np.linalg.norm(floats, axis=1, keepdims=True)
    return StoredEmbeddings(np.arange(len(floats)), floats, binarize(np.repeat(floats, 4, axis=1)))


BY_LABEL = stored([[1, 0]] * 4 + [[0, 1]] * 4 + [[1, 0]] * 2)
BY_DOMAIN = stored(([[1, 0]] * 2 + [[0, 1]] * 2) * 2 + [[1, 0]] * 2)


def test_only_tasks_with_several_domains_have_a_gap() -> None:
    assert crossing_tasks(world()) == ["lens"]
    table = domain_gap_table(world(crossing=False), {"unified": BY_LABEL}, ["unified"])
    assert table.empty
    assert domain_gap_figure(table).axes == []


def test_embedding_by_label_has_no_gap_and_one_by_domain_nothing_else() -> None:
    found = {"imagenet": BY_DOMAIN, "unified": BY_LABEL}
    table = domain_gap_table(world(), found, ["imagenet", "unified"]).set_index("variant")
    assert table.loc["unified", [MATCH_WITHIN, MATCH_ACROSS, OTHER_WITHIN]].tolist() == [1, 1, 0]
    assert table.loc["unified", ["gap", "across_wins"]].tolist() == [0, 1]
    assert table.loc["imagenet", [MATCH_WITHIN, MATCH_ACROSS, OTHER_WITHIN]].tolist() == [1, 0, 1]
    assert table.loc["imagenet", ["gap", "across_wins"]].tolist() == [1, 0]
    assert table["domains"].unique().tolist() == ["camera and catalog"]


def test_specialist_is_shown_on_its_own_task_alone() -> None:
    found = dict.fromkeys(("flashlight", "lens", "unified"), BY_LABEL)
    assert domain_gap_table(world(), found, list(found))["variant"].tolist() == ["lens", "unified"]


def test_pairs_are_counted_once_and_by_brute_force() -> None:
    generator = np.random.default_rng(0)
    labels, domains = generator.integers(0, 3, 12), generator.integers(0, 2, 12)
    expected = dict.fromkeys((MATCH_WITHIN, MATCH_ACROSS, OTHER_WITHIN), 0)
    for first in range(12):
        for second in range(first + 1, 12):
            match (bool(labels[first] == labels[second]), bool(domains[first] == domains[second])):
                case (True, True):
                    expected[MATCH_WITHIN] += 1
                case (True, False):
                    expected[MATCH_ACROSS] += 1
                case (False, True):
                    expected[OTHER_WITHIN] += 1
    assert {kind: int(mask.sum()) for kind, mask in pair_kinds(labels, domains).items()} == expected


def test_probability_counts_pairs_and_halves_ties() -> None:
    generator = np.random.default_rng(1)
    first, second = generator.integers(0, 6, 15) / 5, generator.integers(0, 6, 20) / 5
    pairs = np.subtract.outer(first, second)
    assert probability_nearer(first, second) == pytest.approx(
        float((pairs > 0).mean() + (pairs == 0).mean() / 2)
    )
    assert np.isnan(probability_nearer(np.empty(0), second))


def test_sample_depends_on_the_seed_alone() -> None:
    generator = np.random.default_rng(2)
    random = stored(generator.normal(size=(10, 2)).tolist())
    first, again, other = (
        domain_gap_table(world(), {"unified": random}, ["unified"], seed, most=5) for seed in (0, 0, 3)
    )
    assert first.equals(again)
    assert first["n_items"].tolist() == [5]
    assert not first.equals(other)


def test_figure_has_a_panel_per_task_and_a_row_per_variant() -> None:
    figure = domain_gap_figure(
        domain_gap_table(world(), {"imagenet": BY_DOMAIN, "unified": BY_LABEL}, ["imagenet", "unified"])
    )
    (axes,) = figure.axes
    assert [tick.get_text() for tick in axes.get_yticklabels()] == ["imagenet\n0%", "unified\n100%"]
