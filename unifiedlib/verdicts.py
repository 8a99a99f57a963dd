"""The ten claims under test, each with its verdict on each collection, gathered from what the stages judged.

Nothing is judged here: entries of `results/<collection>*/claims.json` are put beside each other. A claim has a verdict of
its own (`C1`) and may have a companion, the same question under another rule (`C1-total`, at equal total images).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from unifiedlib.claims import INCONCLUSIVE, NOT_REPLICATED, REPLICATED, Claim
from unifiedlib.files import write_table
from unifiedlib.variants import UNIFIED

NOT_TESTED = "not tested"
STUDIES = ("", "-ablations", "-codes", "-costs")
PRECISION, SAVED = "precision", "share saved"
TABLE_COLUMNS = (
    *("id", "of", "collection", "claim", "source", "command", "verdict"),
    *("effect", "low", "high", "unit", "n_seed", "how"),
)
EFFECT_COLUMNS = (
    *("id", "of", "compared", "collection", "where"),
    *("verdict", "effect", "low", "high", "unit", "threshold"),
)


@dataclass(frozen=True)
class Asked:
    """A claim of the paper, or a companion of one.

    id: as in claims.json; of: the paper's claim that it belongs to; said: in a sentence; compared: what
    the effect is a difference of; source: who made it; target: of make; unit: of the effect, a difference in the headline
    metric or a share saved; beside: comparisons that are judged with it and on which it does not rest.
    """

    id: str
    of: str
    said: str
    compared: str
    source: str
    target: str
    unit: str = PRECISION
    beside: tuple[str, ...] = ()

    def command(self, collection: str) -> str:
        """What a person types to have it tested on a collection."""
        if self.target == "repro":
            return "make repro" if collection == "decor" else f"make {collection}"
        return f"make {self.target}" + ("" if collection == "decor" else f" COLLECTION={collection}")


BLOG, ABSTRACT, BMVC = "the authors' blog", "KDD 2019, abstract", "BMVC 2019"
ASKED = (
    Asked(
        *(
            "C1",
            "C1",
            "One embedding for all tasks is at least as good on every task as one trained on it alone.",
        ),
        *("unified minus specialist", BLOG, "repro"),
    ),
    Asked(
        *(
            "C1-total",
            "C1",
            "At as many training images in all as one of them sees, it still is at least as good.",
        ),
        *("unified minus specialist, at equal total images", "ours", "ablations"),
    ),
    Asked(
        *("C2", "C2", "It beats the less adapted embedding, here the untrained trunk, on every task."),
        *("unified minus ImageNet", BLOG, "repro"),
    ),
    Asked(
        *(
            "C3",
            "C3",
            "Codes of a wide embedding keep its precision.",
            "codes minus floats",
            ABSTRACT,
            "repro",
        )
    ),
    Asked(
        *("C4", "C4", "At equal bytes, many bits beat few floats."),
        *("wide code minus narrow floats, equal bytes", BMVC, "codes"),
    ),
    Asked(
        *(
            "C5",
            "C5",
            "LayerNorm before the proxies helps.",
            "with minus without LayerNorm",
            BMVC,
            "ablations",
        ),
    ),
    Asked(
        *(
            "C5-codes",
            "C5",
            "Codes need LayerNorm.",
            "with minus without LayerNorm, codes",
            BMVC,
            "ablations",
        ),
    ),
    Asked(
        *("C6", "C6", "A softmax over a sample of the classes costs little precision."),
        *("sampled minus all classes", BMVC, "ablations"),
    ),
    Asked(
        *("C7", "C7", "Each task's data helps each other task."),
        *("with minus without another task's data", "ours", "ablations"),
    ),
    Asked(
        *(
            "C8",
            "C8",
            "One embedding cuts the cost of training, back-fill, storage and index memory.",
            "one embedding against one per task",
            ABSTRACT,
        ),
        *("costs", SAVED),
        beside=("search",),
    ),
    Asked(
        *("C9", "C9", "C1 holds where all tasks share one merged gallery."),
        *("unified minus specialist, merged gallery", "ours, after UnED (ICCV 2023)", "repro"),
    ),
    Asked(
        *("C10", "C10", "Class-balanced batches beat uniform ones."),
        *("balanced minus uniform batches", BMVC, "ablations"),
    ),
)


@dataclass(frozen=True)
class Judged:
    """What was judged on one collection. claims: its entries of claims.json, each id once; n_seed: of the unified variant."""

    collection: str
    claims: tuple[Claim, ...]
    n_seed: int

    def entry(self, claim_id: str) -> Claim | None:
        """The entry of that id, None where it was not judged or could not be tested."""
        found = next((claim for claim in self.claims if claim["id"] == claim_id), None)
        return found if found is not None and found["effect"] is not None else None

    def parts(self, claim_id: str) -> list[Claim]:
        """The tested comparisons behind a claim, those on single tasks: entries whose id starts with the claim's."""
        own = [claim for claim in self.claims if str(claim["id"]).startswith(f"{claim_id}/")]
        deepest = max((str(claim["id"]).count("/") for claim in own), default=0)
        return [
            claim for claim in own if str(claim["id"]).count("/") == deepest and claim["effect"] is not None
        ]


