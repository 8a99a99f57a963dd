"""The model of costs: from what one item, image or query takes to a year of operation. docs/costs.md writes the equations out.

N tasks search a corpus of C items. A share s of it is searched by every task, the rest by one task each. N specialists then
embed, store and index 1 + (N - 1) s vectors per item, the unified embedding one. Queries are embedded by one model and compared
in one index in either world.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from unifiedlib.costs.assumptions import Assumptions
from unifiedlib.costs.embeddings import EMBEDDING
from unifiedlib.costs.indexing import ADD, BINARY, BUILD, FLOAT, INDEX_ITEM, REPRESENTATIONS, SEARCH, VECTOR
from unifiedlib.costs.measuring import COMPARED, MODEL, Measured
from unifiedlib.costs.trainings import EQUAL_BATCHES, FINE_TUNING
from unifiedlib.variants import UNIFIED

SPECIALISTS = "specialists"
WORLDS = (SPECIALISTS, UNIFIED)
SECONDS_PER_HOUR, DAYS, MONTHS, GB, TB = 3600, 365, 12, 1e9, 1e12

TRAINING, BACK_FILL, NEW_ITEMS, QUERIES, SEARCHING = "training", "back-fill", "new items", "queries", "search"
STORAGE, MODELS, MEMORY = "storage", "models", "index memory"
WORK, DISK = (TRAINING, BACK_FILL, NEW_ITEMS, QUERIES, SEARCHING), (STORAGE, MODELS)
PARTS = (TRAINING, BACK_FILL, NEW_ITEMS, STORAGE, MODELS, MEMORY, QUERIES, SEARCHING)


@dataclass(frozen=True)
class Way:
    """One of four ways to operate. world: `specialists` or `unified`; representation: of what is stored and searched."""

    world: str
    representation: str

    @property
    def name(self) -> str:
        """In words: "specialists, floats"."""
        return f"{self.world}, {'floats' if self.representation == FLOAT else 'codes'}"


WAYS = tuple(Way(world, representation) for world in WORLDS for representation in REPRESENTATIONS)


@dataclass(frozen=True)
class UnitCosts:
    """What one thing takes. Times in core-seconds, sizes in bytes.

    trained_image, embedding: of a model, by world (the mean specialist, trained in batches as large as those of the unified
    training). build, add: an item into an index; compare: one item
    with one query in a batch; vector, index_item: stored, by representation. model: one model's file, by world.
    budget: of the unified training: `per_task` or `total`, see `TrainSettings`.
    """

    trained_image: Mapping[str, float]
    embedding: Mapping[str, float]
    model: Mapping[str, float]
    build: Mapping[str, float]
    add: Mapping[str, float]
    compare: Mapping[str, float]
    vector: Mapping[str, float]
    index_item: Mapping[str, float]
    budget: str = "per_task"


def unit_costs(measured: Measured) -> UnitCosts:
    """Unit costs by the medians over rounds; a specialist's are the mean over the specialists."""

    def median(quantity: str, what: str) -> float:
        return float(np.median(measured.timed(quantity, what)))

    def worlds(value: Mapping[str, float]) -> dict[str, float]:
        mean = float(np.mean([value[name] for name in measured.specialists]))
        return {SPECIALISTS: mean, UNIFIED: value[UNIFIED]}

    names = [*measured.specialists, UNIFIED]
    equal = FINE_TUNING + EQUAL_BATCHES if len(names) > 2 else FINE_TUNING
    tuned = {**dict.fromkeys(measured.specialists, equal), UNIFIED: FINE_TUNING}

    def timed(quantity: str) -> dict[str, float]:
        return {one: median(quantity, one) for one in REPRESENTATIONS}

    def counted(quantity: str) -> dict[str, float]:
        return {one: measured.counted(quantity, one) for one in REPRESENTATIONS}

    search, compared = timed(SEARCH), counted(COMPARED)
    return UnitCosts(
        trained_image=worlds({name: median(tuned[name], name) for name in names}),
        embedding=worlds({name: median(EMBEDDING, name) for name in names}),
        model=worlds({name: measured.counted(MODEL, name) for name in names}),
        build=timed(BUILD),
        add=timed(ADD),
        compare={one: search[one] / compared[one] for one in REPRESENTATIONS},
        vector=counted(VECTOR),
        index_item=counted(INDEX_ITEM),
        budget=str(measured.about["budget"]),
    )


