"""What codes cost and buy, drawn: precision by stored bytes, bits and how they repeat, distances, queries that change."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, MaxNLocator, NullLocator, PercentFormatter

from unifiedlib.figures.canvas import new_figure
from unifiedlib.figures.codes import hexagons
from unifiedlib.palette import INK, REPRESENTATIONS, RIGHT, SOFT, WRONG, looks

BYTES_TITLE = "{gallery}: the further left at a height, the fewer bytes buy that precision"
PANELS_PER_ROW = 4
MOST_TICKS = 7
SHIFT = 1.045


def _titles(table: pd.DataFrame) -> dict[str, str]:
    return {row.task: f"{row.task}  {row.metric}" for row in table.drop_duplicates("task").itertuples()}


def _doubling_axis(axes: Axes, values: Sequence[int], label: str) -> None:
    """A logarithmic axis with a tick at each of the values, written out, or at every second where they are many."""
    ticks = sorted(set(values))
    axes.set_xscale("log", base=2)
    axes.xaxis.set_major_locator(FixedLocator(ticks[:: 1 if len(ticks) <= MOST_TICKS else 2]))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.tick_params(axis="x", labelsize=8)
    axes.set_xlabel(label)


def precision_against_bytes(summary: pd.DataFrame, gallery: str = "Own galleries") -> Figure:
    """A panel per task: the headline metric against stored bytes, a line per representation, intervals over queries.

    summary: a table of `unifiedlib.codes_story.summary_table`; models that change something else than the width are left out.
    gallery: what the title calls the gallery.
    """
    table = summary[summary["model"] == summary["dim"].astype(str)]
    titles = _titles(table)
    figure = new_figure(3.7, BYTES_TITLE.format(gallery=gallery))
    panels = figure.subplots(1, len(titles), squeeze=False)[0]
    shown = [name for name in REPRESENTATIONS if name in set(table["representation"])]
    for axes, (task, heading) in zip(panels, titles.items(), strict=True):
        for number, name in enumerate(shown):
            part = table[(table["task"] == task) & (table["representation"] == name)].sort_values("bytes")
            look, x = REPRESENTATIONS[name], part["bytes"] * SHIFT ** (number - (len(shown) - 1) / 2)
            axes.vlines(x, part["low"], part["high"], color=look.colour, linewidth=1.2, alpha=0.7)
            label = part["words"].iloc[0] if len(part) else name
            line = "-" if name in ("float", "binary") else "--"
            axes.plot(
                x, part["value"], line, marker=look.marker, color=look.colour, markersize=5, label=label
            )
        axes.set_title(heading, fontsize=10.5)
        _doubling_axis(axes, table["bytes"].unique().tolist(), "bytes of one item")
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(labels))
    return figure


def code_costs(costs: pd.DataFrame, margin: float) -> Figure:
    """What a code costs at equal width: code minus floats, paired, with 95 % intervals, a mark per task.

    costs: a table of `unifiedlib.codes_story.cost_table`; margin: how much worse still counts as equally good.
    """
    models, styles = list(dict.fromkeys(costs["model"])), looks(list(dict.fromkeys(costs["task"])))
    figure = new_figure(3.3, "What one bit instead of each float costs (below the line: the code is worse)")
    axes = figure.add_subplot()
    for number, (task, look) in enumerate(styles.items()):
        part = costs[costs["task"] == task]
        x = part["model"].map(models.index).to_numpy(float) + 0.14 * (number - (len(styles) - 1) / 2)
        axes.vlines(x, part["low"], part["high"], color=look.colour, linewidth=2)
        axes.plot(x, part["effect"], look.marker, color=look.colour, label=task, markersize=6.5)
    axes.axhline(0, color=INK, linewidth=1.1, zorder=1)
    axes.axhline(-margin, color=SOFT, linewidth=1, linestyle=":", zorder=1)
    axes.set_xticks(range(len(models)), models, color=INK)
    axes.set(xlabel="floats, and bits, of an item", ylabel="code minus floats")
    axes.grid(visible=False, axis="x")
    handles = axes.get_legend_handles_labels()[0]
    line = Line2D([], [], color=SOFT, linestyle=":", label=f"a loss of {margin:g} counts as equally good")
    figure.legend(handles=[*handles, line], loc="outside lower center", ncols=len(handles) + 1)
    return figure


def bit_figure(bits: pd.DataFrame, chance: float) -> Figure:
    """Evenness, correlation and effective number of bits by width; hollow: models that change something else.

    bits: a table of `unifiedlib.codes_story.bit_table`; chance: the correlation that independent bits would show.
    """
    usual = bits["model"] == bits["n_bits"].astype(str)
    figure = new_figure(
        3.2,
        "How even bits are, how far they repeat each other, and how many that leaves",
    )
    panels = figure.subplots(1, 3)
    drawn = (
        ("even", "bits set by 25 to 75 % of the items"),
        ("correlation", "mean |correlation| of two bits"),
    )
    for axes, (column, heading) in zip(panels, (*drawn, ("effective", "effective bits")), strict=True):
        line = bits[usual]
        axes.plot(line["n_bits"], line[column], marker="s", color=INK, label="unified, by width")
        for name, look in looks(bits.loc[~usual, "model"].tolist()).items():
            part = bits[bits["model"] == name]
            axes.plot(
                part["n_bits"],
                part[column],
                look.marker,
                color=look.colour,
                markersize=9,
                markerfacecolor="white",
                markeredgewidth=1.8,
                label=name,
            )
        axes.set_title(heading, fontsize=10.5)
        _doubling_axis(axes, bits["n_bits"].unique().tolist(), "bits of the code")
    panels[0].yaxis.set_major_formatter(PercentFormatter(1))
    panels[0].set_ylim(0, 1.05)
    _dashed(panels[1], [chance, chance], bits, "independent bits, by chance")
    panels[1].set_ylim(0, None)
    panels[2].set_yscale("log", base=2)
    panels[2].yaxis.set_major_formatter(lambda value, _: f"{value:g}")
    _dashed(panels[2], [bits["n_bits"].min(), bits["n_bits"].max()], bits, "all independent and even")
    handles = panels[0].get_legend_handles_labels()[0]
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles))
    return figure


def _dashed(axes: Axes, heights: Sequence[float], bits: pd.DataFrame, label: str) -> None:
    """A line across the widths to compare with, named in a legend of its own."""
    ends = [bits["n_bits"].min(), bits["n_bits"].max()]
    (line,) = axes.plot(ends, heights, color=SOFT, linewidth=1, linestyle="--", label=label)
    axes.legend(handles=[line], loc="best", fontsize=8)


def hamming_by_width(pairs: pd.DataFrame) -> Figure:
    """Cosine of floats against share of differing bits, random pairs of items, a panel per model.

    pairs: columns model, cosine, differing.
    """
    models = list(dict.fromkeys(pairs["model"]))
    n_rows = -(-len(models) // PANELS_PER_ROW)
    n_columns = min(len(models), PANELS_PER_ROW)
    title = "Signs see the angle: the tighter around the dashed line, the more of it is left"
    figure = new_figure(2.55 * n_rows + 0.4, title)
    panels = figure.subplots(n_rows, n_columns, sharex=True, sharey=True, squeeze=False)
    for axes in panels.flat[len(models) :]:
        axes.set_visible(False)
    low, high = _reach(pairs)
    for axes, model in zip(panels.flat, models, strict=False):
        part = pairs[pairs["model"] == model]
        hexagons(axes, part, (low, 1, 0, high))
        expected = np.arccos(part["cosine"].clip(-1, 1)) / np.pi
        spread = float(np.sqrt(np.square(part["differing"] - expected).mean()))
        words = f"{model} bits" if model.isdigit() else model
        axes.set_title(f"{words}\n± {spread:.3f} around the line", fontsize=9.5)
    for axes in panels[:, 0]:
        axes.set_ylabel("share of bits that differ")
    figure.supxlabel(
        "cosine of the floats (dashed: angle / π, as random hyperplanes give)", fontsize=9, color=SOFT
    )
    return figure


def _reach(pairs: pd.DataFrame) -> tuple[float, float]:
    """Lowest cosine and highest share of bits to show, to the next tenth."""
    return float(np.floor(pairs["cosine"].min() * 10) / 10), float(
        np.ceil(pairs["differing"].max() * 10) / 10
    )


def changed_queries(changes: pd.DataFrame) -> Figure:
    """A panel per task, a row per model: the share of queries that its code answers worse (left) or better (right).

    changes: a table of `unifiedlib.codes_story.change_table`.
    """
    models, titles = list(dict.fromkeys(changes["model"])), _titles(changes)
    figure = new_figure(
        0.42 * len(models) + 1.7,
        "Which queries change: worse with the code (left), better (right), the same (written beside)",
    )
    panels = figure.subplots(1, len(titles), sharey=True, squeeze=False)[0]
    reach = max(float(changes[["worse", "better"]].max().max()), 0.01)
    for axes, (task, heading) in zip(panels, titles.items(), strict=True):
        for row in changes[changes["task"] == task].to_dict("records"):
            _shares(axes, row, models.index(row["model"]), reach)
        axes.axvline(0, color=INK, linewidth=1.1)
        axes.set(xlim=(-1.5 * reach, 2.4 * reach), xlabel="share of queries")
        ticks = MaxNLocator(2).tick_values(0, reach)
        axes.set_xticks([*(-tick for tick in ticks[1:]), *ticks])
        axes.xaxis.set_major_formatter(lambda value, _: f"{abs(value):.0%}")
        axes.set_title(heading, fontsize=10.5)
        axes.grid(visible=False, axis="y")
        axes.tick_params(length=0)
    panels[0].set_ylim(len(models) - 0.5, -0.5)
    names = [f"{model} bits" if model.isdigit() else model for model in models]
    panels[0].set_yticks(range(len(models)), names, color=INK)
    return figure


def _shares(axes: Axes, row: Mapping[str, float], place: int, reach: float) -> None:
    """One model on one task: bars to both sides of zero, with their shares, and at the right what stayed the same."""
    axes.barh(place, -row["worse"], height=0.62, color=WRONG, hatch="///", edgecolor="white", linewidth=0)
    axes.barh(place, row["better"], height=0.62, color=RIGHT)
    write = partial(axes.text, va="center", fontsize=8, color=INK)
    write(-row["worse"] - 0.03 * reach, place, f"{row['worse']:.0%}", ha="right")
    write(row["better"] + 0.03 * reach, place, f"{row['better']:.0%}", ha="left")
    write(2.35 * reach, place, f"same {row['same']:.0%}", ha="right")
