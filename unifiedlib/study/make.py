"""A study for people from two systems' stored embeddings, and the tables that their answers make."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from unifiedlib import paths
from unifiedlib.contract import load_collection
from unifiedlib.files import write_json, write_table
from unifiedlib.study.agreement import MISSING, cohens_kappa, krippendorffs_alpha, percent_agreement
from unifiedlib.study.consistency import consistency_table
from unifiedlib.study.contests import Library
from unifiedlib.study.design import Design, draw_queries, make_study
from unifiedlib.study.document import Study, read_key, read_study, write_study
from unifiedlib.study.judgements import agreement_table, judgement_table
from unifiedlib.study.log import read_logs
from unifiedlib.study.preference import preference_table
from unifiedlib.study.results import summary_entries
from unifiedlib.study.systems import System

N_RESAMPLES = 2000


def make(
    folder: Path, data_folder: str, embedding_folder: str, ours: System, theirs: System, design: Design
) -> Study:
    """Make a study of two systems on every task of a collection and write it to `folder`.

    data_folder, embedding_folder: from the repository's root. Raises as the functions of `design`, `systems` and `document`.
    """
    collection = load_collection(paths.resolve(data_folder))
    contests = Library(collection, paths.resolve(embedding_folder), design.k).contests(ours, theirs)
    queries = draw_queries({task: one.differing() for task, one in contests.items()}, design)
    study, key = make_study(contests, queries, design, collection.fingerprint, data_folder)
    write_study(folder, study, key)
    return study


def results(folder: Path) -> dict[str, pd.DataFrame]:
    """Analyse the answers to the study in `folder` and write them to its `results/`; returns the tables by name.

    `agreement` is among them as soon as two raters have answered about the same pair of lists.
    Raises ValueError where nobody has answered, FileNotFoundError without the key.
    """
    study = read_study(folder)
    judgements = judgement_table(study, read_key(folder, study), read_logs(folder, study), folder.name)
    tables = {
        "judgements": judgements,
        "preferences": preference_table(judgements, study.seed, N_RESAMPLES),
        "consistency": consistency_table(judgements),
    }
    said = agreement_table(judgements)
    if ((said != MISSING).sum(axis=0) > 1).any():
        numbers = {"percent": percent_agreement(said), "krippendorff": krippendorffs_alpha(said)}
        numbers |= {"cohen": cohens_kappa(said)} if len(said) == 2 else {}
        tables["agreement"] = pd.DataFrame([{"n_rater": len(said), "n_pair": said.shape[1], **numbers}])
    for name, table in tables.items():
        write_table(folder / "results" / f"{name}.csv", table)
    simulated = bool(judgements["simulated"].any())
    entries = {"simulated": simulated, "results": summary_entries(tables["preferences"])}
    write_json(folder / "results" / "summary.json", entries)
    return tables