def vectors_per_item(it: Assumptions, world: str) -> float:
    """Embeddings that an item of the corpus has, on average: one, or one per specialist that searches it."""
    return 1 + (it.n_tasks - 1) * it.shared_share if world == SPECIALISTS else 1.0


def items_of_a_task(it: Assumptions) -> float:
    """Items that one task searches: the shared ones and its part of the others."""
    return it.corpus_items * (it.shared_share + (1 - it.shared_share) / it.n_tasks)


def amounts(it: Assumptions, unit: UnitCosts, way: Way) -> dict[str, float]:
    """What a year takes, {part: amount}: core-hours for work, GB for `storage`, `models` and `index memory`."""
    vectors = vectors_per_item(it, way.world)
    trainings = 1 if way.world == UNIFIED and unit.budget == "total" else it.n_tasks
    queries = DAYS * it.n_tasks * it.queries_per_day
    embedding, kind = unit.embedding[way.world], way.representation
    seconds = {
        TRAINING: it.refreshes_per_year * trainings * it.training_images * unit.trained_image[way.world],
        BACK_FILL: it.refreshes_per_year * it.corpus_items * vectors * (embedding + unit.build[kind]),
        NEW_ITEMS: DAYS * it.new_items_per_day * vectors * (embedding + unit.add[kind]),
        QUERIES: queries * embedding,
        SEARCHING: queries * it.searched_share * items_of_a_task(it) * unit.compare[kind],
    }
    n_models = it.n_tasks if way.world == SPECIALISTS else 1
    stored = {
        STORAGE: it.corpus_items * vectors * unit.vector[kind],
        MODELS: n_models * unit.model[way.world],
        MEMORY: it.replicas * it.corpus_items * vectors * unit.index_item[kind],
    }
    hours = {part: value / SECONDS_PER_HOUR / it.speed_up for part, value in seconds.items()}
    found = hours | {part: value / GB for part, value in stored.items()}
    return {part: found[part] for part in PARTS}


def money(it: Assumptions, part: str, amount: float) -> float:
    """What an amount of a part costs in a year."""
    if part in WORK:
        return amount * it.core_hour_price
    return amount * MONTHS * (it.memory_price if part == MEMORY else it.disk_price)


def total(it: Assumptions, unit: UnitCosts, way: Way) -> float:
    """What a year costs in all."""
    return sum(money(it, part, amount) for part, amount in amounts(it, unit, way).items())


def cost_table(it: Assumptions, unit: UnitCosts) -> pd.DataFrame:
    """All four ways: columns world, representation, part, amount, unit (core-hours or TB), money, share.

    money: of a year. share: of the same part's amount for specialists in floats (NaN where that is 0).
    """
    first = amounts(it, unit, Way(SPECIALISTS, FLOAT))
    rows = []
    for way in WAYS:
        for part, amount in amounts(it, unit, way).items():
            shown, name = (amount, "core-hours") if part in WORK else (amount * GB / TB, "TB")
            share = amount / first[part] if first[part] else np.nan
            rows.append((way.world, way.representation, part, shown, name, money(it, part, amount), share))
    columns = ["world", "representation", "part", "amount", "unit", "money", "share"]
    return pd.DataFrame(rows, columns=columns)


CODES_TO_CODES = (Way(SPECIALISTS, BINARY), Way(UNIFIED, BINARY))
FLOATS_TO_FLOATS = (Way(SPECIALISTS, FLOAT), Way(UNIFIED, FLOAT))
FLOATS_TO_CODES = (Way(SPECIALISTS, FLOAT), Way(UNIFIED, BINARY))
# Steps from one way to another, by what a reader calls them.
STEPS = {
    "unified instead of specialists, as codes": CODES_TO_CODES,
    "unified instead of specialists, as floats": FLOATS_TO_FLOATS,
    "both: specialists' floats to unified codes": FLOATS_TO_CODES,
}


def share_saved(it: Assumptions, unit: UnitCosts, step: tuple[Way, Way]) -> float:
    """Share of a year's money that a step saves: 0 nothing, 1 all, negative where it costs more. ValueError where all is free."""
    before, after = (total(it, unit, way) for way in step)
    if before == 0:
        raise ValueError("every price is 0, so there is nothing to save: set one of the prices above 0")
    return 1 - after / before
