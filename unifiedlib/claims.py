"""The paper's claims, judged: unified against specialists (C1, and C9 in the merged gallery) and ImageNet (C2), codes (C3).

Each claim says "on every task". So it is judged per task, by the 95 % interval of a paired difference in the
task's headline metric (P@k, in its own gallery but for C9), against a threshold: 0, or minus a margin that counts as
equally good.

- *replicated*: the whole interval lies above the threshold;
- *not replicated*: the whole interval lies at or below it;
- *inconclusive*: it straddles the threshold, or the claim could not be tested, or by fewer than `FEWEST_CLUSTERS` clusters of
  queries.

Over all tasks a claim is replicated only if it is on every task (an intersection-union test, Berger 1982: it
needs no correction for several tests), not replicated if it is not on any one, and inconclusive otherwise.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from unifiedlib.bootstrap import Clusters, Interval, effective_clusters, n_clusters, paired_bootstrap
from unifiedlib.clusters import FEWEST_CLUSTERS
from unifiedlib.contract import MERGED
from unifiedlib.scoring import OWN_GALLERY
from unifiedlib.variants import IMAGENET, UNIFIED

REPLICATED, NOT_REPLICATED, INCONCLUSIVE = "replicated", "not replicated", "inconclusive"
SEVERITY = {NOT_REPLICATED: 0, INCONCLUSIVE: 1, REPLICATED: 2}
DECIMALS = 6
# Below this share of their number, what clusters are worth is told.
UNEVEN = 0.75

Claim = dict[str, str | float | None]
Values = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Side:
    """One side of a comparison: a variant's results in one representation, and what a sentence calls it."""

    variant: str
    representation: str
    name: str


@dataclass(frozen=True)
class Comparison:
    """A claim about one task: `ours` minus `theirs` lies above `threshold` (0, or minus a margin).

    id: as in claims.json, "C1/lens". part: what sets it apart from the claim's other comparisons, where the task does not.
    gallery: in which both sides search, the task's own or the merged one.
    """

    id: str
    claim: str
    task: str
    ours: Side
    theirs: Side
    threshold: float
    part: str = ""
    gallery: str = OWN_GALLERY

    @property
    def where(self) -> str:
        """What sets the comparison apart within its claim."""
        return self.part or self.task


@dataclass(frozen=True)
class Paired:
    """Both sides' results, float64 [n_seed x n_query], row by row of one seed and column by column of one query.

    The untrained trunk has no seeds and one row. clusters: of the queries, int64 [n_query].
    """

    ours: Values
    theirs: Values
    clusters: Clusters

    @property
    def n_query(self) -> int:
        """How many queries both sides answered."""
        return int(self.ours.shape[1])

    @property
    def n_cluster(self) -> int:
        """How many clusters these queries make."""
        return n_clusters(self.n_query, self.clusters)

    def interval(self, seed: int, n_resamples: int) -> Interval:
        """Ours minus theirs, with its 95 % interval."""
        return paired_bootstrap(self.ours, self.theirs, seed, n_resamples, self.clusters)


@dataclass(frozen=True)
class Judgement:
    """A comparison's outcome; without an interval it could not be tested."""

    comparison: Comparison
    verdict: str
    interval: Interval | None
    how: str

    @property
    def lost(self) -> bool:
        """Whether our side came out lower, whatever the interval."""
        return self.interval is not None and self.interval.mean < 0


CLAIMS = {
    "C1": "The unified embedding is at least as good on every task as that task's specialist.",
    "C2": "The unified embedding beats the untrained ImageNet trunk on every task.",
    "C3": "Binary codes of the unified embedding keep its precision on every task.",
    "C9": "In one merged gallery too, the unified embedding is at least as good on every task as that task's specialist.",
}


def comparison(claim_id: str, task: str, margin_c1: float, margin_c3: float) -> Comparison:
    """What claim C1, C2, C3 or C9 compares on one task."""
    unified, own_id = Side(UNIFIED, "float", "the unified embedding"), f"{claim_id}/{task}"
    match claim_id:
        case "C1":
            theirs = Side(task, "float", "the specialist")
            claim = f"The unified embedding is at least as good on {task} as its specialist."
            return Comparison(own_id, claim, task, unified, theirs, -margin_c1)
        case "C2":
            theirs = Side(IMAGENET, "float", "the ImageNet trunk")
            claim = f"The unified embedding beats the ImageNet trunk on {task}."
            return Comparison(own_id, claim, task, unified, theirs, 0.0)
        case "C3":
            codes = Side(UNIFIED, "binary", "the unified variant's code")
            claim = f"Binary codes keep the unified embedding's precision on {task}."
            return Comparison(own_id, claim, task, codes, unified, -margin_c3)
        case "C9":
            theirs = Side(task, "float", "the specialist")
            claim = f"In the merged gallery, the unified embedding is at least as good on {task} as its specialist."
            return Comparison(own_id, claim, task, unified, theirs, -margin_c1, gallery=MERGED)
    raise ValueError(f"there is no claim '{claim_id}'; the claims are {', '.join(CLAIMS)}")


