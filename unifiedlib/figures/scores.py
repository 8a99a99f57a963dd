"""The result, drawn: who is best on which task, what codes cost, and what the merged gallery costs."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from unifiedlib.contract import MERGED
from unifiedlib.figures.canvas import new_figure
from unifiedlib.palette import INK, LINE, SOFT, looks
from unifiedlib.results import result_table
from unifiedlib.scoring import OWN_GALLERY
from unifiedlib.variants import IMAGENET, UNIFIED

REPRESENTATIONS = ("float", "binary")


def _titles(table: pd.DataFrame) -> dict[str, str]:
    """Each task's title, with its metric: {"lens": "lens P@20"}."""
    return {row.task: f"{row.task}  {row.metric}" for row in table.drop_duplicates("task").itertuples()}


def score_heatmap(scores: pd.DataFrame) -> Figure:
    """Headline metric of each variant (rows) on each task (columns), float and binary side by side.

    The best variant of a column is framed. Shades compare within a task: tasks are not equally hard.
    """
    table = result_table(scores)
    titles, variants = _titles(table), list(dict.fromkeys(table["variant"]))
    figure = new_figure(
        0.5 * len(variants) + 1.6,
        "Each variant on each task: darker is better within a task, the frame marks the best",
    )
    panels = figure.subplots(1, len(titles), sharey=True, squeeze=False)[0]
    for axes, (task, title) in zip(panels, titles.items(), strict=True):
        part = table[table["task"] == task].pivot_table(
            index="variant", columns="representation", values="value"
        )
        part = part.reindex(index=variants, columns=list(REPRESENTATIONS))
        _shade(axes, part)
        axes.set_title(title, fontsize=10.5)
        axes.set_yticks(range(len(variants)), variants, color=INK)
    return figure


def _shade(axes: Axes, values: pd.DataFrame) -> None:
    numbers = values.to_numpy()
    low, high = np.nanmin(numbers), np.nanmax(numbers)
    shade = (numbers - low) / max(high - low, 1e-9)
    axes.imshow(shade, cmap="Purples", vmin=-0.1, vmax=1.25, aspect="auto")
    for row, column in np.ndindex(numbers.shape):
        colour = "white" if shade[row, column] > 0.72 else INK
        axes.text(
            column, row, f"{numbers[row, column]:.3f}", ha="center", va="center", color=colour, fontsize=10
        )
    for column in range(numbers.shape[1]):
        best = int(np.nanargmax(numbers[:, column]))
        axes.add_line(_frame(column, best))
    axes.set_xticks(range(len(values.columns)), list(values.columns))
    axes.tick_params(length=0)
    axes.grid(visible=False)
    axes.spines[:].set_visible(False)


def _frame(column: int, row: int) -> Line2D:
    x, y = (column - 0.46, column + 0.46), (row - 0.44, row + 0.44)
    return Line2D([x[0], x[1], x[1], x[0], x[0]], [y[0], y[0], y[1], y[1], y[0]], color=INK, linewidth=1.8)


def headline_figure(scores: Mapping[str, pd.DataFrame]) -> Figure:
    """A row of panels per collection, a panel per task: the trunk, the task's specialist, the unified embedding, and its bits.

    scores: {collection: as in scores.parquet}. Numbers are means over seeds in the task's own gallery; intervals, 95 %, are over
    queries.
    """
    tables = {name: result_table(table) for name, table in scores.items()}
    n_tasks = max(table["task"].nunique() for table in tables.values())
    figure = new_figure(
        1.75 * len(tables) + 0.9,
        "The trunk untrained, one specialist per task, one embedding for all tasks, and its bits",
    )
    panels = figure.subplots(len(tables), n_tasks, squeeze=False)
    for row, (name, table) in zip(panels, tables.items(), strict=True):
        for axes, (task, title) in zip(row, _titles(table).items(), strict=True):
            _headlines(axes, table[table["task"] == task], task)
            axes.set_title(f"{name} · {title}", fontsize=10.5)
        for axes in row[1:]:
            axes.set_yticklabels([])
    figure.supxlabel("precision at k, 95 % intervals over queries", fontsize=9.5, color=SOFT)
    return figure


