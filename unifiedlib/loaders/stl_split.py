"""Training and test of scenes and products that are linked: neither may cross.

A scene shows several products and a product stands in several scenes, so what must stay together are the connected
components of that graph. Small ones are dealt whole. One that is larger than the whole test part cannot be: it is cut.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components


def components(left: pd.Series, right: pd.Series) -> pd.Series:
    """Name of the connected component of each node, the smallest name in it; index: nodes. Edge i is left[i], right[i].

    >>> components(pd.Series(["b", "c"]), pd.Series(["a", "d"])).to_dict()
    {'a': 'a', 'b': 'a', 'c': 'c', 'd': 'c'}
    """
    codes, names = pd.factorize(pd.concat([left, right]).to_numpy(), sort=True)
    ends = codes.reshape(2, -1)
    graph = coo_array((np.ones(ends.shape[1], np.int8), (ends[0], ends[1])), shape=(len(names), len(names)))
    _, number = connected_components(graph, directed=False)
    _, first = np.unique(number, return_index=True)
    return pd.Series(names[first[number]], index=pd.Index(names))


def deal(counts: pd.Series, share: float, generator: np.random.Generator) -> set[str]:
    """Names drawn at random until they hold `share` of all counts; counts: boxes by name.

    A name that would overshoot by more than half of its count is passed over.
    """
    order = generator.permutation(len(counts))
    target, taken, dealt = share * counts.sum(), 0, set()
    for name, count in zip(counts.index[order], counts.to_numpy()[order], strict=True):
        if taken + count / 2 <= target:
            taken += int(count)
            dealt.add(str(name))
    return dealt


def _cut(
    pairs: pd.DataFrame, share: float, generator: np.random.Generator
) -> tuple[set[str], dict[str, bool]]:
    """Scenes dealt into test, and for each product whether it is there: as one of its boxes, drawn at random.

    A picture that is both, scene and product, goes as the scene does.
    """
    scenes = deal(pairs["scene"].value_counts(sort=False).sort_index(), share, generator)
    drawn = pairs.iloc[generator.permutation(len(pairs))].drop_duplicates("product")
    is_scene = drawn["product"].isin(set(pairs["scene"]))
    deciding = drawn["product"].where(is_scene, drawn["scene"])
    return scenes, dict(zip(drawn["product"], deciding.isin(scenes), strict=True))


def split_pairs(pairs: pd.DataFrame, test_share: float, seed: int) -> pd.DataFrame:
    """For each row of `pairs` (scene, product): columns group, cut, scene_in_test, product_in_test.

    group: name of its component. cut: whether that component has boxes of both parts; a box whose scene and product lie on
    different sides then belongs to neither. The split depends on the pairs, the share and the seed alone.
    """
    generator = np.random.default_rng(seed)
    group = pairs["scene"].map(components(pairs["scene"], pairs["product"]))
    counts = group.value_counts(sort=False).sort_index()
    large = counts.index[counts > test_share * len(pairs)]
    in_test = group.isin(deal(counts.drop(large), test_share, generator))
    split = pd.DataFrame(
        {"group": group, "cut": group.isin(large), "scene_in_test": in_test, "product_in_test": in_test}
    )
    for name in large:
        rows = split.index[group == name]
        scenes, products = _cut(pairs.loc[rows], test_share, generator)
        split.loc[rows, "scene_in_test"] = pairs.loc[rows, "scene"].isin(scenes)
        split.loc[rows, "product_in_test"] = pairs.loc[rows, "product"].map(products).astype(bool)
    return split
