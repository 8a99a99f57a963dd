"""Costs, drawn: what was measured, what a year costs by part, what the saving hangs on, and where it stops."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator, PercentFormatter

from unifiedlib.figures.canvas import new_figure
from unifiedlib.palette import BINARY, FLOAT, INK, REPRESENTATIONS, SOFT, VARIANTS, Look, looks

KINDS = {"float": "as floats", "binary": "as codes"}
OWN_SCALE = " (a scale of its own)"
WORLDS = ("specialists", "unified")
# The parts as they are stacked: what is added up, its colour and hatch, light and dark in turn.
STACK = {
    "index in memory": (("index memory",), "#1F4E79", ""),
    "searching": (("search",), "#F0A030", ""),
    "vectors on disk": (("storage", "models"), "#7FA8CF", "///"),
    "embedding": (("back-fill", "new items", "queries"), "#4B1D82", ""),
    "training": (("training",), "#D8DEE4", "..."),
}
STEP_LOOKS = {
    "unified instead of specialists, as codes": Look(BINARY, "s"),
    "unified instead of specialists, as floats": Look(FLOAT, "o"),
    "both: specialists' floats to unified codes": Look("#2A9D8F", "^"),
}
PANELS = {
    "fine-tuning": "an image trained on",
    "embedding": "a picture embedded",
    "search": "a query searched",
}
MOST_ROWS = 9


def measured_figure(table: pd.DataFrame) -> Figure:
    """Core-milliseconds of an image trained on, a picture embedded, a query searched: medians and 95 % intervals.

    table: as measured.csv.
    """
    figure = new_figure(
        2.9, "What one of each takes: specialists beside the unified embedding, floats beside codes"
    )
    panels = figure.subplots(1, len(PANELS))
    for axes, (quantity, said) in zip(panels, PANELS.items(), strict=True):
        rows = table[table["quantity"] == quantity].reset_index(drop=True)
        styles = looks(rows["what"].tolist(), {**VARIANTS, **REPRESENTATIONS})
        for place, row in rows.iterrows():
            look = styles[row["what"]]
            axes.hlines(place, row["low"] * 1e3, row["high"] * 1e3, color=look.colour, linewidth=2.2)
            axes.plot(row["value"] * 1e3, place, look.marker, color=look.colour, markersize=7)
        axes.set_yticks(range(len(rows)), rows["what"].tolist(), color=INK)
        axes.set_ylim(len(rows) - 0.5, -0.5)
        axes.set_xlim(0, max(float(rows["high"].max()) * 1e3 * 1.1, 1e-9))
        axes.set_title(said, fontsize=10.5)
        axes.set_xlabel("core-milliseconds")
        axes.grid(visible=False, axis="y")
    return figure


def cost_bars(costs: pd.DataFrame, number: Callable[[float], str], currency: str) -> Figure:
    """What a year costs in all, the parts stacked: a panel for floats and one for codes, each with a scale of its own.

    costs: a table of `cost_table`; number: how a sum is written.
    """
    figure = new_figure(
        2.9, "What a year costs: one embedding instead of one per task, as floats and as codes"
    )
    panels = figure.subplots(1, 2)
    for axes, (kind, said) in zip(panels, KINDS.items(), strict=True):
        for place, world in enumerate(WORLDS):
            rows = costs[(costs["representation"] == kind) & (costs["world"] == world)].set_index("part")[
                "money"
            ]
            _stacked_bar(axes, rows, place)
            axes.annotate(
                f"{number(float(rows.sum()))}",
                (float(rows.sum()), place),
                xytext=(5, 0),
                textcoords="offset points",
                va="center",
                color=INK,
            )
        highest = costs[costs["representation"] == kind].groupby("world")["money"].sum().max()
        axes.set_xlim(0, max(float(highest), 1e-9) * 1.3)
        axes.set_yticks(range(2), ["specialists", "unified"], color=INK)
        axes.set_ylim(1.6, -0.6)
        axes.xaxis.set_major_locator(MaxNLocator(4))
        axes.xaxis.set_major_formatter(lambda value, _: number(value))
        axes.set_xlabel(f"{currency} a year")
        axes.set_title(said + OWN_SCALE, fontsize=10.5)
        axes.grid(visible=False, axis="y")
    handles = panels[0].get_legend_handles_labels()
    unique = dict(zip(handles[1], handles[0], strict=True))
    figure.legend(unique.values(), unique.keys(), loc="outside lower center", ncols=len(unique))
    return figure


def _stacked_bar(axes: Axes, money: pd.Series, place: int) -> None:
    left = 0.0
    for label, (parts, colour, hatch) in STACK.items():
        width = float(money.reindex(parts).sum())
        axes.barh(
            place,
            width,
            0.62,
            left=left,
            color=colour,
            hatch=hatch,
            edgecolor="white",
            linewidth=0.5,
            label=label,
        )
        left += width


def part_dumbbells(costs: pd.DataFrame, number: Callable[[float], str], currency: str) -> Figure:
    """Each part by itself, on a logarithmic axis: specialists (hollow) and unified (filled), floats and codes.

    Parts that cost nothing are left out.
    """
    parts = [
        part for part in dict.fromkeys(costs["part"]) if costs.loc[costs["part"] == part, "money"].min() > 0
    ]
    figure = new_figure(
        0.46 * len(parts) + 1.3, "Part by part: what unifying moves (hollow to filled), and what codes move"
    )
    axes = figure.add_subplot()
    for place, part in enumerate(parts):
        for kind, shift in (("float", -0.16), ("binary", 0.16)):
            rows = costs[(costs["part"] == part) & (costs["representation"] == kind)].set_index("world")[
                "money"
            ]
            look, y = REPRESENTATIONS[kind], place + shift
            axes.plot(rows[list(WORLDS)], [y, y], color=look.colour, linewidth=1.6, alpha=0.6, zorder=2)
            for world, face in (("specialists", "white"), ("unified", look.colour)):
                axes.plot(
                    rows[world],
                    y,
                    look.marker,
                    color=look.colour,
                    markerfacecolor=face,
                    markersize=7.5,
                    zorder=3,
                )
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(lambda value, _: number(value))
    axes.set_yticks(range(len(parts)), parts, color=INK)
    axes.set_ylim(len(parts) - 0.5, -0.5)
    axes.set_xlabel(f"{currency} a year (logarithmic)")
    axes.grid(visible=False, axis="y")
    figure.legend(handles=_dumbbell_legend(), loc="outside lower center", ncols=4)
    return figure


def _dumbbell_legend() -> list[Line2D]:
    return [
        Line2D(
            [],
            [],
            linestyle="",
            marker=REPRESENTATIONS[kind].marker,
            color=REPRESENTATIONS[kind].colour,
            markerfacecolor=REPRESENTATIONS[kind].colour if world == "unified" else "white",
            markersize=7.5,
            label=f"{world}, {'floats' if kind == 'float' else 'codes'}",
        )
        for world in WORLDS
        for kind in KINDS
    ]


def saving_curves(
    by_tasks: pd.DataFrame, by_share: pd.DataFrame, n_tasks: int, shared_share: float
) -> Figure:
    """Share of a year's money saved by the number of tasks, and by the share of the corpus that every task searches.

    n_tasks, shared_share: as assumed, marked.
    """
    figure = new_figure(3.5, "The more tasks, and the more of the corpus they share, the more unifying saves")
    panels = figure.subplots(1, 2, sharey=True)
    drawn = (
        (by_tasks, "n_tasks", "number of tasks", n_tasks),
        (by_share, "shared_share", "share of the corpus that every task searches", shared_share),
    )
    for axes, (table, column, label, assumed) in zip(panels, drawn, strict=True):
        for name, look in STEP_LOOKS.items():
            part = table[table["step"] == name]
            every = max(1, len(part) // 10)
            axes.plot(
                part[column],
                part["saved"],
                marker=look.marker,
                markevery=every,
                color=look.colour,
                markersize=5,
                label=name,
            )
        axes.axvline(assumed, color=SOFT, linewidth=1, linestyle=":", zorder=1)
        axes.annotate(
            "assumed",
            (assumed, 0.14),
            xycoords=("data", "axes fraction"),
            xytext=(-4, 0),
            textcoords="offset points",
            ha="right",
            fontsize=8,
            color=SOFT,
        )
        axes.axhline(0, color=INK, linewidth=1.1, zorder=1)
        axes.set_xlabel(label)
    panels[0].set_ylabel("share of a year's money saved")
    panels[0].yaxis.set_major_formatter(PercentFormatter(1))
    panels[0].xaxis.set_major_locator(MaxNLocator(integer=True))
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return figure


def tornado_figure(table: pd.DataFrame, words: dict[str, str]) -> Figure:
    """Each assumption halved (hollow) and doubled (filled), by reach: the share that unifying saves, as codes and as floats.

    table: of `unifiedlib.costs.sensitivity.tornado`; words: {assumption: what it is called}.
    """
    steps = list(STEP_LOOKS)[:2]
    names = list(dict.fromkeys(table.loc[table["step"].isin(steps), "assumption"]))[:MOST_ROWS]
    figure = new_figure(
        0.36 * len(names) + 1.8, "What the saving by unifying hangs on: each assumption halved and doubled"
    )
    panels = figure.subplots(1, 2, sharey=True)
    for axes, step, kind in zip(panels, steps, ("binary", "float"), strict=True):
        rows = table[table["step"] == step].set_index(["assumption", "change"])
        look, base = STEP_LOOKS[step], float(rows["base"].iloc[0])
        for place, name in enumerate(names):
            halved, doubled = (float(rows.loc[(name, change), "saved"]) for change in ("halved", "doubled"))
            low, high = min(halved, doubled, base), max(halved, doubled, base)
            axes.barh(place, high - low, 0.5, left=low, color=look.colour, alpha=0.35)
            axes.plot(halved, place, look.marker, color=look.colour, markerfacecolor="white", markersize=6.5)
            axes.plot(doubled, place, look.marker, color=look.colour, markersize=6.5)
        axes.axvline(base, color=INK, linewidth=1.1)
        axes.set_title(f"{KINDS[kind]} ({base:.0%} as assumed)", fontsize=10.5)
        axes.xaxis.set_major_locator(MaxNLocator(5))
        axes.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
        axes.use_sticky_edges = False
        axes.margins(x=0.06)
        axes.set_xlabel("share of a year's money saved")
        axes.grid(visible=False, axis="y")
    panels[0].set_yticks(range(len(names)), [words[name] for name in names], color=INK)
    panels[0].set_ylim(len(names) - 0.5, -0.5)
    marks = [
        Line2D([], [], linestyle="", marker="o", color=INK, markerfacecolor=face, label=said)
        for face, said in (("white", "halved"), (INK, "doubled (shares at most 1)"))
    ]
    figure.legend(handles=marks, loc="outside lower center", ncols=2)
    return figure


def break_even_figure(by_share: pd.DataFrame, precision_lost: float) -> Figure:
    """The loss of precision that the saving pays for, by shared share; a panel for codes, one for floats, each with its scale.

    precision_lost: as assumed, a line; where the curve lies below it, unifying does not pay.
    """
    figure = new_figure(
        3.2, "Where unifying stops paying: a loss of precision above the curve costs more than is saved"
    )
    panels = figure.subplots(1, 2)
    for axes, kind, (step, look) in zip(
        panels, ("binary", "float"), list(STEP_LOOKS.items())[:2], strict=True
    ):
        part = by_share[by_share["step"] == step]
        x, y = part["shared_share"].to_numpy(float), part["bearable_loss"].to_numpy(float)
        axes.fill_between(x, np.minimum(y, 0), y, color=look.colour, alpha=0.18, linewidth=0)
        axes.plot(x, y, color=look.colour, marker=look.marker, markevery=4, markersize=5)
        axes.axhline(precision_lost, color=SOFT, linestyle="--", linewidth=1)
        axes.annotate(
            f"a loss of {precision_lost:g}",
            (0.01, precision_lost),
            xycoords=("axes fraction", "data"),
            xytext=(2, 3),
            textcoords="offset points",
            fontsize=8,
            color=SOFT,
        )
        axes.set_title(KINDS[kind], fontsize=10.5)
        axes.set(
            xlabel="share of the corpus that every task searches",
            xlim=(0, 1),
            ylim=(min(0.0, float(y.min())), None),
        )
    panels[0].set_ylabel("loss of precision paid for")
    return figure
