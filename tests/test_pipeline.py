import ast
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest
from ruamel.yaml import YAML
from tiny_project import REPOSITORY, add_pipeline, make_project

from unifiedlib.params import ABLATED, COLLECTIONS, load_params
from unifiedlib.paths import ROOT_VARIABLE
from unifiedlib.sources import Source, SourceError, check_folder, clone, listing, note, provide
from unifiedlib.stage_parameters import GRADED, SIMULATED

DVC = [sys.executable, "-m", "dvc"]
PIPELINE = YAML(typ="safe", pure=True).load(REPOSITORY / "dvc.yaml")
# What finds, runs or shows things, but decides nothing that a stage computes: an edit to it must not rerun a training.
INDIFFERENT = (
    "unifiedlib",
    "unifiedlib.paths",
    "unifiedlib.progress",
    "unifiedlib.smoke",
    "unifiedlib.parallel",
    "unifiedlib.threads",
)
SHOWING = (
    "unifiedlib.proxies",
    "unifiedlib.palette",
    "unifiedlib.data_card",
    "unifiedlib.figures",
    "unifiedlib.story",
    "unifiedlib.ablation_story",
    "unifiedlib.codes_story",
    "unifiedlib.replay.story",
    "unifiedlib.verdict_story",
    "unifiedlib.dvc_views",
    "unifiedlib.folding",
    "unifiedlib.experiments",
    "unifiedlib.costs.story",
    "unifiedlib.retrieval",
    "unifiedlib.study.story",
)
# One function per stage: of this module's imports, a stage needs those of the function that its notebook calls.
FRONT = "unifiedlib.stages"
TRUTH = "unifiedlib/decor"
MADE_BY_ONE_COLLECTION = ("unifiedlib.decor", "unifiedlib.photos", "unifiedlib.loaders")
STAGES = {
    "assemble": "01_assemble",
    "train": "02_train",
    "binarize": "03_binarize",
    "evaluate": "04_evaluate",
    "ablation": "06_ablation",
    "codes": "08_codes",
    "study": "09_study",
    "replay": "10_replay",
    "costs": "11_costs",
}
REPORTS = {"report": "05_report", "ablations": "07_ablations", "verdicts": "12_verdicts"}


def dependencies(stage: str) -> list[str]:
    about = PIPELINE["stages"].get(stage) or PIPELINE["stages"][f"{stage}-decor"]
    return list(about.get("do", about)["deps"])


def module_file(module: str) -> Path | None:
    path = REPOSITORY.joinpath(*module.split("."))
    return next((file for file in (path.with_suffix(".py"), path / "__init__.py") if file.is_file()), None)


