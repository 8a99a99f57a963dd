"""Every collection that is made of pictures runs from its source to its scores by the pipeline's own calls."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from official_archives import WRITERS
from own_world import write_folders
from small_world import SETTINGS
from stl_world import looks, write_world

from unifiedlib import figures, paths, retrieval, stages, story
from unifiedlib.evaluation import EvaluationSettings, evaluate_collection
from unifiedlib.params import COLLECTIONS, load_params
from unifiedlib.reference import beside_reference
from unifiedlib.show import published_lines
from unifiedlib.stage_parameters import stage_parameters

pytestmark = pytest.mark.filterwarnings("ignore::unifiedlib.loaders.official_tables.BenchmarkWarning")

PARAMS = load_params(paths.resolve("params.yaml"))
MADE_OTHERWISE = ("decor", "photos")


def write_all_archives(folder: Path) -> None:
    for writer in WRITERS.values():
        writer(folder)


SOURCES: dict[str, Callable[[Path], object]] = {
    "own": lambda folder: write_folders(folder, count=12),
    "stl": lambda folder: write_world(folder, looks(10)),
    **WRITERS,
    "benchmarks": write_all_archives,
}


def assembled(name: str, folder: Path) -> stages.Collection:
    """The collection as its stage makes it, from small sources, at 24 pixels."""
    SOURCES[name](folder / "source")
    settings = stage_parameters(PARAMS, "assemble", name)["settings"]
    assert isinstance(settings, dict)
    settings = {**settings, "source": str(folder / "source")}
    return stages.assemble(name, folder / "data", 24, settings)


def test_every_collection_of_params_yaml_is_tried_here_or_in_a_file_of_its_own() -> None:
    assert set(SOURCES) == set(COLLECTIONS) - set(MADE_OTHERWISE)


@pytest.mark.parametrize("name", SOURCES)
def test_collection_is_assembled_and_its_figures_drawn(name: str, tmp_path: Path) -> None:
    collection = assembled(name, tmp_path)
    assert collection.name == name
    assert len(collection.pixels) == len(collection.items) > 0
    assert len(figures.contact_sheets(collection)) == len(collection.tasks)
    assert len(story.source_table(collection)) >= 1
    assert set(getattr(PARAMS.variants, name)) <= {"imagenet", "unified", *collection.tasks}


@pytest.mark.parametrize("name", ["own", "stl", "sop", "benchmarks"])
def test_collection_runs_to_scores_examples_and_published_numbers(name: str, tmp_path: Path) -> None:
    collection = assembled(name, tmp_path)
    variants = ["imagenet", "unified"]
    settings = replace(SETTINGS, epochs=1, head_steps=5, validation_share=0.0, batch_size=4)
    models, embeddings, results = (tmp_path / part for part in ("models", "embeddings", "results"))
    for variant in variants:
        stages.train(collection, variant, [0], settings, models, tmp_path / "checkpoints")
    stages.binarize(collection, variants, [0], models, embeddings, 16)
    evaluation = EvaluationSettings(n_resamples=100)
    scores = evaluate_collection(collection, embeddings, results, variants, [0], evaluation)
    assert set(scores["task"]) == set(collection.tasks)
    stored = retrieval.load_variants(collection, embeddings, ["unified"], [0])["unified"]
    per_query = story.load_results(results).per_query
    grids = figures.example_grids(collection, stored, per_query, "unified", 2)
    assert len(grids) == len(collection.tasks)
    lines = published_lines(scores)
    assert bool(lines) == (name in ("sop", "benchmarks"))
    if lines:
        assert set(beside_reference(scores)["task"]) == set(collection.tasks)
        assert "0.782" in lines[2]  # SOP, 512 floats: the published width nearest to this small one
