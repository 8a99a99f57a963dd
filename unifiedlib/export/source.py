"""What an export is made from: a model, its embeddings and scores, read and checked to belong together."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from unifiedlib.contract import Collection
from unifiedlib.embedding import embed
from unifiedlib.evaluation import StoredEmbeddings, load_embeddings
from unifiedlib.export.onnx_model import Agreement, agreement
from unifiedlib.fingerprint import MODEL_FILES, model_fingerprint
from unifiedlib.model import EmbeddingModel, load_model
from unifiedlib.stages import seed_folder
from unifiedlib.variants import tasks_of

CHECKED = 256
BATCH = 32
# Other processors round in other ways, and a GPU multiplies with fewer digits; another training moves values by more.
STORED_TOLERANCE = 5e-3


@dataclass(frozen=True)
class Source:
    """One model and what was made with it.

    folder: the model's; about: content of its model.json; fingerprint: see `model_fingerprint`; network: without its heads.
    scores: rows of scores.parquet of this variant, of every seed; claims: content of claims.json.
    pixels: the pictures to check with, uint8 [n x size x size x 3]; expected: what PyTorch gives for them, float32 [n x dim];
    agreement: how far the stored embeddings are from that.
    """

    collection: Collection
    folder: Path
    about: Mapping[str, Any]
    fingerprint: str
    network: EmbeddingModel
    stored: StoredEmbeddings
    scores: pd.DataFrame
    claims: Sequence[Mapping[str, Any]]
    pixels: np.ndarray
    expected: np.ndarray
    agreement: Agreement


def _read_about(folder: Path, collection: Collection, variant: str, seed: int) -> dict[str, Any]:
    """Content of model.json. Raises ValueError where it is another variant's, seed's or collection's."""
    if not (folder / MODEL_FILES[1]).is_file():
        raise FileNotFoundError(
            f"{folder} holds no model: run `dvc repro train-{collection.name}@{collection.name}-{variant}`"
        )
    about: dict[str, Any] = json.loads((folder / MODEL_FILES[1]).read_text(encoding="utf-8"))
    wanted = {"variant": variant, "seed": seed, "fingerprint": collection.fingerprint}
    for name, value in wanted.items():
        if about[name] != value:
            what = "collection's fingerprint" if name == "fingerprint" else name
            raise ValueError(
                f"{folder / MODEL_FILES[1]} names the {what} {about[name]!r}, not {value!r}: "
                f"run `dvc repro train-{collection.name}@{collection.name}-{variant}`"
            )
    return about


def read_scores(folder: Path, collection: str, variant: str, seed: int, dim: int) -> pd.DataFrame:
    """The rows of scores.parquet of a variant, of all its seeds.

    Raises FileNotFoundError when there are none, ValueError when `seed` has none or they are of another width than `dim`.
    """
    command = f"run `dvc repro evaluate@{collection}`"
    if not (folder / "scores.parquet").is_file():
        raise FileNotFoundError(f"{folder / 'scores.parquet'} is missing: {command}")
    scores = pd.read_parquet(folder / "scores.parquet")
    scores = scores[scores["variant"] == variant].reset_index(drop=True)
    own = scores[scores["seed"] == seed]
    if own.empty:
        raise ValueError(f"{folder / 'scores.parquet'} has no row of {variant}, seed {seed}: {command}")
    if (other := own["dim"] != dim).any():
        raise ValueError(
            f"{folder / 'scores.parquet'} scores {variant}, seed {seed}, with {own['dim'][other].iloc[0]} values, "
            f"and the model gives {dim}: {command}"
        )
    return scores


def check_stored(
    stored: StoredEmbeddings, rows: np.ndarray, expected: np.ndarray, collection: str
) -> Agreement:
    """Compare the stored embeddings in `rows` with what the model gives now, float32 [n x dim].

    Raises ValueError naming the first row that is not the model's.
    """
    command = f"run `dvc repro binarize@{collection}`"
    if stored.dim != expected.shape[1]:
        raise ValueError(
            f"embeddings are {stored.dim} values wide, and the model gives {expected.shape[1]}: {command}"
        )
    differences = np.abs(stored.floats[rows] - expected).max(axis=1)
    if (other := differences > STORED_TOLERANCE).any():
        first = int(other.argmax())
        raise ValueError(
            f"row {rows[first]} of the embeddings (item {stored.items[rows[first]]}) is not what the model gives: it differs by "
            f"{differences[first]:.2g}, more than {STORED_TOLERANCE:g}; {command}"
        )
    return agreement(expected, stored.floats[rows])


def read_source(
    collection: Collection,
    variant: str,
    seed: int,
    model_folder: Path,
    embedding_folder: Path,
    result_folder: Path,
) -> Source:
    """Read what is to be exported, and check it.

    Model, embeddings and scores must be of this variant, seed and collection; of `CHECKED` pictures, spread over the items, the
    stored embeddings must be what the model gives. Folders: see `write_export`.
    Raises FileNotFoundError or ValueError, naming what does not fit and the command that makes it anew.
    """
    tasks_of(variant, collection)
    folder = seed_folder(model_folder, variant, seed)
    about = _read_about(folder, collection, variant, seed)
    network = load_model(folder, heads=False)
    stored = load_embeddings(seed_folder(embedding_folder, variant, seed), collection)
    scores = read_scores(result_folder, collection.name, variant, seed, network.settings.dim)
    claims = json.loads((result_folder / "claims.json").read_text(encoding="utf-8"))
    rows = np.linspace(0, len(stored.items) - 1, min(CHECKED, len(stored.items))).astype(np.int64)
    pixels = collection.pixels[stored.items[rows]]
    expected = embed(network, pixels, BATCH)
    found = check_stored(stored, rows, expected, collection.name)
    return Source(
        *(collection, folder, about, model_fingerprint(folder), network, stored, scores, claims),
        *(pixels, expected, found),
    )
