"""The measurement: N specialists and the unified embedding of a collection side by side, in rounds, on this machine.

Measured seconds differ from run to run; everything that is made of them afterwards does not.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd

from unifiedlib.contract import Collection
from unifiedlib.costs.embeddings import EMBEDDING, timed_embedding
from unifiedlib.costs.indexing import REPRESENTATIONS, byte_samples, timed_index, unit_vectors
from unifiedlib.costs.machine import machine
from unifiedlib.costs.timing import COLUMNS, CORE_SECONDS, THREADS, Sample, Way, in_rounds
from unifiedlib.costs.trainings import EQUAL_BATCHES, Recorded, TimedTraining, timed_training
from unifiedlib.files import write_json, write_table
from unifiedlib.model import load_model
from unifiedlib.train_settings import LOG_EVERY
from unifiedlib.variants import IMAGENET, UNIFIED

TRAINING, IMAGES, MODEL, COMPARED = "training", "training images", "model", "compared items"
ROUNDS_FILE, ABOUT_FILE = "rounds.csv", "about.json"
LEAST = {"warm_up": 0, "indexed_items": 2, "seed": 0}


@dataclass(frozen=True)
class Measuring:
    """How much is measured. rounds: counted ones; warm_up: rounds before.

    embedded_pictures: test pictures that each model embeds in a round, batch_size at a time. training_steps: steps of either
    phase that each training takes in a round. indexed_items, queries, k: of the indexes that are built and searched.
    seed: of random vectors and weights. Raises ValueError for a number that is too low, or too many steps.
    """

    rounds: int
    warm_up: int
    embedded_pictures: int
    batch_size: int
    training_steps: int
    indexed_items: int
    queries: int
    k: int
    seed: int

    def __post_init__(self) -> None:
        for field in fields(self):
            value, least = getattr(self, field.name), LEAST.get(field.name, 1)
            if value < least:
                raise ValueError(f"{field.name} is {value}; it must be at least {least}")
        if self.training_steps > LOG_EVERY:
            raise ValueError(f"training_steps is {self.training_steps}; it must be at most {LOG_EVERY}")
        if self.k > self.indexed_items:
            raise ValueError(f"k is {self.k}, but only {self.indexed_items} items are indexed: lower k")


@dataclass(frozen=True)
class Measured:
    """What was measured.

    rounds: columns round, quantity, what, unit, value; round 0 for what was counted, not timed. about: collection, specialists,
    budget of the unified training, dim, `overlap` of the collection's own galleries, and the machine.
    """

    rounds: pd.DataFrame
    about: dict[str, object]

    @property
    def specialists(self) -> list[str]:
        """The variants trained on one task each."""
        return [str(name) for name in self.about["specialists"]]  # type: ignore[attr-defined]

    def counted(self, quantity: str, what: str) -> float:
        """What was counted: bytes or images."""
        rows = self.rounds
        found = rows.loc[
            (rows["quantity"] == quantity) & (rows["what"] == what) & (rows["round"] == 0), "value"
        ]
        return float(found.iloc[0])

    def timed(self, quantity: str, what: str) -> np.ndarray:
        """Seconds in each round, float64 [rounds]."""
        rows = self.rounds
        chosen = rows[(rows["quantity"] == quantity) & (rows["what"] == what) & (rows["round"] > 0)]
        return np.asarray(chosen.sort_values("round")["value"], np.float64)

    def write(self, folder: Path) -> None:
        """Write `rounds.csv` and `about.json`."""
        write_table(folder / ROUNDS_FILE, self.rounds)
        write_json(folder / ABOUT_FILE, self.about)

    @classmethod
    def read(cls, folder: Path) -> Measured:
        """Read them back. Raises FileNotFoundError where the stage has not run."""
        if not (folder / ROUNDS_FILE).is_file():
            raise FileNotFoundError(f"{folder / ROUNDS_FILE} is missing: run the costs stage first")
        rounds = pd.read_csv(folder / ROUNDS_FILE)
        return cls(rounds, json.loads((folder / ABOUT_FILE).read_text(encoding="utf-8")))


def compared_variants(variants: Sequence[str]) -> list[str]:
    """The specialists, then `unified`. Raises ValueError where either is lacking."""
    specialists = [name for name in variants if name not in (IMAGENET, UNIFIED)]
    if UNIFIED not in variants or not specialists:
        raise ValueError(
            f"variants are {', '.join(variants) or 'none'}: costs compare `unified` with specialists; name at least one task"
        )
    return [*specialists, UNIFIED]


def overlap(collection: Collection) -> float:
    """The shared share at which N galleries would hold as many items together as the collection's do, 0 to 1.

    0 where no item stands in two galleries, 1 where all tasks search the same items (and where there is one task).
    """
    labels = collection.labels
    rows = labels[labels["role"].isin(["gallery", "query+gallery"])].drop_duplicates(["task", "item"])
    tasks = rows["task"].nunique()
    copies = len(rows) / rows["item"].nunique()
    return 1.0 if tasks == 1 else (copies - 1) / (tasks - 1)


def _whole_training(trained: TimedTraining, pictures: int, rows: pd.DataFrame) -> pd.DataFrame:
    """Core-seconds of a whole training in each round: its images by what one takes, and the features of its pictures."""
    variant, parts = trained.recorded.variant, {**trained.images, EMBEDDING: pictures}
    own = rows[(rows["what"] == variant) & rows["quantity"].isin(list(parts))]
    total = (own["value"] * own["quantity"].map(parts)).groupby(own["round"]).sum()
    name = TRAINING + EQUAL_BATCHES if any(EQUAL_BATCHES in one for one in parts) else TRAINING
    made = {"round": total.index, "quantity": name, "what": variant, "unit": CORE_SECONDS, "value": total}
    return pd.DataFrame(made, columns=list(COLUMNS))


def _timed_trainings(
    collection: Collection, recorded: Sequence[Recorded], settings: Measuring, scratch: Path
) -> tuple[list[TimedTraining], list[TimedTraining]]:
    """The trainings as they were, `unified` last, and the specialists' in batches as large as those of the unified one."""
    how = (settings.seed, settings.training_steps, scratch)
    usual = [timed_training(collection, one, *how) for one in recorded]
    factor = len(recorded) - 1
    return usual, [timed_training(collection, one, *how, factor) for one in recorded[:-1] if factor > 1]


