"""The notebooks as they are stored. `make test` executes them too, with nbval, and compares the marked outputs."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbformat import NotebookNode

from unifiedlib.parameter_cell import check_parameters
from unifiedlib.params import ABLATED, COLLECTIONS, load_params
from unifiedlib.stage_parameters import GRADED, OF_ABLATIONS, OF_ALL, SIMULATED, stage_parameters

REPOSITORY = Path(__file__).resolve().parent.parent
NOTEBOOKS = sorted((REPOSITORY / "notebooks").glob("*.ipynb"))
STAGES = {path.stem[3:]: path for path in NOTEBOOKS if not path.stem.startswith("00_")}
MARK = "# NBVAL_CHECK_OUTPUT"
LARGEST = 420_000
MOST_LINES = 12
LOOPS = (ast.FunctionDef, ast.For, ast.While, ast.ListComp, ast.Lambda)
MACHINE = re.compile(r"/(?:tmp|home|root|work|Users)/")

notebooks = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def read(path: Path) -> NotebookNode:
    return nbformat.read(path, as_version=4)


def code_cells(notebook: NotebookNode) -> list[NotebookNode]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def is_parameters(cell: NotebookNode) -> bool:
    return "parameters" in cell.metadata.get("tags", [])


def test_there_is_a_notebook_for_each_stage_a_tour_and_a_study_for_people() -> None:
    assert [path.stem for path in NOTEBOOKS] == [
        "00_judge",
        "00_tour",
        "01_assemble",
        "02_train",
        "03_binarize",
        "04_evaluate",
        "05_report",
        "06_ablation",
        "07_ablations",
        "08_codes",
        "09_study",
        "10_replay",
        "11_costs",
        "12_verdicts",
    ]


@notebooks
def test_notebook_opens_with_a_title_and_then_its_parameters(path: Path) -> None:
    cells = read(path).cells
    assert cells[0].source.startswith("# ")
    assert [number for number, cell in enumerate(cells) if is_parameters(cell)] == [1]
    assert cells[-1].source.startswith("## What to take away")


@notebooks
def test_parameters_are_typed_commented_literals_in_scratch_folders(path: Path) -> None:
    source = read(path).cells[1].source
    lines = ast.parse(source).body
    assert all(isinstance(line, ast.AnnAssign) for line in lines)
    for line in lines:
        assert isinstance(line, ast.AnnAssign)
        value = ast.literal_eval(line.value)
        if line.target.id.endswith("_folder"):
            assert value.startswith("build/smoke/")
    written = [line for line in source.splitlines() if line.strip() not in ("", "}")]
    assert all("  # " in line for line in written), "comment each parameter"


@pytest.mark.parametrize("collection", COLLECTIONS)
@pytest.mark.parametrize("stage", list(STAGES))
def test_notebook_takes_what_params_yaml_gives_it(stage: str, collection: str) -> None:
    if stage in OF_ABLATIONS and collection not in ABLATED:
        pytest.skip("no ablations are run on it")
    if stage in SIMULATED and collection not in GRADED:
        pytest.skip("it has no graded truth")
    params = load_params(REPOSITORY / "params.yaml")
    if stage in OF_ALL:
        pytest.skip("it shows all collections")
    variant = {"train": "unified", "ablation": "flashlight_lens"}.get(stage)
    check_parameters(STAGES[stage], stage_parameters(params, stage, collection, variant))


@pytest.mark.parametrize("stage", OF_ALL)
def test_notebook_of_all_collections_takes_what_params_yaml_gives_it(stage: str) -> None:
    check_parameters(STAGES[stage], stage_parameters(load_params(REPOSITORY / "params.yaml"), stage, None))


@notebooks
def test_cells_are_short_and_leave_loops_and_functions_to_the_library(path: Path) -> None:
    for cell in code_cells(read(path)):
        found = [node for node in ast.walk(ast.parse(cell.source)) if isinstance(node, LOOPS[:3])]
        assert not found, f"move this to the library:\n{cell.source}"
        assert is_parameters(cell) or len(cell.source.splitlines()) <= MOST_LINES


@notebooks
def test_notebook_is_stored_with_the_outputs_of_a_whole_run(path: Path) -> None:
    cells = code_cells(read(path))
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1)), (
        "run `python -m unifiedlib.smoke refresh`"
    )
    marked = [cell for cell in cells if MARK in cell.source]
    assert marked
    assert all(
        output.output_type in ("stream", "execute_result") for cell in marked for output in cell.outputs
    )
    assert all(cell.outputs for cell in marked), "nbval compares nothing where no output is stored"


@notebooks
def test_stored_notebook_is_small_and_names_no_machine(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert len(text) <= LARGEST
    outputs = [output for cell in code_cells(read(path)) for output in cell.outputs]
    shown = " ".join(
        output.get("text", "") + str(output.get("data", {}).get("text/html", "")) for output in outputs
    )
    assert not MACHINE.search(shown)
    assert not any(output.get("name") == "stderr" for output in outputs)


def validate(path: Path) -> subprocess.CompletedProcess[str]:
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "--nbval-lax",
        "--nbval-current-env",
        path.name,
    ]
    return subprocess.run(command, cwd=path.parent, capture_output=True, text=True, timeout=120)


@pytest.mark.notebook
def test_changed_expectation_makes_nbval_fail(tmp_path: Path) -> None:
    """The checked cells of a stored notebook that need no data, and the same with one letter changed."""
    source = "# NBVAL_CHECK_OUTPUT\nprint('a code is', 1024 // 32, 'times smaller')"
    cells = [nbformat.v4.new_code_cell(source, execution_count=1)]
    cells[0].outputs = [nbformat.v4.new_output("stream", name="stdout", text="a code is 32 times smaller\n")]
    notebook = nbformat.v4.new_notebook(cells=cells, metadata=read(NOTEBOOKS[0]).metadata)
    (tmp_path / "pytest.ini").write_text("[pytest]\n", encoding="utf-8")
    right, wrong = tmp_path / "right.ipynb", tmp_path / "wrong.ipynb"
    nbformat.write(notebook, right)
    shutil.copy(right, wrong)
    wrong.write_text(
        right.read_text(encoding="utf-8").replace("32 times smaller", "31 times smaller"), encoding="utf-8"
    )
    assert validate(right).returncode == 0
    failed = validate(wrong)
    assert failed.returncode == 1
    assert "31 times smaller" in failed.stdout
