"""What ablations tell, judged by the machinery of `unifiedlib.claims`: each against the unified variant or the specialists.

An ablation that changes one thing tests the claim that is about this thing: as many images in all (C1-total), LayerNorm (C5,
for codes C5-codes), sampled classes (C6), subsets of the tasks (C7), batches that are not class-balanced (C10). Any other
ablation tests whether the unified embedding is at least as good with its own setting; such a claim bears the setting's name.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import product

import pandas as pd

from unifiedlib.claims import Claim, Comparison, Judgement, Side, judge, overall_entry, own_entry
from unifiedlib.variants import UNIFIED

Setting = bool | int | float | str

SUBSETS = "C7"
CLAIMS = {
    "C1-total": "At as many images in all, the unified embedding is at least as good on every task as its specialist.",
    "C5": "LayerNorm before the proxies helps on every task.",
    "C5-codes": "Codes need LayerNorm: they are better with it on every task.",
    "C6": "A softmax over a sample of the classes costs little precision on every task.",
    SUBSETS: "Adding the data of another task helps each task that was there.",
    "C10": "Class-balanced batches beat those that are not on every task.",
}
WITH_SETTING = (
    "With {} as it is, the unified embedding is on every task at least as good as with any other tried."
)


@dataclass(frozen=True)
class Ablation:
    """A variant of the unified one.

    changes: {setting: its value here}; instead_of: {setting: its value for the unified variant}; tasks: those that it learned
    from, none where it is all of them.
    """

    variant: str
    changes: dict[str, Setting] = field(default_factory=dict)
    instead_of: dict[str, Setting] = field(default_factory=dict)
    tasks: tuple[str, ...] = ()

    @property
    def claims(self) -> tuple[str, ...]:
        """Ids of the claims that it tests: the paper's, or the names of the settings that it changes."""
        if self.tasks:
            return ("+".join(["tasks", *self.changes]),) if self.changes else (SUBSETS,)
        match self.changes:
            case {"budget": "total", **others} if not others:
                return ("C1-total",)
            case {"layer_norm": False, **others} if not others:
                return ("C5", "C5-codes")
            case {"classes_per_step": number, **others} if number and not others:
                return ("C6",)
            case {"images_per_class": 0, **others} if not others:
                return ("C10",)
        return ("+".join(self.changes),)

    @property
    def described(self) -> str:
        """What it changes, in words: "mix round_robin instead of uniform"."""
        words = [f"{name} {value} instead of {self.instead_of[name]}" for name, value in self.changes.items()]
        return "; ".join([f"learned from {' and '.join(self.tasks)}"] * bool(self.tasks) + words)


@dataclass(frozen=True)
class Judging:
    """How ablations are judged.

    margin: by how much something may be worse and still counts as equally good (`margin_c1`); margin_c6: the same for sampled
    classes, in units of the metric, 0 to 1. seed, n_resamples: of the bootstrap.
    """

    margin: float
    margin_c6: float
    seed: int
    n_resamples: int


def _unified(representation: str = "float") -> Side:
    return Side(UNIFIED, representation, _name("the unified embedding", representation))


def _name(name: str, representation: str) -> str:
    return name if representation == "float" else f"{name}'s code"


def _comparison(claim: str, ablation: Ablation, task: str, judging: Judging) -> Comparison:
    """What one claim, but for C7, compares on one task."""
    own_id = f"{claim}/{ablation.variant}/{task}"
    variant, theirs = ablation.variant, Side(ablation.variant, "float", ablation.variant)
    match claim:
        case "C1-total":
            said = f"At as many images in all, the unified embedding is at least as good on {task} as its specialist."
            ours = replace(theirs, name="the unified embedding at equal total images")
            return Comparison(
                own_id, said, task, ours, Side(task, "float", "the specialist"), -judging.margin
            )
        case "C5":
            return Comparison(own_id, f"LayerNorm helps on {task}.", task, _unified(), theirs, 0.0)
        case "C5-codes":
            codes = Side(variant, "binary", _name(variant, "binary"))
            return Comparison(
                own_id, f"Codes need LayerNorm on {task}.", task, _unified("binary"), codes, 0.0
            )
        case "C6":
            said = f"A softmax over sampled classes costs little on {task}."
            return Comparison(own_id, said, task, theirs, _unified(), -judging.margin_c6)
        case "C10":
            said = f"Class-balanced batches beat those that are not on {task}."
            return Comparison(own_id, said, task, _unified(), theirs, 0.0)
    said = f"The unified embedding is at least as good on {task} as {variant} ({ablation.described})."
    return Comparison(own_id, said, task, _unified(), theirs, -judging.margin)


