"""Make a study for people, and read its answers.

python -m unifiedlib.study make studies/autumn --collection photos --ours unified --theirs specialist
python -m unifiedlib.study results studies/autumn
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from unifiedlib import paths
from unifiedlib.stage_parameters import FOLDERS
from unifiedlib.study.design import Design
from unifiedlib.study.make import make, results
from unifiedlib.study.systems import System


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m unifiedlib.study", description="A study for people.")
    commands = parser.add_subparsers(dest="command", required=True)
    new = commands.add_parser("make", help="draw a study and write study.json and key.json")
    new.add_argument("folder", help="where, such as studies/autumn")
    new.add_argument("--collection", default="decor")
    for side in ("--ours", "--theirs"):
        new.add_argument(side, required=True, help="a variant, or specialist; unified/binary for its codes")
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