def verdict_of(interval: Interval, threshold: float) -> str:
    """Judge a difference: replicated above the threshold, not replicated at or below it."""
    if interval.low > threshold:
        return REPLICATED
    return NOT_REPLICATED if interval.high <= threshold else INCONCLUSIVE


def query_rows(
    per_query: pd.DataFrame, side: Side, task: str, metric: str, gallery: str = OWN_GALLERY
) -> pd.DataFrame:
    """A side's rows, columns seed, item, cluster and value; empty where it was not evaluated."""
    chosen = {
        "variant": side.variant,
        "representation": side.representation,
        "task": task,
        "metric": metric,
        "gallery": gallery,
    }
    keep = np.logical_and.reduce(
        [(per_query[column] == value).to_numpy() for column, value in chosen.items()]
    )
    return per_query.loc[keep, ["seed", "item", "cluster", "value"]]


def _by_seed(rows: pd.DataFrame) -> pd.DataFrame:
    """A row per seed and a column per query item, both ascending."""
    table = rows.pivot_table(index="seed", columns="item", values="value")
    return table.sort_index().sort_index(axis=1)


def paired_values(it: Comparison, per_query: pd.DataFrame, metric: str) -> Paired | None:
    """What both sides of a comparison gave, query by query; None where a side was not evaluated.

    Raises ValueError where the sides were trained with other seeds, or answered other queries.
    """
    sides = [query_rows(per_query, side, it.task, metric, it.gallery) for side in (it.ours, it.theirs)]
    if any(rows.empty for rows in sides):
        return None
    ours, theirs = map(_by_seed, sides)
    about = f"{it.id}: '{it.ours.variant}' and '{it.theirs.variant}'"
    if not ours.columns.equals(theirs.columns):
        raise ValueError(f"{about} answered other queries on {it.task}: evaluate both on the same collection")
    untrained = it.theirs.variant == IMAGENET and len(theirs) == 1
    if not (untrained or ours.index.equals(theirs.index)):
        raise ValueError(
            f"{about} were trained with other seeds ({list(ours.index)} and {list(theirs.index)}): train both with the same"
        )
    clusters = sides[0].drop_duplicates("item").set_index("item")["cluster"].loc[ours.columns]
    return Paired(ours.to_numpy(np.float64), theirs.to_numpy(np.float64), clusters.to_numpy(np.int64))


def _drawn(values: Paired) -> str:
    """What was drawn, in words: "1549 queries in 73 clusters (uneven: worth 5), drawn whole,"."""
    if values.n_cluster == values.n_query:
        return f"{values.n_query} queries"
    worth = effective_clusters(values.n_query, values.clusters)
    uneven = f" (uneven: worth {worth:.0f})" if worth < UNEVEN * values.n_cluster else ""
    return f"{values.n_query} queries in {values.n_cluster} clusters{uneven}, drawn whole,"


def _explain(it: Comparison, metric: str, values: Paired, found: Interval, n: int) -> str:
    n_seed, means = len(values.ours), (values.ours.mean(), values.theirs.mean())
    task = f"{it.task} in the merged gallery" if it.gallery == MERGED else it.task
    ours, size = it.ours.name, f"{abs(found.mean):.4f}"
    if found.mean < 0:
        outcome = f"{ours[0].upper()}{ours[1:]} loses on {task}: {metric} {size} lower than {it.theirs.name}"
    elif found.mean == 0:
        outcome = f"On {task}, {ours} and {it.theirs.name} have the same {metric}"
    else:
        outcome = f"On {task}, {ours} reaches a {metric} {size} higher than {it.theirs.name}"
    seeds = "1 seed, so how much trainings differ is not covered" if n_seed == 1 else f"{n_seed} seeds"
    rule = (
        "0"
        if it.threshold == 0
        else f"{it.threshold:.3f} (a margin of {-it.threshold:.3f} counts as equally good)"
    )
    return (
        f"{outcome} ({means[0]:.4f} against {means[1]:.4f}). The difference is {found.mean:+.4f}, "
        f"95 % interval {found.low:+.4f} to {found.high:+.4f}, from {n} paired resamples of {_drawn(values)} "
        f"and {seeds}; replicated only if the whole interval lies above {rule}."
    )


