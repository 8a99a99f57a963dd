"""What binarisation does to an embedding: where its values lie, how even its bits are, what becomes of distances."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from unifiedlib.binarization import bit_balance
from unifiedlib.code_statistics import BitStatistics, chance_correlation, random_pairs
from unifiedlib.evaluation import StoredEmbeddings
from unifiedlib.figures.canvas import new_figure
from unifiedlib.palette import INK, SOFT, looks

N_PAIRS = 20_000


def value_distribution(embeddings: Mapping[str, StoredEmbeddings]) -> Figure:
    """Density of the embeddings' values, in units of their root mean square, one panel per variant."""
    figure = new_figure(
        2.4, "Values lie around zero, so their signs carry information (bits are set right of the line)"
    )
    panels = figure.subplots(1, len(embeddings), squeeze=False)[0]
    colours, edges = looks(list(embeddings)), np.linspace(-4, 4, 65)
    for axes, (variant, stored) in zip(panels, embeddings.items(), strict=True):
        values = stored.floats.ravel() * np.sqrt(stored.dim)
        density, _ = np.histogram(values.clip(-4, 4), edges, density=True)
        centres = (edges[:-1] + edges[1:]) / 2
        axes.fill_between(centres, density, color=colours[variant].colour, alpha=0.35, where=centres <= 0)
        axes.fill_between(centres, density, color=colours[variant].colour, alpha=0.9, where=centres >= 0)
        axes.axvline(0, color=INK, linewidth=1)
        axes.set_title(f"{variant}\n{(values > 0).mean():.0%} above zero", fontsize=9.5)
        axes.set(xlim=(-4, 4), ylim=(0, None), xticks=[-3, 0, 3], yticks=[])
    panels[0].set_ylabel("density")
    figure.supxlabel("value, in units of the root mean square", fontsize=9, color=SOFT)
    return figure


def balance_table(embeddings: Mapping[str, StoredEmbeddings]) -> pd.DataFrame:
    """Share of items that have each bit set, sorted: columns variant, rank (0 to 1), share."""
    parts = []
    for variant, stored in embeddings.items():
        share = np.sort(bit_balance(stored.codes))
        parts.append(
            pd.DataFrame({"variant": variant, "rank": np.linspace(0, 1, len(share)), "share": share})
        )
    return pd.concat(parts, ignore_index=True)


def bit_balance_curves(embeddings: Mapping[str, StoredEmbeddings]) -> Figure:
    """The bits of each variant sorted by the share of items that set them; a bit near 0 or 1 tells items apart badly."""
    table = balance_table(embeddings)
    figure = new_figure(3.0, "Share of items that set each bit: the nearer to one half, the more a bit says")
    axes = figure.add_subplot()
    axes.axhspan(0.25, 0.75, color="#F1F4F7", zorder=0)
    for variant, look in looks(list(embeddings)).items():
        part = table[table["variant"] == variant]
        usable = part["share"].between(0.25, 0.75).mean()
        label = f"{variant}: {usable:.0%} in the band"
        width = 2.8 if variant == "unified" else 1.8
        axes.plot(
            part["rank"],
            part["share"],
            color=look.colour,
            linewidth=width,
            label=label,
            marker=look.marker,
            markevery=(0.08, 0.2),
            markersize=6,
        )
    axes.axhline(0.5, color=SOFT, linewidth=1, linestyle=(0, (2, 3)))
    axes.set(xlim=(0, 1), ylim=(0, 1), xlabel="bits, sorted", ylabel="share of items with the bit set")
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    axes.legend(loc="center left", bbox_to_anchor=(1, 0.5))
    return figure


def sampled_pairs(stored: StoredEmbeddings, seed: int = 0, n_pairs: int = N_PAIRS) -> pd.DataFrame:
    """Cosine and share of differing bits of random pairs of different items: columns cosine, differing."""
    return random_pairs(stored.floats, stored.codes, seed, n_pairs)