def imports(source: str) -> Iterator[str]:
    """The library's modules that a source imports, wherever in it."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        else:
            continue
        yield from (name for name in names if name.split(".")[0] == "unifiedlib" and module_file(name))


def leaves_out(module: str, prefixes: tuple[str, ...]) -> bool:
    return any(
        module == prefix or (prefix != "unifiedlib" and module.startswith(f"{prefix}."))
        for prefix in prefixes
    )


def imports_of_front(source: str) -> Iterator[str]:
    """The modules that the functions of `FRONT` need which a source calls as `stages.function`."""
    front = ast.parse(module_file(FRONT).read_text(encoding="utf-8"))
    functions = {node.name: node for node in front.body if isinstance(node, ast.FunctionDef)}
    origin = {
        alias.asname or alias.name: f"{node.module}.{alias.name}"
        if module_file(f"{node.module}.{alias.name}")
        else node.module
        for node in front.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    calls = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Attribute)]
    waiting = [
        node.attr
        for node in calls
        if isinstance(node.value, ast.Name) and node.value.id == FRONT.split(".")[1]
    ]
    seen: set[str] = set()
    while waiting:
        name = waiting.pop()
        if name in functions and name not in seen:
            seen.add(name)
            used = [node.id for node in ast.walk(functions[name]) if isinstance(node, ast.Name)]
            waiting += used
            yield from (origin[other] for other in used if origin.get(other, "").startswith("unifiedlib"))


def closure(source: str, without: tuple[str, ...] = INDIFFERENT + SHOWING) -> set[str]:
    """Every module that a source needs, through the modules it imports, but those in `without`."""
    found: set[str] = set()
    waiting = [source]
    while waiting:
        importing = waiting.pop()
        for module in imports(importing):
            if leaves_out(module, without):
                continue
            if module == FRONT:
                used = {one for one in imports_of_front(importing) if not leaves_out(one, without)} | {FRONT}
            else:
                used = {module}
            waiting += [module_file(one).read_text(encoding="utf-8") for one in used - found if one != FRONT]
            found |= used
    return found


def code_of(notebook: str) -> str:
    cells = nbformat.read(REPOSITORY / "notebooks" / f"{notebook}.ipynb", as_version=4).cells
    lines = "\n".join(cell.source for cell in cells if cell.cell_type == "code").splitlines()
    return "\n".join(line for line in lines if not line.lstrip().startswith(("%", "!")))


# dvc.yaml


def test_pipeline_has_every_stage_for_every_collection_and_variant() -> None:
    listed = subprocess.run(
        [*DVC, "stage", "list", "--all", "--name-only"],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=True,
    )
    variants = load_params(REPOSITORY / "params.yaml").variants
    once = [
        f"{stage}@{name}" for stage in ("assemble", "binarize", "evaluate", "report") for name in COLLECTIONS
    ]
    trained = [
        f"train-{name}@{name}-{variant}" for name in COLLECTIONS for variant in getattr(variants, name)
    ]
    ablations = load_params(REPOSITORY / "params.yaml").ablations
    ablated = [
        f"{stage}-{name}@{variant}"
        for stage in ("train-ablation", "ablation")
        for name in ABLATED
        for variant in ablations
    ]
    gathered = [f"{stage}@{name}" for stage in ("ablations", "codes", "costs") for name in ABLATED]
    simulated = [f"{stage}@{name}" for stage in SIMULATED for name in GRADED]
    assert sorted(listed.stdout.split()) == sorted(
        ["clean", *once, *trained, *ablated, *gathered, *simulated, "verdicts"]
    )


def test_ablations_are_trained_by_what_the_others_are() -> None:
    named = [name for name in dependencies("train") if name.startswith("unifiedlib/")]
    assert named == [name for name in dependencies("train-ablation") if name.startswith("unifiedlib/")]


def test_report_needs_no_ablation() -> None:
    graph = subprocess.run(
        [*DVC, "dag", "--mermaid", "report@decor"],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "evaluate@decor" in graph.stdout
    assert "ablation" not in graph.stdout
    assert "codes" not in graph.stdout
    assert "study" not in graph.stdout
    assert "costs" not in graph.stdout


@pytest.mark.parametrize("collection", ABLATED)
def test_study_of_codes_depends_on_the_models_of_its_ablations(collection: str) -> None:
    named = [name.split("/")[-1] for name in dependencies("codes") if name.startswith("ablations/")]
    assert named == load_params(REPOSITORY / "params.yaml").codes.ablations
    graph = subprocess.run(
        [*DVC, "dag", "--mermaid", f"codes@{collection}"],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=True,
    )
    trained = {f"train-ablation-{collection}@{name}" for name in named}
    assert {stage for stage in trained if stage in graph.stdout} == trained
    assert "arcface" not in graph.stdout
    assert f"evaluate@{collection}" not in graph.stdout


@pytest.mark.parametrize("stage", PIPELINE["stages"])
def test_every_file_that_a_stage_depends_on_is_in_the_repository(stage: str) -> None:
    named = [name for name in dependencies(stage) if name.startswith(("unifiedlib", "notebooks"))]
    assert [name for name in named if not (REPOSITORY / name).exists()] == []


@pytest.mark.parametrize("stage", STAGES)
def test_stage_depends_on_just_the_modules_that_its_notebook_uses(stage: str) -> None:
    needed = {
        module for module in closure(code_of(STAGES[stage])) if not leaves_out(module, MADE_BY_ONE_COLLECTION)
    }
    files = {module_file(module).relative_to(REPOSITORY).as_posix() for module in needed}
    listed = {name for name in dependencies(stage) if name.startswith("unifiedlib/")}
    assert files == listed - {TRUTH}


def test_replay_depends_on_the_world_whose_truth_it_reads_and_on_no_model() -> None:
    assert TRUTH in dependencies("replay")
    assert not [
        name for name in dependencies("replay") if name.startswith(("models/", "ablations/", "results/"))
    ]


def test_study_depends_on_the_drawn_world_that_its_raters_know() -> None:
    assert "unifiedlib.decor.relevance" in closure(code_of("09_study"))
    assert "unifiedlib/decor" in dependencies("study")


@pytest.mark.parametrize("stage", REPORTS)
def test_report_depends_on_the_modules_that_its_notebook_uses_figures_included(stage: str) -> None:
    needed = closure(code_of(REPORTS[stage]), without=INDIFFERENT)
    files = {module_file(module).relative_to(REPOSITORY).as_posix() for module in needed}
    listed = [name for name in dependencies(stage) if name.startswith("unifiedlib/")]
    assert {
        file for file in files if not any(file == name or file.startswith(f"{name}/") for name in listed)
    } == set()


def test_no_stage_but_report_depends_on_figures_or_the_runner() -> None:
    for stage in STAGES:
        assert not [name for name in dependencies(stage) if "figures" in name or "runner" in name]


def test_imports_inside_functions_count() -> None:
    assert "unifiedlib.contract" in closure("def f():\n    from unifiedlib import contract")


# The pipeline on toy notebooks


def dvc(root: Path, *words: str) -> str:
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    settings = {"PATH": path, "DVC_NO_ANALYTICS": "1", "DVC_SITE_CACHE_DIR": str(root / ".site")}
    done = subprocess.run([*DVC, *words], cwd=root, env=os.environ | settings, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def ran(output: str) -> list[str]:
    return [line.split("'")[1] for line in output.splitlines() if line.startswith("Running stage")]


@pytest.mark.slow
def test_pipeline_runs_once_and_then_only_what_a_change_concerns(tmp_path: Path) -> None:
    make_project(tmp_path)
    add_pipeline(tmp_path)
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    trained = ["train-decor@decor-unified"]
    assert ran(dvc(tmp_path, "repro", "binarize@decor")) == [
        "clean",
        "assemble@decor",
        *trained,
        "binarize@decor",
    ]

    start = time.monotonic()
    assert ran(dvc(tmp_path, "repro", "binarize@decor")) == []
    assert time.monotonic() - start < 30

    path = tmp_path / "notebooks/02_train.ipynb"
    notebook = nbformat.read(path, as_version=4)
    notebook.cells[-1].execution_count = 3
    notebook.metadata["language_info"] = {"name": "python", "version": "3.11.0"}
    nbformat.write(notebook, path)
    assert ran(dvc(tmp_path, "repro", "binarize@decor")) == ["clean"]

    params = tmp_path / "params.yaml"
    params.write_text(
        params.read_text(encoding="utf-8").replace("temperature: 0.05", "temperature: 0.06", 1),
        encoding="utf-8",
    )
    assert (
        ran(dvc(tmp_path, "repro", "binarize@decor")) == trained
    )  # it writes the same model, so nothing follows

    (tmp_path / "unifiedlib/embedding.py").write_text("# edited\n", encoding="utf-8")
    assert ran(dvc(tmp_path, "repro", "binarize@decor")) == ["binarize@decor"]
    assert not (tmp_path / "executed/photos").exists()
    page = tmp_path / "executed/decor/01_assemble.html"
    assert page.stat().st_nlink > 1, "DVC's cache holds a second copy"

    # One ablation alone, then the page of those that have been run.
    *before, last = ran(dvc(tmp_path, "repro", "ablation-decor@no_layer_norm"))
    assert sorted(before) == ["evaluate@decor", "train-ablation-decor@no_layer_norm"]
    assert last == "ablation-decor@no_layer_norm"
    assert ran(dvc(tmp_path, "repro", "--single-item", "ablations@decor")) == ["ablations@decor"]
    assert [path.name for path in (tmp_path / "ablations/decor/scores").glob("[a-z]*")] == ["no_layer_norm"]


# The photographs' sources

HELD = (Source("Toys", "toys", "https://example.org/toys", "0" * 40, "MIT", "list.csv"),)


def toy_copy(folder: Path) -> Path:
    (folder / "toys").mkdir(parents=True)
    (folder / "toys/list.csv").write_text("image\na.jpg\n")
    (folder / "toys/a.jpg").write_bytes(b"123")
    return folder


def test_listing_changes_with_the_files_but_not_with_the_place(tmp_path: Path) -> None:
    here, there = toy_copy(tmp_path / "here"), toy_copy(tmp_path / "there")
    assert listing(here, HELD) == listing(there, HELD)
    assert listing(here, HELD)["toys"]["bytes"] == 15
    (there / "toys/a.jpg").write_bytes(b"1234")
    assert listing(here, HELD) != listing(there, HELD)


def test_missing_photo_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(
        SourceError, match=r"the photo folder .*nowhere is missing: name one that holds toys/"
    ):
        check_folder(tmp_path / "nowhere", HELD)


def test_incomplete_photo_folder_names_the_missing_file(tmp_path: Path) -> None:
    (toy_copy(tmp_path) / "toys/list.csv").unlink()
    with pytest.raises(SourceError, match=r"toys/list\.csv is missing; it must hold Toys"):
        check_folder(tmp_path, HELD)


def test_local_copy_is_linked_and_listed_and_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UNIFIEDLIB_ROOT", str(tmp_path))
    monkeypatch.setattr("unifiedlib.sources.SOURCES", {"photos": HELD})
    copy = toy_copy(tmp_path / "copy")
    assert provide("photos", copy).resolve() == copy
    written = (tmp_path / "data/sources/photos.json").read_bytes()
    assert provide("photos", None).resolve() == copy
    assert (tmp_path / "data/sources/photos.json").read_bytes() == written


def git(folder: Path, *words: str) -> str:
    identity = [
        "-c",
        "user.name=a",
        "-c",
        "user.email=a@example.org",
        "-c",
        "commit.gpgsign=false",
        "-c",
        "core.hooksPath=/dev/null",
    ]
    return subprocess.run(
        ["git", *identity, *words], cwd=folder, capture_output=True, text=True, check=True
    ).stdout.strip()


def test_pinned_commit_is_cloned_whole(tmp_path: Path) -> None:
    origin = toy_copy(tmp_path / "origin") / "toys"
    git(origin, "init", "-q")
    git(origin, "add", ".")
    git(origin, "commit", "-q", "-m", "one")
    commit = git(origin, "rev-parse", "HEAD")
    (origin / "a.jpg").write_bytes(b"later")
    git(origin, "commit", "-q", "-a", "-m", "two")
    clone(Source("Toys", "toys", str(origin), commit, "MIT", "list.csv"), tmp_path / "clone")
    assert sorted(path.name for path in (tmp_path / "clone").iterdir()) == ["a.jpg", "list.csv"]
    assert (tmp_path / "clone/a.jpg").read_bytes() == b"123"


def test_no_network_is_one_sentence_and_leaves_nothing(tmp_path: Path) -> None:
    source = Source("Toys", "toys", str(tmp_path / "no-such-repository"), "0" * 40, "MIT", "list.csv")
    with pytest.raises(
        SourceError, match=r"Toys: cannot fetch .* or name a copy with `make photos PHOTOS=FOLDER`"
    ):
        clone(source, tmp_path / "clone")
    assert list(tmp_path.iterdir()) == []


def test_own_pictures_are_listed_where_they_are_and_a_changed_table_shows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(ROOT_VARIABLE, str(tmp_path))
    table = toy_copy(tmp_path / "mine") / "toys/list.csv"
    first = note("own", table).read_text()
    assert note("own", table).read_text() == first
    table.write_text("image\nb.jpg\n")  # as long as before
    assert note("own", table).read_text() != first
    assert json.loads(note("own", tmp_path / "mine").read_text())["pictures"]["files"] == 2


def test_own_pictures_that_are_nowhere_name_the_parameter(tmp_path: Path) -> None:
    with pytest.raises(
        SourceError, match=r"mine is missing: write in params\.yaml, at assemble\.own\.source"
    ):
        note("own", tmp_path / "mine")
