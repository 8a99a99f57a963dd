"""A tiny written collection of coloured pictures, and settings that train on it in a second."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import numpy as np
import pandas as pd
from ruamel.yaml import YAML

from unifiedlib.contract import Collection, TaskSpec, write_collection
from unifiedlib.train_settings import TrainSettings

REPOSITORY = Path(__file__).resolve().parent.parent
SIZE = 32
TASKS = {
    "flashlight": TaskSpec(k=3, label_set="category", leave_out_group=True),
    "shop_the_look": TaskSpec(k=1, label_set="product"),
}
SETTINGS = TrainSettings(
    trunk="test_resnet",
    weights="none",
    dim=16,
    pooling="average",
    layer_norm=True,
    loss="softmax",
    temperature=0.05,
    margin=0.0,
    classes_per_step=0,
    mix="uniform",
    weighting="equal",
    distillation=0.0,
    budget="per_task",
    crop=32,
    min_area=0.7,
    colour=0.1,
    head_steps=20,
    head_batch_size=8,
    head_learning_rate=0.1,
    head_views=1,
    epochs=10,
    batch_size=4,
    images_at_once=12,
    precision="fp32",
    learning_rate=0.01,
    trunk_learning_rate=0.002,
    frozen_stages=0,
    images_per_class=2,
    catalog_share=0.25,
    optimizer="adamw",
    schedule="cosine",
    momentum=0.9,
    weight_decay=1e-4,
    validation_share=0.2,
    checkpoint_every=20,
)


def tables() -> tuple[pd.DataFrame, pd.DataFrame]:
    """72 items: per class 0..3 twelve training and six test pictures; the first two tasks' label sets are spread over them."""
    items, labels = [], []
    for number in range(72):
        kind, place = number % 4, number // 4
        is_test = place >= 12
        domain = ("pin", "camera", "catalog")[place % 3]
        items.append((f"{number:03d}.png", None, domain, f"{'test' if is_test else 'train'}-{place}"))
        if place % 2:
            role = "query+gallery" if is_test else "train"
            labels.append((number, "flashlight", "category", f"category {kind}", role))
        else:
            role = ("gallery" if domain == "catalog" else "query") if is_test else "train"
            labels.append((number, "shop_the_look", "product", f"product {kind}", role))
            if role == "train":
                labels.append((number, "shop_the_look", "category", f"category {kind // 2}", role))
    return (
        pd.DataFrame(items, columns=["image", "box", "domain", "group"]),
        pd.DataFrame(labels, columns=["item", "task", "label_set", "label", "role"]),
    )


def picture(number: int) -> np.ndarray:
    """A picture of the colour of its class, with noise."""
    colours = np.array([(220, 40, 40), (40, 200, 60), (50, 60, 230), (210, 200, 40)])
    noise = np.random.default_rng(number).normal(0, 25, (SIZE, SIZE, 3))
    return (colours[number % 4] + noise).clip(0, 255).astype(np.uint8)


def write_small(folder: Path) -> Collection:
    """The tiny collection, written through the contract."""
    items, labels = tables()
    pictures = (picture(number) for number in range(len(items)))
    return write_collection(folder, "small", items, labels, TASKS, pictures, SIZE, [], {})


def write_params(root: Path, settings: TrainSettings) -> None:
    """The real params.yaml with one thread and other settings of training."""
    params = YAML(typ="safe", pure=True).load((REPOSITORY / "params.yaml").read_text(encoding="utf-8"))
    params["threads"] = 1
    params["train"]["decor"] = asdict(settings)
    with (root / "params.yaml").open("w", encoding="utf-8") as stream:
        YAML(typ="safe", pure=True).dump(params, stream)
