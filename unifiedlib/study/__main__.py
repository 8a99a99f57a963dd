"""Make a study for people, and read its answers.

python -m unifiedlib.study make studies/autumn --collection photos --ours unified --theirs specialist
python -m unifiedlib.study results studies/autumn
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from unifiedlib import paths
from unifiedlib.contract import load_collection
from unifiedlib.files import write_json, write_table
from unifiedlib.params import FOLDERS
from unifiedlib.study.agreement import cohens_kappa, krippendorffs_alpha, percent_agreement
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
    if len(said) > 1:
        numbers = {"percent": percent_agreement(said), "krippendorff": krippendorffs_alpha(said)}
        numbers |= {"cohen": cohens_kappa(said)} if len(said) == 2 else {}
        tables["agreement"] = pd.DataFrame([{"n_rater": len(said), "n_pair": said.shape[1], **numbers}])
    for name, table in tables.items():
        write_table(folder / "results" / f"{name}.csv", table)
    simulated = bool(judgements["simulated"].any())
    entries = {"simulated": simulated, "results": summary_entries(tables["preferences"])}
    write_json(folder / "results" / "summary.json", entries)
    return tables


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m unifiedlib.study", description="A study for people.")
    commands = parser.add_subparsers(dest="command", required=True)
    new = commands.add_parser("make", help="draw a study and write study.json and key.json")
    new.add_argument("folder", help="where, such as studies/autumn")
    new.add_argument("--collection", default="decor")
    for side in ("--ours", "--theirs"):
        new.add_argument(side, required=True, help="a variant, or specialist; unified:binary for its codes")
    new.add_argument("--training", type=int, default=0, help="seed of the trainings")
    new.add_argument("--queries", type=int, default=40, help="of each task")
    new.add_argument("--k", type=int, default=10, help="results in a list")
    new.add_argument("--repeats", type=float, default=0.1, help="share of the pairs that are shown twice")
    new.add_argument("--seed", type=int, default=0, help="of every draw")
    commands.add_parser("results", help="analyse the answers").add_argument("folder")
    return parser.parse_args(argv)


def _make(arguments: argparse.Namespace) -> str:
    folders = [
        FOLDERS[name].format(collection=arguments.collection) for name in ("data_folder", "embedding_folder")
    ]
    ours, theirs = (System.parse(text, arguments.training) for text in (arguments.ours, arguments.theirs))
    design = Design(arguments.queries, arguments.k, arguments.repeats, arguments.seed)
    study = make(paths.resolve(arguments.folder), folders[0], folders[1], ours, theirs, design)
    lines = [f"{len(study.pairs)} pairs, {len(study.repeats)} of them shown twice; not in the study:"]
    lines += [
        f"  {task}: {left.no_match} queries without a match, {left.same_lists} with the same lists, {left.not_drawn} not drawn"
        for task, left in study.left_out.items()
    ]
    lines.append(f"Keep {arguments.folder}/key.json from raters; they open notebooks/00_judge.ipynb.")
    return "\n".join(lines)


def main(argv: Sequence[str] | None = None) -> int:
    """The command line; returns the exit status. Errors that a user can mend are printed as their one sentence."""
    arguments = _arguments(argv)
    try:
        if arguments.command == "make":
            print(_make(arguments))
        else:
            for name, table in results(paths.resolve(arguments.folder)).items():
                if name != "judgements":
                    print(f"{name}\n{table.T.to_string(header=False)}\n")
    except (ValueError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
