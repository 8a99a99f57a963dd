"""The user study, drawn: a rater's screen, preferences, agreement, how many judgements are needed, raters beside the metric.

Figures of simulated raters say so in their titles.
"""

from __future__ import annotations

from functools import partial

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import FancyBboxPatch, Patch, Rectangle
from matplotlib.ticker import FixedLocator, NullLocator

from unifiedlib.contract import Collection
from unifiedlib.figures.canvas import new_figure
from unifiedlib.figures.tables import signed
from unifiedlib.palette import INK, LINE, QUERY, SOFT, VARIANTS, Look, looks
from unifiedlib.study.document import Study
from unifiedlib.study.presentation import screens, shown_on
from unifiedlib.study.session import WORDS

SIMULATED = "Simulated raters"
OURS_COLOUR, THEIRS_COLOUR = VARIANTS["unified"].colour, VARIANTS["imagenet"].colour
PALE = 0.45
COMPARED = {
    "specialist": "unified (right) or specialist (left)",
    "imagenet": "unified (right) or ImageNet trunk (left)",
    "codes": "codes (right) or floats (left)",
}
AGAINST = {
    "specialist": "unified against specialist",
    "imagenet": "unified against ImageNet trunk",
    "codes": "codes against floats",
}
MARKERS = {"specialist": "o", "imagenet": "s", "codes": "D"}
RATERS = (Look("#9AA0A6", "o"), Look("#3FA7D6", "s"), Look("#4B1D82", "D"))
COLUMNS = 5


def _title(table: pd.DataFrame, said: str) -> str:
    return f"{SIMULATED}: {said}" if table["simulated"].any() else f"{said[0].upper()}{said[1:]}"


# A rater's screen


def _grid(axes: Axes, pixels: np.ndarray, left: float, top: float) -> None:
    for place, one in enumerate(pixels):
        x, y = left + place % COLUMNS * 1.06, top + place // COLUMNS * 1.06
        axes.imshow(one, extent=(x, x + 1, y + 1, y), interpolation="antialiased")


def _button(axes: Axes, words: str, x: float, y: float, width: float) -> None:
    box = FancyBboxPatch((x, y), width, 0.42, boxstyle="round,pad=0.04", facecolor="#EEF1F4", edgecolor=LINE)
    axes.add_patch(box)
    axes.text(x + width / 2, y + 0.21, words, ha="center", va="center", fontsize=9, color=INK)


