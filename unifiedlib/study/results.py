"""What a study leaves behind: tables, and a summary with a verdict for each comparison and task.

A verdict says whose lists raters prefer: `ours` where the whole 95 % interval of the net preference lies above zero, `theirs`
where it lies below, else `undecided`, as it is by fewer than `FEWEST_CLUSTERS` queries, which may agree by chance. Over all
tasks: `ours` only if it is on each of them, `theirs` if it is on any one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import pandas as pd

from unifiedlib.clusters import FEWEST_CLUSTERS
from unifiedlib.files import write_json, write_table
from unifiedlib.study.document import write_study
from unifiedlib.study.judgements import OURS, THEIRS
from unifiedlib.study.simulated_study import Drawn, SimulationSettings

UNDECIDED = "undecided"
SEVERITY = {THEIRS: 0, UNDECIDED: 1, OURS: 2}
WORDS = {
    "specialist": ("the unified embedding", "the task's specialist"),
    "imagenet": ("the unified embedding", "the untrained trunk"),
    "codes": ("codes of the unified embedding", "its floats"),
}
CLAIMED = {
    OURS: "prefer {} to {}",
    THEIRS: "prefer {1} to {0}",
    UNDECIDED: "cannot be told to prefer {} or {}",
}

Entry = dict[str, str | float | bool | None]


def verdict_of(low: float, high: float, n_query: int) -> str:
    """Whose lists are preferred, by the interval of the net preference and the number of queries behind it.

    >>> verdict_of(0.1, 0.2, 50), verdict_of(-0.1, 0.2, 50), verdict_of(-0.2, -0.1, 50), verdict_of(1.0, 1.0, 3)
    ('ours', 'undecided', 'theirs', 'undecided')
    """
    if n_query < FEWEST_CLUSTERS:
        return UNDECIDED
    return OURS if low > 0 else THEIRS if high < 0 else UNDECIDED


def _percent(value: float) -> str:
    return f"{value:.0%}"


def _p_value(value: float) -> str:
    return "p < 0.001" if value < 0.001 else f"p = {value:.3f}"


def task_entry(row: Mapping[str, object]) -> Entry:
    """A row of a preference table as an entry of the summary."""
    number = {name: float(str(row[name])) for name in ("net", "net_low", "net_high", "win_rate", "sign_p")}
    count = {name: int(str(row[name])) for name in ("ours", "theirs", "tie", "neither", "n_judgement")}
    study, task, simulated = str(row["study"]), str(row["task"]), bool(row["simulated"])
    names = WORDS.get(study, ("our lists", "the others"))
    n_query = int(str(row["n_query"]))
    verdict = verdict_of(number["net_low"], number["net_high"], n_query)
    who = "Simulated raters" if simulated else "Raters"
    shares = [_percent(count[name] / count["n_judgement"]) for name in (OURS, THEIRS, "tie", "neither")]
    how = (
        f"Of {count['n_judgement']} answers of {row['n_rater']} {who.lower()} about {row['n_query']} queries (trainings: "
        f"{row['n_training']}), {shares[0]} prefer {names[0]}, {shares[1]} {names[1]}, {shares[2]} are ties and {shares[3]} find "
        f"both bad. The net preference is {number['net']:+.3f}, 95 % interval {number['net_low']:+.3f} to "
        f"{number['net_high']:+.3f}; more answers are for ours on {row['better_queries']} queries and for the others on "
        f"{row['worse_queries']} (sign test {_p_value(number['sign_p'])})."
    )
    if n_query < FEWEST_CLUSTERS:
        how += f" By fewer than {FEWEST_CLUSTERS} queries nothing is judged: they may agree by chance."
    said = f"On {task}, {who.lower()} {CLAIMED[verdict].format(*names)}."
    win_rate = None if pd.isna(number["win_rate"]) else number["win_rate"]
    about: Entry = {"id": f"{study}/{task}", "simulated": simulated, "said": said, "verdict": verdict}
    effects: Entry = {"effect": number["net"], "low": number["net_low"], "high": number["net_high"]}
    return about | effects | {"win_rate": win_rate, "how": how}


def _overall(study: str, entries: Sequence[Entry]) -> Entry:
    worst = min(entries, key=lambda one: (SEVERITY[str(one["verdict"])], float(str(one["effect"]))))
    by_task = ", ".join(f"{str(one['id']).split('/')[1]} {one['verdict']}" for one in entries)
    how = f"By task: {by_task}. The effect given is the worst task's. {worst['how']}"
    return worst | {"id": study, "how": how}


def summary_entries(preferences: pd.DataFrame) -> list[Entry]:
    """Each comparison over all tasks ("codes"), then on every task ("codes/lens"). preferences: as `preference_table`."""
    entries: list[Entry] = []
    for study, part in preferences.groupby("study", sort=False, observed=True):
        own = [
            task_entry({str(name): value for name, value in row.items()}) for row in part.to_dict("records")
        ]
        entries += [_overall(str(study), own), *own]
    return entries


def left_out_table(drawn: Sequence[Drawn]) -> pd.DataFrame:
    """Queries asked about and left out, of each comparison and task: columns study, task, and counts."""
    rows = []
    for one in drawn:
        for task, left in one.study.left_out.items():
            n_pair = sum(pair.task == task for pair in one.study.pairs)
            named = {"study": one.name, "training": one.training, "task": task, "simulated": True}
            rows.append(named | {"judged": n_pair} | left.model_dump())
    return pd.DataFrame(rows)


def write_results(
    folder: Path, drawn: Sequence[Drawn], tables: Mapping[str, pd.DataFrame], settings: SimulationSettings
) -> list[Entry]:
    """Write the studies, every table (`judgements` as Parquet, the others as CSV) and last `summary.json`; returns its entries.

    tables: by file name; `preferences` must be among them.
    """
    for one in drawn:
        write_study(folder / "studies" / one.name / f"seed-{one.training}", one.study, one.key)
    for name, table in tables.items():
        write_table(folder / f"{name}.{'parquet' if name == 'judgements' else 'csv'}", table)
    entries = summary_entries(tables["preferences"])
    about = {"simulated": True, "settings": asdict(settings), "results": entries}
    write_json(folder / "summary.json", about)
    return entries