def hexagons(axes: Axes, pairs: pd.DataFrame, extent: tuple[float, float, float, float]) -> None:
    """Density of pairs (columns cosine, differing) within `extent`, and the angle divided by pi as a dashed line."""
    axes.hexbin(
        pairs["cosine"],
        pairs["differing"],
        gridsize=34,
        extent=extent,
        bins="log",
        cmap="Purples",
        mincnt=1,
        linewidths=0,
    )
    cosines = np.linspace(-1, 1, 101)
    axes.plot(cosines, np.arccos(cosines) / np.pi, color=SOFT, linewidth=1, linestyle="--")
    axes.set(xlim=extent[:2], ylim=extent[2:])


def cosine_against_hamming(embeddings: Mapping[str, StoredEmbeddings], seed: int = 0) -> Figure:
    """Two-dimensional histograms of random pairs: cosine of the floats against the share of bits that differ.

    The line is what random hyperplanes would give (Goemans & Williamson 1995): the angle, divided by pi.
    """
    figure = new_figure(2.9, "Near in floats is near in bits: pairs gather along one falling line")
    panels = figure.subplots(1, len(embeddings), sharex=True, sharey=True, squeeze=False)[0]
    for axes, (variant, stored) in zip(panels, embeddings.items(), strict=True):
        pairs = sampled_pairs(stored, seed)
        hexagons(axes, pairs, (-0.6, 1, 0, 0.8))
        axes.set_title(f"{variant}\ncorrelation {pairs.corr().iloc[0, 1]:+.2f}", fontsize=9.5)
    panels[0].set_ylabel("share of bits that differ")
    figure.supxlabel("cosine of the floats (dashed: angle / π)", fontsize=9, color=SOFT)
    return figure


def statistics_table(embeddings: Mapping[str, StoredEmbeddings]) -> pd.DataFrame:
    """How even bits are and how far they repeat each other: a row per variant, columns variant and those of `BitStatistics`."""
    rows = [
        {"variant": variant, **BitStatistics.of(stored.codes).row()} for variant, stored in embeddings.items()
    ]
    return pd.DataFrame(rows)


def bit_repetition(statistics: pd.DataFrame, n_items: int) -> Figure:
    """Correlation and effective number of each variant's bits, from `statistics_table`; dashed: bits independent by chance."""
    variants, styles = list(statistics["variant"]), looks(list(statistics["variant"]))
    title = "How far bits repeat each other, and how many independent ones that makes"
    figure = new_figure(0.3 * len(variants) + 1.3, title)
    panels = figure.subplots(1, 2, sharey=True)
    titles = {"correlation": "mean |correlation| of two bits", "effective": "effective bits"}
    for axes, (column, heading) in zip(panels, titles.items(), strict=True):
        for row in statistics.to_dict("records"):
            place, look = variants.index(row["variant"]), styles[row["variant"]]
            axes.plot([0, row[column]], [place, place], color=look.colour, linewidth=2)
            axes.plot(row[column], place, look.marker, color=look.colour, markersize=8)
        axes.set_title(heading, fontsize=10.5)
        axes.set_xlim(0, 1.25 * statistics[column].max())
        axes.grid(visible=False, axis="y")
    panels[0].axvline(chance_correlation(n_items), color=SOFT, linewidth=1, linestyle="--")
    for place, row in enumerate(statistics.to_dict("records")):
        words = f"   {row['effective']:.0f} of {row['n_bits']}"
        panels[1].text(row["effective"], place, words, va="center", ha="left", fontsize=9, color=INK)
    panels[0].set_ylim(len(variants) - 0.5, -0.5)
    panels[0].set_yticks(range(len(variants)), variants, color=INK)
    return figure


def size_table(embeddings: Mapping[str, StoredEmbeddings]) -> pd.DataFrame:
    """Bytes of one item as floats and as a code: columns variant, dim, float_bytes, code_bytes, times_smaller."""
    rows = []
    for variant, stored in embeddings.items():
        floats, codes = stored.floats[0].nbytes, stored.codes[0].nbytes
        rows.append((variant, stored.dim, floats, codes, floats // codes))
    return pd.DataFrame(rows, columns=["variant", "dim", "float_bytes", "code_bytes", "times_smaller"])
