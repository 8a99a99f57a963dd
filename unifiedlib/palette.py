"""One palette for the whole project: the same thing has the same colour, and the same mark, in every figure.

Every distinction made by colour is made by a mark or by lightness too, so that figures survive a greyscale print.
"""

from __future__ import annotations

from dataclasses import dataclass

import matplotlib as mpl
import seaborn as sns

QUERY = "#1565C0"
RIGHT = "#2E7D32"
WRONG = "#C62828"
RIGHT_SIGN, WRONG_SIGN = "✓", "✗"

FLOAT = "#1F4E79"
BINARY = "#F0A030"

INK = "#1F2328"
SOFT = "#6B7480"
LINE = "#D8DEE4"

VERDICTS = {"replicated": "#2E7D32", "not replicated": "#C62828", "inconclusive": "#9A6700"}
VERDICT_SIGNS = {"replicated": "✓", "not replicated": "✗", "inconclusive": "?"}

DPI = 100
WIDTH = 10.0
"""Dots per inch, and width in inches, of every figure: as wide as the report's page."""


@dataclass(frozen=True)
class Look:
    """How one name is drawn: its colour and its marker (as Matplotlib writes it)."""

    colour: str
    marker: str


VARIANTS = {
    "imagenet": Look("#9AA0A6", "s"),
    "flashlight": Look("#E69F00", "^"),
    "lens": Look("#3FA7D6", "v"),
    "shop_the_look": Look("#D1659A", "P"),
    "unified": Look("#4B1D82", "D"),
}
DOMAINS = {
    "pin": Look("#C8553D", "o"),
    "camera": Look("#3A7CA5", "s"),
    "scene": Look("#E9B44C", "^"),
    "catalog": Look("#2A6B57", "D"),
}
REPRESENTATIONS = {
    "float": Look(FLOAT, "o"),
    "binary": Look(BINARY, "s"),
    "binary_median": Look("#8C564B", "^"),
    "itq": Look("#2A9D8F", "v"),
    "pq": Look("#9AA0A6", "D"),
}
METHODS = {
    "click propensity": Look("#3FA7D6", "o"),
    "click volume": Look("#1F4E79", "s"),
    "repin propensity": Look("#F0A030", "^"),
    "repin volume": Look("#A0522D", "v"),
    "interleaving": Look("#4B1D82", "D"),
}
COLLECTIONS = {"decor": Look("#4B1D82", "o"), "photos": Look("#C2571A", "s")}
OTHERS = (
    Look("#7A9E3B", "X"),
    Look("#A0522D", "*"),
    Look("#5F7DD3", "h"),
    Look("#B0A030", "p"),
    Look("#008B8B", "8"),
)


def looks(names: list[str], known: dict[str, Look] = VARIANTS) -> dict[str, Look]:
    """The look of each name. A task looks like its specialist; names that the project does not know take the next free look.

    >>> looks(["lens", "ours"])["ours"] == OTHERS[0]
    True
    """
    strangers = [name for name in dict.fromkeys(names) if name not in known]
    extra = {name: OTHERS[number % len(OTHERS)] for number, name in enumerate(strangers)}
    return {name: known.get(name) or extra[name] for name in names}


def use_theme() -> None:
    """Set seaborn's theme and the project's sizes; every figure function starts from it."""
    sns.set_theme(style="whitegrid", context="notebook", font_scale=0.85)
    mpl.rcParams.update(
        {
            "figure.dpi": DPI,
            "savefig.dpi": DPI,
            "axes.edgecolor": LINE,
            "grid.color": "#EAEEF2",
            "text.color": INK,
            "axes.labelcolor": INK,
            "xtick.color": SOFT,
            "ytick.color": SOFT,
            "axes.titleweight": "regular",
            "legend.frameon": False,
            "figure.titlesize": 13,
            "figure.titleweight": "bold",
        }
    )
