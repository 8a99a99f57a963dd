"""What the saving hangs on: the number of tasks, the shared share, each assumption halved and doubled, and the break-even."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, fields, replace

import numpy as np
import pandas as pd

from unifiedlib.costs.assumptions import SHARES, Assumptions
from unifiedlib.costs.model import DAYS, STEPS, UnitCosts, Way, share_saved, total

MOST_TASKS = 12
SHARED = tuple(np.linspace(0, 1, 21).round(2).tolist())
FACTORS = {"halved": 0.5, "doubled": 2.0}
BREAK_EVEN_ONLY = ("query_value", "precision_lost")
WHOLE = ("n_tasks", "replicas")


def saving_by_tasks(it: Assumptions, unit: UnitCosts, most: int = MOST_TASKS) -> pd.DataFrame:
    """Share saved by number of tasks: columns step, n_tasks, saved."""
    rows = [
        (name, n_tasks, share_saved(replace(it, n_tasks=n_tasks), unit, step))
        for name, step in STEPS.items()
        for n_tasks in range(1, most + 1)
    ]
    return pd.DataFrame(rows, columns=["step", "n_tasks", "saved"])


def saving_by_shared_share(
    it: Assumptions, unit: UnitCosts, shares: Sequence[float] = SHARED
) -> pd.DataFrame:
    """Share saved, and the loss that it pays for, by shared share: columns step, shared_share, saved, bearable_loss."""
    rows = []
    for name, step in STEPS.items():
        for share in shares:
            at = replace(it, shared_share=share)
            rows.append((name, share, share_saved(at, unit, step), bearable_loss(at, unit, step)))
    return pd.DataFrame(rows, columns=["step", "shared_share", "saved", "bearable_loss"])


def changed_value(name: str, value: float, factor: float) -> float:
    """An assumption times a factor, kept in its range: shares at most 1, counts rounded up to whole ones.

    >>> changed_value("n_tasks", 3, 0.5), changed_value("shared_share", 0.8, 2.0)
    (2, 1.0)
    """
    if name in SHARES:
        return min(1.0, value * factor)
    return math.ceil(value * factor) if name in WHOLE else value * factor


def changed(it: Assumptions, name: str, factor: float) -> Assumptions:
    """The assumptions with one of them times a factor, see `changed_value`."""
    values = asdict(it)
    values[name] = changed_value(name, values[name], factor)
    return Assumptions(**values)


def tornado(it: Assumptions, unit: UnitCosts) -> pd.DataFrame:
    """Each assumption halved and doubled, all others as they are: columns step, assumption, change, value, saved, base.

    base: the share saved as assumed. Sorted by the longest reach over all steps, longest first.
    """
    rows = []
    for name, step in STEPS.items():
        base = share_saved(it, unit, step)
        for field in fields(it):
            if field.name in BREAK_EVEN_ONLY:
                continue
            for change, factor in FACTORS.items():
                value = changed_value(field.name, getattr(it, field.name), factor)
                saved = share_saved(changed(it, field.name, factor), unit, step)
                rows.append((name, field.name, change, float(value), saved, base))
    table = pd.DataFrame(rows, columns=["step", "assumption", "change", "value", "saved", "base"])
    reach = (table["saved"] - table["base"]).abs().groupby(table["assumption"]).max()
    order = table["assumption"].map(reach)
    return table.assign(reach=order).sort_values("reach", ascending=False, kind="stable", ignore_index=True)[
        ["step", "assumption", "change", "value", "saved", "base"]
    ]


def _worth_of_precision(it: Assumptions) -> float:
    """What a year's queries bring where all are answered right."""
    return DAYS * it.n_tasks * it.queries_per_day * it.query_value


def bearable_loss(it: Assumptions, unit: UnitCosts, step: tuple[Way, Way]) -> float:
    """The loss of precision, in units of the metric, that a step's saving just pays for; negative where it saves nothing.

    A query brings `query_value` times the precision, so a loss costs as much of it.
    """
    before, after = (total(it, unit, way) for way in step)
    return (before - after) / _worth_of_precision(it)


def break_even_share(it: Assumptions, unit: UnitCosts, step: tuple[Way, Way]) -> float | None:
    """The lowest shared share at which a step pays for `precision_lost`; None where it does at none.

    What a step saves is linear in the shared share.
    """
    none, all_of_it = (
        bearable_loss(replace(it, shared_share=share), unit, step) - it.precision_lost for share in (0.0, 1.0)
    )
    if none >= 0:
        return 0.0
    return None if all_of_it < 0 else none / (none - all_of_it)