def screen_figure(collection: Collection, study: Study, rater: str, place: int) -> Figure:
    """A screen of a rater as it looks in JupyterLab. place: which, 0 for the first."""
    shown = shown_on(study, screens(study, rater)[place])
    title = f"{SIMULATED} are asked what people would be: one picture, two lists, no names"
    buttons = [f"{words} ({key})" for key, words in WORDS.items()]
    n_rows = -(-study.k // COLUMNS)
    width, height = 2 * COLUMNS * 1.06 + 0.6, 2.35 + n_rows * 1.06
    figure = new_figure(10 / width * height + 0.4, title)
    axes = figure.add_subplot()
    axes.imshow(collection.pixels[shown.query], extent=(0, 1.6, 1.65, 0.05), interpolation="antialiased")
    axes.add_patch(Rectangle((0.02, 0.07), 1.56, 1.56, fill=False, edgecolor=QUERY, linewidth=2.6))
    axes.text(2.0, 0.25, shown.question, fontsize=11, color=INK, fontweight="bold", va="center")
    widths = [0.105 * len(words) + 0.1 for words in buttons]
    starts = np.cumsum([2.04, *(one + 0.22 for one in widths[:-1])])
    for words, x, one in zip(buttons, starts, widths, strict=True):
        _button(axes, words, float(x), 0.6, one)
    axes.text(
        2.0, 1.45, f"{place} of {len(screens(study, rater))} answered", fontsize=9, color=SOFT, va="center"
    )
    second = COLUMNS * 1.06 + 0.54
    for name, items, x in (("left", shown.left, 0.0), ("right", shown.right, second)):
        axes.text(x, 2.05, name, fontsize=10.5, color=INK, fontweight="bold", va="center")
        _grid(axes, collection.pixels[items], x, 2.3)
    axes.set(xlim=(0, width), ylim=(height, 0), aspect="equal")
    axes.axis("off")
    return figure


# Preferences


def _preference_bar(axes: Axes, row: dict[str, float], place: int) -> None:
    """Shares for theirs (left) and ours (right), and on the same scale the net preference with its interval."""
    ours, theirs, tie, neither = (
        row[name] / row["n_judgement"] for name in ("ours", "theirs", "tie", "neither")
    )
    axes.barh(place, ours, height=0.56, color=OURS_COLOUR, alpha=PALE, linewidth=0)
    axes.barh(
        place,
        -theirs,
        height=0.56,
        color=THEIRS_COLOUR,
        alpha=PALE,
        hatch="///",
        edgecolor="white",
        linewidth=0,
    )
    axes.plot([row["net_low"], row["net_high"]], [place] * 2, color=INK, linewidth=2.2, solid_capstyle="butt")
    axes.plot(row["net"], place, "o", color=INK, markersize=6)
    write = partial(axes.text, y=place - 0.34, fontsize=8, color=SOFT, va="bottom")
    write(-0.97, s=f"net {signed(row['net'])}", ha="left")
    write(0.97, s=f"tie {tie:.0%}, neither {neither:.0%}", ha="right")


def preference_figure(preferences: pd.DataFrame) -> Figure:
    """A panel per comparison, a row per task: whose list the answers prefer, and the net preference with its interval.

    preferences: as from `unifiedlib.study.preference.preference_table`.
    """
    studies, tasks = (list(dict.fromkeys(preferences[name])) for name in ("study", "task"))
    title = _title(preferences, "whose list they prefer (dot: net preference, right of zero means ours)")
    figure = new_figure(0.72 * len(tasks) + 1.6, title)
    panels = figure.subplots(1, len(studies), sharey=True, sharex=True, squeeze=False)[0]
    for axes, study in zip(panels, studies, strict=True):
        for row in preferences[preferences["study"] == study].to_dict("records"):
            _preference_bar(axes, row, tasks.index(row["task"]))
        axes.axvline(0, color=INK, linewidth=1.1, zorder=1)
        axes.set_title(COMPARED.get(study, study), fontsize=10)
        axes.set_xlim(-1, 1)
        axes.xaxis.set_major_locator(FixedLocator([-0.5, 0, 0.5]))
        axes.xaxis.set_major_formatter(lambda value, _: f"{abs(value):.0%}")
        axes.grid(visible=False, axis="y")
        axes.tick_params(length=0)
    panels[0].set_ylim(len(tasks) - 0.5, -0.65)
    panels[0].set_yticks(range(len(tasks)), tasks, color=INK)
    handles = [
        Patch(color=OURS_COLOUR, alpha=PALE, label="answers for ours"),
        Patch(
            facecolor=THEIRS_COLOUR, alpha=PALE, hatch="///", edgecolor="white", label="answers for the other"
        ),
        Line2D([], [], color=INK, marker="o", label="net preference, 95 % interval"),
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=3)
    return figure


# Agreement


def agreement_figure(agreement: pd.DataFrame, noise: float) -> Figure:
    """Krippendorff's alpha along the raters' noise, a panel per comparison, a line per task. noise: the study's own."""
    studies = list(dict.fromkeys(agreement["study"]))
    figure = new_figure(3.3, _title(agreement, "the noisier they judge, the less they agree"))
    panels = figure.subplots(1, len(studies), sharey=True, squeeze=False)[0]
    for axes, study in zip(panels, studies, strict=True):
        part = agreement[agreement["study"] == study]
        for task, look in looks(list(dict.fromkeys(part["task"]))).items():
            line = part[part["task"] == task]
            axes.plot(line["noise"], line["krippendorff"], marker=look.marker, color=look.colour, label=task)
        axes.axvline(noise, color=SOFT, linewidth=1, linestyle=":", zorder=1)
        axes.axhline(0, color=INK, linewidth=1, zorder=1)
        axes.set_title(COMPARED.get(study, study), fontsize=10)
        axes.set_xlabel("noise, in units of a list's worth")
    panels[0].set_ylabel("Krippendorff's α")
    dotted = Line2D([], [], color=SOFT, linestyle=":", label="noise of the study")
    handles = [*panels[0].get_legend_handles_labels()[0], dotted]
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles))
    return figure