def _embedding_ways(
    collection: Collection, folders: dict[str, Path], settings: Measuring
) -> tuple[list[Way], int]:
    """A way per variant, and the width of their embeddings. Raises ValueError where widths differ."""
    models = {name: load_model(folder, heads=False) for name, folder in folders.items()}
    dims = {name: model.settings.dim for name, model in models.items()}
    if len(set(dims.values())) > 1:
        listed = ", ".join(f"{name} {dim}" for name, dim in dims.items())
        raise ValueError(f"embeddings are of different widths ({listed}): compare models of one width")
    pixels = collection.pixels[collection.test_items()[: settings.embedded_pictures]]
    ways = [timed_embedding(name, model, pixels, settings.batch_size) for name, model in models.items()]
    return ways, dims[UNIFIED]


def _index_ways(dim: int, settings: Measuring) -> list[Way]:
    items = unit_vectors(settings.indexed_items, dim, settings.seed)
    queries = unit_vectors(settings.queries, dim, settings.seed + 1)
    return [timed_index(one, items, queries, settings.k) for one in REPRESENTATIONS]


def _counted(
    dim: int, settings: Measuring, trainings: Sequence[TimedTraining], folders: dict[str, Path]
) -> pd.DataFrame:
    """What is counted, not timed, as round 0: bytes, images of each training, items that a query was compared with."""
    samples = byte_samples(dim, settings.seed)
    samples += [Sample(COMPARED, one, settings.indexed_items, "items") for one in REPRESENTATIONS]
    samples += [Sample(IMAGES, one.recorded.variant, sum(one.images.values()), "images") for one in trainings]
    samples += [
        Sample(MODEL, name, (folder / "model.safetensors").stat().st_size, "bytes")
        for name, folder in folders.items()
    ]
    rows = [(0, one.quantity, one.what, one.unit, float(one.value)) for one in samples]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def measure(
    collection: Collection, variants: Sequence[str], seed: int, model_folder: Path, settings: Measuring
) -> Measured:
    """Measure what the specialists and the unified variant take, all on one core.

    variants: as in params.yaml; `imagenet` is passed over. seed: of the models that are measured; any will do.
    Raises ValueError without `unified` or a task's specialist, FileNotFoundError for a model that is missing.
    """
    names = compared_variants(variants)
    if missing := [task for task in collection.tasks if task not in names]:
        raise ValueError(
            f"no specialist on {', '.join(missing)} is named: `unified` serves every task of '{collection.name}', so costs "
            "set it against a specialist on each"
        )
    folders = {name: model_folder / name / f"seed-{seed}" for name in names}
    recorded = {name: Recorded.read(folder, name) for name, folder in folders.items()}
    embedding, dim = _embedding_ways(collection, folders, settings)
    with TemporaryDirectory() as scratch:
        usual, control = _timed_trainings(collection, list(recorded.values()), settings, Path(scratch))
        trainings = [*usual, *control]
        ways = [*(one.way for one in trainings), *embedding, *_index_ways(dim, settings)]
        timed = in_rounds(ways, settings.rounds, settings.warm_up)
    whole = [_whole_training(one, one.recorded.pictures(collection), timed) for one in trainings]
    counted = _counted(dim, settings, usual, folders)
    about: dict[str, object] = {
        "collection": collection.name,
        "specialists": names[:-1],
        "budget": recorded[UNIFIED].settings.budget,
        "dim": dim,
        "overlap": round(overlap(collection), 6),
        "machine": machine(THREADS),
    }
    return Measured(pd.concat([*whole, timed, counted], ignore_index=True), about)
