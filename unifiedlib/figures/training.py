"""How a training went: loss, validation accuracy and learning rate over the steps of both phases."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from unifiedlib.figures.canvas import new_figure, say
from unifiedlib.palette import SOFT, looks

NOTHING = (
    "Nothing is trained in this variant: the trunk keeps its ImageNet weights, and there is no curve to draw."
)
PHASES = ("phase 1: the head, on cached features", "phase 2: everything, on random views")
STYLES = ("-", "--", ":", "-.")


def long_history(histories: Mapping[int, pd.DataFrame]) -> pd.DataFrame:
    """Histories {seed: table} as one tidy table: seed, phase, step (counted through both phases), name, value."""
    parts = []
    for seed, history in histories.items():
        if history.empty:
            continue
        last = history.loc[history["phase"] == 1, "step"].max()
        through = history["step"] + (history["phase"] == 2) * (0 if pd.isna(last) else last)
        wide = history.drop(columns="step").assign(seed=seed, step=through)
        parts.append(wide.melt(["seed", "phase", "step"], var_name="name"))
    columns = ["seed", "phase", "step", "name", "value"]
    if not parts:
        return pd.DataFrame(columns=columns)
    return pd.concat(parts, ignore_index=True).dropna(subset="value")[columns]


def _mark_phases(axes: Axes, history: pd.DataFrame) -> None:
    """A line between the phases, and what each of them trains."""
    first, last = history.loc[history["phase"] == 1, "step"].max(), history["step"].max()
    if pd.isna(first) or first == last:
        return
    axes.axvline(first, color=SOFT, linewidth=1, linestyle=(0, (2, 3)))
    for where, side, what in ((0, "left", PHASES[0]), (last * 1.02, "right", PHASES[1])):
        place = axes.get_xaxis_transform()
        axes.text(where, 1.02, what, transform=place, ha=side, va="bottom", fontsize=8.5, color=SOFT)


def _draw_curves(axes: Axes, history: pd.DataFrame, kind: str, marker: str) -> None:
    """A curve per label set, the mean over seeds, and a thin one per seed where there are several."""
    names = [name for name in history["name"].unique() if name.startswith(kind)]
    colours = looks([name.removeprefix(kind).split("/")[0] for name in names])
    used: dict[str, int] = {}
    for name in names:
        part, key = history[history["name"] == name], name.removeprefix(kind)
        task = key.split("/")[0]
        style = STYLES[used.get(task, 0) % len(STYLES)]
        used[task] = used.get(task, 0) + 1
        mean = part.groupby("step")["value"].mean()
        look = colours[task]
        axes.plot(
            mean.index, mean, style, color=look.colour, marker=marker and look.marker, label=key, linewidth=2
        )
        if len(part["seed"].unique()) > 1:
            for _, own in part.groupby("seed"):
                axes.plot(own["step"], own["value"], style, color=look.colour, alpha=0.35, linewidth=0.8)


def _curves(histories: Mapping[int, pd.DataFrame], kind: str, title: str, label: str, marker: str) -> Figure:
    history = long_history(histories)
    if history.empty:
        return say(NOTHING)
    if not history["name"].str.startswith(kind).any():
        return say(f"No {label} was recorded.")
    figure = new_figure(3.1, title)
    axes = figure.add_subplot()
    _draw_curves(axes, history, kind, marker)
    _mark_phases(axes, history)
    axes.set(xlabel="step", ylabel=label, xlim=(0, history["step"].max() * 1.02))
    axes.legend(title="label set", loc="center left", bbox_to_anchor=(1, 0.5))
    return figure


def loss_curves(histories: Mapping[int, pd.DataFrame]) -> Figure:
    """Training loss of each label set over the steps; histories: {seed: table as in history.csv}."""
    title = "Training loss of each label set: it should fall and flatten within each phase"
    return _curves(histories, "loss ", title, "loss, nats", "")


def accuracy_curves(histories: Mapping[int, pd.DataFrame]) -> Figure:
    """Share of held-out training images whose nearest proxy is their class, per label set, after each epoch."""
    title = "Held-out images whose nearest proxy is right: a fall in phase 2 would be overfitting"
    figure = _curves(histories, "accuracy ", title, "validation accuracy", "marker")
    if figure.axes:
        figure.axes[0].set_ylim(0, 1.02)
    return figure


def rate_curve(histories: Mapping[int, pd.DataFrame]) -> Figure:
    """Learning rate of the new parameters: a short warm-up, then half a cosine, in each phase."""
    history = long_history(histories)
    if history.empty:
        return say(NOTHING)
    rate = history[history["name"] == "learning_rate"].groupby("step")["value"].first()
    figure = new_figure(1.9, "Learning rate of the new parameters: a cosine down to zero in each phase")
    axes = figure.add_subplot()
    axes.plot(rate.index, rate, color=SOFT, linewidth=2)
    _mark_phases(axes, history)
    axes.set(xlabel="step", ylabel="learning rate", ylim=(0, None), xlim=(0, rate.index.max() * 1.02))
    return figure
