"""The verdicts in words: where the collections disagree, or the result goes against the paper, comes first."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from unifiedlib.claims import INCONCLUSIVE, NOT_REPLICATED, REPLICATED
from unifiedlib.figures.tables import signed
from unifiedlib.folding import folded_list
from unifiedlib.palette import VERDICT_SIGNS
from unifiedlib.verdicts import ASKED, NOT_TESTED, SAVED, Judged, standing

HEADINGS = {
    "disagree": "The collections disagree",
    "against": "Against the claim",
    "open": "Cannot be told",
    "replicated": "Replicated",
    "untested": "Not tested yet",
}
SIGNS = {**VERDICT_SIGNS, NOT_TESTED: "–"}


def count_of(number: int, thing: str) -> str:
    """A number of things in words: "1 seed", "3 seeds"."""
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"


def effect_text(row: pd.Series) -> str:
    """An effect with its interval: "−0.048 (−0.065 to −0.033)", or in percent where it is a share saved; "" if not tested."""
    if row["verdict"] == NOT_TESTED:
        return ""
    if row["unit"] == SAVED:
        return f"{row['effect']:.0%} saved ({row['low']:.0%} to {row['high']:.0%})".replace("-", "−")
    effect, low, high = (signed(float(row[key])) for key in ("effect", "low", "high"))
    return f"{effect} ({low} to {high})"


def _on(row: pd.Series) -> str:
    """How a claim fared on one collection."""
    if row["verdict"] == NOT_TESTED:
        return f"not tested on `{row['collection']}` (`{row['command']}`)"
    return f"{row['verdict']} on `{row['collection']}`, {effect_text(row)}"


def count_sentence(table: pd.DataFrame) -> str:
    """How many of the paper's claims, companions not counted, came out how on each collection; a Markdown sentence."""
    own = table[table["id"] == table["of"]]
    said = []
    for collection, rows in own.groupby("collection", sort=False):
        counts = rows["verdict"].value_counts()
        order = (REPLICATED, NOT_REPLICATED, INCONCLUSIVE, NOT_TESTED)
        parts = [f"{counts[verdict]} {verdict}" for verdict in order if verdict in counts]
        seeds = rows.loc[rows["verdict"] != NOT_TESTED, "n_seed"].max()
        said.append(f"on `{collection}` ({count_of(seeds, 'seed')}) {', '.join(parts)}")
    return f"**Of {own['id'].nunique()} claims, {'; '.join(said)}.**"


def summary(table: pd.DataFrame) -> str:
    """The page's first words, Markdown: a count, then the claims grouped by how they stand, the uncomfortable ones first.

    table: as `unifiedlib.verdicts.verdict_table` gives it.
    """
    parts = [count_sentence(table)]
    for name, ids in standing(table).items():
        if ids:
            parts.append(f"**{HEADINGS[name]}**")
            parts.append("\n".join(_line(table[table["id"] == claim_id]) for claim_id in ids))
    parts.append(
        "Differences are those of the worst task, in its headline metric, with 95 % intervals over queries, and over "
        "trainings where there are several seeds; those of C8 are over rounds of measurement."
    )
    return "\n\n".join(parts)


def _line(rows: pd.DataFrame) -> str:
    first = rows.iloc[0]
    said = "; ".join(_on(row) for _, row in rows.iterrows())
    return f"- **{first['id']}** {first['claim']} {said[0].upper()}{said[1:]}."


def verdict_markdown(table: pd.DataFrame) -> str:
    """The verdicts as a Markdown table: a row per claim, a column per collection with its number of seeds."""
    collections = list(dict.fromkeys(table["collection"]))
    seeds = table.groupby("collection")["n_seed"].max()
    titles = [f"`{name}`, {count_of(int(seeds[name]), 'seed')}" for name in collections]
    lines = ["| | claim | " + " | ".join(titles) + " |", "|---|---|" + "---|" * len(collections)]
    for claim_id, rows in table.groupby("id", sort=False):
        cells = [_cell(row) for _, row in rows.iterrows()]
        lines.append(f"| {claim_id} | {rows['claim'].iloc[0]} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def _cell(row: pd.Series) -> str:
    verdict = f"{SIGNS[row['verdict']]} {row['verdict']}"
    return f"{verdict}<br>{text}" if (text := effect_text(row)) else verdict


def folded(judged: Sequence[Judged]) -> str:
    """How each verdict came about, as HTML that is folded away: a list per collection."""
    parts = []
    for one in judged:
        entries = [claim for asked in ASKED if (claim := one.entry(asked.id))]
        heads = [(f"{claim['id']} {claim['verdict']}.", str(claim["how"])) for claim in entries]
        parts.append(folded_list(f"How each verdict on {one.collection} came about", heads))
    return "".join(parts)