# How many judgements


def power_figure(power: pd.DataFrame, study: str) -> Figure:
    """Half-width of the interval by number of queries, a panel per task, a line per number of raters.

    power: as from `unifiedlib.study.power.power_table`; study: which comparison. Dashed: the size of the net preference itself; a
    line below it can tell it from zero.
    """
    table = power[power["study"] == study]
    tasks = list(dict.fromkeys(table["task"]))
    said = "how many queries it takes (dashed: the preference to be told from zero)"
    figure = new_figure(3.4, _title(table, said))
    panels = figure.subplots(1, len(tasks), sharey=True, squeeze=False)[0]
    for axes, task in zip(panels, tasks, strict=True):
        part = table[table["task"] == task]
        for number, n_rater in enumerate(sorted(part["n_rater"].unique())):
            look, line = RATERS[number % len(RATERS)], part[part["n_rater"] == n_rater]
            label = f"{n_rater} rater{'s' if n_rater > 1 else ''}"
            axes.plot(line["n_query"], line["half_width"], marker=look.marker, color=look.colour, label=label)
        net = float(part["net"].iloc[0])
        axes.axhline(abs(net), color=INK, linewidth=1.1, linestyle="--", zorder=1)
        axes.set_title(f"{task}, net preference {signed(net)}", fontsize=10)
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(FixedLocator(sorted(part["n_query"].unique())))
        axes.xaxis.set_minor_locator(NullLocator())
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
        axes.tick_params(axis="x", labelsize=8)
        axes.set_xlabel("queries")
    panels[0].set_ylabel("half of the 95 % interval")
    panels[0].set_ylim(0, None)
    handles = panels[0].get_legend_handles_labels()[0]
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles))
    return figure


# Raters beside the metric


def _reach(table: pd.DataFrame, name: str) -> tuple[float, float]:
    """Limits of an axis that hold all intervals, and zero, with some room; at most -1 to 1."""
    low, high = min(0.0, float(table[f"{name}_low"].min())), max(0.0, float(table[f"{name}_high"].max()))
    room = 0.12 * (high - low) or 0.1
    return max(-1.0, low - room), min(1.0, high + room)


def offline_figure(offline: pd.DataFrame, preferences: pd.DataFrame) -> Figure:
    """Difference in each task's headline metric (across) against the net preference (up), with their intervals.

    Above and right of the axes, raters and metric agree that ours is better; a colour per task, a mark per comparison.
    """
    both = offline.merge(preferences.drop(columns="simulated"), on=["study", "task"])
    figure = new_figure(4.6, _title(both, "do they agree with the metric? (shaded: they name the same side)"))
    axes = figure.add_subplot()
    styles = looks(list(dict.fromkeys(both["task"])))
    for sign in (1, -1):
        axes.add_patch(Rectangle((0, 0), sign, sign, color="#EEF5EE", linewidth=0, zorder=0))
    for row in both.itertuples():
        colour, marker = styles[row.task].colour, MARKERS.get(row.study, "o")
        axes.plot([row.difference_low, row.difference_high], [row.net] * 2, color=colour, linewidth=1.6)
        axes.plot([row.difference] * 2, [row.net_low, row.net_high], color=colour, linewidth=1.6)
        axes.plot(row.difference, row.net, marker, color=colour, markersize=8, markeredgecolor="white")
    axes.axhline(0, color=INK, linewidth=1)
    axes.axvline(0, color=INK, linewidth=1)
    axes.set(
        xlim=_reach(both, "difference"),
        ylim=_reach(both, "net"),
        xlabel="ours minus the other, headline metric",
        ylabel="net preference",
    )
    tasks = [Patch(color=look.colour, label=task) for task, look in styles.items()]
    studies = list(dict.fromkeys(both["study"]))
    marks = [
        Line2D([], [], linestyle="", marker=MARKERS.get(name, "o"), color=SOFT, label=AGAINST.get(name, name))
        for name in studies
    ]
    figure.legend(handles=[*tasks, *marks], loc="outside right center", ncols=1)
    return figure
