"""What one saved model is told from any other by."""

from __future__ import annotations

import hashlib
from pathlib import Path

MODEL_FILES = ("model.safetensors", "model.json")
BLOCK_BYTES = 2**20


def model_fingerprint(folder: Path) -> str:
    """SHA-256 over the bytes of a model folder's `model.safetensors` and, behind them, `model.json`.

    Raises FileNotFoundError naming the file that is missing.
    """
    paths = [folder / name for name in MODEL_FILES]
    if missing := [path for path in paths if not path.is_file()]:
        raise FileNotFoundError(f"{missing[0]} is missing; run the train stage first")
    digest = hashlib.sha256()
    for path in paths:
        with path.open("rb") as stream:
            while block := stream.read(BLOCK_BYTES):
                digest.update(block)
    return digest.hexdigest()
