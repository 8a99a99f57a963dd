"""Experiments: what the ablations of one question changed, as a table of paired differences for its figure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import pandas as pd

from unifiedlib.ablation_claims import CLAIMS, SUBSETS, Ablation, Judging, subset_comparisons
from unifiedlib.ablation_results import Found
from unifiedlib.claims import Comparison, Side, paired_values
from unifiedlib.figures.ablations import Experiment
from unifiedlib.results import DECIMALS
from unifiedlib.variants import UNIFIED

COLUMNS = ("label", "task", "metric", "representation", "effect", "low", "high", "n_query", "n_seed")
FEWEST_OF_A_CURVE = 3


def _difference(found: Found, it: Comparison, judging: Judging) -> dict[str, str | float] | None:
    """A row of the table: `ours` minus `theirs`; None where one of them was not evaluated."""
    metric = found.headlines[it.task]
    values = paired_values(it, found.per_query, metric)
    if values is None:
        return None
    interval = values.interval(judging.seed, judging.n_resamples)
    effect, low, high = (round(value, DECIMALS) for value in (interval.mean, interval.low, interval.high))
    names = {
        "label": it.part,
        "task": it.task,
        "metric": metric,
        "representation": it.ours.representation,
    }
    return names | {
        "effect": effect,
        "low": low,
        "high": high,
        "n_query": values.n_query,
        "n_seed": len(values.ours),
    }


def _against(
    pairs: Sequence[tuple[str, str, str]], representations: Sequence[str], tasks: Sequence[str]
) -> Iterator[Comparison]:
    """Comparisons of (label, ours, theirs) on each task; theirs "" is the task's specialist."""
    for label, ours, theirs in pairs:
        for task in tasks:
            for kind in representations:
                sides = Side(ours, kind, ours), Side(theirs or task, kind, theirs or task)
                yield Comparison("", "", task, *sides, 0.0, label)


def effect_table(
    found: Found,
    pairs: Sequence[tuple[str, str, str]],
    judging: Judging,
    representations: Sequence[str] = ("float", "binary"),
) -> pd.DataFrame:
    """Differences in the headline metric with 95 % intervals, columns `COLUMNS`.

    pairs: (label, variant, the one that is subtracted, or "" for each task's specialist).
    """
    compared = _against(pairs, representations, list(found.headlines))
    rows = [row for it in compared if (row := _difference(found, it, judging))]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def subset_table(found: Found, ablations: Sequence[Ablation], judging: Judging) -> pd.DataFrame:
    """What adding a task's data did to each task that was there, columns `COLUMNS`, `added` and `joined` ("lens")."""
    rows = []
    for it in subset_comparisons(ablations, list(found.headlines)):
        row = _difference(found, it, judging)
        *there, added = it.id.split("/")[1].split("+")
        if row is not None:
            rows.append(row | {"added": added, "joined": " and ".join(there)})
    return pd.DataFrame(rows, columns=[*COLUMNS, "added", "joined"])


def _curve_setting(ablations: Sequence[Ablation]) -> str:
    """The one setting that all of the ablations change, to different numbers; "" where there is none."""
    if len(ablations) < FEWEST_OF_A_CURVE or any(len(one.changes) != 1 or one.tasks for one in ablations):
        return ""
    settings = {name for one in ablations for name in one.changes}
    values = [value for one in ablations for value in one.changes.values()]
    is_number = all(isinstance(value, (int, float)) and not isinstance(value, bool) for value in values)
    return settings.pop() if is_number and len(settings) == 1 else ""


def _line(ablations: Sequence[Ablation], judging: Judging) -> float:
    """Where two still count as equally good, as a difference from the unified variant; 0 where claims know no margin."""
    claims = {claim for one in ablations for claim in one.claims}
    if claims == {"C6"}:
        return -judging.margin_c6
    return judging.margin if claims - CLAIMS.keys() else 0.0


def _curve(ablations: Sequence[Ablation], setting: str, found: Found, judging: Judging) -> pd.DataFrame:
    """The effects along a setting, column `x`; the unified variant, where it stands, has no effect."""
    pairs = [(one.variant, one.variant, UNIFIED) for one in ablations]
    table = effect_table(found, [(UNIFIED, UNIFIED, UNIFIED), *pairs], judging)
    places = {one.variant: one.changes[setting] for one in ablations}
    table["x"] = table["label"].map(places | {UNIFIED: ablations[0].instead_of[setting]})
    return table.sort_values("x", kind="stable", ignore_index=True)


def experiment_result(name: str, variants: Sequence[str], found: Found, judging: Judging) -> Experiment:
    """The differences that the ablations of one experiment made, in the form that suits what they change."""
    run = [one for one in found.ablations if one.variant in variants]
    missing = tuple(variant for variant in variants if variant in found.missing)
    if run and all(one.claims == (SUBSETS,) for one in run):
        return Experiment(name, "subsets", subset_table(found, run, judging), 0.0, missing=missing)
    if run and all(one.claims == ("C1-total",) for one in run):
        usual = (f"{UNIFIED} (equal per task)", UNIFIED, "")
        table = effect_table(found, [usual, *((one.variant, one.variant, "") for one in run)], judging)
        return Experiment(name, "specialists", table, -judging.margin, missing=missing)
    line = _line(run, judging)
    if setting := _curve_setting(run):
        return Experiment(name, "curve", _curve(run, setting, found, judging), line, setting, missing)
    table = effect_table(found, [(one.variant, one.variant, UNIFIED) for one in run], judging)
    return Experiment(name, "effects", table, line, missing=missing)


def experiment_results(
    experiments: Mapping[str, Sequence[str]], found: Found, judging: Judging
) -> list[Experiment]:
    """Each experiment of which at least one ablation has been run, in the order of `experiments`."""
    results = [experiment_result(name, variants, found, judging) for name, variants in experiments.items()]
    return [one for one in results if len(one.table)]
