"""Prints a collection's result table, its claims and where its report lies: `python -m unifiedlib.show decor`."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from unifiedlib import paths
from unifiedlib.params import COLLECTIONS
from unifiedlib.reference import METRIC, ZHAI_WU, beside_reference, reference_numbers
from unifiedlib.results import own_rows, result_table, table_markdown


def result_folder(collection: str) -> Path:
    """Where a collection's results lie. Raises FileNotFoundError, naming the command to run, when there are none yet."""
    results = paths.resolve("results") / collection
    if not (results / "scores.csv").is_file():
        target = "repro" if collection == "decor" else collection
        raise FileNotFoundError(f"there are no results of '{collection}' yet: run `make {target}`")
    return results


def published_lines(scores: pd.DataFrame) -> list[str]:
    """Published numbers beside the measured ones, as lines of text; none where no public benchmark was run."""
    if scores[scores["metric"] == METRIC].merge(reference_numbers()[["task"]].drop_duplicates()).empty:
        return []
    table = beside_reference(scores).drop(columns=["low", "high", "source"])
    return [f"beside the published numbers ({ZHAI_WU}):", "", table.round(3).to_string(index=False), ""]


def summary(collection: str) -> str:
    """Result table, claims and the report's address as text. Raises FileNotFoundError when there are no results yet."""
    results = result_folder(collection)
    scores = pd.read_csv(results / "scores.csv")
    table = table_markdown(own_rows(result_table(scores)))
    claims = json.loads((results / "claims.json").read_text(encoding="utf-8"))
    lines = [
        f"{claim['id']}: {claim['verdict']}: {claim['claim']}" for claim in claims if "/" not in claim["id"]
    ]
    pages = [
        paths.resolve(f"executed/{collection}/05_report.html"),
        paths.resolve("executed/12_verdicts.html"),
    ]
    reports = [
        f"{name}: {page}"
        for name, page in zip(("report", "all verdicts"), pages, strict=True)
        if page.is_file()
    ]
    return "\n".join(
        [
            f"{collection}: mean over seeds, 95 % interval over queries",
            "",
            table,
            *published_lines(scores),
            *lines,
            "",
            *reports,
        ]
    )


def main(argv: Sequence[str] | None = None) -> int:
    """The command line; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m unifiedlib.show", description="Print a collection's results."
    )
    parser.add_argument("collection", choices=COLLECTIONS)
    try:
        print(summary(parser.parse_args(argv).collection))
    except (ValueError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