def _headlines(axes: Axes, table: pd.DataFrame, task: str) -> None:
    """Of one task, the four that a reader compares, each with its number."""
    wanted = (
        ("untrained trunk", IMAGENET, "float"),
        ("its specialist", task, "float"),
        ("unified", UNIFIED, "float"),
        ("unified, bits", UNIFIED, "binary"),
    )
    styles = looks([IMAGENET, task, UNIFIED])
    for place, (_, variant, representation) in enumerate(wanted):
        look, face = styles[variant], styles[variant].colour if representation == "float" else "white"
        chosen = (table["variant"] == variant) & (table["representation"] == representation)
        for row in table[chosen].itertuples():
            interval = [row.low, row.high]
            axes.plot(interval, [place] * 2, color=look.colour, linewidth=2.2, solid_capstyle="butt")
            (mark,) = axes.plot(row.value, place, look.marker, color=look.colour, markersize=7.5, zorder=3)
            mark.set(markerfacecolor=face, markeredgewidth=1.8)
            number = f"{row.value:.3f}"
            axes.annotate(
                number, (row.value, place - 0.28), ha="center", va="bottom", fontsize=8.5, color=INK
            )
    axes.set_ylim(len(wanted) - 0.4, -0.9)
    axes.set_yticks(range(len(wanted)), [label for label, _, _ in wanted], color=INK)
    axes.margins(x=0.12)
    axes.grid(visible=False, axis="y")
    axes.tick_params(length=0)
    axes.xaxis.set_major_locator(MaxNLocator(5))


def float_against_binary(scores: pd.DataFrame) -> Figure:
    """A panel per task: each variant's floats (filled) and codes (hollow), with 95 % intervals over queries."""
    table = result_table(scores)
    titles, variants = _titles(table), list(dict.fromkeys(table["variant"]))
    figure = new_figure(
        0.52 * len(variants) + 1.9,
        "Codes (hollow) against floats (filled): where a pair coincides, 32 times smaller costs nothing",
    )
    panels = figure.subplots(1, len(titles), sharey=True, squeeze=False)[0]
    for axes, (task, title) in zip(panels, titles.items(), strict=True):
        _intervals(axes, table[table["task"] == task], variants, "representation", REPRESENTATIONS)
        axes.set_title(title, fontsize=10.5)
    _finish(panels, variants)
    figure.legend(handles=_fillings("float", "binary code"), loc="outside lower center", ncols=2)
    return figure


def merged_against_own(scores: pd.DataFrame) -> Figure:
    """A panel per task: the floats in the task's own gallery (filled) and in all tasks' galleries merged (hollow)."""
    both = [result_table(scores, gallery).assign(gallery=gallery) for gallery in (OWN_GALLERY, MERGED)]
    table = pd.concat(both, ignore_index=True)
    table = table[table["representation"] == "float"]
    titles, variants = _titles(table), list(dict.fromkeys(table["variant"]))
    figure = new_figure(
        0.52 * len(variants) + 1.9,
        "What one merged gallery costs: results lost to other tasks' items (hollow, against filled)",
    )
    panels = figure.subplots(1, len(titles), sharey=True, squeeze=False)[0]
    for axes, (task, title) in zip(panels, titles.items(), strict=True):
        _intervals(axes, table[table["task"] == task], variants, "gallery", (OWN_GALLERY, MERGED))
        axes.set_title(title, fontsize=10.5)
    _finish(panels, variants)
    figure.legend(
        handles=_fillings("the task's own gallery", "merged gallery"), loc="outside lower center", ncols=2
    )
    return figure


def _intervals(
    axes: Axes, table: pd.DataFrame, variants: list[str], column: str, pair: tuple[str, str]
) -> None:
    """Dots with intervals: the first of the pair filled and above, the second hollow and below."""
    styles = looks(variants)
    for row in table.itertuples():
        second = getattr(row, column) == pair[1]
        look, place = styles[row.variant], variants.index(row.variant) + (0.17 if second else -0.17)
        axes.plot(
            [row.low, row.high],
            [place, place],
            color=look.colour,
            linewidth=2,
            solid_capstyle="butt",
            zorder=2,
        )
        face = "white" if second else look.colour
        axes.plot(
            row.value,
            place,
            marker=look.marker,
            markersize=7.5,
            color=look.colour,
            markerfacecolor=face,
            markeredgewidth=1.8,
            zorder=3,
        )


def _finish(panels: np.ndarray, variants: list[str]) -> None:
    for axes in panels:
        axes.set_ylim(len(variants) - 0.5, -0.5)
        axes.set_yticks(range(len(variants)), variants, color=INK)
        axes.grid(visible=False, axis="y")
        axes.xaxis.set_major_locator(MaxNLocator(5))
        axes.tick_params(length=0)
        for place in range(1, len(variants)):
            axes.axhline(place - 0.5, color=LINE, linewidth=0.7)


def _fillings(filled: str, hollow: str) -> list[Line2D]:
    return [
        Line2D(
            [],
            [],
            linestyle="",
            marker="o",
            markersize=8,
            color=SOFT,
            markerfacecolor=face,
            markeredgewidth=1.8,
            label=label,
        )
        for label, face in ((filled, SOFT), (hollow, "white"))
    ]
