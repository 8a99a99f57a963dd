import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from tiny_project import REPOSITORY, make_project, toy_notebook, values_of, write_notebook

from unifiedlib import runner
from unifiedlib.cleaning import clean_notebook, clean_notebooks, read_notebook
from unifiedlib.html import network_loads, render
from unifiedlib.parameter_cell import check_parameters
from unifiedlib.params import ParameterError
from unifiedlib.paths import ROOT_VARIABLE

FAILING = (
    "resolve(data_folder).mkdir(parents=True)\n(resolve(data_folder) / 'half.txt').write_text('half')\n{then}"
)
IMPORT = "from unifiedlib.paths import resolve"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A toy project that the runner takes for the repository, with its notebooks cleaned."""
    monkeypatch.setenv(ROOT_VARIABLE, str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", str(REPOSITORY))
    make_project(tmp_path)
    clean_notebooks(tmp_path / "notebooks", tmp_path / "build/notebooks")
    return tmp_path


# The clean copies


def test_running_and_saving_leaves_the_clean_copy_as_it_was(project: Path) -> None:
    path = project / "notebooks/01_assemble.ipynb"
    before = clean_notebook(read_notebook(path))
    notebook = read_notebook(path)
    for cell in notebook.cells:
        cell.metadata |= {"collapsed": True, "execution": {"iopub": "now"}}
        if cell.cell_type == "code":
            cell.execution_count, cell.outputs = 7, [new_output("stream", text="seen")]
    notebook.metadata |= {"language_info": {"name": "python", "version": "3.11.99"}, "widgets": {}}
    nbformat.write(notebook, path)
    assert clean_notebook(read_notebook(path)) == before


def test_edited_source_changes_the_clean_copy(project: Path) -> None:
    notebook = read_notebook(project / "notebooks/01_assemble.ipynb")
    before = clean_notebook(notebook)
    notebook.cells[-1].source += "\n1 + 1"
    assert clean_notebook(notebook) != before


def test_tags_and_ids_stay_in_the_clean_copy(project: Path) -> None:
    clean = nbformat.reads(
        clean_notebook(read_notebook(project / "notebooks/01_assemble.ipynb")), as_version=4
    )
    assert clean.cells[1].metadata.tags == ["parameters"]
    assert [cell.id for cell in clean.cells] == ["assemble-0", "assemble-1", "assemble-2"]


@settings(deadline=None, max_examples=25)
@given(st.lists(st.text(max_size=30), max_size=4))
def test_cleaning_twice_changes_nothing(sources: list[str]) -> None:
    notebook = new_notebook(cells=[new_code_cell(source, id=f"c{i}") for i, source in enumerate(sources)])
    once = clean_notebook(notebook)
    assert clean_notebook(nbformat.reads(once, as_version=4)) == once


def test_notebook_that_is_no_notebook_is_named(tmp_path: Path) -> None:
    (tmp_path / "01_x.ipynb").write_text("<<<<<<< HEAD")
    with pytest.raises(ValueError, match=r"01_x\.ipynb is not a readable notebook"):
        clean_notebooks(tmp_path, tmp_path / "out")


def test_folder_without_notebooks_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="holds no notebooks"):
        clean_notebooks(tmp_path, tmp_path / "out")


# The parameters cell against params.yaml


def test_cell_that_agrees_passes(project: Path) -> None:
    for stage in runner.STAGE_FOLDERS:
        check_parameters(write_notebook(project, stage), values_of(project, stage))


def test_misspelt_parameter_in_the_cell_names_the_nearest(project: Path) -> None:
    values = values_of(project, "train")
    notebook = write_notebook(project, "train")
    text = notebook.read_text(encoding="utf-8").replace("temperature: float", "temprature: float")
    notebook.write_text(text, encoding="utf-8")
    with pytest.raises(
        ParameterError, match=r"declares 'temprature', which this stage has not; did you mean 'temperature'\?"
    ):
        check_parameters(notebook, values)


def test_parameter_that_the_cell_lacks_is_named_with_its_type(project: Path) -> None:
    notebook = write_notebook(project, "report")
    with pytest.raises(ParameterError, match="lacks 'shown'; add `shown: float = …` to it"):
        check_parameters(notebook, values_of(project, "report") | {"shown": 0.5})


@pytest.mark.parametrize(
    ("name", "default", "sentence"),
    [
        ("temperature", 1, r"'temperature' is declared int, but its value 0\.05 is float"),
        ("epochs", 1.0, r"'epochs' is declared float, but its value \d+ is int"),
        ("trunk", True, r"'trunk' is declared bool, but its value '\w+' is str"),
        ("seeds", ["0"], r"'seeds' is declared list\[str\], but its value \[0.*\] is list\[int\]"),
        ("seeds", 0, r"'seeds' is declared int, but its value \[0.*\] is list\[int\]"),
    ],
)
def test_parameter_of_another_type_is_named(project: Path, name: str, default: object, sentence: str) -> None:
    notebook = write_notebook(project, "train", **{name: default})
    with pytest.raises(ParameterError, match=sentence):
        check_parameters(notebook, values_of(project, "train"))


def test_parameter_without_a_type_is_named(project: Path) -> None:
    notebook = write_notebook(project, "report")
    text = notebook.read_text(encoding="utf-8").replace("n_examples: int =", "n_examples =")
    notebook.write_text(text, encoding="utf-8")
    with pytest.raises(ParameterError, match="'n_examples' has no type; write `n_examples: int = …`"):
        check_parameters(notebook, values_of(project, "report"))


def test_notebook_without_a_parameters_cell_is_named(project: Path) -> None:
    notebook = project / "05_report.ipynb"
    nbformat.write(new_notebook(cells=[new_code_cell("1")]), notebook)
    with pytest.raises(ParameterError, match="has no parameters: tag the cell"):
        check_parameters(notebook, values_of(project, "report"))


def test_wrong_parameter_stops_before_earlier_results_are_touched(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_notebook(project, "assemble", folder="build/notebooks", size="96")
    (project / "data/decor").mkdir(parents=True)
    assert runner.main(["assemble", "--collection", "decor"]) == 1
    assert "declared str, but its value" in capsys.readouterr().err
    assert (project / "data/decor").exists()


# A stage


def test_stage_writes_its_output_the_notebook_and_the_page(
    project: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (project / "executed/decor").mkdir(parents=True)
    (project / "executed/decor/02_train-unified.failed.ipynb").touch()
    assert runner.main(["train", "--collection", "decor", "--variant", "unified"]) == 0
    assert (project / "models/decor/unified/scores.csv").exists()
    assert sorted(path.name for path in (project / "executed/decor").iterdir()) == [
        "02_train-unified.html",
        "02_train-unified.ipynb",
    ]
    page = (project / "executed/decor/02_train-unified.html").read_text(encoding="utf-8")
    assert network_loads(page) == []
    assert "<title>The train stage</title>" in page
    captured = capfd.readouterr()
    assert "work of train" in captured.out
    assert captured.err == ""


def test_ablation_is_trained_and_judged_in_folders_of_its_own(
    project: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    for stage in ("train", "ablation"):
        assert runner.main([stage, "--collection", "decor", "--variant", "no_layer_norm"]) == 0
    assert runner.main(["ablations", "--collection", "decor"]) == 0
    for folder in ("ablations/decor/models/no_layer_norm", "ablations/decor/scores/no_layer_norm"):
        assert (project / folder / "scores.csv").exists()
    assert (project / "results/decor-ablations/scores.csv").exists()
    assert not (project / "models").exists()
    assert sorted(path.name for path in (project / "executed/decor").glob("*.html")) == [
        "02_train-no_layer_norm.html",
        "06_ablation-no_layer_norm.html",
        "07_ablations.html",
    ]
    said = [line.split(":")[0] for line in capfd.readouterr().out.splitlines() if ".html" in line]
    assert said == [
        "train-ablation-decor@no_layer_norm",
        "ablation-decor@no_layer_norm",
        "ablations@decor",
    ]


def test_unknown_ablation_is_refused_with_the_nearest(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert runner.main(["ablation", "--collection", "decor", "--variant", "no_layernorm"]) == 1
    assert "there is no ablation 'no_layernorm'; did you mean 'no_layer_norm'?" in capsys.readouterr().err


def test_kernel_is_this_interpreter_in_the_root_with_fixed_hashes_and_threads(project: Path) -> None:
    see = "import os, sys\nassert [sys.executable, os.getcwd(), os.environ['PYTHONHASHSEED'], os.environ['OMP_NUM_THREADS']] == "
    expected = [sys.executable, str(project), "0", str(values_of(project, "report")["threads"])]
    write_notebook(project, "report", see + repr(expected), folder="build/notebooks")
    assert runner.main(["report", "--collection", "decor"]) == 0


def test_what_a_cell_and_its_child_process_print_is_logged_once(project: Path) -> None:
    child = "import subprocess, time\nprint('a cell')\nsubprocess.run(['echo', 'a child'])\ntime.sleep(1)"
    write_notebook(project, "report", child, folder="build/notebooks")
    # Under pytest's variable ipykernel leaves child processes alone.
    environment = {name: value for name, value in os.environ.items() if name != "PYTEST_CURRENT_TEST"}
    command = [sys.executable, "-m", "unifiedlib.runner", "report", "--collection", "decor"]
    done = subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True, check=True)
    lines = done.stdout.splitlines()
    assert [lines.count(line) for line in ("a cell", "a child")] == [1, 1]


def test_failure_keeps_the_notebook_and_removes_what_was_half_written(
    project: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    then = "raise ValueError('item 3 has no picture: restore it')"
    write_notebook(
        project, "assemble", IMPORT, FAILING.format(then=then), "print('never')", folder="build/notebooks"
    )
    assert runner.main(["assemble", "--collection", "decor"]) == 1
    assert not (project / "data/decor").exists()
    assert [path.name for path in (project / "executed/decor").iterdir()] == ["01_assemble.failed.ipynb"]
    assert capfd.readouterr().err.splitlines() == [
        "assemble@decor stopped: ValueError: item 3 has no picture: restore it",
        "The notebook up to that cell: executed/decor/01_assemble.failed.ipynb",
    ]
    assert "papermill-error-cell" in (project / "executed/decor/01_assemble.failed.ipynb").read_text(
        encoding="utf-8"
    )


def test_kernel_that_dies_is_one_sentence(project: Path, capfd: pytest.CaptureFixture[str]) -> None:
    write_notebook(
        project, "assemble", IMPORT, FAILING.format(then="import os; os._exit(9)"), folder="build/notebooks"
    )
    assert runner.main(["assemble", "--collection", "decor"]) == 1
    assert (
        "assemble@decor stopped: its kernel ended by itself, most often because the memory or the disk was full: free some"
        in capfd.readouterr().err
    )
    assert not (project / "data/decor").exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_stage_leaves_no_output_and_no_kernel(project: Path, number: signal.Signals) -> None:
    wait = "(resolve(data_folder) / 'pid').write_text(str(__import__('os').getpid())); __import__('time').sleep(60)"
    write_notebook(project, "assemble", IMPORT, FAILING.format(then=wait), folder="build/notebooks")
    command = [sys.executable, "-m", "unifiedlib.runner", "assemble", "--collection", "decor"]
    process = subprocess.Popen(command, cwd=project, stderr=subprocess.PIPE, text=True)
    noted = project / "data/decor/pid"
    deadline = time.monotonic() + 60
    while not (noted.exists() and noted.read_text()) and time.monotonic() < deadline:
        time.sleep(0.1)
    kernel = int(noted.read_text())
    process.send_signal(number)
    try:
        _, error = process.communicate(timeout=30)
    finally:
        process.kill()
    assert process.returncode == 130
    assert error == "assemble was interrupted; run it again (a training goes on from its checkpoint)\n"
    assert not (project / "data/decor").exists()
    with pytest.raises(ProcessLookupError):
        os.kill(kernel, 0)


def test_missing_clean_copy_names_the_remedy(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.rmtree(project / "build/notebooks")
    assert runner.main(["report", "--collection", "decor"]) == 1
    assert "run `python -m unifiedlib.runner clean` first" in capsys.readouterr().err


# The page


@pytest.mark.parametrize("kind", ["display_data", "execute_result"])
def test_page_of_a_stage_needs_no_network_and_folds_code_away(kind: str) -> None:
    notebook = toy_notebook("report", {"n_examples": 3})
    notebook.cells[-1].outputs = [new_output(kind, data={"text/html": "<b>bold</b>", "text/plain": "plain"})]
    page = render(notebook, "collection decor", Path())
    assert network_loads(page) == []
    assert "http:" not in page
    assert "https:" not in page
    assert page.count("<details><summary>code</summary>") == 2
    assert "<script" not in page
    assert "<b>bold</b>" in page
    assert "plain" not in page.split("</head>")[1]


def test_page_keeps_links_for_clicking() -> None:
    page = render(
        new_notebook(cells=[new_markdown_cell("[paper](https://arxiv.org/abs/1908.01707)")]), "x", Path()
    )
    assert 'href="https://arxiv.org/abs/1908.01707"' in page
    assert network_loads(page) == []


@pytest.mark.parametrize(
    "loading",
    [
        '<script src="https://cdn.example/require.js"></script>',
        '<link rel="stylesheet" href="//cdn.example/a.css">',
        "<style>@import 'https://example.org/a.css';</style>",
        "<p style='background: url(https://example.org/a.png)'>",
        "<img srcset='http://example.org/a.png 2x'>",
    ],
)
def test_remote_load_is_found(loading: str) -> None:
    assert len(network_loads(f"<html>{loading}</html>")) == 1
