"""Results of the ablations that have been run, read beside the main ones, judged and written together."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from unifiedlib.ablation_claims import Ablation, Judging, claim_entries, judged
from unifiedlib.claims import Claim
from unifiedlib.files import write_json, write_table
from unifiedlib.results import headlines, metric_means
from unifiedlib.scoring import OWN_GALLERY
from unifiedlib.variants import UNIFIED

SCORED = ("ablation.json", "scores.parquet", "per_query.parquet")
MAIN = ("scores.parquet", "per_query.parquet", "claims.json")


@dataclass(frozen=True)
class Found:
    """Results of a collection's variants, the main ones and those ablations that have been run.

    scores: columns as in scores.parquet; per_query: as in per_query.parquet, of the headline metrics in the tasks' own galleries
    alone. main_claims: those judged without ablations. missing: ablations that have not been run.
    """

    scores: pd.DataFrame
    per_query: pd.DataFrame
    main_claims: list[Claim]
    ablations: list[Ablation]
    missing: list[str]

    @property
    def headlines(self) -> dict[str, str]:
        """Each task's headline metric, {"lens": "P@20"}."""
        return headlines(self.scores)


def _headline_rows(per_query: pd.DataFrame, metrics: Mapping[str, str]) -> pd.DataFrame:
    """The rows that claims are judged by; names as categories, since they are compared often."""
    wanted = per_query["metric"] == per_query["task"].map(metrics)
    rows = per_query[wanted & (per_query["gallery"] == OWN_GALLERY)].reset_index(drop=True)
    names = ("variant", "task", "gallery", "representation", "metric")
    return rows.astype(dict.fromkeys(names, "category"))


def _require_files(folder: Path, names: Sequence[str], stage: str) -> None:
    for name in names:
        if not (folder / name).is_file():
            raise FileNotFoundError(f"{folder / name} is missing: run `dvc repro {stage}`")


def _load_ablation(folder: Path) -> Ablation:
    about = json.loads((folder / "ablation.json").read_text(encoding="utf-8"))
    return Ablation(**about | {"tasks": tuple(about["tasks"])})


def read_queries(path: Path, kept: list[tuple[str, str, str]] | None = None) -> pd.DataFrame:
    """The per-query results in a file; ValueError for those of a version that did not know which queries are alike."""
    table = pd.read_parquet(path, filters=kept)
    if "cluster" not in table.columns:
        raise ValueError(
            f"{path} has no column 'cluster': an older version wrote it; run the stage behind it again"
        )
    return table


def load_found(result_folder: Path, score_folder: Path, variants: Sequence[str]) -> Found:
    """Read the main results, and of the ablations `variants` those that have been run.

    score_folder: holds `<variant>/`, as `evaluate_ablation` writes it. Raises FileNotFoundError when the main results are
    missing, ValueError when an ablation was trained with other seeds than the unified variant.
    """
    _require_files(result_folder, MAIN, f"evaluate@{result_folder.name}")
    run = [name for name in variants if all((score_folder / name / file).is_file() for file in SCORED)]
    folders = [result_folder, *(score_folder / name for name in run)]
    scores = pd.concat([pd.read_parquet(folder / "scores.parquet") for folder in folders], ignore_index=True)
    metrics = headlines(scores)
    own = [("gallery", "==", OWN_GALLERY)]
    tables = [read_queries(folder / "per_query.parquet", own) for folder in folders]
    _check_seeds(scores, run)
    return Found(
        scores,
        _headline_rows(pd.concat(tables, ignore_index=True), metrics),
        json.loads((result_folder / "claims.json").read_text(encoding="utf-8")),
        [_load_ablation(score_folder / name) for name in run],
        [name for name in variants if name not in run],
    )


def _check_seeds(scores: pd.DataFrame, variants: Sequence[str]) -> None:
    seeds = {name: sorted(rows.unique().tolist()) for name, rows in scores.groupby("variant")["seed"]}
    for name in variants:
        if UNIFIED in seeds and seeds[name] != seeds[UNIFIED]:
            collection = scores["collection"].iloc[0]
            raise ValueError(
                f"ablation '{name}' was trained with seeds {seeds[name]}, the unified variant with {seeds[UNIFIED]}: "
                f"run `dvc repro ablation-{collection}@{name}`"
            )


def judge_found(found: Found, judging: Judging) -> list[Claim]:
    """The entries of claims.json on all ablations that have been run."""
    return claim_entries(judged(found.per_query, found.ablations, found.headlines, judging))


def write_found(folder: Path, found: Found, claims: Sequence[Claim]) -> None:
    """Write scores.parquet, scores.csv, metrics.json and claims.json (the main claims, then `claims`) into `folder`."""
    write_table(folder / "scores.parquet", found.scores)
    write_table(folder / "scores.csv", found.scores)
    write_json(folder / "metrics.json", metric_means(found.scores))
    write_json(folder / "claims.json", [*found.main_claims, *claims])


def named(experiments: Mapping[str, Sequence[str]]) -> list[str]:
    """Every ablation that an experiment names, once."""
    return list(dict.fromkeys(name for listed in experiments.values() for name in listed))
