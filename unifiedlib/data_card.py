"""What a data card says beyond counts: copies across training and test, what a collection is for, and where it ends."""

from __future__ import annotations

import pandas as pd

from unifiedlib.contract import Collection

PAIR_COLUMNS = ("item", "other", "task", "other_task", "distance", "kind")
FINE_FOR = "comparing embeddings by the same tasks"
CARDS = {
    "decor": (
        f"{FINE_FOR}; studying one nuisance, noise in labels or size at a time, since all of them are parameters; tests "
        "without a download.",
        "It is drawn. Numbers say how variants compare in this world, not how well they would do on photographs. Its looks "
        "are stereotypes, its clicks a simple model, its nuisances independent of each other.",
    ),
    "photos": (
        f"{FINE_FOR} on real photographs, small enough for two cores.",
        "Garments were sent by volunteers of one project, groceries photographed in a few shops: neither stands for the "
        "world's wardrobes or shops. Categories are coarse, and the three tasks share little. Some pictures show parts of "
        "people and homes; nothing here is meant to recognise anyone.",
    ),
    "stl": (
        f"{FINE_FOR} on pairs of scenes and products that people confirmed.",
        "Which pictures can still be fetched changes with time, so scores of two fetches differ. A box may have right products "
        "that its pairs do not name. The pictures are their owners'.",
    ),
    "own": (
        "whatever you collected it for.",
        "What your pictures leave out, the embedding has not learned. Check that people in them agree to this use.",
    ),
}
BENCHMARK_CARD = (
    f"{FINE_FOR} and with published numbers, by the official split.",
    "Test classes are new, but of the same kind and the same photographers as those trained on. Research groups have tuned on "
    "these test sets for years.",
)


def use_and_limits(collection: Collection) -> str:
    """Intended use and limits of a collection, as Markdown."""
    use, limits = CARDS.get(collection.name, BENCHMARK_CARD)
    return f"**Intended use.** {use[0].upper()}{use[1:]}\n\n**Limits.** {limits}"


def duplicates_sentence(collection: Collection) -> str:
    """How many copies stand in training and in test, and what was done, in one sentence."""
    report = collection.settings.get("duplicates")
    if not isinstance(report, dict):
        return "Copies were not looked for: the pictures are drawn, each from its own numbers."
    return (
        f"{report['exact_items']:,} training pictures are exact copies of test pictures of their task or of queries of another "
        f"({report['removed_training_rows']:,} training rows removed); {report['near_items']:,} more look alike in all but "
        f"{report['max_distance']} of 64 bits of a perceptual hash (kept)."
    )


def duplicates_table(collection: Collection) -> pd.DataFrame:
    """The first pairs of a training and a test picture that are copies: columns item, other, task, distance, kind.

    Where a pair's test picture is another task's, a column `other_task` follows `task`.
    """
    report = collection.settings.get("duplicates")
    pairs = report["pairs"] if isinstance(report, dict) else []
    table = pd.DataFrame(pairs, columns=list(PAIR_COLUMNS))
    if table["other_task"].isna().all():
        return table.drop(columns="other_task")
    return table.assign(other_task=table["other_task"].fillna(table["task"]))
