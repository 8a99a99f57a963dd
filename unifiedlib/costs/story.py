"""The costs in words: numbers as a person writes them, the table that a manager reads, what the model assumes, the break-even."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields

import pandas as pd

from unifiedlib.claims import Claim
from unifiedlib.costs.assumptions import WORDS, Assumptions
from unifiedlib.costs.model import (
    BACK_FILL,
    MEMORY,
    MODELS,
    NEW_ITEMS,
    QUERIES,
    SEARCHING,
    SPECIALISTS,
    STEPS,
    STORAGE,
    TRAINING,
    WAYS,
    UnitCosts,
)
from unifiedlib.costs.sensitivity import bearable_loss, break_even_share
from unifiedlib.variants import UNIFIED

CURRENCY = "USD"
# Rows of the manager's table: what it says, and the parts that it adds up.
LINES = {
    "training the models": (TRAINING,),
    "embedding the whole corpus again": (BACK_FILL,),
    "embedding new items": (NEW_ITEMS,),
    "embedding queries": (QUERIES,),
    "searching": (SEARCHING,),
    "vectors and models on disk": (STORAGE, MODELS),
    "index in memory": (MEMORY,),
}
LARGE = ((1e12, " trillion"), (1e9, " billion"), (1e6, " million"))
DIGITS = 3


def number(value: float) -> str:
    """A number with three significant digits, in words from a million on.

    >>> number(354240000), number(14760), number(0.03125), number(2.0), number(0)
    ('354 million', '14,800', '0.0312', '2', '0')
    """
    rounded = float(f"{value:.{DIGITS - 1}e}")
    for size, word in LARGE:
        if abs(rounded) >= size:
            return f"{rounded / size:.3g}{word}"
    return f"{rounded:,.0f}" if abs(rounded) >= 100 else f"{rounded:.3g}"


def percent(share: float) -> str:
    """A share in percent, with a decimal where it is nearly all or nothing.

    >>> percent(0.6667), percent(0.9877), percent(-0.004)
    ('67 %', '98.8 %', '−0.4 %')
    """
    decimals = 1 if abs(share) > 0.95 or abs(share) < 0.1 else 0
    return f"{100 * share + 0.0:.{decimals}f} %".replace("-", "−")


def _cells(costs: pd.DataFrame, parts: Sequence[str], column: str) -> list[float]:
    """The sum over parts for each of the four ways."""
    rows = costs[costs["part"].isin(parts)]
    return [
        float(
            rows[(rows["world"] == way.world) & (rows["representation"] == way.representation)][column].sum()
        )
        for way in WAYS
    ]


def manager_frame(costs: pd.DataFrame) -> pd.DataFrame:
    """What a year takes, in words: columns "a year takes", unit, and one per way; the last rows are money and the share saved.

    costs: a table of `cost_table`. Shares are those saved of the specialists' money, as floats and in the same representation.
    """
    names = [way.name for way in WAYS]
    rows = []
    for said, parts in LINES.items():
        unit = str(costs.loc[costs["part"] == parts[0], "unit"].iloc[0])
        rows.append([said, unit, *map(number, _cells(costs, parts, "amount"))])
    money = dict(zip(names, _cells(costs, list(costs["part"].unique()), "money"), strict=True))
    rows.append(["all of it", CURRENCY, *map(number, money.values())])
    first = money[WAYS[0].name]
    if first > 0:
        saved = [1 - value / first for value in money.values()]
        rows.append(["saved, against specialists in floats", "", "", *map(percent, saved[1:])])
        unified = {
            way.name: 1 - money[way.name] / money[f"{SPECIALISTS}, {way.name.split(', ')[1]}"] for way in WAYS
        }
        shown = [percent(unified[way.name]) if way.world == UNIFIED else "" for way in WAYS]
        rows.append(["saved by unifying alone", "", *shown])
    return pd.DataFrame(rows, columns=["a year takes", "unit", *names])


def manager_table(costs: pd.DataFrame) -> str:
    """The table that a manager reads, as Markdown: plain words, three significant digits, units. costs: as costs.csv."""
    frame = manager_frame(costs)
    lines = [f"| {' | '.join(frame.columns)} |", "|---|---|" + "---:|" * (len(frame.columns) - 2)]
    for row in frame.itertuples(index=False):
        bold = row[1] == CURRENCY
        lines.append(f"| {' | '.join(f'**{cell}**' if bold and cell else str(cell) for cell in row)} |")
    return "\n".join(lines) + "\n"


def assumption_table(it: Assumptions) -> pd.DataFrame:
    """What the model assumes: columns assumption, value, parameter."""
    rows = [
        (WORDS[field.name], number(getattr(it, field.name)), f"costs.{field.name}") for field in fields(it)
    ]
    return pd.DataFrame(rows, columns=["assumption", "value", "parameter"])


def measured_words(table: pd.DataFrame) -> pd.DataFrame:
    """The measured table for a page: columns quantity, what, value, unit, 95 % interval, rounds; short times in
    milli- or microseconds."""
    rows = []
    for row in table.itertuples():
        factor, unit = 1.0, str(row.unit)
        if unit == "core-seconds" and row.value < 1:
            factor, unit = (1e3, "core-ms") if row.value >= 1e-4 else (1e6, "core-µs")
        interval = f"{number(row.low * factor)} to {number(row.high * factor)}" if row.rounds else "exact"
        rows.append((row.quantity, row.what, number(row.value * factor), unit, interval, int(row.rounds)))
    columns = ["quantity", "what", "value", "unit", "95 % interval", "rounds"]
    return pd.DataFrame(rows, columns=columns)


def summary(claims: Sequence[Claim]) -> str:
    """The page's first words as Markdown: C8 and each of its parts, with the share saved."""
    lines = []
    for claim in claims:
        effect, low, high = (float(claim[key] or 0) for key in ("effect", "low", "high"))
        interval = "exactly" if low == high else f"95 % {percent(low)} to {percent(high)}"
        what = "Worst share saved" if claim["id"] == "C8" else "Share saved"
        lines.append(
            f"- **{claim['id']} {claim['verdict']}.** {claim['claim']} {what}: {percent(effect)} ({interval})."
        )
    return "\n".join(lines)


def break_even(it: Assumptions, unit: UnitCosts) -> str:
    """Where unifying stops paying, as Markdown: the loss of precision that is paid for, and the shared share that is needed."""
    lines = []
    for name, step in STEPS.items():
        loss, share = bearable_loss(it, unit, step), break_even_share(it, unit, step)
        if loss <= 0:
            said = "saves nothing"
        elif loss >= 1:
            said = "saves more than all answers are worth"
        else:
            said = f"pays for a loss of precision of up to {number(loss)}"
        if share is None:
            needed = f"a loss of {it.precision_lost:g} is never paid for"
        elif share == 0:
            needed = f"a loss of {it.precision_lost:g} is paid for even where tasks share nothing"
        else:
            needed = f"a loss of {it.precision_lost:g} is paid for from a shared share of {number(share)} on"
        lines.append(f"- *{name}* {said}; {needed}.")
    return "\n".join(lines)


def overlap_sentence(overlap: float, collection: str) -> str:
    """A sentence on how far a collection's own galleries overlap. overlap: see `unifiedlib.costs.measuring.overlap`."""
    return (
        f"The tasks' own galleries of `{collection}` overlap as if they shared {percent(overlap)} of their items: "
        "small collections show what an item costs, not what is shared in an operation."
    )
