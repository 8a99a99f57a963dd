"""What the model assumes of an operation; every number is ours and a parameter."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

SHARES = ("shared_share", "searched_share", "precision_lost")
MAY_BE_ZERO = (
    *(
        "new_items_per_day",
        "refreshes_per_year",
        "replicas",
        "shared_share",
        "searched_share",
        "precision_lost",
    ),
    *("core_hour_price", "memory_price", "disk_price"),
)


@dataclass(frozen=True)
class Assumptions:
    """An operation of `n_tasks` tasks over a corpus.

    corpus_items: items in all. shared_share: the share of them that every task searches, 0 to 1; the others are dealt evenly,
    each to one task. new_items_per_day: of the corpus. refreshes_per_year: each trains anew and embeds and indexes the whole
    corpus again. training_images: images of each task that one training of it sees.
    queries_per_day: of each task. searched_share: the share of a task's items that the index compares with a query.
    replicas: copies of each index in memory. speed_up: how many of the measured cores one core of the operation is worth.
    core_hour_price; memory_price, disk_price: of a GB (10⁹ bytes) and month; all in one currency.
    query_value: what a query brings that is answered right, in that currency. precision_lost: by unifying, 0 to 1, for the
    break-even. Raises ValueError for a number out of its range.
    """

    n_tasks: int
    corpus_items: float
    shared_share: float
    new_items_per_day: float
    refreshes_per_year: float
    training_images: float
    queries_per_day: float
    searched_share: float
    replicas: int
    speed_up: float
    core_hour_price: float
    memory_price: float
    disk_price: float
    query_value: float
    precision_lost: float

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            zero = field.name in MAY_BE_ZERO
            if not math.isfinite(value) or value < 0 or (value == 0 and not zero):
                rule = "a number of at least 0" if zero else "a number above 0"
                raise ValueError(f"{field.name} is {value}; it must be {rule}")
            if field.name in SHARES and value > 1:
                raise ValueError(f"{field.name} is {value}; it is a share and must be at most 1")


# What each assumption is, for a reader.
WORDS = {
    "n_tasks": "tasks",
    "corpus_items": "items in the corpus",
    "shared_share": "share that every task searches",
    "new_items_per_day": "new items a day",
    "refreshes_per_year": "model refreshes a year",
    "training_images": "training images of a task",
    "queries_per_day": "queries a day and task",
    "searched_share": "share that an index compares",
    "replicas": "replicas of an index",
    "speed_up": "speed-up of the device",
    "core_hour_price": "price of a core-hour",
    "memory_price": "price of memory, GB and month",
    "disk_price": "price of disk, GB and month",
    "query_value": "value of a right answer",
    "precision_lost": "precision lost",
}
