"""C8, judged: one embedding cuts the cost of operation, namely training, back-fill, storage and index memory.

Of each part the *share saved* is judged: 1 minus what the unified embedding takes by what the specialists take together. Where it
is measured (training, back-fill, search), its interval comes from a bootstrap over rounds; where it is arithmetic (storage, index
memory), the interval is the value itself. Trainings are compared in batches of one size, since a specialist could train in larger
ones. A part is replicated if the whole interval lies above `least_saving`, not replicated if
it lies at or below it, and inconclusive otherwise. C8 is replicated only if each part that the paper names is, and not replicated
if any one is not, as all claims are judged (`unifiedlib.claims`). Search is judged beside them: the paper does not name it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from unifiedlib.bootstrap import Interval
from unifiedlib.claims import Claim, Comparison, Judgement, Side, overall_entry, own_entry, verdict_of
from unifiedlib.costs.embeddings import EMBEDDING
from unifiedlib.costs.indexing import BUILD, FLOAT, SEARCH, VECTOR
from unifiedlib.costs.measuring import IMAGES, TRAINING, Measured
from unifiedlib.costs.medians import Medians, interval_of, median_draws
from unifiedlib.costs.trainings import EQUAL_BATCHES
from unifiedlib.variants import UNIFIED

C8 = "One unified embedding cuts the cost of operation: training, back-fill, storage and index memory."
SAID = {
    "training": "One training for all tasks takes less than the specialists' together, in batches of one size.",
    "back-fill": "Embedding and indexing the corpus takes less once than once per specialist.",
    "storage": "The corpus's vectors take fewer bytes than those of all specialists.",
    "index memory": "The index of the corpus takes less memory than the indexes of all specialists.",
    "search": "A query takes less with the unified embedding than with its task's specialist.",
}
NAMED = ("training", "back-fill", "storage", "index memory")


@dataclass(frozen=True)
class CostJudging:
    """How C8 is judged.

    least_saving: a share saved must lie above it, 0 to 1. shared_share: share of the corpus that every task searches, 0 to 1.
    seed, n_resamples: of the bootstrap over rounds.
    """

    least_saving: float
    shared_share: float
    seed: int
    n_resamples: int

    def __post_init__(self) -> None:
        for name in ("least_saving", "shared_share"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} is {getattr(self, name)}; it is a share and must lie in 0 to 1")


def _sums(medians: Medians, quantity: str, names: Sequence[str]) -> np.ndarray:
    return np.asarray(np.sum([medians[quantity, name] for name in names], axis=0))


def _shared(total: np.ndarray, n_tasks: int, share: float) -> np.ndarray:
    """What specialists take of an average item, of which all together take `total`: all of them, or one of them."""
    return share * total + (1 - share) * total / n_tasks


def _training(measured: Measured, medians: Medians) -> tuple[Interval, str]:
    """At equal batches: a specialist's larger batches would save its steps' overhead without any other task."""
    names = measured.specialists
    equal = TRAINING + EQUAL_BATCHES if len(names) > 1 else TRAINING
    ours, theirs, recorded = (
        medians[TRAINING, UNIFIED],
        _sums(medians, equal, names),
        _sums(medians, TRAINING, names),
    )
    seen = measured.counted(IMAGES, UNIFIED)
    together = sum(measured.counted(IMAGES, name) for name in names)
    before = interval_of(1 - ours / recorded)
    how = (
        f"The unified training sees {seen:,.0f} images, the specialists' {together:,.0f} together "
        f"(budget {measured.about['budget']}). In batches of one size it takes {ours[0]:.3g} core-seconds against "
        f"{theirs[0]:.3g}. As they were trained, the specialists in batches {len(names)} times smaller, it is "
        f"{recorded[0]:.3g}, a share saved of {before.mean:+.4f} ({before.low:+.4f} to {before.high:+.4f}): the difference is "
        "what larger batches save, with or without other tasks."
    )
    return interval_of(1 - ours / theirs), how


def _back_fill(measured: Measured, medians: Medians, share: float) -> tuple[Interval, str]:
    n_tasks, build = len(measured.specialists), medians[BUILD, FLOAT]
    together = _sums(medians, EMBEDDING, measured.specialists) + n_tasks * build
    ours, theirs = medians[EMBEDDING, UNIFIED] + build, _shared(together, n_tasks, share)
    how = f"{ours[0] * 1000:.2f} core-milliseconds per item of the corpus against {theirs[0] * 1000:.2f}."
    return interval_of(1 - ours / theirs), how


def _search(measured: Measured, medians: Medians) -> tuple[Interval, str]:
    search = medians[SEARCH, FLOAT]
    theirs = _sums(medians, EMBEDDING, measured.specialists) / len(measured.specialists) + search
    ours = medians[EMBEDDING, UNIFIED] + search
    how = (
        f"{ours[0] * 1000:.2f} core-milliseconds against {theirs[0] * 1000:.2f}: one model embeds a query, and one "
        "index of as many vectors is searched, in either case."
    )
    return interval_of(1 - ours / theirs), how


def _arithmetic(measured: Measured, share: float, what: str) -> tuple[Interval, str]:
    n_tasks = len(measured.specialists)
    copies = 1 + (n_tasks - 1) * share
    saved = 1 - 1 / copies
    size = measured.counted(VECTOR, FLOAT)
    how = (
        f"By arithmetic: 1 {what} per item of the corpus instead of {copies:g}, each as wide ({size:,.0f} bytes of floats, "
        "a 32nd as code), so floats and codes save the same share."
    )
    return Interval(saved, saved, saved), how


def _judgement(part: str, found: Interval, how: str, judging: CostJudging, n_rounds: int) -> Judgement:
    ours = Side(UNIFIED, FLOAT, "the unified embedding")
    theirs = Side("specialists", FLOAT, "the specialists")
    compared = Comparison(f"C8/{part}", SAID[part], part, ours, theirs, judging.least_saving, part)
    exact = found.low == found.high
    interval = (
        "exactly" if exact else f"95 % interval {found.low:+.4f} to {found.high:+.4f} over {n_rounds} rounds"
    )
    rule = f"replicated only if the whole interval lies above {judging.least_saving:.3f}"
    return Judgement(
        compared,
        verdict_of(found, judging.least_saving),
        found,
        f"{how} Share saved {found.mean:+.4f}, {interval}; {rule}.",
    )


def judge_costs(measured: Measured, judging: CostJudging) -> list[Claim]:
    """The entries of claims.json: C8 over the parts that the paper names, then "C8/training" and so on, and "C8/search".

    The effect is a share saved, 0 nothing and 1 all; negative where the unified embedding takes more.
    Same measurements, same entries.
    """
    medians = median_draws(measured, judging.n_resamples, judging.seed)
    share = judging.shared_share
    found = {
        "training": _training(measured, medians),
        "back-fill": _back_fill(measured, medians, share),
        "storage": _arithmetic(measured, share, "vector"),
        "index memory": _arithmetic(measured, share, "entry"),
        "search": _search(measured, medians),
    }
    n_rounds = int(measured.rounds["round"].max())
    judged = {part: _judgement(part, *one, judging, n_rounds) for part, one in found.items()}
    overall = overall_entry("C8", C8, [judged[part] for part in NAMED])
    return [overall, *map(own_entry, judged.values())]
