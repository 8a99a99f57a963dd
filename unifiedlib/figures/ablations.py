"""Ablations, drawn: what each changed, with 95 % intervals against zero and the margin; one figure per experiment."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from unifiedlib.figures.canvas import new_figure, save_figure
from unifiedlib.figures.tables import signed
from unifiedlib.palette import BINARY, FLOAT, INK, LINE, RIGHT, SOFT, WRONG, looks

TITLES = {
    "effects": "{name}: what each changes against the unified embedding (left of the line: worse)",
    "specialists": "{name}: the unified embedding minus each task's specialist (left of the line: worse)",
    "curve": "{name}: change against the unified embedding (below the line: worse)",
    "subsets": "{name}: what adding the row's task does to the column's (bold: the interval excludes 0)",
}
WORSE_TO_BETTER = LinearSegmentedColormap.from_list("worse_to_better", [WRONG, "white", RIGHT])
KINDS = {"float": (FLOAT, "o", -0.16), "binary": (BINARY, "s", 0.16)}


@dataclass(frozen=True)
class Experiment:
    """One question's answer, ready to be drawn.

    kind: `effects` (each ablation minus the unified variant), `specialists` (the unified variants minus the specialists), `curve`
    (effects along one setting; column `x`), or `subsets` (what adding a task's data does; columns `added`, `joined`).
    table: a row per difference, columns `unifiedlib.experiments.COLUMNS` and those of its kind. margin: the difference up to
    which the lower side still counts as equally good, negative where that is the ablation; 0: none. setting: the one that a curve
    runs along. missing: ablations that have not been run.
    """

    name: str
    kind: str
    table: pd.DataFrame
    margin: float
    setting: str = ""
    missing: tuple[str, ...] = ()


def experiment_figure(experiment: Experiment) -> Figure:
    """The figure of one experiment, by its kind."""
    drawers: dict[str, Callable[[Experiment, str], Figure]] = {
        "curve": _curve_figure,
        "subsets": _subset_figure,
    }
    title = TITLES[experiment.kind].format(name=experiment.name)
    return drawers.get(experiment.kind, _effect_figure)(experiment, title)


def save_experiments(experiments: Sequence[Experiment], folder: Path) -> list[Figure]:
    """Write each experiment's figure to `folder` as `<name>.png`, with its table beside it; returns the figures."""
    return [save_figure(experiment_figure(one), folder / f"{one.name}.png", one.table) for one in experiments]


def _titles(table: pd.DataFrame) -> dict[str, str]:
    return {row.task: f"{row.task}  {row.metric}" for row in table.drop_duplicates("task").itertuples()}


def _effect_figure(experiment: Experiment, title: str) -> Figure:
    """A panel per task, a row per ablation: floats (filled) and codes (hollow) with intervals, zero and the margin."""
    table = experiment.table
    labels, titles = list(dict.fromkeys(table["label"])), _titles(table)
    figure = new_figure(0.5 * len(labels) + 1.8, title)
    panels = figure.subplots(1, len(titles), sharey=True, squeeze=False)[0]
    for axes, (task, heading) in zip(panels, titles.items(), strict=True):
        for row in table[table["task"] == task].itertuples():
            colour, marker, shift = KINDS[row.representation]
            place = labels.index(row.label) + shift
            axes.plot([row.low, row.high], [place] * 2, color=colour, linewidth=2, solid_capstyle="butt")
            face = colour if row.representation == "float" else "white"
            axes.plot(row.effect, place, marker, markersize=6.5, color=colour, markerfacecolor=face)
        axes.axvline(0, color=INK, linewidth=1.1, zorder=1)
        axes.axvline(experiment.margin, color=SOFT, linewidth=1, linestyle=":", zorder=1)
        axes.set_title(heading, fontsize=10.5)
        axes.xaxis.set_major_locator(MaxNLocator(5))
        axes.grid(visible=False, axis="y")
        axes.tick_params(length=0)
    panels[0].set_ylim(len(labels) - 0.5, -0.5)
    panels[0].set_yticks(range(len(labels)), labels, color=INK)
    figure.legend(handles=_legend(experiment.margin), loc="outside lower center", ncols=3)
    return figure


def _legend(margin: float) -> list[Line2D]:
    dots = [
        Line2D(
            [],
            [],
            linestyle="",
            marker=KINDS[kind][1],
            color=KINDS[kind][0],
            markerfacecolor=KINDS[kind][0] if kind == "float" else "white",
            label=label,
        )
        for kind, label in (("float", "float"), ("binary", "binary code"))
    ]
    lower = "the unified embedding" if margin > 0 else "the lower"
    said = f"up to {signed(margin)} {lower} counts as equally good"
    line = Line2D([], [], color=SOFT, linestyle=":", label=said)
    return [*dots, line] if margin else dots


def _curve_figure(experiment: Experiment, title: str) -> Figure:
    """A panel for floats and one for codes, a line per task along the setting, intervals as bars."""
    table = experiment.table
    places = {value: place for place, value in enumerate(sorted(table["x"].unique()))}
    usual = float(table.loc[table["label"] == "unified", "x"].iloc[0])
    figure = new_figure(3.2, title)
    panels = figure.subplots(1, 2, sharey=True)
    styles = looks(list(dict.fromkeys(table["task"])))
    for axes, (kind, heading) in zip(panels, (("float", "float"), ("binary", "binary code")), strict=True):
        for number, (task, look) in enumerate(styles.items()):
            part = table[(table["representation"] == kind) & (table["task"] == task)]
            x = part["x"].map(places).to_numpy(float) + 0.06 * (number - (len(styles) - 1) / 2)
            axes.vlines(x, part["low"], part["high"], color=look.colour, linewidth=2)
            axes.plot(x, part["effect"], marker=look.marker, color=look.colour, label=task, linewidth=1.2)
        axes.axhline(0, color=INK, linewidth=1.1, zorder=1)
        axes.axhline(experiment.margin, color=SOFT, linewidth=1, linestyle=":", zorder=1)
        names = [f"{value:g}" + ("\nunified" if value == usual else "") for value in places]
        axes.set_xticks(range(len(places)), names)
        axes.set_xlabel(experiment.setting)
        axes.set_title(heading, fontsize=10.5)
        axes.grid(visible=False, axis="x")
    handles = panels[0].get_legend_handles_labels()[0] + _legend(experiment.margin)[2:]
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles))
    return figure


