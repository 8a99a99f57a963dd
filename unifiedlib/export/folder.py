"""An export as one folder: all files are written aside and checked, and only then take their place."""

from __future__ import annotations

import platform
import shutil
import subprocess
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

from unifiedlib import paths
from unifiedlib.contract import Collection
from unifiedlib.export.card import model_card
from unifiedlib.export.indexes import write_code_index, write_float_index
from unifiedlib.export.onnx_model import Agreement, check_onnx, write_onnx
from unifiedlib.export.source import Source, read_source
from unifiedlib.export.table import BIT_ORDER, write_items
from unifiedlib.files import atomic_folder, sha256, write_json
from unifiedlib.fingerprint import MODEL_FILES

ABOUT = "export.json"
PACKAGES = (
    "unifiedlib",
    "torch",
    "timm",
    "onnx",
    "onnxscript",
    "onnxruntime",
    "faiss-cpu",
    "pyarrow",
    "numpy",
)


def code_commit(folder: Path) -> str:
    """The git commit that `folder` is at, with "-dirty" where tracked files were changed; "unknown" without git."""
    command = ["git", "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    except OSError:
        return "unknown"
    return done.stdout.strip() if done.returncode == 0 else "unknown"


def _require_replaceable(folder: Path) -> None:
    """Raise FileExistsError where something lies that is not an export: it would be removed."""
    if folder.exists() and not (folder / ABOUT).is_file() and (not folder.is_dir() or any(folder.iterdir())):
        raise FileExistsError(
            f"{folder} is there and is no export (it holds no {ABOUT}): name another folder with --to, or remove it"
        )


def _write_data(aside: Path, source: Source) -> None:
    stored = source.stored
    write_items(aside / "items.parquet", source.collection, stored)
    write_float_index(aside / "float.faiss", stored.floats, stored.items)
    write_code_index(aside / "codes.faiss", stored.codes, stored.items)


def _write_model(aside: Path, source: Source) -> Agreement:
    """Write the model's files; returns how far ONNX agrees with PyTorch."""
    for name in MODEL_FILES:
        shutil.copyfile(source.folder / name, aside / name)
    notes = {name: str(source.about[name]) for name in ("collection", "variant", "seed")}
    notes |= {"model_fingerprint": source.fingerprint, "bit_order": BIT_ORDER}
    write_onnx(aside / "model.onnx", source.network, notes | {"pixels": "RGB, 0 to 255, rows from the top"})
    return check_onnx(aside / "model.onnx", source.pixels, source.expected)


def _about(aside: Path, source: Source, onnx: Agreement, commit: str) -> dict[str, Any]:
    """Content of export.json: what was exported, from what, by what, and every other file's hash."""
    settings = source.network.settings
    return {
        **{name: source.about[name] for name in ("collection", "variant", "seed")},
        "params": {"dim": settings.dim, "size": settings.size},
        "n_items": len(source.stored.items),
        "bit_order": BIT_ORDER,
        "model_fingerprint": source.fingerprint,
        "collection_fingerprint": source.collection.fingerprint,
        "checks": {"onnx": asdict(onnx), "stored": asdict(source.agreement)},
        "commit": commit,
        "versions": {"python": platform.python_version()} | {name: version(name) for name in PACKAGES},
        "files": {
            path.name: {"sha256": sha256(path), "bytes": path.stat().st_size}
            for path in sorted(aside.iterdir())
        },
    }


def write_export(
    folder: Path,
    collection: Collection,
    variant: str,
    seed: int,
    model_folder: Path,
    embedding_folder: Path,
    result_folder: Path,
) -> dict[str, Any]:
    """Write one model, its embeddings and its card to `folder`, which must be new, empty or an older export; returns export.json.

    model_folder, embedding_folder: those of the collection, with a folder per variant and seed in them. result_folder: with
    scores.parquet and claims.json.
    Raises FileExistsError for a folder that is no export, what `read_source` raises where files do not belong together, and
    ValueError where ONNX and PyTorch disagree; an older export is then left as it was.
    """
    _require_replaceable(folder)
    source = read_source(collection, variant, seed, model_folder, embedding_folder, result_folder)
    commit = code_commit(paths.root())
    with atomic_folder(folder) as aside:
        _write_data(aside, source)
        onnx = _write_model(aside, source)
        (aside / "README.md").write_text(model_card(source, onnx, commit), encoding="utf-8")
        about = _about(aside, source, onnx, commit)
        write_json(aside / ABOUT, about)
    return about