def judge(it: Comparison, per_query: pd.DataFrame, metric: str, seed: int, n_resamples: int) -> Judgement:
    """Judge one claim on one task from the per-query results (columns as in per_query.parquet)."""
    values = paired_values(it, per_query, metric)
    if values is None:
        ours = query_rows(per_query, it.ours, it.task, metric, it.gallery)
        absent = it.ours.variant if ours.empty else it.theirs.variant
        how = f"Not tested on {it.task}: variant '{absent}' was not evaluated."
        return Judgement(it, INCONCLUSIVE, None, how)
    found = values.interval(seed, n_resamples)
    how = _explain(it, metric, values, found, n_resamples)
    if values.n_cluster < FEWEST_CLUSTERS:
        kind = "queries" if values.n_cluster == values.n_query else "clusters of queries"
        how += f" Fewer than {FEWEST_CLUSTERS} {kind} cannot tell, whatever the interval."
        return Judgement(it, INCONCLUSIVE, found, how)
    return Judgement(it, verdict_of(found, it.threshold), found, how)


def combine(judgements: Sequence[Judgement]) -> tuple[str, Judgement, str]:
    """A claim over all its comparisons: the verdict, the worst one's judgement, and what explains both.

    The worst has the worst verdict, and among those the lowest difference.
    """
    worst = min(
        judgements, key=lambda one: (SEVERITY[one.verdict], one.interval.mean if one.interval else np.inf)
    )
    losers = [one.comparison.where for one in judgements if one.lost]
    names = {one.comparison.ours.name for one in judgements}
    ours = names.pop() if len(names) == 1 else "what is claimed to be better"
    opening = f"{ours[0].upper()}{ours[1:]} loses on {', '.join(losers)}. " if losers else ""
    kind = "part" if any(one.comparison.part for one in judgements) else "task"
    verdicts = ", ".join(f"{one.comparison.where} {one.verdict}" for one in judgements)
    how = f"{opening}By {kind}: {verdicts}. The effect given is the worst {kind}'s. {worst.how}"
    return worst.verdict, worst, how


def _entry(claim_id: str, claim: str, verdict: str, interval: Interval | None, how: str) -> Claim:
    numbers = (None,) * 3 if interval is None else (interval.mean, interval.low, interval.high)
    effect, low, high = (None if number is None else round(number, DECIMALS) + 0.0 for number in numbers)
    return {
        "id": claim_id,
        "claim": claim,
        "verdict": verdict,
        "effect": effect,
        "low": low,
        "high": high,
        "how": how,
    }


def overall_entry(claim_id: str, claim: str, judgements: Sequence[Judgement]) -> Claim:
    """The entry of claims.json for a claim over all its comparisons; at least one."""
    verdict, worst, how = combine(judgements)
    return _entry(claim_id, claim, verdict, worst.interval, how)


def own_entry(one: Judgement) -> Claim:
    """The entry of claims.json for one comparison."""
    return _entry(one.comparison.id, one.comparison.claim, one.verdict, one.interval, one.how)


def judge_claims(
    per_query: pd.DataFrame,
    headlines: Mapping[str, str],
    *,
    margin_c1: float,
    margin_c3: float,
    seed: int,
    n_resamples: int,
) -> list[Claim]:
    """Judge C1, C2, C3 and C9, each overall and on every task ("C1", then "C1/<task>").

    per_query: columns as in per_query.parquet; headlines: {task: its headline metric, such as "P@20"}.
    margin_c1: by how much a specialist may be better and the unified embedding still counts as equally good (C1, C9).
    margin_c3: the same for codes against floats. Both in units of the metric, 0 to 1.
    Returns the entries of claims.json; effect, low and high are None where a variant was not evaluated.
    """
    entries: list[Claim] = []
    for claim_id, claim in CLAIMS.items():
        judgements = [
            judge(comparison(claim_id, task, margin_c1, margin_c3), per_query, metric, seed, n_resamples)
            for task, metric in headlines.items()
        ]
        entries += [overall_entry(claim_id, claim, judgements), *map(own_entry, judgements)]
    return entries
