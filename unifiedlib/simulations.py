"""The paper's other two evaluations, simulated on the drawn world, side by side: raters' preference, and users' clicks and saves.

Read from what the stages `study` and `replay` wrote. All of it is simulation: it tells what offline differences would become
under stated assumptions, and nothing about people.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from unifiedlib.figures.tables import signed

COMPARED = {
    "specialist": "unified minus specialist",
    "imagenet": "unified minus ImageNet",
    "codes": "codes minus floats",
}
RATERS, INTERLEAVING = "simulated raters: net preference", "simulated users: interleaving"
VOLUMES = {"click": "simulated users: clicks", "repin": "simulated users: repins"}
COLUMNS = ("compared", "task", RATERS, *VOLUMES.values(), INTERLEAVING)

Entry = Mapping[str, object]


def simulation_table(study: Path, replay: Path) -> pd.DataFrame:
    """A row per comparison and task, columns `COLUMNS`, cells as text; no row where neither stage was run.

    study, replay: the summary.json of either stage, which need not be there. Raters and interleaving: a difference with its 95 %
    interval; clicks and repins per user: the relative change, and whether every model's interval lies on one side of zero.
    """
    cells: dict[tuple[str, str], dict[str, str]] = {}
    for one in _entries(study):
        comparison, _, task = str(one["id"]).partition("/")
        if task:
            cells.setdefault((comparison, task), {})[RATERS] = _interval(one)
    for one in _entries(replay):
        row = cells.setdefault((str(one["comparison"]), str(one["task"])), {})
        if one["method"] == "interleaving":
            row[INTERLEAVING] = _interval(one)
        elif one["measure"] == "volume":
            row[VOLUMES[str(one["action"])]] = _lift(one)
    rows = [
        {"compared": COMPARED[comparison], "task": task, **row}
        for comparison in COMPARED
        for (name, task), row in cells.items()
        if name == comparison
    ]
    return pd.DataFrame(rows, columns=list(COLUMNS)).fillna("")


def _entries(path: Path) -> list[Entry]:
    """The entries of a summary.json, those of either stage; none where it was not run. Raises ValueError for one that is none."""
    if not path.is_file():
        return []
    content = json.loads(path.read_text(encoding="utf-8"))
    entries: list[Entry] = content["results"] if isinstance(content, dict) else content
    if not all(one.get("simulated") for one in entries):
        raise ValueError(f"{path} has an entry that is not marked as simulated: run its stage again")
    return entries


def _interval(one: Entry) -> str:
    effect, low, high = (signed(float(str(one[key]))) for key in ("effect", "low", "high"))
    return f"{effect} ({low} to {high})"


def _lift(one: Entry) -> str:
    return f"{float(str(one['lift'])):+.1%}, {one['outcome']}".replace("-", "−", 1)


def sentence(table: pd.DataFrame) -> str:
    """What the table is, in a Markdown sentence, or that there is none yet."""
    if table.empty:
        return "Neither was run yet: `make study` and `make replay`."
    return (
        "**Simulations, not measurements of people.** Raters see the true relevance of each result and err by a stated amount; "
        "users click by rank and true relevance. They show what the offline differences would become under these assumptions."
    )


def simulation_markdown(table: pd.DataFrame) -> str:
    """The table as Markdown, below the sentence that says what it is."""
    lines = [" | ".join(["|", *table.columns, "|"]).strip(), "|" + "---|" * len(table.columns)]
    lines += [" | ".join(["|", *row, "|"]).strip() for row in table.itertuples(index=False)]
    return f"{sentence(table)}\n\n" + "\n".join(line.replace("| |", "|") for line in lines) + "\n"
