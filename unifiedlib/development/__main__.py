"""Tries settings on a collection's development split, where no test picture is looked at:

    python -m unifiedlib.development photos temperature_05 arcface

trains the unified variant, and each ablation of `params.yaml` that is named, on part of the training pictures of a collection
that has been assembled, and prints what they find for the rest (`unifiedlib.development.split`). A killed run goes on where it
was. All metrics are left in `build/development/<collection>/scores.csv`.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from unifiedlib import paths
from unifiedlib.contract import Collection, load_collection
from unifiedlib.development.split import write_development
from unifiedlib.devices import Processes
from unifiedlib.embedding import write_embeddings
from unifiedlib.evaluation import EvaluationSettings, score_variant
from unifiedlib.files import write_table
from unifiedlib.params import COLLECTIONS, ablated, load_params, require
from unifiedlib.phases import TrainingError
from unifiedlib.results import result_table, table_markdown
from unifiedlib.sections import Params
from unifiedlib.stages import seed_folder
from unifiedlib.threads import use_threads
from unifiedlib.train_settings import TrainSettings, settings_of
from unifiedlib.training import Training
from unifiedlib.variants import UNIFIED

FOLDER = Path("build/development")


def tried(
    params: Params, collection: str, data: Collection, variant: str, seed: int, folder: Path
) -> pd.DataFrame:
    """Train one variant on the development split of a collection and score it; columns as in scores.parquet.

    data: the split; folder: gets checkpoints and embeddings.
    """
    changed = ablated(params, collection, variant)
    settings = TrainSettings(**settings_of(TrainSettings, dict(changed)))
    processes = Processes(params.device, settings.precision)
    tasks = tuple(changed.tasks)
    trained = Training(data, variant, seed, settings, folder / "checkpoints", tasks, processes).run()
    embeddings = seed_folder(folder / "embeddings", variant, seed)
    write_embeddings(embeddings, trained.model, data, getattr(params.binarize, collection).batch_size)
    scoring = getattr(params.evaluate, collection)
    chosen = EvaluationSettings(scoring.n_resamples, recall_k=scoring.recall_k, seed=scoring.seed)
    return score_variant(data, embeddings, variant, seed, chosen)[0]


def main(argv: Sequence[str] | None = None) -> int:
    """The command line; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m unifiedlib.development",
        description="Try settings without the test pictures.",
    )
    parser.add_argument("collection", choices=COLLECTIONS)
    parser.add_argument("ablations", nargs="*", help="of params.yaml, beside the unified variant")
    parser.add_argument("--share", type=float, default=0.3, help="of the training pictures, held out")
    parser.add_argument("--split", type=int, default=0, help="seed of the split")
    parser.add_argument("--seed", type=int, default=0, help="of the trainings")
    chosen = parser.parse_args(argv)
    folder = paths.resolve(FOLDER) / chosen.collection
    try:
        params = load_params(paths.resolve("params.yaml"))
        for name in chosen.ablations:
            require(name, "ablation", params.ablations)
        use_threads(params.threads)
        whole = load_collection(paths.resolve(Path("data") / chosen.collection))
        data = write_development(whole, folder / "data", chosen.share, chosen.split)
        scores = pd.concat(
            [
                tried(params, chosen.collection, data, variant, chosen.seed, folder)
                for variant in (UNIFIED, *dict.fromkeys(chosen.ablations))
            ],
            ignore_index=True,
        )
        write_table(folder / "scores.csv", scores)
        print(table_markdown(result_table(scores)))
    except (ValueError, OSError, TrainingError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
