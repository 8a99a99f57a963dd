"""The report's words and tables, read from what the earlier stages wrote: results, verdicts, settings, versions."""

from __future__ import annotations

import json
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pandas as pd

from unifiedlib.contract import Collection
from unifiedlib.figures.tables import signed
from unifiedlib.folding import folded_list
from unifiedlib.losses import NO_LABEL
from unifiedlib.reference import METRIC, ZHAI_WU, beside_reference, reference_numbers
from unifiedlib.results import headlines, result_table
from unifiedlib.stages import seed_folder
from unifiedlib.training_data import training_data
from unifiedlib.variants import IMAGENET, UNIFIED, seeds_of

Claim = dict[str, str | float | None]
PACKAGES = (
    "torch",
    "torchvision",
    "timm",
    "numpy",
    "pandas",
    "faiss-cpu",
    "scikit-learn",
    "pillow",
    "matplotlib",
)
RESULT_FILES = ("scores.parquet", "per_query.parquet", "claims.json", "queries.csv")


@dataclass(frozen=True)
class Results:
    """What the evaluate stage left: scores and per-query tables, claims, queries scored and left out."""

    scores: pd.DataFrame
    per_query: pd.DataFrame
    claims: list[Claim]
    queries: pd.DataFrame

    @property
    def n_claims(self) -> int:
        """Claims that were judged, each over all tasks."""
        return sum("/" not in str(claim["id"]) for claim in self.claims)


def load_results(folder: Path) -> Results:
    """Read the results in `folder`. Raises FileNotFoundError naming the first file that is missing."""
    for name in RESULT_FILES:
        if not (folder / name).is_file():
            raise FileNotFoundError(f"{folder / name} is missing: run the evaluate stage first")
    claims = json.loads((folder / "claims.json").read_text(encoding="utf-8"))
    scores, per_query = (pd.read_parquet(folder / name) for name in RESULT_FILES[:2])
    return Results(scores, per_query, claims, pd.read_csv(folder / "queries.csv"))


def _difference(claim: Claim, metric: str) -> str:
    effect, low, high = (signed(float(claim[key] or 0)) for key in ("effect", "low", "high"))
    return f"{effect} {metric} (95 % {low} to {high})"


def _tasks(claims: Sequence[Claim], claim_id: str) -> dict[str, Claim]:
    """A claim's entries by task, without those that could not be tested."""
    prefix = f"{claim_id}/"
    own = {
        str(claim["id"]).removeprefix(prefix): claim
        for claim in claims
        if str(claim["id"]).startswith(prefix)
    }
    return {task: claim for task, claim in own.items() if claim["effect"] is not None}


def opening(claims: Sequence[Claim], metrics: Mapping[str, str]) -> str:
    """The report's first words, Markdown: first where the unified embedding loses to a specialist, if it does.

    It loses, or is ahead, where the whole interval of the difference lies on one side of zero.
    metrics: each task's headline metric, {"lens": "P@20"}.
    """
    against = _tasks(claims, "C1")
    if not against:
        return "**The unified embedding was not compared with the specialists**: none of them was evaluated."
    groups: dict[str, list[str]] = {"loses to": [], "cannot be told from": [], "is ahead of": []}
    for task, claim in against.items():
        low, high = float(claim["low"] or 0), float(claim["high"] or 0)
        kind = "loses to" if high < 0 else "is ahead of" if low > 0 else "cannot be told from"
        groups[kind].append(f"{task} {_difference(claim, metrics[task])}")
    said = [
        f"{kind} the specialist on {len(listed)} of {len(against)} tasks: {'; '.join(listed)}"
        for kind, listed in groups.items()
        if listed
    ]
    first, *others = said
    head, _, rest = first.partition(":")
    return f"**The unified embedding {head}**:{rest}. " + " ".join(f"It {one}." for one in others)


def verdicts(claims: Sequence[Claim]) -> str:
    """One Markdown line per claim: what was claimed, the verdict, and the verdict on each task."""
    lines = []
    for claim in claims:
        if "/" in str(claim["id"]):
            continue
        own = _tasks(claims, str(claim["id"]))
        by_task = ", ".join(f"{task} {one['verdict']}" for task, one in own.items())
        lines.append(
            f"- **{claim['id']} {claim['verdict']}.** Claimed: {claim['claim']} Found: {by_task or 'not tested'}."
        )
    return "\n".join(lines)


def costs(scores: pd.DataFrame) -> str:
    """A Markdown sentence on what the codes cost and save, for the unified variant."""
    table = result_table(scores)
    own = table[table["variant"] == UNIFIED].pivot_table(
        index="task", columns="representation", values="value", sort=False
    )
    if own.empty:
        return ""
    change = own["binary"] - own["float"]
    dim = int(table.loc[table["variant"] == UNIFIED, "dim"].iloc[0])
    listed = ", ".join(f"{task} {signed(value)}" for task, value in change.items())
    return f"A code takes {dim // 8:,} bytes where the floats take {dim * 4:,}; it changes the headline metric by: {listed}."


def summary(results: Results) -> str:
    """The report's summary as Markdown: a loss of the unified embedding first, then each claim, then the codes' cost."""
    metrics = headlines(results.scores)
    seeds = results.scores.loc[results.scores["variant"] != IMAGENET, "seed"].nunique()
    left_out = int(results.queries["n_left_out"].sum())
    plural = "" if seeds == 1 else "s"
    basis = (
        f"Differences are paired over queries, with {seeds} seed{plural}; {left_out} queries were left out."
    )
    more = "Other claims take runs of their own: `make ablations`, `make codes`, `make costs`; `make verdicts` gathers all."
    parts = (opening(results.claims, metrics), verdicts(results.claims), costs(results.scores), basis, more)
    return "\n\n".join(parts)