def _subset_figure(experiment: Experiment, title: str) -> Figure:
    """Matrices, one for each number of tasks that were there before: the row's task was added, the column's was there."""
    table = experiment.table.assign(size=experiment.table["joined"].str.count(" and ") + 1)
    sizes = sorted(table["size"].unique())
    tasks = list(dict.fromkeys([*table["task"], *table["added"]]))
    figure = new_figure(0.62 * len(tasks) + 1.5, title)
    panels = figure.subplots(1, len(sizes), sharey=True, squeeze=False)[0]
    reach = max(float(table["effect"].abs().max()), 1e-6)
    for axes, size in zip(panels, sizes, strict=True):
        _matrix(axes, table[table["size"] == size], tasks, reach)
        before = "to the task alone" if size == 1 else f"to {size} tasks"
        axes.set_title(f"added {before}", fontsize=10.5)
    panels[0].set_yticks(range(len(tasks)), [f"+ {task}" for task in tasks], color=INK)
    return figure


def _matrix(axes: Axes, table: pd.DataFrame, tasks: list[str], reach: float) -> None:
    """Mean effects, coloured by sign and size; where several subsets gave one cell, all are written."""
    values = np.full((len(tasks), len(tasks)), np.nan)
    for (added, task), rows in table.groupby(["added", "task"]):
        place = tasks.index(added), tasks.index(task)
        values[place] = rows["effect"].mean()
        text = "\n".join(f"{signed(row.effect)}" for row in rows.itertuples())
        sure = bool(((rows["low"] > 0) | (rows["high"] < 0)).all())
        interval = (
            f"{signed(rows['low'].iloc[0])} to {signed(rows['high'].iloc[0])}" if len(rows) == 1 else ""
        )
        y, x = place
        weight = "bold" if sure else "normal"
        axes.text(x, y - 0.12, text, ha="center", va="center", fontsize=10.5, fontweight=weight, color=INK)
        axes.text(x, y + 0.25, interval, ha="center", va="center", fontsize=8, color=INK)
    axes.imshow(values, cmap=WORSE_TO_BETTER, vmin=-1.6 * reach, vmax=1.6 * reach, aspect="auto")
    axes.set_xticks(range(len(tasks)), tasks, color=INK)
    axes.tick_params(length=0)
    axes.grid(visible=False)
    axes.spines[:].set_color(LINE)
