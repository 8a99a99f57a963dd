"""A project of toy notebooks in a scratch folder, for the tests of the runner and the pipeline."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook
from ruamel.yaml import YAML

from unifiedlib.parameter_cell import type_name
from unifiedlib.params import Value, load_params
from unifiedlib.stage_parameters import OF_ALL, STAGE_FOLDERS, notebook_name, stage_parameters

REPOSITORY = Path(__file__).resolve().parent.parent
WORK = {
    "assemble": "out = resolve(data_folder)",
    "train": "out = resolve(model_folder) / variant",
    "binarize": "out = resolve(embedding_folder)",
    "evaluate": "out = resolve(result_folder)",
    "report": "out = resolve('build/report')",
    "ablation": "out = resolve(ablation_score_folder) / variant",
    "ablations": "out = resolve(ablation_result_folder)",
    "codes": "out = resolve(codes_result_folder)",
    "costs": "out = resolve(costs_result_folder)",
    "replay": "out = resolve(replay_result_folder)",
    "study": "out = resolve(study_result_folder)",
    "verdicts": "out = resolve(verdict_folder)",
}
ABLATION = "no_layer_norm"
WRITE = """from unifiedlib.paths import resolve
{out}
out.mkdir(parents=True, exist_ok=True)
(out / "metrics.json").write_text('{{"unified": 0.5}}')
(out / "scores.csv").write_text("variant,value\\nunified,0.5\\n")
print("work of {stage}")"""


def parameters_cell(values: Mapping[str, Value]) -> str:
    """Source of a parameters cell that declares these parameters with these defaults."""
    return "\n".join(f"{name}: {type_name(value)} = {value!r}" for name, value in values.items())


def toy_notebook(stage: str, values: Mapping[str, Value], *sources: str) -> nbformat.NotebookNode:
    """A notebook with a heading, a parameters cell, and one cell per source (the stage's toy work when none is given)."""
    sources = sources or (WRITE.format(out=WORK[stage], stage=stage),)
    cells = [
        new_markdown_cell(f"# The *{stage}* stage"),
        new_code_cell(parameters_cell(values), metadata={"tags": ["parameters"]}),
    ]
    cells += [new_code_cell(source) for source in sources]
    for number, cell in enumerate(cells):
        cell["id"] = f"{stage}-{number}"
    return new_notebook(
        cells=cells, metadata={"kernelspec": {"name": "python3", "display_name": "x", "language": "python"}}
    )


def values_of(root: Path, stage: str, collection: str = "decor") -> dict[str, Value]:
    """What a stage's notebook gets, by the params.yaml of `root`."""
    params = load_params(root / "params.yaml")
    trained = getattr(params.variants, collection)[0]
    variant = {"train": trained, "ablation": ABLATION}.get(stage)
    return stage_parameters(params, stage, None if stage in OF_ALL else collection, variant)


def write_notebook(
    root: Path, stage: str, *sources: str, folder: str = "notebooks", **changed: Value
) -> Path:
    """Write a toy notebook of `stage`; `changed` overrides what its parameters cell declares."""
    path = root / folder / f"{notebook_name(stage)}.ipynb"
    path.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(toy_notebook(stage, values_of(root, stage) | changed, *sources), path)
    return path


def make_project(root: Path) -> Path:
    """A repository in miniature: the real params.yaml with one variant and two ablations, and a toy notebook per stage."""
    params = YAML(typ="safe", pure=True).load((REPOSITORY / "params.yaml").read_text(encoding="utf-8"))
    params["variants"] = {collection: ["unified"] for collection in params["variants"]}
    params["ablations"] = {ABLATION: params["ablations"][ABLATION], "gem_pooling": {"pooling": "gem"}}
    params["experiments"] = {"layer_norm": [ABLATION], "pooling": ["gem_pooling"]}
    params["codes"]["ablations"] = [ABLATION]
    with (root / "params.yaml").open("w", encoding="utf-8") as stream:
        YAML(pure=True).dump(params, stream)
    for stage in STAGE_FOLDERS:
        write_notebook(root, stage)
    return root


def add_pipeline(root: Path) -> None:
    """Add the real dvc.yaml and DVC's settings, and a copy of the library."""
    for name in ("dvc.yaml", ".dvcignore", ".gitignore"):
        shutil.copy(REPOSITORY / name, root / name)
    (root / ".dvc").mkdir()
    shutil.copy(REPOSITORY / ".dvc" / "config", root / ".dvc" / "config")
    shutil.copytree(
        REPOSITORY / "unifiedlib", root / "unifiedlib", ignore=shutil.ignore_patterns("__pycache__")
    )
