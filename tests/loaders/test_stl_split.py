from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from unifiedlib.loaders.stl_split import components, deal, split_pairs


def random_pairs(n_pairs: int, n_scenes: int, n_products: int, seed: int = 0) -> pd.DataFrame:
    generator = np.random.default_rng(seed)
    scenes, products = (generator.integers(0, n, n_pairs) for n in (n_scenes, n_products))
    return pd.DataFrame({"scene": [f"s{n}" for n in scenes], "product": [f"p{n}" for n in products]})


def spread(left: pd.Series, right: pd.Series) -> dict[str, str]:
    """Components found by passing the smallest name along each edge until nothing changes."""
    name = {node: node for node in [*left, *right]}
    changed = True
    while changed:
        changed = False
        for ends in zip(left, right, strict=True):
            smallest = min(name[ends[0]], name[ends[1]])
            changed |= any(name[end] != smallest for end in ends)
            name |= dict.fromkeys(ends, smallest)
    return name


@pytest.mark.parametrize("seed", range(5))
def test_components_are_those_found_by_spreading_names(seed: int) -> None:
    pairs = random_pairs(60, 50, 50, seed)
    expected = spread(pairs["scene"], pairs["product"])
    assert components(pairs["scene"], pairs["product"]).to_dict() == expected


@pytest.mark.parametrize("seed", range(5))
def test_neither_scene_nor_product_crosses(seed: int) -> None:
    pairs = random_pairs(400, 300, 300, seed)
    split = split_pairs(pairs, 0.3, seed)
    for name in ("scene", "product"):
        assert split.groupby(pairs[name])[f"{name}_in_test"].nunique().max() == 1
    whole = split[~split["cut"]]
    assert (whole["scene_in_test"] == whole["product_in_test"]).all()
    assert whole.empty or whole.groupby("group")["scene_in_test"].nunique().max() == 1


def test_small_components_are_dealt_whole_until_the_share_is_reached() -> None:
    pairs = pd.DataFrame(
        {"scene": [f"s{n // 2}" for n in range(1000)], "product": [f"p{n}" for n in range(1000)]}
    )
    split = split_pairs(pairs, 0.3, 0)
    assert not split["cut"].any()
    assert split["group"].nunique() == 500
    assert split["scene_in_test"].mean() == pytest.approx(0.3, abs=0.005)


def test_component_larger_than_the_test_part_is_cut() -> None:
    pairs = random_pairs(3000, 800, 1500)
    split = split_pairs(pairs, 0.2, 0)
    assert split["cut"].mean() > 0.9
    assert split["scene_in_test"].mean() == pytest.approx(0.2, abs=0.02)
    assert split["product_in_test"].mean() == pytest.approx(0.2, abs=0.05)
    together = split["scene_in_test"] == split["product_in_test"]
    by_chance = 0.2**2 + 0.8**2
    assert by_chance + 0.05 < together.mean() < 1


def test_picture_that_is_scene_and_product_stays_on_one_side() -> None:
    pairs = random_pairs(600, 100, 100)
    pairs["product"] = pairs["product"].str.replace("p", "s")
    split = split_pairs(pairs, 0.3, 0)
    scenes = dict(zip(pairs["scene"], split["scene_in_test"], strict=True))
    products = dict(zip(pairs["product"], split["product_in_test"], strict=True))
    both = scenes.keys() & products.keys()
    assert len(both) > 50
    assert all(scenes[name] == products[name] for name in both)


def test_same_seed_deals_the_same_and_another_otherwise() -> None:
    pairs = random_pairs(300, 200, 200)
    first, again, other = (split_pairs(pairs, 0.3, seed) for seed in (1, 1, 2))
    assert first.equals(again)
    assert not first["scene_in_test"].equals(other["scene_in_test"])


@pytest.mark.parametrize("seed", range(5))
def test_share_is_of_boxes_and_not_of_names(seed: int) -> None:
    counts = pd.Series([90, *[1] * 90], index=[f"n{n:02d}" for n in range(91)])
    dealt = deal(counts, 0.5, np.random.default_rng(seed))
    assert counts[list(dealt)].sum() in range(90, 91 + 45)
    assert (len(dealt) == 90) == ("n00" not in dealt)


def test_name_that_holds_more_than_twice_the_share_is_never_drawn() -> None:
    counts = pd.Series([50, 1, 1, 1, 1], index=list("abcde"))
    assert all("a" not in deal(counts, 0.2, np.random.default_rng(seed)) for seed in range(20))
