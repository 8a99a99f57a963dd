"""The study of codes in tables: precision by stored bytes, what is to be had for as many bytes, and which queries change."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from unifiedlib.binarization import BITS_PER_BYTE
from unifiedlib.claims import Claim
from unifiedlib.codes_claims import models_of
from unifiedlib.quantizers import BINARY, FLOAT, ITQ, MEDIAN, PRODUCT
from unifiedlib.results import seed_means
from unifiedlib.scoring import OWN_GALLERY
from unifiedlib.variants import UNIFIED

WORDS = {
    FLOAT: "floats",
    BINARY: "bits above zero",
    MEDIAN: "bits above the training median",
    ITQ: "ITQ",
    PRODUCT: "product quantisation",
}
KEYS = ("variant", "task", "metric", "representation", "dim", "bytes")
SUMMARY_COLUMNS = (
    *(*KEYS, "model", "words", "value", "low", "high"),
    *("seed_low", "seed_high", "n_seed", "n_query"),
)
CHANGE_COLUMNS = ("variant", "model", "task", "metric", "worse", "same", "better", "n_query", "n_seed")


def summary_table(scores: pd.DataFrame, gallery: str = OWN_GALLERY) -> pd.DataFrame:
    """The headline metric of everything that was scored, mean over seeds: columns `SUMMARY_COLUMNS`, models narrowest first.

    scores: as in the study's scores.parquet. model: a width, or the name of what is changed otherwise. low, high: the seeds'
    95 % intervals over queries, averaged; words: what is stored. Raises ValueError when there are no scores for the gallery.
    """
    table = seed_means(scores, KEYS, gallery)
    named = _by_model(table.assign(words=table["representation"].map(WORDS)), scores)
    return named[list(SUMMARY_COLUMNS)]


def _by_model(table: pd.DataFrame, scores: pd.DataFrame) -> pd.DataFrame:
    """The table with a column `model`, its rows in the order of the models, bytes falling within one."""
    order = {model.variant: (place, model.name) for place, model in enumerate(models_of(scores))}
    places = table["variant"].map({variant: place for variant, (place, _) in order.items()})
    named = table.assign(model=table["variant"].map({variant: name for variant, (_, name) in order.items()}))
    return named.assign(place=places).sort_values("place", kind="stable", ignore_index=True)


def _stored(row: pd.Series) -> str:
    """What is stored, in words: "64 floats", "512 bits above zero", "ITQ of 2048 floats"."""
    words = WORDS[str(row["representation"])]
    if row["representation"] in (ITQ, PRODUCT):
        return f"{words} of {row['dim']} floats"
    return f"{row['dim']} {words}"


def bytes_table(scores: pd.DataFrame, gallery: str = OWN_GALLERY) -> pd.DataFrame:
    """What is to be had for as many bytes: columns bytes, stored, and one per task, "lens P@20"; most bytes first.

    Of the unified variant at all its widths; the headline metric, mean over seeds.
    """
    table = summary_table(scores, gallery)
    table = table[table["model"] == table["dim"].astype(str)]
    table = table.assign(stored=table.apply(_stored, axis=1), title=table["task"] + " " + table["metric"])
    order = {name: place for place, name in enumerate(WORDS)}
    table = table.assign(place=table["representation"].map(order)).sort_values(
        ["bytes", "place"], ascending=[False, True], kind="stable"
    )
    wide = table.pivot_table(index=["bytes", "stored"], columns="title", values="value", sort=False)
    return wide[list(dict.fromkeys(table["title"]))].reset_index().rename_axis(columns=None)


def equal_bytes(scores: pd.DataFrame) -> pd.DataFrame:
    """The rows of `bytes_table` with as many bytes as the widest code, and the widest floats above them."""
    widest = int(scores.loc[scores["variant"] == UNIFIED, "dim"].iloc[0])
    table = bytes_table(scores)
    kept = table["bytes"].isin([widest // BITS_PER_BYTE, table["bytes"].max()])
    return table[kept].reset_index(drop=True)


def bytes_markdown(table: pd.DataFrame) -> str:
    """A table of `bytes_table` as Markdown."""
    tasks = list(table.columns[2:])
    lines = [f"| bytes | stored | {' | '.join(tasks)} |", "|---:|---|" + "---|" * len(tasks)]
    for _, row in table.iterrows():
        values = ["" if pd.isna(row[task]) else f"{row[task]:.3f}" for task in tasks]
        lines.append(f"| {row['bytes']:,} | {row['stored']} | {' | '.join(values)} |")
    return "\n".join(lines) + "\n"


def bit_table(bits: pd.DataFrame) -> pd.DataFrame:
    """Statistics of bits set above zero, mean over seeds, narrowest model first: columns model, n_bits, even, correlation, …"""
    rows = bits[bits["representation"] == BINARY]
    names = ["even", "correlation", "effective"]
    table = rows.groupby(["variant", "n_bits", "layer_norm", "n_item"], sort=False, as_index=False)[
        names
    ].mean()
    table = _by_model(table, bits)
    return table.assign(effective_share=table["effective"] / table["n_bits"])[
        ["model", "n_bits", "layer_norm", *names, "effective_share", "n_item"]
    ]


def pair_table(pairs: pd.DataFrame) -> pd.DataFrame:
    """The study's random pairs with a column `model`, narrowest first."""
    return _by_model(pairs, pairs)


def change_table(per_query: pd.DataFrame, scores: pd.DataFrame) -> pd.DataFrame:
    """Shares of queries that a code answers worse, the same, or better than its floats: columns `CHANGE_COLUMNS`.

    per_query: as in the study's per_query.parquet. By the headline metric in the task's own gallery, mean over seeds; ties
    count by their expected value, so a query may change by less than one right item.
    """
    keys = ["variant", "task", "metric", "seed", "item"]
    kinds = per_query[per_query["representation"].isin([FLOAT, BINARY])]
    wide = kinds.pivot_table(
        index=keys, columns="representation", values="value", sort=False, observed=True
    ).reset_index()
    difference = wide[BINARY] - wide[FLOAT]
    wide = wide.assign(worse=difference < 0, same=difference == 0, better=difference > 0)
    table = wide.groupby(["variant", "task", "metric"], sort=False, as_index=False, observed=True).agg(
        worse=("worse", "mean"),
        same=("same", "mean"),
        better=("better", "mean"),
        n_query=("item", "nunique"),
        n_seed=("seed", "nunique"),
    )
    return _by_model(table, scores)[list(CHANGE_COLUMNS)]


def cost_table(claims: Sequence[Claim]) -> pd.DataFrame:
    """What a code costs at equal width, from the claims: columns model, task, effect (code minus floats), low, high.

    Widths first, narrowest to widest, in the order of claims.json.
    """
    rows = [
        (*str(claim["id"]).removeprefix("C3-").split("/"), claim["effect"], claim["low"], claim["high"])
        for claim in claims
        if str(claim["id"]).startswith("C3-") and "/" in str(claim["id"])
    ]
    return pd.DataFrame(rows, columns=["model", "task", "effect", "low", "high"])
