"""Exports a model with its embeddings: `python -m unifiedlib.export decor unified --seed 0` (docs/export.md)."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from unifiedlib import paths
from unifiedlib.contract import load_collection
from unifiedlib.export.folder import write_export
from unifiedlib.params import COLLECTIONS, ParameterError, load_params, nearest
from unifiedlib.smoke import prepare
from unifiedlib.stage_parameters import FOLDERS
from unifiedlib.threads import MIB, use_threads
from unifiedlib.variants import seeds_of

EXPORTS = Path("exports")
INPUTS = ("data_folder", "model_folder", "embedding_folder", "result_folder")


def default_folder(collection: str, variant: str, seed: int) -> Path:
    """Where an export lies unless another folder is named, from the repository's root."""
    return EXPORTS / collection / variant / f"seed-{seed}"


def export(collection: str, variant: str, seed: int, to: Path) -> dict[str, Any]:
    """Export what the pipeline has made; returns export.json.

    to: a folder from the repository's root, or absolute.
    Raises ParameterError for a variant or seed that params.yaml does not train, FileNotFoundError naming the command to run
    first, and what `write_export` raises.
    """
    params = load_params(paths.resolve("params.yaml"))
    variants = tuple(getattr(params.variants, collection))
    if variant not in variants:
        raise ParameterError(f"'{collection}' has no variant '{variant}'; {nearest(variant, variants)}")
    seeds = seeds_of(variant, list(getattr(params.seeds, collection)))
    if seed not in seeds:
        raise ParameterError(
            f"variant '{variant}' of '{collection}' has no seed {seed}; choose one of {', '.join(map(str, seeds))}, "
            f"or add it to seeds.{collection} in params.yaml"
        )
    use_threads(params.threads)
    inputs = {name: FOLDERS[name].format(collection=collection) for name in INPUTS}
    prepare(collection, [variant], [seed], **inputs)
    data, models, embeddings, results = (paths.resolve(inputs[name]) for name in INPUTS)
    return write_export(paths.resolve(to), load_collection(data), variant, seed, models, embeddings, results)


def _summary(about: dict[str, Any]) -> str:
    onnx, size = about["checks"]["onnx"], sum(file["bytes"] for file in about["files"].values())
    return (
        f"{about['n_items']:,} items, {size / MIB:,.0f} MiB; model.onnx within {onnx['largest_difference']:.1e} of PyTorch on "
        f"{onnx['pictures']} pictures, {onnx['equal_bits']:.4%} of bits equal"
    )


def main(argv: Sequence[str] | None = None) -> int:
    """The command line; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m unifiedlib.export", description="Export a model, its embeddings and its card."
    )
    parser.add_argument("collection", choices=COLLECTIONS)
    parser.add_argument("variant", help="as in params.yaml, such as unified")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--to", type=Path, help="folder, instead of exports/COLLECTION/VARIANT/seed-SEED")
    chosen = parser.parse_args(argv)
    to = chosen.to or default_folder(chosen.collection, chosen.variant, chosen.seed)
    try:
        about = export(chosen.collection, chosen.variant, chosen.seed, to)
    except (ValueError, OSError, RuntimeError) as error:
        print(error, file=sys.stderr)
        return 1
    print(f"{paths.resolve(to)}: {_summary(about)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
