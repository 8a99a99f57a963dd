"""What the study of codes tells, judged by the machinery of `unifiedlib.claims`.

- C3-<width>: at equal widths, the code of a model keeps the precision of its own floats (margin_c3). C3-2048 is the paper's C3.
- C4: at equal bytes, the widest code beats a float embedding trained as narrow as its bytes allow (2048 bits: 64 floats).
- thresholds: bits set above zero are at least as good as bits set above the training median (margin_c1), model by model.
- itq, pq: at equal bytes, a code trained at its width is at least as good as ITQ, or product quantisation, of the widest
  floats (margin_c1).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from unifiedlib.binarization import BITS_PER_BYTE
from unifiedlib.claims import Claim, Comparison, Side, judge, overall_entry, own_entry
from unifiedlib.quantizers import BINARY, BYTES_PER_FLOAT, FLOAT, ITQ, MEDIAN, PRODUCT
from unifiedlib.results import headlines
from unifiedlib.variants import UNIFIED

C4 = "At equal bytes, the widest binary code beats a narrow float embedding on every task."
THRESHOLDS = "Bits set above zero are on every task at least as good as bits set above the training median."
QUANTISED = "At equal bytes, a code trained at its width is on every task at least as good as {} of the widest floats."
QUANTISERS = {ITQ: "ITQ", PRODUCT: "product quantisation"}


@dataclass(frozen=True)
class CodesJudging:
    """How the study is judged.

    margin_c1: by how much a way to make bits may be worse than another and still counts as equally good; margin_c3: the same for
    codes against floats, both in units of the metric, 0 to 1. seed, n_resamples: of the bootstrap.
    """

    margin_c1: float
    margin_c3: float
    seed: int
    n_resamples: int


@dataclass(frozen=True)
class Model:
    """A variant of the study, and how wide it is. name: its width where it is the unified variant at that width."""

    variant: str
    dim: int

    @property
    def name(self) -> str:
        """What its claims are told apart by: its width, or the variant where that changes something else."""
        return str(self.dim) if self.variant in (UNIFIED, width_variant(self.dim)) else self.variant

    @property
    def bits(self) -> str:
        """Its code in words, "64 bits"."""
        told = f"{self.dim} bits"
        return told if self.name == str(self.dim) else f"{told} of {self.variant}"


def width_variant(dim: int) -> str:
    """Name of the ablation that is trained at a width.

    >>> width_variant(64)
    'dim_64'
    """
    return f"dim_{dim}"


def at_bytes(representation: str, n_bytes: int) -> str:
    """A representation that one variant has at several sizes, told apart: "itq 32"."""
    return f"{representation} {n_bytes}" if representation in QUANTISERS else representation


def models_of(scores: pd.DataFrame) -> list[Model]:
    """The study's models from the narrowest to the widest, those that change something else last."""
    rows = scores[["variant", "dim"]].drop_duplicates()
    found = [Model(str(row.variant), int(row.dim)) for row in rows.itertuples()]
    return sorted(found, key=lambda one: (one.name != str(one.dim), one.dim, one.variant))


def _widest(scores: pd.DataFrame) -> int:
    return int(scores.loc[scores["variant"] == UNIFIED, "dim"].iloc[0])


def _code(model: Model, representation: str = BINARY, name: str = "") -> Side:
    return Side(model.variant, representation, name or f"the code of {model.bits}")


def code_against_floats(model: Model, task: str, margin: float) -> Comparison:
    """C3 at one width on one task."""
    said = f"{model.bits} keep the precision of as many floats on {task}."
    theirs = Side(model.variant, FLOAT, "the floats that it was made of")
    return Comparison(f"C3-{model.name}/{task}", said, task, _code(model), theirs, -margin)