def load_judged(results: Path, collection: str) -> Judged | None:
    """What the stages that were run have judged on a collection; None where it was not evaluated.

    results: the folder that holds `<collection>/` and the studies' folders beside it. Raises ValueError for a claims.json that
    is none.
    """
    scores = results / collection / "scores.csv"
    if not scores.is_file():
        return None
    claims: dict[str, Claim] = {}
    for study in STUDIES:
        path = results / f"{collection}{study}" / "claims.json"
        for claim in _read(path) if path.is_file() else ():
            claims.setdefault(str(claim["id"]), claim)
    table = pd.read_csv(scores, usecols=["variant", "seed"])
    return Judged(
        collection, tuple(claims.values()), int(table[table["variant"] == UNIFIED]["seed"].nunique())
    )


def _read(path: Path) -> list[Claim]:
    try:
        claims: list[Claim] = json.loads(path.read_text(encoding="utf-8"))
        missing = [
            key
            for key in ("id", "verdict", "effect", "low", "high", "how")
            for one in claims
            if key not in one
        ]
    except (ValueError, TypeError):
        raise ValueError(f"{path} holds no claims: run the stage that writes it again") from None
    if missing:
        raise ValueError(f"{path} has a claim without '{missing[0]}': run the stage that writes it again")
    return claims


def load_all(results: Path, collections: Sequence[str]) -> list[Judged]:
    """What was judged on each collection that was evaluated. Raises FileNotFoundError where none was."""
    found = [one for name in collections if (one := load_judged(results, name)) is not None]
    if not found:
        raise FileNotFoundError(
            f"there are no results of {' or '.join(collections)} in {results}: run `make repro` first"
        )
    return found


def verdict_table(judged: Sequence[Judged]) -> pd.DataFrame:
    """A row for each claim (and companion) on each collection, columns `TABLE_COLUMNS`; claims in the paper's order.

    effect, low, high: of the worst task, NaN where it was not tested; verdict then is `NOT_TESTED`.
    """
    rows = [_row(asked, one) for asked in ASKED for one in judged]
    table = pd.DataFrame(rows, columns=list(TABLE_COLUMNS))
    return table.astype({"effect": float, "low": float, "high": float})


def _row(asked: Asked, judged: Judged) -> dict[str, object]:
    entry = judged.entry(asked.id)
    about = {"id": asked.id, "of": asked.of, "collection": judged.collection, "claim": asked.said}
    about |= {"source": asked.source, "command": asked.command(judged.collection), "unit": asked.unit}
    if entry is None:
        return about | {"verdict": NOT_TESTED, "n_seed": 0, "how": ""}
    numbers = {key: entry[key] for key in ("verdict", "effect", "low", "high", "how")}
    # Costs are measured on the models of the first seed.
    return {**about, **numbers, "n_seed": 1 if asked.target == "costs" else judged.n_seed}


