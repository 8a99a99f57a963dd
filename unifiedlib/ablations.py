"""One ablation: embedded, scored, and judged against the main results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory

import pandas as pd

from unifiedlib import stages
from unifiedlib.ablation_claims import Ablation, Judging
from unifiedlib.ablation_results import Found, judge_found, load_found
from unifiedlib.contract import Collection
from unifiedlib.evaluation import EvaluationSettings, score_variant
from unifiedlib.files import write_json, write_table


def evaluate_ablation(
    collection: Collection,
    ablation: Ablation,
    seeds: Sequence[int],
    folders: Mapping[str, Path],
    settings: EvaluationSettings,
    judging: Judging,
    batch_size: int,
    device: str = "cpu",
) -> Found:
    """Embed the test items with an ablation's models, score them, judge it, and write what was found.

    folders: `ablation_model_folder` holds `<variant>/seed-<n>/`; `result_folder` the main results that it is compared with;
    `ablation_score_folder` gets `<variant>/` with scores.parquet, per_query.parquet, claims.json and ablation.json (what it
    changes). Embeddings are not kept. settings: of the scoring; judging: of the claims. Returns the results of the ablation
    beside the main ones.
    """
    with TemporaryDirectory() as aside:
        embeddings = Path(aside)
        models, variant = folders["ablation_model_folder"], ablation.variant
        stages.binarize(collection, [variant], seeds, models, embeddings, batch_size, device)
        pairs = [
            score_variant(collection, stages.seed_folder(embeddings, variant, seed), variant, seed, settings)
            for seed in seeds
        ]
    target = folders["ablation_score_folder"] / variant
    write_table(target / "scores.parquet", pd.concat([one for one, _ in pairs], ignore_index=True))
    write_table(target / "per_query.parquet", pd.concat([one for _, one in pairs], ignore_index=True))
    write_json(target / "ablation.json", asdict(ablation))
    found = load_found(folders["result_folder"], folders["ablation_score_folder"], [variant])
    write_json(target / "claims.json", judge_found(found, judging))
    return found
