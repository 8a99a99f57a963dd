from __future__ import annotations

import torch

from unifiedlib.model import EmbeddingModel, ModelSettings
from unifiedlib.proxies import COLUMNS, nearest_classes


def model(classes: dict[str, list[str]], proxies: dict[str, list[list[float]]]) -> EmbeddingModel:
    made = EmbeddingModel(
        ModelSettings("test_resnet", "none", 8, 32), classes, torch.Generator().manual_seed(0)
    )
    for key, rows in proxies.items():
        made.head(key).proxies.data = torch.tensor([row + [0.0] * (8 - len(row)) for row in rows])
    return made


CLASSES = {"lens/style": ["a", "b", "c"], "shop/category": ["x"], "shop/product": ["y"]}
PROXIES = {
    "lens/style": [[1.0], [3.0, 4.0], [0.0, 2.0]],
    "shop/category": [[0.0, 1.0]],
    "shop/product": [[0.0, 0.0, 1.0]],
}


def test_closest_pairs_within_and_across_tasks_come_with_their_cosine() -> None:
    table = nearest_classes(model(CLASSES, PROXIES), count=2)
    assert list(table) == COLUMNS
    rows = [tuple(row[:4]) for row in table.itertuples(index=False)]
    assert rows == [
        ("lens/style", "b", "lens/style", "c"),
        ("lens/style", "a", "lens/style", "b"),
        ("lens/style", "c", "shop/category", "x"),
        ("lens/style", "b", "shop/category", "x"),
    ]
    assert table["cosine"].round(4).tolist() == [0.8, 0.6, 1.0, 0.8]


def test_model_without_heads_has_no_pairs() -> None:
    assert nearest_classes(model({}, {})).empty
