"""The study on `decor` with simulated raters: what is compared, who judges, and the tables that come of it.

Three comparisons: unified against each task's specialist, unified against the untrained trunk, codes of the unified variant
against its floats. A query is asked about where the lists differ with every training; all trainings share the queries, so that
intervals cover queries and trainings. Everything made here says `simulated`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from unifiedlib.contract import Collection
from unifiedlib.graded import GainsOf, decor_gains
from unifiedlib.scoring import headline_metric
from unifiedlib.study.agreement import cohens_kappa, krippendorffs_alpha, percent_agreement
from unifiedlib.study.contests import Contests, Library, differing_in_all
from unifiedlib.study.design import Design, draw_queries, make_study
from unifiedlib.study.document import Key, Study
from unifiedlib.study.judgements import agreement_table, by_task, judgement_rows
from unifiedlib.study.offline import headline_scores, offline_difference
from unifiedlib.study.power import power_table
from unifiedlib.study.simulation import RaterModel, pair_worths, simulate_rater
from unifiedlib.study.systems import SPECIALIST, System
from unifiedlib.variants import IMAGENET, UNIFIED

COMPARISONS: dict[str, tuple[System, System]] = {
    "specialist": (System(UNIFIED), System(SPECIALIST)),
    "imagenet": (System(UNIFIED), System(IMAGENET)),
    "codes": (System(UNIFIED, "binary"), System(UNIFIED)),
}
VARIANTS = (IMAGENET, "flashlight", "lens", "shop_the_look", UNIFIED)
"""Whose embeddings must be there."""
NOISES = (0.0, 0.5, 1.0, 2.0, 4.0, 8.0)
"""Multiples of the raters' noise at which agreement is looked at."""
AGREEMENT_COLUMNS = (
    "study",
    "task",
    "simulated",
    "noise",
    "n_rater",
    "n_pair",
    "percent",
    "cohen",
    "krippendorff",
)
OFFLINE_COLUMNS = (
    *("study", "task", "simulated", "metric", "n_query", "n_training"),
    *("difference", "difference_low", "difference_high"),
)
DECIMALS = 6


@dataclass(frozen=True)
class SimulationSettings:
    """How the study is made. n_raters: at least 2; seed, n_resamples: of the bootstrap, n_resamples at least 100."""

    design: Design
    raters: RaterModel
    n_raters: int
    n_resamples: int

    def __post_init__(self) -> None:
        """Check the ranges."""
        for name, lowest in (("n_raters", 2), ("n_resamples", 100)):
            if getattr(self, name) < lowest:
                raise ValueError(f"{name} is {getattr(self, name)}; it must be at least {lowest}")

    @property
    def names(self) -> list[str]:
        """The raters' names."""
        return [f"simulated-{number}" for number in range(1, self.n_raters + 1)]


@dataclass(frozen=True)
class Drawn:
    """One comparison of one training: its study, its key, and what each list is truly worth [n_pair x 2]."""

    name: str
    training: int
    study: Study
    key: Key
    worths: pd.DataFrame

    def judged(self, settings: SimulationSettings, noise: float | None = None) -> pd.DataFrame:
        """What the raters say, as `judgement_rows`. noise: another than the settings' own."""
        model = settings.raters
        if noise is not None:
            model = RaterModel(noise, model.tie_threshold, model.neither_threshold, model.depth)
        rows = []
        for number, rater in enumerate(settings.names):
            seed = [settings.design.seed, list(COMPARISONS).index(self.name), self.training, number]
            answers = simulate_rater(self.study, self.worths.to_numpy(), rater, model, seed)
            rows.append(
                judgement_rows(
                    self.study,
                    self.key,
                    rater,
                    answers,
                    name=self.name,
                    simulated=True,
                    training=self.training,
                )
            )
        return pd.concat(rows, ignore_index=True)


def trained(system: System, seed: int, seeds: Sequence[int]) -> System:
    """A system of one training; `imagenet`, in which nothing is trained, is there for the first seed alone."""
    return System(system.variant, system.representation, seeds[0] if system.variant == IMAGENET else seed)


