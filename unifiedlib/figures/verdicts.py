"""The verdicts on one page: a table of claims, and a forest plot of all effects with the collections beside each other."""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, MaxNLocator
from pandas.io.formats.style import Styler

from unifiedlib.claims import REPLICATED
from unifiedlib.figures.canvas import new_figure, say
from unifiedlib.figures.tables import LEFT, plain_table, signed
from unifiedlib.palette import COLLECTIONS, INK, LINE, SOFT, VERDICT_SIGNS, VERDICTS, Look
from unifiedlib.verdict_story import SIGNS, effect_text
from unifiedlib.verdicts import PRECISION, SAVED

ROW = 0.26
SHIFT = 0.42
FAR = 0.13
GAP = 1.1


def forest_figure(effects: pd.DataFrame) -> Figure:
    """Every effect with its 95 % interval: claims from top to bottom, their comparisons as rows, collections as marks.

    effects: as `unifiedlib.verdicts.effect_table` gives it. A filled mark is replicated, a crossed one is not, a hollow one
    cannot be told; dotted ticks are thresholds other than 0, which an interval must clear. Effects far away stand in words at
    the edge.
    """
    parts = [effects[effects["unit"] == unit] for unit in (PRECISION, SAVED)]
    parts = [part for part in parts if len(part)]
    if not parts:
        return say("No claim has been tested yet.")
    rows = [len(part[["id", "where"]].drop_duplicates()) + GAP * part["id"].nunique() for part in parts]
    figure = new_figure(
        ROW * sum(rows) + 1.9,
        "Every effect behind the verdicts: right of the line, the claim's side is ahead",
    )
    panels = figure.subplots(len(parts), 1, height_ratios=rows, squeeze=False)[:, 0]
    for axes, part in zip(panels, parts, strict=True):
        _forest(axes, part)
    figure.legend(handles=_legend(effects), loc="outside lower center", ncols=3)
    return figure


def _forest(axes: Axes, part: pd.DataFrame) -> None:
    """One unit's rows: a heading per claim, its comparisons below."""
    place, ticks, names = 0.0, [], []
    axes.set_xlim(*_window(part))
    collections = list(dict.fromkeys(part["collection"]))
    for claim_id, group in part.groupby("id", sort=False):
        if place:
            axes.axhline(place - 0.42, color=LINE, linewidth=0.8)
        place += GAP
        heading = f"{claim_id}   {group['compared'].iloc[0]}"
        title = axes.text(0.004, place - 0.62, heading, transform=axes.get_yaxis_transform(), va="center")
        title.set(fontsize=8.5, fontweight="bold", color=INK)
        title.set_bbox({"facecolor": "white", "edgecolor": "none", "pad": 1})
        for where, rows in group.groupby("where", sort=False):
            for _, row in rows.iterrows():
                shift = SHIFT * (collections.index(row["collection"]) - (len(collections) - 1) / 2)
                _mark(axes, row, place + shift, place)
            ticks.append(place)
            names.append(str(where))
            place += 1
    axes.axvline(0, color=INK, linewidth=1.1, zorder=1)
    axes.set_ylim(place - 0.4, 0.0)
    axes.set_yticks(ticks, names, color=INK, fontsize=8.5)
    axes.grid(visible=False, axis="y")
    axes.tick_params(length=0)
    axes.xaxis.set_major_locator(MaxNLocator(9))
    if part["unit"].iloc[0] == SAVED:
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.0%}"))
        axes.set_xlabel("share of the specialists' cost that is saved")
    else:
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: signed(value)))
        axes.set_xlabel("difference in the headline metric (P@k)")


def _window(part: pd.DataFrame) -> tuple[float, float]:
    """What the axis shows: every interval of an effect that is not far away, and zero; far ones stand at the edge."""
    near = part[part["effect"].abs() <= FAR] if part["unit"].iloc[0] == PRECISION else part
    low, high = min(near["low"].min(), 0.0), max(near["high"].max(), 0.0)
    room = 0.12 * max(high - low, 0.01)
    return low - room, high + room