def wide_against_narrow(widest: int, task: str) -> Comparison:
    """C4 on one task: the widest code against the float embedding of as many bytes."""
    narrow = widest // (BITS_PER_BYTE * BYTES_PER_FLOAT)
    said = f"At {widest // BITS_PER_BYTE} bytes, {widest} bits beat {narrow} floats on {task}."
    theirs = Side(width_variant(narrow), FLOAT, f"the embedding of {narrow} floats")
    return Comparison(f"C4/{task}", said, task, _code(Model(UNIFIED, widest)), theirs, 0.0)


def zero_against_median(model: Model, task: str, margin: float) -> Comparison:
    """Thresholds of one model on one task."""
    said = f"{model.bits} set above zero are at least as good as above the training median on {task}."
    theirs = _code(model, MEDIAN, "the code with thresholds at the training median")
    own_id, part = f"thresholds/{model.name}/{task}", f"{task} ({model.bits})"
    return Comparison(own_id, said, task, _code(model), theirs, -margin, part)


def trained_against(quantiser: str, model: Model, task: str, margin: float) -> Comparison:
    """A code trained at its width against a quantiser of the widest floats at as many bytes, on one task."""
    n_bytes, name = model.dim // BITS_PER_BYTE, QUANTISERS[quantiser]
    said = f"At {n_bytes} bytes, a trained code is at least as good as {name} on {task}."
    theirs = Side(UNIFIED, at_bytes(quantiser, n_bytes), f"{name} to {n_bytes} bytes")
    own_id, part = f"{quantiser}/{n_bytes}/{task}", f"{task} ({n_bytes} bytes)"
    return Comparison(own_id, said, task, _code(model), theirs, -margin, part)


def comparison_groups(scores: pd.DataFrame, judging: CodesJudging) -> list[tuple[str, str, list[Comparison]]]:
    """Everything that is compared: (id, sentence, comparisons) of each claim, in the order of claims.json."""
    tasks, models, widest = list(headlines(scores)), models_of(scores), _widest(scores)
    equal, kept = judging.margin_c1, judging.margin_c3
    groups = [
        (
            f"C3-{model.name}",
            f"{model.bits} keep the precision of as many floats on every task.",
            [code_against_floats(model, task, kept) for task in tasks],
        )
        for model in models
    ]
    groups.append(("C4", C4, [wide_against_narrow(widest, task) for task in tasks]))
    each = [(model, task) for model in models for task in tasks]
    groups.append(("thresholds", THRESHOLDS, [zero_against_median(*one, equal) for one in each]))
    sizes = set(scores.loc[scores["representation"] == ITQ, "bytes"])
    widths = [
        (one, task) for one, task in each if one.name == str(one.dim) and one.dim // BITS_PER_BYTE in sizes
    ]
    for quantiser, name in QUANTISERS.items():
        compared = [trained_against(quantiser, *one, equal) for one in widths]
        groups.append((quantiser, QUANTISED.format(name), compared))
    return groups


def judge_codes(scores: pd.DataFrame, per_query: pd.DataFrame, judging: CodesJudging) -> list[Claim]:
    """The entries of the study's claims.json: each claim overall ("C3-64", "itq"), then each of its comparisons.

    scores, per_query: columns as `unifiedlib.codes_study` writes them. Raises ValueError where a variant lacks a seed.
    """
    rows = _told_apart(per_query)
    metrics: Mapping[str, str] = headlines(scores)
    entries: list[Claim] = []
    for claim, said, compared in comparison_groups(scores, judging):
        judged = [judge(one, rows, metrics[one.task], judging.seed, judging.n_resamples) for one in compared]
        entries += [overall_entry(claim, said, judged), *map(own_entry, judged)]
    return entries


def _told_apart(per_query: pd.DataFrame) -> pd.DataFrame:
    """Per-query results with sizes in the names of representations; names as categories, since they are compared often."""
    names = [
        at_bytes(str(name), int(size))
        for name, size in zip(per_query["representation"], per_query["bytes"], strict=True)
    ]
    columns = ("variant", "task", "gallery", "representation", "metric")
    return per_query.assign(representation=names).astype(dict.fromkeys(columns, "category"))
