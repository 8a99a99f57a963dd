"""The domain gap, drawn: how near matches are within and across domains, against non-matches of one domain."""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from unifiedlib.domain_gap import MATCH_ACROSS, MATCH_WITHIN, OTHER_WITHIN
from unifiedlib.figures.canvas import new_figure, say
from unifiedlib.palette import INK, LINE, RIGHT, SOFT, WRONG

MARKS = {
    MATCH_WITHIN: ("o", RIGHT, RIGHT),
    MATCH_ACROSS: ("D", RIGHT, "white"),
    OTHER_WITHIN: ("X", WRONG, WRONG),
}


def domain_gap_figure(table: pd.DataFrame) -> Figure:
    """A panel per task, a row per variant: mean cosines of the three kinds of pairs.

    table: as `unifiedlib.domain_gap.domain_gap_table` gives it; a figure that says so where no task crosses domains.
    """
    if table.empty:
        return say("Queries and galleries are of one domain in every task: there is no gap to measure.")
    tasks = list(dict.fromkeys(table["task"]))
    rows = table.groupby("task").size().max()
    figure = new_figure(
        0.5 * rows + 1.9,
        "A good embedding keeps matches across domains (hollow) nearer than non-matches (crosses)",
    )
    panels = figure.subplots(1, len(tasks), squeeze=False)[0]
    for axes, task in zip(panels, tasks, strict=True):
        _panel(axes, table[table["task"] == task].reset_index(drop=True))
    handles, labels = panels[0].get_legend_handles_labels()
    shown = dict(zip(labels, handles, strict=True))
    figure.legend(shown.values(), shown.keys(), loc="outside lower center", ncols=3)
    return figure


def _panel(axes: Axes, table: pd.DataFrame) -> None:
    for place, row in table.iterrows():
        values = [row[kind] for kind in MARKS]
        axes.plot([min(values), max(values)], [place] * 2, color=LINE, linewidth=3, zorder=1)
        for kind, (marker, edge, face) in MARKS.items():
            (mark,) = axes.plot(row[kind], place, marker, markersize=8, color=edge, label=kind, zorder=3)
            mark.set_markerfacecolor(face)
    names = [f"{row.variant}\n{row.across_wins:.0%}" for row in table.itertuples()]
    axes.set_yticks(range(len(table)), names, color=INK)
    axes.set_ylim(len(table) - 0.5, -0.5)
    axes.set_title(f"{table['task'][0]}  {table['domains'][0]}", fontsize=10.5)
    axes.set_xlabel(
        "mean cosine (%: pairs in which the match across domains is nearer)", color=SOFT, fontsize=9
    )
    axes.xaxis.set_major_locator(MaxNLocator(5))
    axes.grid(visible=False, axis="y")
    axes.tick_params(length=0)