def reasons(claims: Sequence[Claim]) -> str:
    """How each verdict on each task came about: a list in HTML, folded away."""
    entries = [
        (f"{claim['id']} {claim['verdict']}.", str(claim["how"]))
        for claim in claims
        if "/" in str(claim["id"])
    ]
    return folded_list("How each verdict came about", entries)


def beside_published(scores: pd.DataFrame) -> tuple[str, pd.DataFrame]:
    """A sentence, and the published numbers: beside the measured ones where the collection has public benchmarks, else alone."""
    published = reference_numbers()
    if (scores["task"].isin(published["task"]) & (scores["metric"] == METRIC)).any():
        said = f"Measured {METRIC} beside the published Recall@1, which is the same number ({ZHAI_WU})."
        return said, beside_reference(scores).drop(columns="source")
    said = (
        "No number has been published for these pictures. What was reported on public benchmarks by the method's first paper "
        f"({ZHAI_WU}; Recall@1, here {METRIC}) shows what to expect of codes and widths, not of these tasks; "
        "`make cub`, `cars`, `sop` and `inshop` measure the same here."
    )
    wide = published.pivot_table(
        index=["dim", "representation"], columns="task", values="value", sort=False
    ).reset_index()
    return said, wide.rename_axis(columns=None)


def count_table(collection: Collection) -> pd.DataFrame:
    """Items per task, role and domain: columns task, role, domain, label_set, n_items, n_labels."""
    rows = collection.labels.assign(
        domain=collection.items["domain"].to_numpy()[collection.labels["item"].to_numpy()]
    )
    groups = rows.groupby(["task", "role", "domain", "label_set"], sort=True)
    table = groups.agg(n_items=("item", "nunique"), n_labels=("label", "nunique")).reset_index()
    order = {role: place for place, role in enumerate(("train", "query", "gallery", "query+gallery"))}
    return table.sort_values(
        ["task", "role"],
        key=lambda column: column.map(order) if column.name == "role" else column,
        kind="stable",
        ignore_index=True,
    )


def left_out_table(collection: Collection) -> pd.DataFrame:
    """The pictures that could not be used, and why: columns image, reason."""
    return pd.DataFrame(collection.left_out, columns=["image", "reason"])


def _as_text(value: object) -> str:
    """A value as text; of a nested one the plain entries alone."""
    if not isinstance(value, Mapping):
        return str(value)
    return ", ".join(f"{name} {one}" for name, one in value.items() if not isinstance(one, (Mapping, list)))


def settings_table(settings: Mapping[str, object]) -> pd.DataFrame:
    """Settings as a table: columns setting, value (as text)."""
    return pd.DataFrame({"setting": list(settings), "value": [_as_text(one) for one in settings.values()]})


def model_table(model_folder: Path, variants: Sequence[str], seeds: Sequence[int]) -> pd.DataFrame:
    """What each model was made with: a row per setting, a column per variant, of the first seed."""
    columns = {}
    for variant in variants:
        about = json.loads(
            (seed_folder(model_folder, variant, seeds_of(variant, list(seeds))[0]) / "model.json").read_text(
                encoding="utf-8"
            )
        )
        trained = {} if variant == IMAGENET else about["settings"]
        columns[variant] = {**about["model"], **trained, "label sets": len(about["classes"])}
    table = pd.DataFrame(columns, dtype=object).replace(np.nan, "")
    return table.map(str).rename_axis("setting").reset_index()


def version_table() -> pd.DataFrame:
    """Versions of Python and of the packages that decide the numbers: columns package, version."""
    rows = [("python", platform.python_version()), *((name, version(name)) for name in PACKAGES)]
    return pd.DataFrame(rows, columns=["package", "version"])


def source_table(collection: Collection) -> pd.DataFrame:
    """Where the pictures come from, under which licence: columns name, url, commit, licence, and note where there is one."""
    columns = ["name", "url", "commit", "licence"]
    noted = any(source.get("note") for source in collection.sources)
    return pd.DataFrame(collection.sources, columns=[*columns, "note"] if noted else columns)


def training_sentence(variant: str, tasks: Sequence[str]) -> str:
    """What a variant learns from, in one sentence. tasks: those that it is trained on."""
    if not tasks:
        return f"{variant}: nothing is trained; the trunk keeps its ImageNet weights."
    return f"{variant}: trained on {', '.join(tasks)}."


def branch_table(
    collection: Collection, tasks: Sequence[str], validation_share: float, seed: int
) -> pd.DataFrame:
    """A variant's branches: columns label_set, classes, trained_items, held_out_items; no row where nothing is trained.

    tasks: those that it is trained on.
    """
    columns = ["label_set", "classes", "trained_items", "held_out_items"]
    if not tasks:
        return pd.DataFrame(columns=columns)
    data = training_data(collection, tasks, validation_share, seed)
    rows = []
    for column, (key, names) in enumerate(data.classes.items()):
        known = data.labels[:, column] != NO_LABEL
        rows.append((key, len(names), int(known[data.trained].sum()), int(known[data.held_out].sum())))
    return pd.DataFrame(rows, columns=columns)
