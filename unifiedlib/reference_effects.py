"""Effects that BMVC 2019 reports on public benchmarks, beside those measured here: other data, so signs and sizes, not digits.

The numbers are Recall@1 of ResNet-50 in per cent (Zhai & Wu, "Classification is a Strong Baseline for Deep Metric Learning",
BMVC 2019), and those of other figures as read off them.
"""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from unifiedlib.figures.tables import signed
from unifiedlib.reference import reference_numbers

POINT = 100


@dataclass(frozen=True)
class Reported:
    """An effect in BMVC 2019. effect: a difference in Recall@1, 0..1; note: how exact it is, and of what."""

    id: str
    where: str
    effect: float
    note: str


def _codes() -> list[Reported]:
    """Code minus floats at 2048 dimensions, on each benchmark."""
    numbers = reference_numbers()
    wide = numbers[numbers["dim"] == 2048].pivot_table(
        index="task", columns="representation", values="value", sort=False
    )
    return [
        Reported("C3", str(task), float(row["binary"] - row["float"]), "table, 2048 bits")
        for task, row in wide.iterrows()
    ]


def reported_effects() -> list[Reported]:
    """The effects that BMVC 2019 reports for the claims that are tested here, by claim."""
    return [
        *_codes(),
        Reported("C4", "cars", (84 - 80) / POINT, "2048 bits minus 64 floats, read off a plot, ±1"),
        Reported("C5", "cub", (61 - 55.5) / POINT, "about 61 with, 55 to 56 without"),
        Reported("C10", "cub", (61.3 - 59.5) / POINT, "25 images per class, batches of 75, 512 dimensions"),
    ]


def beside_reported(effects: pd.DataFrame) -> pd.DataFrame:
    """What BMVC reports and what was measured here, a row per effect: columns claim, by, where, effect, remark.

    effects: as `unifiedlib.verdicts.effect_table` gives it.
    """
    reported = reported_effects()
    ids = list(dict.fromkeys(one.id for one in reported))
    rows = [(one.id, "BMVC 2019", one.where, signed(one.effect), one.note) for one in reported]
    for row in effects[effects["id"].isin(ids)].itertuples():
        interval = f"95 % {signed(row.low)} to {signed(row.high)}"
        rows.append((row.id, f"here, {row.collection}", row.where, signed(row.effect), interval))
    table = pd.DataFrame(rows, columns=["claim", "by", "where", "effect", "remark"])
    order = table["claim"].map({name: place for place, name in enumerate(ids)})
    return table.loc[order.sort_values(kind="stable").index].reset_index(drop=True)
