"""Judges the published claims again from the published results of single queries, without training anything.

    python -m unifiedlib.rejudge

docs/results holds each query's result behind the main claims and those of ablations, and behind those of codes where they were
published, with the cluster that it counts in. They are judged by the margins, the seed and the resamples of params.yaml, so a
margin changed there shows what it would change.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import cast

import pandas as pd

from unifiedlib import paths
from unifiedlib.ablation_claims import Ablation, Judging, Setting, claim_entries, judged
from unifiedlib.ablation_results import named, read_queries
from unifiedlib.claims import Claim, judge_claims
from unifiedlib.codes_claims import CodesJudging, judge_codes
from unifiedlib.params import ABLATED, ParameterError, load_params
from unifiedlib.publish import PUBLISHED
from unifiedlib.results import headlines
from unifiedlib.sections import Params
from unifiedlib.stage_parameters import stage_parameters


def published_claims(folder: Path, name: str) -> list[Claim]:
    """The claims that were published of a collection ("photos"), of its ablations ("photos-ablations") or codes."""
    return cast(list[Claim], json.loads((folder / f"{name}-claims.json").read_text(encoding="utf-8")))


def main_again(params: Params, folder: Path, collection: str) -> list[Claim]:
    """The main claims on a collection, judged again."""
    scoring = getattr(params.evaluate, collection)
    return judge_claims(
        read_queries(folder / f"{collection}-per-query.parquet"),
        headlines(pd.read_csv(folder / f"{collection}-scores.csv")),
        margin_c1=scoring.margin_c1,
        margin_c3=scoring.margin_c3,
        seed=scoring.seed,
        n_resamples=scoring.n_resamples,
    )


def _ablation(params: Params, collection: str, variant: str) -> Ablation:
    about = stage_parameters(params, "ablation", collection, variant)
    changes, instead_of = (cast(dict[str, Setting], about[name]) for name in ("changes", "instead_of"))
    return Ablation(variant, changes, instead_of, tuple(cast(list[str], about["tasks"])))


def ablations_again(params: Params, folder: Path, collection: str) -> list[Claim]:
    """The claims that a collection's ablations test, judged again, those of ablations that were published."""
    tables = [
        read_queries(folder / f"{name}-per-query.parquet") for name in (collection, f"{collection}-ablations")
    ]
    run = set(tables[1]["variant"])
    chosen = [name for name in named(dict(params.experiments)) if name in run]
    scoring = getattr(params.evaluate, collection)
    judging = Judging(scoring.margin_c1, params.ablate.margin_c6, scoring.seed, scoring.n_resamples)
    found = judged(
        pd.concat(tables, ignore_index=True),
        [_ablation(params, collection, name) for name in chosen],
        headlines(pd.read_csv(folder / f"{collection}-scores.csv")),
        judging,
    )
    return claim_entries(found)


def codes_again(params: Params, folder: Path, collection: str) -> list[Claim]:
    """The claims of a collection's study of codes, judged again."""
    scoring = getattr(params.evaluate, collection)
    judging = CodesJudging(scoring.margin_c1, scoring.margin_c3, scoring.seed, scoring.n_resamples)
    per_query = read_queries(folder / f"{collection}-codes-per-query.parquet")
    return judge_codes(pd.read_csv(folder / f"{collection}-codes.csv"), per_query, judging)


PARTS: dict[str, Callable[[Params, Path, str], list[Claim]]] = {
    "": main_again,
    "-ablations": ablations_again,
    "-codes": codes_again,
}


def changed(published: Sequence[Claim], again: Sequence[Claim]) -> list[str]:
    """One line for each claim that is judged, or measured, otherwise than it was published."""
    before, now = ({str(one["id"]): one for one in claims} for claims in (published, again))
    lines = [f"{name}: published, but not judged here" for name in before if name not in now]
    lines += [f"{name}: judged here, but not published" for name in now if name not in before]
    for name in (name for name in before if name in now):
        differing = [key for key in before[name] if before[name][key] != now[name].get(key)]
        if differing:
            pairs = (f"{key} {before[name][key]}, now {now[name].get(key)}" for key in differing)
            lines.append(f"{name}: {'; '.join(pairs)}")
    return lines


def rejudge(params: Params, folder: Path) -> dict[str, list[str]]:
    """What changes where everything that was published is judged again: {"photos": lines, "photos-ablations": lines}."""
    found = {}
    for collection in ABLATED:
        for part, again in PARTS.items():
            name = f"{collection}{part}"
            if (folder / f"{name}-per-query.parquet").is_file():
                found[name] = changed(published_claims(folder, name), again(params, folder, collection))
    return found


def main(argv: Sequence[str] | None = None) -> int:
    """The command line; returns 0 where every claim comes out as it was published, else 1."""
    argparse.ArgumentParser(
        prog="python -m unifiedlib.rejudge",
        description="Judge the published claims again by params.yaml, from single queries, without training.",
    ).parse_args(argv)
    try:
        found = rejudge(load_params(paths.resolve("params.yaml")), paths.resolve(PUBLISHED))
    except (ParameterError, FileNotFoundError, ValueError) as error:
        print(f"rejudge: {error}", file=sys.stderr)
        return 1
    for name, lines in found.items():
        print(f"{name}: {'as published' if not lines else f'{len(lines)} claims come out otherwise'}")
        for line in lines:
            print(f"  {line}")
    return int(any(found.values()))


if __name__ == "__main__":
    sys.exit(main())
