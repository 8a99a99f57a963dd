"""How a training went, over the steps of both phases: losses, who pulls, accuracy, learning rate, speed; and what each gave."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from unifiedlib.figures.canvas import new_figure, say
from unifiedlib.palette import INK, LINE, SOFT, looks

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
    """Learning rate of the new parameters in each phase, by its schedule."""
    history = long_history(histories)
    if history.empty:
        return say(NOTHING)
    rate = history[history["name"] == "learning_rate"].groupby("step")["value"].first()
    figure = new_figure(1.9, "Learning rate of the new parameters: it falls within each phase")
    axes = figure.add_subplot()
    axes.plot(rate.index, rate, color=SOFT, linewidth=2)
    _mark_phases(axes, history)
    axes.set(xlabel="step", ylabel="learning rate", ylim=(0, None), xlim=(0, rate.index.max() * 1.02))
    return figure


def _task_of(name: str) -> str:
    """The task of a loss, such as `lens/category`, `teacher lens/category` or `distilled lens`."""
    return name.split()[-1].split("/")[0]


def _with_prefix(history: pd.DataFrame, prefix: str) -> pd.DataFrame:
    """Of a tidy history the values whose name begins so: seed, step, loss (the rest of the name), value."""
    rows = history[history["name"].str.startswith(prefix)]
    return rows.assign(loss=rows["name"].str.removeprefix(prefix))[["seed", "step", "loss", "value"]]


def gradient_table(histories: Mapping[int, pd.DataFrame]) -> pd.DataFrame:
    """Each task's share of the gradients' lengths at the embeddings, mean over seeds: a row per step, a column per task.

    Each gradient counts with the weight that its loss had then.
    """
    history = long_history(histories)
    rows = _with_prefix(history, "gradient ").merge(
        _with_prefix(history, "weight "), how="left", on=["seed", "step", "loss"], suffixes=("", "_weight")
    )
    rows = rows.assign(task=rows["loss"].map(_task_of), pull=rows["value"] * rows["value_weight"].fillna(1.0))
    pulls = rows.groupby(["step", "task", "seed"], sort=False)["pull"].sum().reset_index()
    totals = pulls.groupby(["step", "seed"])["pull"].transform("sum")
    shares = pulls.assign(share=pulls["pull"] / totals.where(totals > 0, 1.0))
    return shares.pivot_table(index="step", columns="task", values="share", sort=False).fillna(0.0)


def gradient_shares(histories: Mapping[int, pd.DataFrame]) -> Figure:
    """How much each task pulls at the embeddings, over the steps; the shares add up to 1."""
    table = gradient_table(histories)
    if table.empty:
        return say(NOTHING)
    figure = new_figure(2.7, "Who pulls: each task's share of the gradient that reaches the embeddings")
    axes = figure.add_subplot()
    colours = looks(list(table.columns))
    fills = [colours[task].colour for task in table.columns]
    areas = axes.stackplot(
        table.index, table.to_numpy().T, colors=fills, alpha=0.75, labels=list(table.columns)
    )
    for area, hatch in zip(areas, ("", "//", "..", "xx", "--") * 9, strict=False):
        area.set(hatch=hatch, edgecolor="white", linewidth=0.4)
    _mark_phases(axes, long_history(histories))
    axes.set(xlabel="step", ylabel="share", ylim=(0, 1), xlim=(table.index.min(), table.index.max()))
    axes.legend(title="task", loc="center left", bbox_to_anchor=(1, 0.5))
    return figure


def throughput_curve(throughput: Mapping[int, pd.DataFrame]) -> Figure:
    """Images per second of each seed's training; throughput: {seed: columns phase, step, images_per_second}."""
    rows = pd.concat([table.assign(seed=seed) for seed, table in throughput.items()], ignore_index=True)
    if "images_per_second" not in rows or rows.empty:
        return say("Nothing was trained here: the model was trained before, or needs no training.")
    figure = new_figure(
        2.2, "Images per second: cached features are fast, whole pictures are not (logarithmic)"
    )
    axes = figure.add_subplot()
    for number, (seed, table) in enumerate(rows.groupby("seed")):
        last = table.loc[table["phase"] == 1, "step"].max()
        through = table["step"] + (table["phase"] == 2) * (0 if pd.isna(last) else last)
        style = STYLES[number % len(STYLES)]
        axes.plot(through, table["images_per_second"], style, color=SOFT, linewidth=1.8, label=f"seed {seed}")
    for _, table in rows.groupby("phase"):
        median = table["images_per_second"].median()
        axes.axhline(median, color=LINE, linewidth=1, zorder=0)
        axes.annotate(
            f"{median:,.0f}",
            (1, median),
            xycoords=("axes fraction", "data"),
            xytext=(4, 0),
            textcoords="offset points",
            va="center",
        )
    axes.set(xlabel="step", ylabel="images per second", yscale="log")
    axes.legend(loc="upper right")
    return figure


def gain_table(histories: Mapping[int, pd.DataFrame]) -> pd.DataFrame:
    """Validation accuracy at the end of each phase, mean over seeds: columns label_set, phase_1, phase_2, gain."""
    history = long_history(histories)
    rows = history[history["name"].str.startswith("accuracy ")].sort_values("step")
    ends = rows.groupby(["name", "seed", "phase"], sort=False)["value"].last().reset_index()
    wide = ends.pivot_table(index="name", columns="phase", values="value", sort=False)
    table = pd.DataFrame({f"phase_{number}": wide.get(number) for number in (1, 2)}, index=wide.index)
    table.insert(0, "label_set", [str(name).removeprefix("accuracy ") for name in table.index])
    return table.assign(gain=table["phase_2"] - table["phase_1"]).reset_index(drop=True)


def phase_gains(histories: Mapping[int, pd.DataFrame]) -> Figure:
    """What the first phase gave (hollow), and what the second added (filled), in validation accuracy of each label set."""
    table = gain_table(histories)
    if table.empty or table[["phase_1", "phase_2"]].isna().all().any():
        return say("No accuracy was recorded in both phases: nothing was trained, or no image was held out.")
    figure = new_figure(
        0.45 * len(table) + 1.2, "What the first phase gave (hollow), and where the second took it (filled)"
    )
    axes = figure.add_subplot()
    colours = looks([key.split("/")[0] for key in table["label_set"]])
    for place, row in enumerate(table.itertuples()):
        look = colours[row.label_set.split("/")[0]]
        axes.annotate(
            "",
            (row.phase_2, place),
            (row.phase_1, place),
            arrowprops={"arrowstyle": "-", "color": look.colour, "linewidth": 2},
        )
        axes.plot(
            row.phase_1,
            place,
            look.marker,
            color=look.colour,
            markerfacecolor="white",
            markersize=9,
            markeredgewidth=1.8,
        )
        axes.plot(row.phase_2, place, look.marker, color=look.colour, markersize=9)
        axes.annotate(
            f"{row.gain:+.2f}".replace("-", "−"),
            (max(row.phase_1, row.phase_2), place),
            xytext=(9, 0),
            textcoords="offset points",
            va="center",
            fontsize=9,
        )
    axes.set(
        xlim=(0, 1.06), ylim=(len(table) - 0.5, -0.5), xlabel="held-out images whose nearest proxy is right"
    )
    axes.set_yticks(range(len(table)), table["label_set"], color=INK)
    axes.grid(visible=False, axis="y")
    return figure
