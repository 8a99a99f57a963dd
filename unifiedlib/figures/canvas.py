"""What all figures share: making one, its title, and saving it with the data behind it."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
from matplotlib import pyplot as plt
from matplotlib.figure import Figure

from unifiedlib.files import atomic_path, write_table
from unifiedlib.palette import SOFT, WIDTH, use_theme


def new_figure(height: float, title: str, width: float = WIDTH) -> Figure:
    """An empty figure, sizes in inches, titled with what to see, detached from pyplot so that notebooks draw it once."""
    use_theme()
    figure = plt.figure(figsize=(width, height), layout="constrained")
    plt.close(figure)
    if title:
        figure.suptitle(title, x=0.01, ha="left")
    return figure


def say(sentence: str) -> Figure:
    """A figure that is one sentence, for where there is nothing to draw."""
    figure = new_figure(0.7, "")
    figure.text(0.01, 0.5, sentence, va="center", color=SOFT, fontsize=11)
    return figure


def save_figure(figure: Figure, path: Path, data: pd.DataFrame | None = None) -> Figure:
    """Write a figure as `path` (.png or .svg), and the data behind it as a .csv of the same name; returns the figure.

    Nothing that changes between two runs is written into the file. Raises ValueError for another suffix.
    """
    if path.suffix not in (".png", ".svg"):
        raise ValueError(f"cannot save a figure as '{path.suffix}' ({path}): use .png or .svg")
    metadata = {"Software": None} if path.suffix == ".png" else {"Date": None}
    with atomic_path(path) as aside:
        figure.savefig(aside, metadata=metadata)
    if data is not None:
        write_table(path.with_suffix(".csv"), data)
    return figure