def where_of(claim: Claim, one_of_several: bool = False) -> str:
    """What sets a comparison apart within its claim: the task, and for C7 whose data was added, and what was there beside.

    one_of_several: the claim is tested by more than one ablation, so this one is named.

    >>> where_of({"id": "C5/no_layer_norm/lens"}), where_of({"id": "C7/lens+flashlight/lens"})
    ('lens', 'lens: + flashlight')
    >>> where_of({"id": "C7/lens+shop_the_look+flashlight/lens"})
    'lens (with shop_the_look): + flashlight'
    >>> where_of({"id": "C6/few_classes/lens"}, one_of_several=True)
    'lens (few_classes)'
    """
    first, *middle, last = str(claim["id"]).split("/")
    if first != "C7" or not middle:
        return f"{last} ({middle[0]})" if one_of_several and middle else last
    *there, added = middle[0].split("+")
    beside = [task for task in there if task != last]
    return f"{last} (with {', '.join(beside)}): + {added}" if beside else f"{last}: + {added}"


def effect_table(judged: Sequence[Judged], thresholds: Mapping[str, float]) -> pd.DataFrame:
    """A row for each comparison behind a claim, on each collection, columns `EFFECT_COLUMNS`; not tested ones are left out.

    thresholds: {"decor C1": above which an interval must lie}; that of a claim that is not named is 0.
    """
    return pd.DataFrame(list(_effects(judged, thresholds)), columns=list(EFFECT_COLUMNS))


def _effects(judged: Sequence[Judged], thresholds: Mapping[str, float]) -> Iterator[dict[str, object]]:
    for asked in ASKED:
        parts = [claim for one in judged for claim in one.parts(asked.id)]
        ablations = {tuple(str(claim["id"]).split("/")[1:-1]) for claim in parts}
        for one in judged:
            for claim in one.parts(asked.id):
                if where_of(claim) in asked.beside:
                    continue
                numbers = {key: claim[key] for key in ("verdict", "effect", "low", "high")}
                about = {"id": asked.id, "of": asked.of, "compared": asked.compared}
                about |= {"collection": one.collection, "unit": asked.unit}
                threshold = float(thresholds.get(f"{one.collection} {asked.id}", 0.0))
                yield {
                    **about,
                    "where": where_of(claim, len(ablations) > 1),
                    **numbers,
                    "threshold": threshold,
                }


def standing(table: pd.DataFrame) -> dict[str, list[str]]:
    """The claims by how they stand, ids in the paper's order.

    `disagree`: replicated on one collection and not on another; `against`: not replicated on one, and on none replicated;
    `open`: tested, neither replicated nor refuted anywhere, or only in part; `replicated`: on every collection that tested it;
    `untested`: on none.
    """
    groups: dict[str, list[str]] = {
        name: [] for name in ("disagree", "against", "open", "replicated", "untested")
    }
    for claim_id, rows in table.groupby("id", sort=False):
        found = set(rows["verdict"]) - {NOT_TESTED}
        if {REPLICATED, NOT_REPLICATED} <= found:
            name = "disagree"
        elif NOT_REPLICATED in found:
            name = "against"
        elif INCONCLUSIVE in found:
            name = "open"
        else:
            name = "replicated" if found else "untested"
        groups[name].append(str(claim_id))
    return groups


def load_scores(results: Path, judged: Sequence[Judged]) -> dict[str, pd.DataFrame]:
    """The scores of each judged collection, {collection: columns as in scores.csv}."""
    return {one.collection: pd.read_csv(results / one.collection / "scores.csv") for one in judged}


def write_verdicts(folder: Path, table: pd.DataFrame, effects: pd.DataFrame) -> None:
    """Write the verdicts as `verdicts.csv` and the effects behind them as `effects.csv`."""
    write_table(folder / "verdicts.csv", table)
    write_table(folder / "effects.csv", effects)
