"""What the notebooks of the first stages do: one call assembles, trains a variant's seeds, or embeds all variants."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from unifiedlib import paths
from unifiedlib.assembly import assemble_decor, assemble_photos, assemble_pictures
from unifiedlib.contract import Collection, load_collection
from unifiedlib.decor import DecorSettings
from unifiedlib.devices import Processes, choose_device
from unifiedlib.embedding import write_embeddings
from unifiedlib.loaders.benchmarks import TABLES, benchmarks_tables, official_folder
from unifiedlib.loaders.own import OwnSettings, own_tables
from unifiedlib.loaders.stl import StlSettings, stl_tables
from unifiedlib.model import load_model
from unifiedlib.parallel import in_processes
from unifiedlib.photos import PhotoSettings
from unifiedlib.threads import return_freed_memory, use_threads
from unifiedlib.train_settings import TrainSettings
from unifiedlib.training import Trained, Training
from unifiedlib.variants import seeds_of

# Per seed.
Tables = dict[int, pd.DataFrame]


def seed_folder(folder: Path, variant: str, seed: int) -> Path:
    """Where a variant's model, or its embeddings, lie below `folder` for one seed."""
    return folder / variant / f"seed-{seed}"


def assemble(name: str, folder: Path, size: int, settings: Mapping[str, Any]) -> Collection:
    """Assemble a collection into `folder`, pictures `size` pixels square.

    name: a collection of params.yaml. settings: what it alone knows, such as the fields of `DecorSettings`, `PhotoSettings` or
    `OwnSettings`; a `source` is relative to the repository's root.
    """
    if name == "decor":
        return assemble_decor(folder, DecorSettings(**settings), size)
    placed = {**settings, "source": paths.resolve(settings.get("source", ""))}
    match name:
        case "photos":
            return assemble_photos(folder, PhotoSettings(**placed), size)
        case "own":
            tables = own_tables(OwnSettings(**placed))
        case "stl":
            tables = stl_tables(StlSettings(**placed))
        case "benchmarks":
            for dataset in TABLES:
                official_folder(placed["source"], dataset)
            tables = benchmarks_tables(placed["source"])
        case _ if name in TABLES:
            tables = TABLES[name](official_folder(placed["source"], name))
        case _:
            known = ", ".join(("decor", "photos", "own", "stl", *TABLES, "benchmarks"))
            raise ValueError(f"there is no collection '{name}' to assemble; choose one of {known}")
    return assemble_pictures(
        folder,
        name,
        tables.source,
        tables.items,
        tables.labels,
        tables.tasks,
        size,
        tables.sources,
        {**settings, "size": size},
    )


def _train_and_save(training: Training, model_folder: Path) -> Trained:
    trained = training.run()
    training.save(seed_folder(model_folder, training.variant, training.seed), trained)
    return trained


def _train_alone(
    data_folder: Path,
    variant: str,
    seed: int,
    settings: TrainSettings,
    model_folder: Path,
    checkpoints: Path,
    tasks: tuple[str, ...],
    device: str,
    threads: int,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """One seed in a process of its own, which reads the collection itself; returns its history and throughput."""
    use_threads(threads)
    processes = Processes(device, settings.precision)
    collection = load_collection(data_folder)
    training = Training(collection, variant, seed, settings, checkpoints, tasks, processes)
    trained = _train_and_save(training, model_folder)
    return trained.history, trained.throughput


def train(
    collection: Collection,
    variant: str,
    seeds: Sequence[int],
    settings: TrainSettings,
    model_folder: Path,
    checkpoints: Path,
    tasks: Sequence[str] = (),
    device: str = "cpu",
) -> tuple[Tables, Tables]:
    """Train a variant with each of its seeds and save each model; returns {seed: history} and {seed: throughput}.

    Histories are as in history.csv; the throughput (see `Trained`) is empty where a training was only taken up at its end.

    tasks: those of an ablation, see `tasks_to_train`. device: `cpu`, `cuda`, or `auto`: a GPU where there is one.
    Seeds train side by side, one process each, as far as there are threads: small networks gain little from a second one.
    A stage that was killed lost its output, but not its checkpoints: seeds that were done are restored, not trained again, and
    so are those that `python -m unifiedlib.train` has trained.
    For `imagenet` the first seed alone is saved, with nothing trained and an empty history.
    """
    processes = Processes(device, settings.precision)
    trainings = [
        Training(collection, variant, seed, settings, checkpoints, tuple(tasks), processes)
        for seed in seeds_of(variant, list(seeds))
    ]
    threads = torch.get_num_threads()
    workers = min(threads, len(trainings)) if processes.device.type == "cpu" else 1
    if workers > 1:
        trainings[0].features(trainings[0].model({}))
        return_freed_memory()
        shared = (settings, model_folder, checkpoints, tuple(tasks), device, threads // workers)
        calls = [(collection.folder, variant, training.seed, *shared) for training in trainings]
        found = in_processes(_train_alone, calls, workers)
    else:
        done = [_train_and_save(training, model_folder) for training in trainings]
        found = [(one.history, one.throughput) for one in done]
    for training in trainings:
        training.forget()
    numbers = [training.seed for training in trainings]
    histories, throughput = zip(*found, strict=True)
    return dict(zip(numbers, histories, strict=True)), dict(zip(numbers, throughput, strict=True))


def _embed_alone(
    data_folder: Path, model_folder: Path, embedding_folder: Path, batch_size: int, device: str, threads: int
) -> None:
    """One model in a process of its own, which reads the collection itself."""
    use_threads(threads)
    model = load_model(model_folder, heads=False).to(choose_device(device))
    write_embeddings(embedding_folder, model, load_collection(data_folder), batch_size)


def binarize(
    collection: Collection,
    variants: Sequence[str],
    seeds: Sequence[int],
    model_folder: Path,
    embedding_folder: Path,
    batch_size: int,
    device: str = "cpu",
) -> None:
    """Embed the test items with each variant and seed, side by side, and write the float vectors and their codes."""
    made = [(variant, seed) for variant in variants for seed in seeds_of(variant, list(seeds))]
    folders = [(seed_folder(model_folder, *one), seed_folder(embedding_folder, *one)) for one in made]
    threads, kind = torch.get_num_threads(), choose_device(device)
    workers = min(threads, len(made)) if kind == "cpu" else 1
    if workers > 1:
        calls = [(collection.folder, *pair, batch_size, kind, threads // workers) for pair in folders]
        in_processes(_embed_alone, calls, workers)
    else:
        for model, target in folders:
            write_embeddings(target, load_model(model, heads=False).to(kind), collection, batch_size)


def model_files(model_folder: Path, variant: str, seeds: Sequence[int]) -> list[Path]:
    """The files that a trained variant consists of."""
    names = ("model.safetensors", "model.json", "history.csv")
    return [
        seed_folder(model_folder, variant, seed) / name
        for seed in seeds_of(variant, list(seeds))
        for name in names
    ]