def subset_comparisons(ablations: Sequence[Ablation], tasks: Sequence[str]) -> Iterator[Comparison]:
    """C7: for each two variants, one of which learned from one task more, whether it helps each of the other's tasks.

    Specialists and the unified variant count as variants, but two of them alone are no ablation.
    """
    variants = {frozenset([task]): task for task in tasks} | {frozenset(tasks): UNIFIED}
    known = variants | {frozenset(one.tasks): one.variant for one in ablations if one.claims == (SUBSETS,)}
    for (larger, ours), (smaller, theirs) in product(known.items(), repeat=2):
        added = [task for task in tasks if task in larger - smaller]
        if not (smaller < larger and len(added) == 1) or {larger, smaller} <= variants.keys():
            continue
        there = [task for task in tasks if task in smaller]
        sides = Side(ours, "float", ours), Side(theirs, "float", theirs)
        for task in there:
            said = f"Adding {added[0]}'s data to that of {' and '.join(there)} helps on {task}."
            own_id = f"{SUBSETS}/{'+'.join([*there, *added])}/{task}"
            part = f"{task} ({added[0]} added to {' and '.join(there)})"
            yield Comparison(own_id, said, task, *sides, 0.0, part)


def comparisons(ablations: Sequence[Ablation], tasks: Sequence[str], judging: Judging) -> list[Comparison]:
    """Everything that is compared, sorted by claim in the order of `ablations`, task by task.

    An ablation that did not learn from all tasks is compared on those that it learned from.
    """
    found: dict[str, list[Comparison]] = {}
    for one in ablations:
        for claim in one.claims:
            if claim != SUBSETS:
                learned = [task for task in tasks if not one.tasks or task in one.tasks]
                own = [_comparison(claim, one, task, judging) for task in learned]
                found.setdefault(claim, []).extend(own)
            elif claim not in found:
                found[claim] = list(subset_comparisons(ablations, tasks))
    return [one for group in found.values() for one in group]


def judged(
    per_query: pd.DataFrame,
    ablations: Sequence[Ablation],
    headlines: Mapping[str, str],
    judging: Judging,
) -> list[Judgement]:
    """Judge all that ablations tell.

    per_query: results of the ablations, of the unified variant and of the specialists, columns as in per_query.parquet.
    headlines: {task: its headline metric}. Raises ValueError where an ablation was trained with other seeds than they, or
    answered other queries.
    """
    return [
        judge(one, per_query, headlines[one.task], judging.seed, judging.n_resamples)
        for one in comparisons(ablations, list(headlines), judging)
    ]


def claim_entries(judgements: Sequence[Judgement]) -> list[Claim]:
    """Judgements as entries of claims.json: each claim over all, over each of several variants, and on each task.

    Ids: "C5", "C5/no_layer_norm/lens"; "loss", "loss/arcface" where there are other losses too, "loss/arcface/lens"; for C7
    "C7/lens+flashlight/lens": flashlight was added to lens, on lens.
    """
    groups: dict[str, dict[str, list[Judgement]]] = {}
    for one in judgements:
        claim, variant, _ = one.comparison.id.split("/")
        groups.setdefault(claim, {}).setdefault(variant, []).append(one)
    entries: list[Claim] = []
    for claim, variants in groups.items():
        said = CLAIMS.get(claim, WITH_SETTING.format(claim))
        several = len(variants) > 1 and claim != SUBSETS
        parts = [_within(one, several) for listed in variants.values() for one in listed]
        entries.append(overall_entry(claim, said, parts))
        for variant, listed in variants.items():
            if several:
                entries.append(overall_entry(f"{claim}/{variant}", f"{said[:-1]}: {variant}.", listed))
            entries += map(own_entry, listed)
    return entries


def _within(one: Judgement, several: bool) -> Judgement:
    """The judgement, told apart by its variant too where a claim has several."""
    if not several:
        return one
    variant, task = one.comparison.id.split("/")[1:]
    return replace(one, comparison=replace(one.comparison, part=f"{task} ({variant})"))
