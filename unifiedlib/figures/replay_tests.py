"""The replay's tests, drawn: A/B lifts, interleaving, power by number of users, and how many users each method needs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator, PercentFormatter

from unifiedlib.figures.canvas import new_figure
from unifiedlib.palette import INK, LINE, METHODS, SOFT

SPREAD = 0.24
SHORT = {10**6: "M", 10**3: "k"}


def _against(table: pd.DataFrame) -> dict[str, str]:
    """What each comparison is called in a figure: {"codes": "unified/binary\nagainst unified/float"}."""
    named: dict[str, list[tuple[str, str]]] = {}
    for row in table.drop_duplicates(["comparison", "ours", "theirs"]).itertuples():
        named.setdefault(str(row.comparison), []).append((str(row.ours), str(row.theirs)))
    return {
        name: f"{pairs[0][0]}\nagainst {pairs[0][1] if len(pairs) == 1 else name}"
        for name, pairs in named.items()
    }


def lift_figure(table: pd.DataFrame) -> Figure:
    """A/B: the relative change of each measure, a mark per training seed with its 95 % interval, a panel per task.

    table: as `unifiedlib.replay.story.lift_table` makes it; comparisons stand as there, losses first.
    """
    names = _against(table)
    figure = new_figure(
        0.92 * len(names) + 1.7,
        "Simulated A/B tests: what each change does to clicks and repins (hollow: not told from none)",
    )
    rows = [(name, what) for name in names for what in METHODS if what in set(table["what"])]
    panels = _panels(figure, table)
    for axes, (_, part) in zip(panels, table.groupby("task", sort=False), strict=True):
        for row, offset in _with_offsets(part):
            y = rows.index((row.comparison, row.what)) + offset
            _mark(axes, (row.lift, row.lift_low, row.lift_high), y, row.what, row.low > 0 or row.high < 0)
        axes.set_xlabel("relative change (lift), 95 % interval over users")
        axes.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
        for number in range(1, len(names)):
            axes.axhline(len(rows) / len(names) * number - 0.5, color=LINE, linewidth=1)
    per = len(rows) / len(names)
    panels[0].set_yticks(
        [per * number + per / 2 - 0.5 for number in range(len(names))], list(names.values()), color=INK
    )
    panels[0].set_ylim(len(rows) - 0.5, -0.5)
    _method_legend(figure, [what for what in METHODS if what in set(table["what"])])
    return figure


def preference_figure(table: pd.DataFrame) -> Figure:
    """Interleaving: the mean preference per query, a mark per training seed with its 95 % interval, a panel per task."""
    names = _against(table)
    figure = new_figure(
        0.55 * len(names) + 1.4,
        "Simulated interleaving: whose picks get more clicks (right of the line: ours)",
    )
    panels = _panels(figure, table)
    for axes, (_, part) in zip(panels, table.groupby("task", sort=False), strict=True):
        for row, offset in _with_offsets(part):
            y = list(names).index(row.comparison) + offset
            told = row.low > 0 or row.high < 0
            _mark(axes, (row.preference, row.low, row.high), y, "interleaving", told)
        axes.set_xlabel("preference per query, −1 to 1, 95 % interval over users")
    panels[0].set_yticks(range(len(names)), list(names.values()), color=INK)
    panels[0].set_ylim(len(names) - 0.5, -0.5)
    return figure


def _panels(figure: Figure, table: pd.DataFrame) -> Sequence[Axes]:
    tasks = list(dict.fromkeys(table["task"]))
    panels: Sequence[Axes] = figure.subplots(1, len(tasks), sharey=True, sharex=True, squeeze=False)[0]
    for axes, task in zip(panels, tasks, strict=True):
        axes.axvline(0, color=INK, linewidth=1.1, zorder=1)
        axes.set_title(task, fontsize=10.5)
        axes.grid(visible=False, axis="y")
    return panels


def _with_offsets(table: pd.DataFrame) -> list[tuple[pd.Series, float]]:
    """Each row, and how far its training seed stands from the middle of its line."""
    seeds = sorted(table["seed"].unique())
    return [(row, SPREAD * (seeds.index(row.seed) - (len(seeds) - 1) / 2)) for row in table.itertuples()]


def _mark(axes: Axes, numbers: tuple[float, float, float], y: float, what: str, is_told: bool) -> None:
    look, (value, low, high) = METHODS[what], numbers
    axes.hlines(y, low, high, color=look.colour, linewidth=1.6)
    fill = look.colour if is_told else "white"
    axes.plot(
        value, y, look.marker, color=look.colour, markerfacecolor=fill, markersize=5.5, markeredgewidth=1.3
    )


def _method_legend(figure: Figure, names: Sequence[str], *more: Line2D) -> None:
    handles = [
        Line2D([], [], linestyle="", marker=METHODS[name].marker, color=METHODS[name].colour, label=name)
        for name in names
    ]
    figure.legend(handles=[*handles, *more], loc="outside lower center", ncols=len(handles) + len(more))


def _short(value: float, _: object = None) -> str:
    """A number of users: "500", "20k", "1M"."""
    for size, letter in SHORT.items():
        if value >= size:
            return f"{value / size:g}{letter}"
    return f"{value:g}"


def power_figure(table: pd.DataFrame, wanted: float) -> Figure:
    """Power against the number of users: marks are simulated tests, lines the normal approximation; a row per task.

    table: `power` of the replay with a column `name`; wanted: the power that the dotted line marks.
    """
    tasks, names = list(dict.fromkeys(table["task"])), list(dict.fromkeys(table["comparison"]))
    figure = new_figure(
        2.3 * len(tasks) + 0.9, "Simulated: how likely a test of so many users finds the difference"
    )
    panels = figure.subplots(len(tasks), len(names), sharex=True, sharey=True, squeeze=False)
    for (row, column), axes in np.ndenumerate(panels):
        part = table[(table["task"] == tasks[row]) & (table["comparison"] == names[column])]
        for name, look in METHODS.items():
            own = part[part["name"] == name]
            axes.plot(own["n_users"], own["power_closed_form"], color=look.colour, linewidth=1.3)
            axes.plot(own["n_users"], own["power"], look.marker, color=look.colour, markersize=5)
        axes.axhline(wanted, color=SOFT, linestyle=":", linewidth=1.2)
        axes.set_title(f"{tasks[row]}: {part['ours'].iloc[0]} − {part['theirs'].iloc[0]}", fontsize=9.5)
        axes.set(xscale="log", ylim=(0, 1.04))
        axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
        axes.xaxis.set_major_formatter(FuncFormatter(_short))
        axes.xaxis.set_minor_locator(NullLocator())
    for axes in panels[-1]:
        axes.set_xlabel("users in the test")
    for axes in panels[:, 0]:
        axes.set_ylabel("power")
    _method_legend(
        figure, list(METHODS), Line2D([], [], color=INK, linewidth=1.3, label="normal approximation")
    )
    return figure


def users_figure(table: pd.DataFrame, wanted: float) -> Figure:
    """How many users each method needs to find the effect that the population has; an arrow where that may be none.

    table: `needed` of the replay with a column `name`.
    """
    pairs = list(
        dict.fromkeys(zip(table["task"], table["comparison"], table["ours"], table["theirs"], strict=True))
    )
    figure = new_figure(
        0.62 * len(pairs) + 1.5,
        f"Simulated: users needed to find the difference in {wanted:.0%} of tests (arrow: at least)",
    )
    axes = figure.add_subplot()
    for row in table.itertuples():
        look = METHODS[row.name]
        y = pairs.index((row.task, row.comparison, row.ours, row.theirs)) + 0.15 * (
            list(METHODS).index(row.name) - 2
        )
        if np.isfinite(row.users_most):
            axes.hlines(y, row.users_fewest, row.users_most, color=look.colour, linewidth=1.8)
            axes.plot(row.users_needed, y, look.marker, color=look.colour, markersize=6)
        else:
            axes.plot(
                row.users_fewest, y, look.marker, color=look.colour, markersize=6, markerfacecolor="white"
            )
            axes.annotate(
                "",
                (row.users_fewest * 2.2, y),
                (row.users_fewest * 1.12, y),
                arrowprops={"arrowstyle": "->", "color": look.colour},
            )
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(numticks=12))
    axes.xaxis.set_major_formatter(FuncFormatter(_short))
    axes.set_yticks(
        range(len(pairs)), [f"{task}: {ours}\nagainst {theirs}" for task, _, ours, theirs in pairs], color=INK
    )
    axes.set_ylim(len(pairs) - 0.5, -0.5)
    for number in range(1, len(pairs)):
        axes.axhline(number - 0.5, color=LINE, linewidth=1)
    axes.set_xlabel("users in the test (line: what the effect's 95 % interval allows)")
    axes.grid(visible=False, axis="y")
    _method_legend(figure, list(METHODS))
    return figure
