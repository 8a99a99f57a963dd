from __future__ import annotations

import base64
import io
import shutil
from pathlib import Path

import numpy as np
import pytest
from nbformat.v4 import new_code_cell, new_notebook, new_output
from PIL import Image

from unifiedlib import paths, refresh, smoke, stages
from unifiedlib.ablation_claims import Ablation
from unifiedlib.params import COLLECTIONS, Value, load_params
from unifiedlib.stage_parameters import stage_parameters

REPOSITORY = Path(__file__).resolve().parent.parent
VARIANTS = ["imagenet", "unified"]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with the real notebooks and nothing made."""
    shutil.copytree(REPOSITORY / "notebooks", tmp_path / "notebooks", ignore=shutil.ignore_patterns(".*"))
    monkeypatch.setattr(paths, "root", lambda: tmp_path)
    return tmp_path


@pytest.fixture
def made(project: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Replaces the work by empty files, and lists what was made."""
    done: list[str] = []

    def touch(path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("{}", encoding="utf-8")
        done.append(path.parent.relative_to(project / "build/smoke").as_posix())

    def assemble(name: str, folder: Path, size: int, settings: dict[str, Value]) -> None:
        touch(folder / "collection.json")

    def train(
        data: object,
        variant: str,
        seeds: list[int],
        settings: object,
        folder: Path,
        checkpoints: Path,
        tasks: tuple[str, ...] = (),
    ) -> None:
        touch(stages.seed_folder(folder, variant, seeds[0]) / "model.json")

    def binarize(
        data: object, variants: list[str], seeds: list[int], models: Path, folder: Path, batch: int
    ) -> None:
        touch(stages.seed_folder(folder, variants[0], seeds[0]) / "codes.npy")

    def evaluate(data: object, embeddings: Path, folder: Path, *others: object) -> None:
        touch(folder / "claims.json")

    def evaluate_ablation(
        data: object, ablation: Ablation, seeds: list[int], folders: dict[str, Path], *others: object
    ) -> None:
        touch(folders["ablation_score_folder"] / ablation.variant / "claims.json")

    monkeypatch.setattr(smoke, "evaluate_ablation", evaluate_ablation)
    monkeypatch.setattr(smoke, "load_collection", lambda folder: None)
    monkeypatch.setattr(smoke, "evaluate_collection", evaluate)
    for work in (assemble, train, binarize):
        monkeypatch.setattr(stages, work.__name__, work)
    return done


def folders(root: str, *names: str) -> dict[str, str]:
    return {f"{name}_folder": f"{root}/{name}s/decor" for name in names} | {
        "data_folder": f"{root}/data/decor"
    }


def test_only_what_is_missing_is_made(made: list[str]) -> None:
    smoke.prepare("decor", VARIANTS, [0], **folders("build/smoke", "model"))
    assert made == ["data/decor", "models/decor/imagenet/seed-0", "models/decor/unified/seed-0"]
    made.clear()
    smoke.prepare("decor", VARIANTS, [0], **folders("build/smoke", "embedding"))
    assert made == ["embeddings/decor/imagenet/seed-0", "embeddings/decor/unified/seed-0"]


def test_results_bring_everything_that_they_are_made_from(made: list[str]) -> None:
    smoke.prepare("decor", VARIANTS, [0], **folders("build/smoke", "model", "embedding", "result"))
    assert [name.split("/")[0] for name in made] == ["data", *["models", "embeddings"] * 5, "results"]


def ablation_folders(root: str, *names: str) -> dict[str, str]:
    where = {"model": "ablations/decor/models", "score": "ablations/decor/scores"}
    return {f"ablation_{name}_folder": f"{root}/{where[name]}" for name in names}


def test_an_ablation_brings_its_model_and_what_it_is_compared_with(made: list[str]) -> None:
    names = folders("build/smoke", "result") | ablation_folders("build/smoke", "model")
    smoke.prepare("decor", ["no_layer_norm"], [0], **names)
    assert [name.split("/")[0] for name in made] == [
        "data",
        *["models", "embeddings"] * 5,
        "results",
        "ablations",
    ]
    assert made[-1] == "ablations/decor/models/no_layer_norm/seed-0"


def test_scores_of_ablations_are_made_where_smoke_knows_them_and_may_be_missing(made: list[str]) -> None:
    names = folders("build/smoke", "result") | ablation_folders("build/smoke", "score")
    smoke.prepare("decor", ["no_layer_norm", "gem_pooling"], [0], **names)
    assert [name for name in made if name.startswith("ablations")] == [
        "ablations/decor/models/no_layer_norm/seed-0",
        "ablations/decor/scores/no_layer_norm",
    ]


def test_missing_model_of_an_ablation_names_its_own_stage(made: list[str], project: Path) -> None:
    with pytest.raises(FileNotFoundError, match="run `dvc repro train-ablation-decor@arcface`"):
        smoke.prepare("decor", ["arcface"], [0], **ablation_folders(".", "model"))
    assert made == []


def test_ablations_of_the_smoke_size_are_those_of_params_yaml_and_the_notebooks() -> None:
    params = load_params(REPOSITORY / "params.yaml")
    for name, ablation in smoke.ABLATIONS.items():
        values = stage_parameters(params, "ablation", "decor", name)
        known = {key: values[key] for key in ("variant", "changes", "instead_of")}
        assert Ablation(**known, tasks=tuple(values["tasks"])) == ablation
    shown = smoke.defaults("ablation")
    first = next(iter(smoke.ABLATIONS.values()))
    assert (shown["variant"], shown["changes"], shown["instead_of"]) == (
        first.variant,
        first.changes,
        first.instead_of,
    )


def test_what_another_state_of_the_library_made_is_made_again(made: list[str], project: Path) -> None:
    smoke.prepare("decor", **folders("build/smoke"))
    (project / "build/smoke" / smoke.STAMP).write_text("older", encoding="utf-8")
    smoke.prepare("decor", **folders("build/smoke"))
    assert made == ["data/decor", "data/decor"]


def test_outside_the_smoke_folder_nothing_is_made_and_the_stage_is_named(
    made: list[str], project: Path
) -> None:
    with pytest.raises(
        FileNotFoundError, match=r"data/decor/collection.json is missing: run `dvc repro assemble@decor`"
    ):
        smoke.prepare("decor", VARIANTS, [0], **folders(".", "model"))
    assert made == []
    assert not (project / "build").exists()


def test_missing_model_names_its_own_stage(made: list[str], project: Path) -> None:
    (project / "data/photos").mkdir(parents=True)
    (project / "data/photos/collection.json").write_text("{}", encoding="utf-8")
    with pytest.raises(FileNotFoundError, match="run `dvc repro train-photos@photos-unified`"):
        smoke.prepare("photos", ["unified"], [3], data_folder="data/photos", model_folder="models/photos")


def test_misspelt_folder_is_named(project: Path) -> None:
    with pytest.raises(ValueError, match="there is no folder 'modelfolder'"):
        smoke.prepare("decor", modelfolder="models")


def test_tour_prefers_what_the_pipeline_has_made(made: list[str], project: Path) -> None:
    assert smoke.tour_folders("decor", "unified", 0)["model_folder"] == "build/smoke/models/decor"
    for name in (
        "data/decor/collection.json",
        "models/decor/unified/seed-0/model.json",
        "embeddings/decor/unified/seed-0/codes.npy",
    ):
        (project / name).parent.mkdir(parents=True)
        (project / name).write_text("{}", encoding="utf-8")
    assert smoke.tour_folders("decor", "unified", 0)["model_folder"] == "models/decor"


def test_tour_of_photos_says_how_to_get_them(made: list[str]) -> None:
    with pytest.raises(FileNotFoundError, match="run `make photos`"):
        smoke.tour_folders("photos", "unified", 0)


def test_defaults_are_the_literals_of_the_parameters_cell() -> None:
    values = smoke.defaults("train")
    assert values["seeds"] == [0]
    assert str(values["model_folder"]).startswith("build/smoke/")


def test_unknown_collection_cannot_be_assembled(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="there is no collection 'nowhere'"):
        stages.assemble("nowhere", tmp_path, 32, {})
    assert "decor" in COLLECTIONS


def picture_output(picture: np.ndarray) -> dict[str, str]:
    stream = io.BytesIO()
    Image.fromarray(picture).save(stream, "PNG")
    return {"image/png": base64.b64encode(stream.getvalue()).decode("ascii"), "text/plain": "<Figure>"}


def test_stored_pictures_are_made_smaller() -> None:
    noise = np.random.default_rng(0).integers(0, 255, (300, 300, 3)).astype(np.uint8)
    before = picture_output(noise)["image/png"]
    kind, after = refresh.small_picture(before)
    assert kind in ("image/png", "image/jpeg")
    assert len(after) < len(before) / 4


def test_normalised_notebook_counts_from_one_and_keeps_tags_alone() -> None:
    cell = new_code_cell(
        "1", metadata={"tags": ["parameters"], "execution": {"when": "now"}}, execution_count=7
    )
    cell.outputs = [new_output("execute_result", {"text/plain": "1"}, execution_count=7)]
    made = refresh.normalise(new_notebook(cells=[cell], metadata={"machine": "mine"}), "toy")
    assert made.cells[0].metadata == {"tags": ["parameters"]}
    assert made.cells[0].execution_count == made.cells[0].outputs[0].execution_count == 1
    assert "machine" not in made.metadata


def test_progress_is_not_stored() -> None:
    text = "smoke size: training lens, seed 0\nembedding, batch: 3 of 1,200, about 9 s left\n"
    alone, mixed = (new_output("stream", name="stdout", text=text + rest) for rest in ("", "a result\n"))
    assert [output.text for output in refresh.without_progress([alone, mixed])] == ["a result\n"]


@pytest.mark.parametrize(
    ("output", "fault"),
    [
        (new_output("stream", name="stderr", text="a warning"), "writes to stderr"),
        (
            new_output("stream", name="stdout", text=f"see {Path.home()}/models"),
            "shows a path of this machine",
        ),
    ],
)
def test_output_that_differs_between_machines_is_refused(output: dict[str, str], fault: str) -> None:
    cell = new_code_cell("1")
    cell.outputs = [output]
    with pytest.raises(ValueError, match=f"toy, cell 0 {fault}"):
        refresh.normalise(new_notebook(cells=[cell]), "toy")
