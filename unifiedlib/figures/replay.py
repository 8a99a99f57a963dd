"""The replay's assumptions and checks, drawn: the click model, tests of a system against itself, what position does to clicks."""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullLocator, PercentFormatter

from unifiedlib.figures.canvas import new_figure
from unifiedlib.palette import INK, METHODS, RIGHT, SOFT, WRONG

GRADES = ("other", "kindred style", "same style", "same product")
LEVEL = 0.05
RAW, WEIGHTED, TRUTH = WRONG, RIGHT, INK


def click_model_figure(table: pd.DataFrame) -> Figure:
    """The assumptions: examination by rank, attraction and saves by true grade, and how active users are.

    table: as `unifiedlib.replay.story.model_table` makes it.
    """
    figure = new_figure(
        3.4, "Simulated users: where they look, what they click and save, how often they come"
    )
    panels = figure.subplots(1, 3)
    by = dict(iter(table.groupby("panel", sort=False)))
    looked = by["examination"]
    panels[0].bar(looked["x"], looked["y"], color=METHODS["click volume"].colour, width=0.75)
    panels[0].set(xlabel="rank", ylabel="probability", title="looks at the result")
    panels[0].xaxis.set_major_locator(FixedLocator([1, *range(5, int(looked["x"].max()) + 1, 5)]))
    _by_grade(panels[1], by["grade"])
    active = by["activity"]
    panels[2].plot(active["x"], active["y"], ".-", color=INK, markersize=5, linewidth=1)
    panels[2].set(xscale="log", yscale="log", xlabel="queries", title="share of users with at least so many")
    panels[2].xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    panels[2].yaxis.set_major_formatter(lambda value, _: f"{100 * value:g}%")
    for axes in panels:
        axes.title.set_fontsize(10.5)
    return figure


def _by_grade(axes: Axes, table: pd.DataFrame) -> None:
    """Bars by grade: attraction, with the middle 80 % of users, and saves."""
    drawn = (
        ("attraction", "click volume", "clicks what they look at"),
        ("save", "repin volume", "saves what they click"),
    )
    for number, (series, look, label) in enumerate(drawn):
        part = table[table["series"] == series]
        x = part["x"].to_numpy(float) + 0.4 * (number - 0.5)
        hatch = "" if number == 0 else "///"
        axes.bar(
            x,
            part["y"],
            width=0.38,
            color=METHODS[look].colour,
            hatch=hatch,
            edgecolor="white",
            linewidth=0,
            label=label,
        )
        axes.vlines(x, part["low"], part["high"], color=SOFT, linewidth=1.6)
    axes.set_xticks(range(len(GRADES)), [name.replace(" ", "\n") for name in GRADES], fontsize=8.5)
    axes.set_title("by true grade (line: middle 80 % of users)")
    axes.legend(loc="upper left", fontsize=8.5)
    axes.grid(visible=False, axis="x")


def check_figure(table: pd.DataFrame) -> Figure:
    """Tests of a system against itself: the share that come out significant, by measure, a panel per task.

    table: as `unifiedlib.replay.story.check_table` makes it. Queries taken for independent stand apart, in red.
    """
    tasks = list(dict.fromkeys(table["task"]))
    labels = list(dict.fromkeys(_check_labels(table)))
    figure = new_figure(
        0.34 * len(labels) + 1.5, "Simulated A/A tests: per user the error is near 5 %, per query it is not"
    )
    panels = figure.subplots(1, len(tasks), sharey=True, sharex=True, squeeze=False)[0]
    for axes, task in zip(panels, tasks, strict=True):
        part = table[table["task"] == task]
        for row, label in zip(part.itertuples(), _check_labels(part), strict=True):
            colour = WRONG if row.unit == "queries" else INK
            y = labels.index(label)
            axes.hlines(y, row.low, row.high, color=colour, linewidth=2)
            axes.plot(row.share, y, "X" if row.unit == "queries" else "o", color=colour, markersize=6)
        axes.axvline(LEVEL, color=SOFT, linestyle="--", linewidth=1)
        axes.set_title(task, fontsize=10.5)
        axes.set_xlabel("share of tests that come out significant (dashed: 5 %)")
        axes.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
        axes.set_xlim(0, None)
        axes.grid(visible=False, axis="y")
    panels[0].set_yticks(range(len(labels)), labels, color=INK)
    panels[0].set_ylim(len(labels) - 0.5, -0.5)
    return figure


def _check_labels(table: pd.DataFrame) -> list[str]:
    return [
        f"interleaving, {row.by}"
        if row.method == "interleaving"
        else f"{row.what}, {row.by}" + (" over queries" if row.unit == "queries" else "")
        for row in table.itertuples()
    ]


def bias_figure(table: pd.DataFrame, task: str, grade: int = 2) -> Figure:
    """What raw clicks say about attraction, and what clicks weighted by 1 / P(examine) say: by rank, and by grade.

    table: `bias` of the replay; grade: the true grade that the left panel shows.
    """
    figure = new_figure(
        3.3, "Simulated: raw clicks measure the rank as much as the result; weighted clicks do not"
    )
    by_rank, by_grade = figure.subplots(1, 2)
    own = table[table["task"] == task]
    one = own[(own["grade"] == grade) & (own["rank"] > 0)]
    by_rank.plot(one["rank"], one["truth"], "--", color=TRUTH, label="true attraction", linewidth=1.2)
    by_rank.plot(
        one["rank"], one["weighted"], "o", color=WEIGHTED, label="weighted by 1 / P(examine)", markersize=5
    )
    by_rank.plot(one["rank"], one["raw"], "X-", color=RAW, label="raw clicks per result shown", markersize=5)
    by_rank.set(xlabel="rank at which it was shown", ylim=(0, None))
    by_rank.xaxis.set_major_locator(FixedLocator([1, *range(5, int(one["rank"].max()) + 1, 5)]))
    by_rank.set_title(f"{task}: results of the {GRADES[grade]}, all alike attractive", fontsize=10.5)
    by_rank.legend(fontsize=8.5)
    whole = own[(own["rank"] == 0) & (own["n_shown"] > 0)]
    series = (("truth", TRUTH, "_"), ("weighted", WEIGHTED, "o"), ("raw", RAW, "X"))
    for column, colour, marker in series:
        size = 22 if marker == "_" else 7
        by_grade.plot(
            whole["grade"], whole[column], marker, color=colour, markersize=size, markeredgewidth=1.6
        )
    by_grade.set_xticks(whole["grade"], [GRADES[int(number)] for number in whole["grade"]])
    by_grade.set_yscale("log")
    by_grade.set_xlim(whole["grade"].min() - 0.5, whole["grade"].max() + 0.5)
    by_grade.yaxis.set_major_formatter(PercentFormatter(1, decimals=1))
    by_grade.yaxis.set_minor_locator(NullLocator())
    by_grade.set_title(f"{task}: all ranks together (logarithmic)", fontsize=10.5)
    return figure
