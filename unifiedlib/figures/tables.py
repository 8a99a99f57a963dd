"""Tables for a notebook's page: results with intervals, verdicts in colour, and plain ones without row numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd
from pandas.io.formats.style import Styler

from unifiedlib.palette import SOFT, VERDICT_SIGNS, VERDICTS
from unifiedlib.results import result_table
from unifiedlib.scoring import OWN_GALLERY
from unifiedlib.variants import IMAGENET

LEFT = [{"selector": "th, td", "props": "text-align: left; vertical-align: top"}]


def signed(value: float) -> str:
    """A difference with its sign and three decimals; the sign stays where it rounds to zero: it tells on which side it lies.

    >>> signed(-0.0123), signed(-0.0001), signed(0.0)
    ('−0.012', '−0.000', '0.000')
    """
    return f"{value:+.3f}".replace("-", "−") if value else "0.000"


def _styler(table: pd.DataFrame, name: str) -> Styler:
    """A Styler whose HTML is the same on every run."""
    return table.style.set_uuid(name).hide(axis="index")


def plain_table(table: pd.DataFrame, name: str = "table", markup: bool = False) -> Styler:
    """A table as it is: whole numbers with thousands marks, others with three decimals, no row numbers.

    markup: whether texts are HTML of ours; labels and file names of users are not.
    """
    whole = dict.fromkeys(table.select_dtypes("integer").columns, "{:,}")
    broken = dict.fromkeys(table.select_dtypes("floating").columns, "{:.3f}")
    left = [
        {"selector": f".col{number}", "props": "text-align: left"}
        for number, column in enumerate(table.columns)
        if column not in whole and column not in broken
    ]
    escape = None if markup else "html"
    return _styler(table, name).format(whole | broken, na_rep="", escape=escape).set_table_styles(left)


def score_table(scores: pd.DataFrame, gallery: str = OWN_GALLERY) -> Styler:
    """Headline metric of each variant on each task, float and binary, with 95 % intervals over queries.

    The best variant of a column is bold. A specialist's results on tasks that it never trained on are grey.
    """
    table = result_table(scores, gallery)
    titles = {row.task: f"{row.task} {row.metric}" for row in table.drop_duplicates("task").itertuples()}
    variants = list(dict.fromkeys(table["variant"]))
    columns = [(titles[task], kind) for task in titles for kind in ("float", "binary")]
    text = pd.DataFrame("", index=variants, columns=pd.MultiIndex.from_tuples(columns))
    style = text.copy()
    best = table.groupby(["task", "representation"])["value"].transform("max") == table["value"]
    for row, is_best in zip(table.itertuples(), best, strict=True):
        where = (row.variant, (titles[row.task], row.representation))
        text.loc[where] = f"{row.value:.3f}<br><small>{row.low:.2f} to {row.high:.2f}</small>"
        foreign = row.variant in titles and row.variant != row.task
        style.loc[where] = ("font-weight: 700;" if is_best else "") + (
            f"color: {SOFT}; opacity: .7;" if foreign else ""
        )
    centred = [
        {"selector": "th.col_heading", "props": "text-align: center"},
        {"selector": "td", "props": "text-align: center; white-space: nowrap; line-height: 1.25"},
    ]
    return (
        text.style.set_uuid(f"scores_{gallery}").set_table_styles(centred).apply(lambda _: style, axis=None)
    )


def score_tables(scores: Mapping[str, pd.DataFrame]) -> list[Styler]:
    """`score_table` of each collection, with its name and the number of seeds as caption."""
    tables = []
    for collection, rows in scores.items():
        count = rows.loc[rows["variant"] != IMAGENET, "seed"].nunique()
        plural = "" if count == 1 else "s"
        tables.append(
            score_table(rows).set_uuid(collection).set_caption(f"{collection}, {count} seed{plural}")
        )
    return tables


def claim_table(claims: Sequence[dict[str, str | float | None]]) -> Styler:
    """Each claim and its verdict in colour, overall and per task, with the paired difference and its 95 % interval."""
    rows = []
    for claim in claims:
        sign = VERDICT_SIGNS[str(claim["verdict"])]
        known = claim["effect"] is not None
        effect = signed(float(claim["effect"] or 0)) if known else ""
        low, high = (signed(float(claim[key] or 0)) for key in ("low", "high"))
        interval = f"{low} to {high}" if known else ""
        rows.append((claim["id"], claim["claim"], f"{sign} {claim['verdict']}", effect, interval))
    table = pd.DataFrame(rows, columns=["id", "claim", "verdict", "difference", "95 % interval"])

    def colour(verdict: str) -> str:
        return f"color: {VERDICTS[verdict[2:]]}; font-weight: 600; white-space: nowrap"

    def overall(row: pd.Series) -> list[str]:
        return ["" if "/" in row["id"] else "font-weight: 700"] * len(row)

    styler = _styler(table, "claims").apply(overall, axis=1).map(colour, subset=["verdict"])
    return styler.set_table_styles(
        [*LEFT, {"selector": ".col3, .col4", "props": "text-align: right; white-space: nowrap"}]
    )