def draw_studies(
    library: Library, seeds: Sequence[int], design: Design, data_folder: str, gains_of: GainsOf, depth: int
) -> list[Drawn]:
    """Every comparison with every training. data_folder: as told in each study."""
    drawn = []
    for name, (ours, theirs) in COMPARISONS.items():
        contests: list[Contests] = [
            library.contests(trained(ours, seed, seeds), trained(theirs, seed, seeds)) for seed in seeds
        ]
        queries = draw_queries(differing_in_all(contests), design)
        for seed, one in zip(seeds, contests, strict=True):
            study, key = make_study(one, queries, design, library.collection.fingerprint, data_folder)
            worths = pd.DataFrame(pair_worths(study, gains_of, depth), columns=["left", "right"])
            drawn.append(Drawn(name, seed, study, key, worths))
    return drawn


def judge_all(drawn: Sequence[Drawn], settings: SimulationSettings) -> pd.DataFrame:
    """What all raters say about all studies, as `judgement_rows`."""
    return pd.concat([one.judged(settings) for one in drawn], ignore_index=True)


def power_of(judgements: pd.DataFrame, settings: SimulationSettings) -> pd.DataFrame:
    """How many queries and raters it takes, by the first training: a table of `power_table`, for one rater, half of them, all."""
    first = judgements[judgements["training"] == judgements["training"].iloc[0]]
    raters = sorted({1, -(-settings.n_raters // 2), settings.n_raters})
    return power_table(first, raters, settings.design.seed)


def agreement_row(part: pd.DataFrame) -> dict[str, float | int]:
    """How far the raters of `part` agree. cohen: the mean of kappa over all pairs of raters."""
    table = agreement_table(part)
    pairs = [table[[one, two]] for one in range(len(table)) for two in range(one)]
    kappas = pd.Series([cohens_kappa(pair) for pair in pairs])
    numbers = {
        "percent": percent_agreement(table),
        "cohen": kappas.mean(),
        "krippendorff": krippendorffs_alpha(table),
    }
    rounded = {name: round(float(value), DECIMALS) for name, value in numbers.items()}
    return {"n_rater": len(table), "n_pair": table.shape[1], **rounded}


def agreement_rows(judgements: pd.DataFrame, noise: float) -> pd.DataFrame:
    """Agreement of each study on each task: columns `AGREEMENT_COLUMNS`. noise: that of the raters."""
    rows = [
        {"study": study, "task": task, "simulated": True, "noise": noise} | agreement_row(part)
        for study, task, part in by_task(judgements)
    ]
    return pd.DataFrame(rows, columns=list(AGREEMENT_COLUMNS))


def agreement_by_noise(drawn: Sequence[Drawn], settings: SimulationSettings) -> pd.DataFrame:
    """Agreement at multiples of the raters' noise, with the first training: columns `AGREEMENT_COLUMNS`."""
    first = [one for one in drawn if one.training == drawn[0].training]
    levels = [round(factor * settings.raters.noise, DECIMALS) for factor in NOISES]
    frames = [
        agreement_rows(pd.concat([one.judged(settings, noise) for one in first], ignore_index=True), noise)
        for noise in dict.fromkeys(levels)
    ]
    return pd.concat(frames, ignore_index=True)


def offline_rows(
    library: Library, drawn: Sequence[Drawn], seeds: Sequence[int], settings: SimulationSettings
) -> pd.DataFrame:
    """Ours minus theirs in each task's headline metric, on the judged queries: columns `OFFLINE_COLUMNS`."""
    scored: dict[tuple[System, str], dict[int, float]] = {}

    def scores(system: System, task: str) -> dict[int, float]:
        place = (own := system.on(task), task)
        if place not in scored:
            stored = library.stored(own)
            scored[place] = headline_scores(library.collection, stored, own.representation, task)
        return scored[place]

    rows = []
    for one in [one for one in drawn if one.training == seeds[0]]:
        for task in one.key.ours:
            queries = [pair.query for pair in one.study.pairs if pair.task == task]
            if not queries:
                continue
            ours, theirs = (
                [scores(trained(side, seed, seeds), task) for seed in seeds] for side in COMPARISONS[one.name]
            )
            found = offline_difference(ours, theirs, queries, settings.design.seed, settings.n_resamples)
            metric = headline_metric(library.collection.tasks[task].k)
            numbers = (round(value, DECIMALS) + 0.0 for value in (found.mean, found.low, found.high))
            rows.append((one.name, task, True, metric, len(queries), len(seeds), *numbers))
    return pd.DataFrame(rows, columns=list(OFFLINE_COLUMNS))


def decor_library(collection: Collection, embedding_folder: Path, k: int) -> tuple[Library, GainsOf]:
    """What the study searches in, and the truth that raters see. Raises ValueError for a collection without graded truth."""
    return Library(collection, embedding_folder, k), decor_gains(collection)
