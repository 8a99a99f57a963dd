"""What docs/your-own-pictures.md shows is run as it stands there."""

from __future__ import annotations

import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from own_world import dealt, save_picture, write_folders
from ruamel.yaml import YAML
from small_world import SETTINGS

from unifiedlib import paths, stages, tour
from unifiedlib.assembly import assemble_pictures
from unifiedlib.evaluation import EvaluationSettings, evaluate_collection, load_embeddings
from unifiedlib.index import Results
from unifiedlib.loaders.own import OwnSettings
from unifiedlib.model import load_model

PAGE = paths.resolve("docs/your-own-pictures.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


def write_layout(folder: Path) -> Path:
    for seed, path in enumerate(blocks("text")[0].split()):
        save_picture(folder / path, "blue" if "blue" in path else "red", seed)
    return folder / "my-pictures"


def test_tables_of_the_page_become_collections(tmp_path: Path) -> None:
    pages = blocks("csv")
    assert len(pages) == 2
    for number, text in enumerate(pages):
        folder = tmp_path / str(number)
        folder.mkdir()
        (folder / "pictures.csv").write_text(text)
        tables = dealt(folder / "pictures.csv")
        for seed, image in enumerate(tables.items["image"].unique()):
            save_picture(folder / image, str(image), seed)
        args = (tables.source, tables.items, tables.labels, tables.tasks, 24, tables.sources, {})
        own = assemble_pictures(tmp_path / f"data-{number}", "own", *args)  # type: ignore[arg-type]
        assert len(own.items) == (6, 5)[number]


def test_folders_of_the_page_are_dealt_as_it_says(tmp_path: Path) -> None:
    tables = dealt(write_layout(tmp_path))
    assert tables.labels["role"].value_counts().to_dict() == {"query+gallery": 4, "train": 2}


def test_settings_that_the_page_names_exist() -> None:
    fields = OwnSettings.__dataclass_fields__
    for name in ("split", "leave_out_group", "label_set", "test_share", "seed", "k"):
        assert f"`{name}" in PAGE
        assert name in fields
    (settings,) = (YAML(typ="safe").load(text) for text in blocks("yaml"))
    assert set(settings) <= set(fields)


def test_folders_are_trained_on_searched_and_scored(tmp_path: Path) -> None:
    tables = dealt(write_folders(write_folders(tmp_path / "mine", count=12), "shop", count=12))
    args = (tables.source, tables.items, tables.labels, tables.tasks, 32, tables.sources, {})
    own = assemble_pictures(tmp_path / "data", "own", *args)  # type: ignore[arg-type]
    settings = replace(SETTINGS, epochs=4)
    for variant in ("imagenet", "lens", "shop", "unified"):
        stages.train(own, variant, [0], settings, tmp_path / "models", tmp_path / "checkpoints")
    variants = ["imagenet", "lens", "shop", "unified"]
    stages.binarize(own, variants, [0], tmp_path / "models", tmp_path / "embeddings", 16)
    stored = load_embeddings(tmp_path / "embeddings" / "unified" / "seed-0", own)
    model = load_model(tmp_path / "models" / "unified" / "seed-0")
    query = int(own.queries("lens")[0])
    found = tour.search(own, stored, model, own.pixels[query], "lens", 4)
    labels = own.eval_labels("lens")
    assert found[0].items[0] == query
    assert (labels[found[0].items] == labels[query]).all()
    quick = EvaluationSettings(n_resamples=100)
    scores = evaluate_collection(own, tmp_path / "embeddings", tmp_path / "results", variants, [0], quick)
    assert set(scores["task"]) == {"lens", "shop"}
    assert (tmp_path / "results" / "queries.csv").is_file()


@pytest.mark.slow
def test_python_of_the_page_finds_pictures_of_the_same_label(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.rmtree(write_layout(tmp_path))
    write_folders(tmp_path / "my-pictures", count=12)
    save_picture(tmp_path / "new-picture.jpg", "green", 99)
    (script,) = blocks("python")
    names: dict[str, object] = {}
    exec(compile(script, "docs/your-own-pictures.md", "exec"), names)
    found = names["found"]
    assert isinstance(found, Results)
    images = names["collection"].items["image"].iloc[found.ids[0]]  # type: ignore[attr-defined]
    assert images.str.startswith("lens/green/").all()
    assert (tmp_path / "found.png").stat().st_size > 1000