def _mark(axes: Axes, row: pd.Series, height: float, place: float) -> None:
    """One effect with its interval at `height`, its threshold across the row at `place`, its verdict's sign at the right."""
    look = COLLECTIONS.get(row["collection"], Look(SOFT, "D"))
    low, high = axes.get_xlim()
    if row["threshold"]:
        reach = [place - 0.42, place + 0.42]
        axes.plot([row["threshold"]] * 2, reach, ":", color=SOFT, linewidth=1.2, zorder=1)
    if low <= row["low"] and row["high"] <= high:
        axes.plot(
            [row["low"], row["high"]], [height] * 2, color=look.colour, linewidth=1.8, solid_capstyle="butt"
        )
        (mark,) = axes.plot(row["effect"], height, look.marker, markersize=6, color=look.colour, zorder=3)
        mark.set_markerfacecolor(look.colour if row["verdict"] == REPLICATED else "white")
        mark.set_markeredgewidth(1.4)
    else:
        _far(axes, row, height, look)
    sign, colour = VERDICT_SIGNS[row["verdict"]], VERDICTS[row["verdict"]]
    beside = ("axes fraction", "data")
    axes.annotate(sign, (1.005, height), xycoords=beside, va="center", color=colour, fontsize=7)


def _far(axes: Axes, row: pd.Series, height: float, look: Look) -> None:
    """An effect beyond the axis: its number and an arrow at the edge, with its interval in words."""
    right = row["effect"] > 0
    text = f"{signed(row['effect'])} ({signed(row['low'])} to {signed(row['high'])}) {'→' if right else ''}"
    axes.annotate(
        text if right else f"← {text}",
        (0.995 if right else 0.005, height),
        xycoords=("axes fraction", "data"),
        ha="right" if right else "left",
        va="center",
        color=look.colour,
        fontsize=7.5,
    )


def _legend(effects: pd.DataFrame) -> list[Line2D]:
    known = [name for name in COLLECTIONS if (effects["collection"] == name).any()]
    marks = [
        Line2D([], [], color=COLLECTIONS[name].colour, marker=COLLECTIONS[name].marker, label=name)
        for name in known
    ]
    fillings = [
        Line2D([], [], linestyle="", marker="o", color=SOFT, markerfacecolor=face, label=label)
        for face, label in ((SOFT, "✓ replicated"), ("white", "✗ not replicated, ? cannot be told"))
    ]
    threshold = Line2D([], [], color=SOFT, linestyle=":", label="to be cleared, where it is not 0")
    return [*marks, *fillings, threshold]


def verdict_matrix(table: pd.DataFrame) -> Styler:
    """A row per claim, a column per collection: its verdict in colour, the worst task's effect and interval below.

    table: as `unifiedlib.verdicts.verdict_table` gives it.
    """
    collections = list(dict.fromkeys(table["collection"]))
    first = table.drop_duplicates("id")[["id", "claim", "source"]]
    cells = table.assign(cell=[_verdict_cell(row) for _, row in table.iterrows()]).pivot_table(
        index="id", columns="collection", values="cell", aggfunc="first"
    )
    shown = first.join(cells[collections], on="id").rename(columns={"source": "claimed by"})
    return plain_table(shown, "verdicts", markup=True).set_table_styles(
        [*LEFT, {"selector": "td", "props": "min-width: 3rem"}]
    )


def _verdict_cell(row: pd.Series) -> str:
    colour = VERDICTS.get(row["verdict"], SOFT)
    verdict = f'<b style="color: {colour}; white-space: nowrap">{SIGNS[row["verdict"]]} {row["verdict"]}</b>'
    text = effect_text(row)
    return f'{verdict}<br><small style="white-space: nowrap">{text}</small>' if text else verdict
