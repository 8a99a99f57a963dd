"""The replay in words and tables, losses first; every table says that it is simulated."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy.stats import binomtest

from unifiedlib.replay.clicks import ClickModel
from unifiedlib.replay.population import Visits
from unifiedlib.replay.summary import AHEAD, BEHIND, NOT_TOLD, SEVERITY, Entry

MODEL_COLUMNS = ("simulated", "panel", "series", "x", "y", "low", "high")
MIDDLE = (0.1, 0.9)


def opening(summary: Sequence[Entry], n_users: int) -> str:
    """The page's first words, Markdown: each comparison on each task, what was behind first."""
    lines = []
    for ours, theirs, task in dict.fromkeys((e["ours"], e["theirs"], e["task"]) for e in summary):
        own = [e for e in summary if (e["ours"], e["theirs"], e["task"]) == (ours, theirs, task)]
        told = {
            outcome: [_with_lift(e) for e in own if e["outcome"] == outcome]
            for outcome in (BEHIND, NOT_TOLD, AHEAD)
        }
        listed = "; ".join(f"{outcome} by {', '.join(names)}" for outcome, names in told.items() if names)
        lines.append(f"- **{ours} against {theirs} on {task}**: {listed}.")
    basis = (
        f"**Simulated users, no observation of anyone.** Each test has {n_users:,} of them; *ahead* and *behind* mean that "
        "the intervals of all training seeds lie on that side of zero. *Preference* is that of interleaving. In brackets, the "
        "relative change, mean over seeds."
    )
    return "\n".join([basis, "", *lines])


def _with_lift(entry: Entry) -> str:
    """A measure with its relative change, mean over seeds: "repin volume (+8 %)"."""
    name, lift = f"{entry['action']} {entry['measure']}", entry["lift"]
    return name if lift is None else f"{name} ({100 * float(str(lift)):+.1f} %)".replace("-", "−")


def lift_table(ab: pd.DataFrame) -> pd.DataFrame:
    """The A/B tests with a column `what` ("repin volume") and `outcome` over seeds, behind first, as the figure shows them."""
    return _by_outcome(ab.assign(what=ab["action"] + " " + ab["measure"]), ["task", "comparison", "what"])


def preference_table(interleaving: pd.DataFrame) -> pd.DataFrame:
    """The interleavings with the column `outcome` over seeds, behind first."""
    return _by_outcome(interleaving, ["task", "comparison"])


def _by_outcome(table: pd.DataFrame, keys: Sequence[str]) -> pd.DataFrame:
    groups = table.groupby(list(keys), sort=False)
    lowest, highest = groups["low"].transform("min"), groups["high"].transform("max")
    outcome = np.select([lowest > 0, highest < 0], [AHEAD, BEHIND], NOT_TOLD)
    told = table.assign(outcome=outcome)
    worst = told["outcome"].map(SEVERITY).groupby(told["comparison"]).transform("mean")
    return (
        told.assign(worst=worst).sort_values("worst", kind="stable", ignore_index=True).drop(columns="worst")
    )


def check_table(aa: pd.DataFrame) -> pd.DataFrame:
    """The A/A check: the share of significant tests with the 95 % interval that chance gives so many tests (Wilson)."""
    intervals = [
        binomtest(int(row.n_significant), int(row.n_tests)).proportion_ci(method="wilson")
        for row in aa.itertuples()
    ]
    return aa.assign(
        what=aa["action"] + " " + aa["measure"],
        share=aa["n_significant"] / aa["n_tests"],
        low=[interval.low for interval in intervals],
        high=[interval.high for interval in intervals],
    )


def method_names(table: pd.DataFrame) -> pd.Series:
    """What a row of the power analysis is called: "repin volume", or "interleaving"."""
    return (table["action"] + " " + table["measure"]).where(table["method"] == "A/B", "interleaving")


