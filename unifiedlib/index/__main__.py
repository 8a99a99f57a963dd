"""Builds the index of a collection's galleries: `python -m unifiedlib.index decor unified --seed 0`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import get_args

from unifiedlib import paths
from unifiedlib.contract import load_collection
from unifiedlib.index.approximate import Kind
from unifiedlib.index.engine import SearchEngine
from unifiedlib.index.vectors import Representation
from unifiedlib.params import COLLECTIONS


def build(collection: str, variant: str, seed: int, representation: Representation, kind: Kind) -> str:
    """Write `indexes/<collection>/<variant>/seed-<n>` from what the pipeline has made; returns how to search it, as text."""
    where = f"{collection}/{variant}/seed-{seed}"
    data = load_collection(paths.resolve("data") / collection)
    engine = SearchEngine.build(
        *(f"models/{where}", f"embeddings/{where}", data), representation=representation, kind=kind
    )
    engine.index.save(paths.resolve("indexes") / where)
    return "\n".join(
        [
            f"indexes/{where}: {len(engine.index):,} items, {representation}, {kind}. To search it:",
            "",
            "from unifiedlib.index.engine import SearchEngine",
            f'engine = SearchEngine.load("models/{where}", "indexes/{where}")',
            'engine.show(engine.search("picture.jpg", k=10))',
        ]
    )


def main(argv: Sequence[str] | None = None) -> int:
    """The command line; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m unifiedlib.index",
        description="Index a collection's galleries, to search them with a picture.",
    )
    parser.add_argument("collection", choices=COLLECTIONS)
    parser.add_argument("variant", help="whose embedding, such as unified")
    parser.add_argument("--seed", type=int, default=0, help="which training of the variant")
    parser.add_argument("--representation", choices=get_args(Representation), default="reranked")
    parser.add_argument("--kind", choices=get_args(Kind), default="flat")
    chosen = parser.parse_args(argv)
    try:
        print(build(chosen.collection, chosen.variant, chosen.seed, chosen.representation, chosen.kind))
    except (ValueError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
