"""The study in words and small tables, for its page. Whatever was simulated is called so."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from unifiedlib.figures.tables import signed
from unifiedlib.folding import folded_list
from unifiedlib.study.judgements import OURS, THEIRS
from unifiedlib.study.results import UNDECIDED, WORDS, Entry

MARKS = {OURS: "preferred", THEIRS: "**not** preferred", UNDECIDED: "undecided"}


def summary(entries: Sequence[Entry]) -> str:
    """A Markdown line for each comparison: whose lists are preferred on which task, with intervals; losses first."""
    lines = []
    for study in dict.fromkeys(str(one["id"]).split("/")[0] for one in entries):
        own = [one for one in entries if str(one["id"]).startswith(f"{study}/")]
        own.sort(key=lambda one: float(str(one["effect"])))
        names = WORDS.get(study, ("our lists", "the others"))
        listed = "; ".join(
            f"{str(one['id']).split('/')[1]} {MARKS[str(one['verdict'])]}, {signed(float(str(one['effect'])))} "
            f"(95 % {signed(float(str(one['low'])))} to {signed(float(str(one['high'])))})"
            for one in own
        )
        lines.append(f"- **{names[0]} against {names[1]}**, net preference of simulated raters: {listed}.")
    return "\n".join(lines)


def reasons(entries: Sequence[Entry]) -> str:
    """How each verdict came about: a list in HTML, folded away."""
    parts = [(f"{one['id']}: {one['verdict']}.", str(one["how"])) for one in entries if "/" in str(one["id"])]
    return folded_list("How each verdict came about", parts)


def shown_preferences(preferences: pd.DataFrame) -> pd.DataFrame:
    """The preference table for readers: shares of answers, net preference and win rate with their intervals."""
    shares = preferences[["ours", "theirs", "tie", "neither"]].div(preferences["n_judgement"], axis=0)
    percent = shares.map("{:.0%}".format)
    intervals = {
        name: [
            "" if pd.isna(row[mean]) else f"{form(row[mean])} ({form(row[low])} to {form(row[high])})"
            for row in preferences.to_dict("records")
        ]
        for name, mean, low, high, form in (
            ("net preference", "net", "net_low", "net_high", signed),
            ("win rate", "win_rate", "win_low", "win_high", "{:.2f}".format),
        )
    }
    about = preferences[["study", "task", "simulated"]]
    return pd.concat([about, percent], axis=1).assign(**intervals)


def shown_agreement(agreement: pd.DataFrame) -> pd.DataFrame:
    """The agreement table for readers."""
    names = {
        "percent": "same answer",
        "cohen": "Cohen's κ, mean of pairs",
        "krippendorff": "Krippendorff's α",
    }
    return agreement.rename(columns=names)


def shown_consistency(consistency: pd.DataFrame) -> pd.DataFrame:
    """Self-consistency and side bias, means over raters and trainings of each comparison."""
    columns = ["same", "opposite", "left_share", "tie", "neither"]
    means = (
        consistency.groupby(["study", "simulated"], sort=False, observed=True)[columns].mean().reset_index()
    )
    names = {
        "same": "same answer again",
        "opposite": "opposite answer",
        "left_share": "left among left and right",
    }
    return means.rename(columns=names)


def signs_agree(offline: pd.DataFrame, preferences: pd.DataFrame) -> str:
    """In one sentence, on how many comparisons and tasks raters and metric name the same side; in which they do not."""
    both = offline.merge(preferences.drop(columns="simulated"), on=["study", "task"])
    told = both[((both["net_low"] > 0) | (both["net_high"] < 0))]
    same = told[(told["difference"] > 0) == (told["net"] > 0)]
    other = told.drop(same.index)
    listed = ", ".join(f"{row.study}/{row.task}" for row in other.itertuples())
    tail = f" Elsewhere they do not: {listed}." if listed else ""
    return (
        f"Simulated raters prefer one side on {len(told)} of {len(both)} comparisons and tasks; on {len(same)} of these the "
        f"headline metric is higher on the same side.{tail}"
    )
