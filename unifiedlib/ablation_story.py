"""What the ablations told, in words: losses first, then what could not be told, then the rest, and what has not been run."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from unifiedlib.claims import SEVERITY, Claim
from unifiedlib.figures.tables import signed
from unifiedlib.results import own_rows, result_table


def heads(claims: Sequence[Claim]) -> list[Claim]:
    """The claims over all tasks, and over each variant where a claim has several, without those on single tasks."""
    return [claim for claim in claims if str(claim["id"]).count("/") < 2]


def overall(claims: Sequence[Claim]) -> list[Claim]:
    """The claims over everything, those that are not replicated first, then the inconclusive ones."""
    whole = [claim for claim in claims if "/" not in str(claim["id"])]
    return sorted(whole, key=lambda claim: SEVERITY[str(claim["verdict"])])


def difference(claim: Claim) -> str:
    """A claim's worst difference with its 95 % interval, or that it was not tested."""
    if claim["effect"] is None:
        return "not tested"
    effect, low, high = (signed(float(claim[key] or 0)) for key in ("effect", "low", "high"))
    return f"{effect} (95 % {low} to {high})"


def missing_sentence(missing: Sequence[str], collection: str) -> str:
    """A Markdown sentence that names the ablations which have not been run, and how to run one; empty where there are none."""
    if not missing:
        return ""
    return (
        f"Not run yet: {', '.join(missing)}. `dvc repro ablation-{collection}@{missing[0]}` runs the first of them, "
        f"`make ablations COLLECTION={collection}` all."
    )


def summary(claims: Sequence[Claim], missing: Sequence[str], collection: str) -> str:
    """The page's first words as Markdown: each claim with its verdict and worst difference, losses first."""
    lines = [
        f"- **{claim['id']} {claim['verdict']}.** {claim['claim']} Worst difference: {difference(claim)}."
        for claim in overall(claims)
    ]
    return "\n\n".join(filter(None, ["\n".join(lines), missing_sentence(missing, collection)]))


def claims_markdown(claims: Sequence[Claim]) -> str:
    """The claims over everything as a Markdown table, losses first."""
    rows = [
        f"| {claim['id']} | {claim['claim']} | {claim['verdict']} | {difference(claim)} |"
        for claim in overall(claims)
    ]
    return "\n".join(["| id | claim | verdict | worst difference |", "|---|---|---|---|", *rows]) + "\n"


def variant_table(scores: pd.DataFrame) -> pd.DataFrame:
    """The headline metrics as a wide table: columns variant, representation, and one per task, "lens P@20", mean over seeds."""
    table = own_rows(result_table(scores))
    table["title"] = table["task"] + " " + table["metric"]
    wide = table.pivot_table(
        index=["variant", "representation"], columns="title", values="value", sort=False, dropna=False
    )
    return wide.dropna(how="all").reset_index().rename_axis(columns=None)
