"""The costs stage: measure, model, judge, and write all of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from unifiedlib.claims import Claim
from unifiedlib.contract import Collection
from unifiedlib.costs.assumptions import Assumptions
from unifiedlib.costs.claims import CostJudging, judge_costs
from unifiedlib.costs.measuring import Measured, Measuring, measure
from unifiedlib.costs.medians import measured_table
from unifiedlib.costs.model import UnitCosts, cost_table, unit_costs
from unifiedlib.costs.sensitivity import saving_by_shared_share, saving_by_tasks, tornado
from unifiedlib.files import write_json, write_table


@dataclass(frozen=True)
class CostStudy:
    """All that follows from the measurements.

    table: as measured.csv. costs, by_tasks, by_share, tornado: see `cost_table`, `saving_by_tasks`, `saving_by_shared_share`,
    `tornado`. claims: as claims.json.
    """

    measured: Measured
    assumptions: Assumptions
    unit: UnitCosts
    table: pd.DataFrame
    costs: pd.DataFrame
    by_tasks: pd.DataFrame
    by_share: pd.DataFrame
    tornado: pd.DataFrame
    claims: list[Claim]


def study_of(measured: Measured, assumptions: Assumptions, judging: CostJudging) -> CostStudy:
    """Model and judge; the same measurements give the same study."""
    unit = unit_costs(measured)
    return CostStudy(
        measured=measured,
        assumptions=assumptions,
        unit=unit,
        table=measured_table(measured, judging.n_resamples, judging.seed),
        costs=cost_table(assumptions, unit),
        by_tasks=saving_by_tasks(assumptions, unit),
        by_share=saving_by_shared_share(assumptions, unit),
        tornado=tornado(assumptions, unit),
        claims=judge_costs(measured, judging),
    )


def write_study(folder: Path, study: CostStudy) -> None:
    """Write rounds.csv and about.json (what was measured), measured.csv, the model's tables, and claims.json."""
    study.measured.write(folder)
    tables = {
        "measured": study.table,
        "costs": study.costs,
        "saving_by_tasks": study.by_tasks,
        "saving_by_shared_share": study.by_share,
        "tornado": study.tornado,
    }
    for name, table in tables.items():
        write_table(folder / f"{name}.csv", table)
    write_json(folder / "claims.json", study.claims)


def study_costs(
    collection: Collection,
    variants: Sequence[str],
    seed: int,
    model_folder: Path,
    folder: Path,
    measuring: Measuring,
    assumptions: Assumptions,
    judging: CostJudging,
) -> CostStudy:
    """Measure the models of a collection, model the operation, judge C8, and write everything to `folder`.

    seed: of the models. Raises ValueError or FileNotFoundError as `measure` does, before anything is written.
    """
    study = study_of(measure(collection, variants, seed, model_folder, measuring), assumptions, judging)
    write_study(folder, study)
    return study