def rounded(users: float) -> str:
    """A number of users to two digits, as well as it is known.

    >>> rounded(42408.0)
    '42,000'
    """
    return f"{float(f'{users:.2g}'):,.0f}"


def users_table(needed: pd.DataFrame) -> pd.DataFrame:
    """Users that each method needs, a column per comparison and task: "3,100 (2,600 to 3,700)".

    The range is that of the effect's interval; where it holds zero, the fewest: "more than 450,000".
    """
    text = [
        f"{rounded(row.users_needed)} ({rounded(row.users_fewest)} to {rounded(row.users_most)})"
        if np.isfinite(row.users_most)
        else f"more than {rounded(row.users_fewest)}"
        for row in needed.itertuples()
    ]
    table = needed.assign(
        method=method_names(needed), column=needed["task"] + ", " + needed["comparison"], text=text
    )
    wide = table.pivot_table(index="method", columns="column", values="text", aggfunc="first", sort=False)
    return wide.reset_index().rename(columns={"method": "simulated test by"}).rename_axis(columns=None)


def gain_table(needed: pd.DataFrame) -> pd.DataFrame:
    """How many times fewer users interleaving needs than the best and the worst measure of A/B.

    Only for comparisons in which every method's effect is told from none.
    """
    rows = []
    for (task, comparison), part in needed.groupby(["task", "comparison"], sort=False):
        if np.isfinite(part["users_most"]).all():
            users = part.groupby("method")["users_needed"]
            drafts, fewest, most = users.min()["interleaving"], users.min()["A/B"], users.max()["A/B"]
            numbers = (rounded(drafts), rounded(fewest), rounded(most))
            rows.append((task, comparison, *numbers, f"{fewest / drafts:.0f} to {most / drafts:.0f}"))
    columns = ("by interleaving", "by the best measure", "by the worst", "times fewer by interleaving")
    return pd.DataFrame(rows, columns=["task", "comparison", *columns])


def model_table(model: ClickModel, visits: Visits) -> pd.DataFrame:
    """The click model as a table for its figure: columns `MODEL_COLUMNS`; low, high: the middle 80 % of users.

    panel examination: by rank; panel grade: attraction and saves by true grade; panel activity: the share of users with at
    least x queries.
    """
    nan = float("nan")
    users = np.quantile(model.attraction_of(visits.effects), MIDDLE, axis=0)
    rows: list[tuple[str, str, float, float, float, float]] = [
        ("examination", "examine", rank + 1, float(share), nan, nan)
        for rank, share in enumerate(model.examination)
    ]
    for grade, mean in enumerate(model.mean_attraction()):
        low, high = float(users[0, grade]), float(users[1, grade])
        rows.append(("grade", "attraction", grade, float(mean), low, high))
        rows.append(("grade", "save", grade, float(model.save[grade]), nan, nan))
    counts = np.sort(visits.queries_per_user())
    for x in np.unique(counts):
        share = 1 - np.searchsorted(counts, x) / len(counts)
        rows.append(("activity", "queries", int(x), float(share), nan, nan))
    return pd.DataFrame([(True, *row) for row in rows], columns=list(MODEL_COLUMNS)).round(6)


def detectable_table(needed: pd.DataFrame) -> pd.DataFrame:
    """The smallest difference that an A/B test finds with the wanted power, beside the population's in each comparison.

    A row per task and measure; the smallest difference is the largest of those of the comparisons, which hardly differ.
    """
    tests = needed[needed["method"] == "A/B"].assign(name=method_names)
    keys = ["task", "name"]
    smallest = tests.groupby(keys, sort=False)["detectable_effect"].max().rename("smallest found")
    effects = tests.pivot_table(index=keys, columns="comparison", values="effect", sort=False)
    return (
        pd.concat([smallest, effects], axis=1)
        .reset_index()
        .rename(columns={"name": "simulated test by", **{name: f"{name}: difference" for name in effects}})
    )
