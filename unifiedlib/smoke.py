"""The smoke size: what earlier stages would have left, made small and in seconds, so that any notebook can be opened alone.

    python -m unifiedlib.smoke prepare     # everything below build/smoke
    python -m unifiedlib.smoke refresh     # execute every notebook with its defaults and store its outputs

The smoke size is written down in one place: the defaults of the notebooks' parameters cells. Outside `build/smoke` nothing is
made; there a missing input is an error that names the stage to run.
"""

from __future__ import annotations

import argparse
import ast
import hashlib
import json
import shutil
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import cast

from unifiedlib import paths, stages
from unifiedlib.ablation_claims import Ablation, Judging
from unifiedlib.ablations import evaluate_ablation
from unifiedlib.cleaning import read_notebook
from unifiedlib.contract import load_collection
from unifiedlib.evaluation import EvaluationSettings, evaluate_collection
from unifiedlib.files import atomic_path
from unifiedlib.params import Value
from unifiedlib.stage_parameters import FOLDERS
from unifiedlib.train_settings import TrainSettings
from unifiedlib.variants import seeds_of

SMOKE = Path("build/smoke")
NOTEBOOKS = Path("notebooks")
STAMP = "made-by.txt"
MAKERS = {
    "assemble": "01_assemble",
    "train": "02_train",
    "binarize": "03_binarize",
    "evaluate": "04_evaluate",
    "ablation": "06_ablation",
}
# As in params.yaml: 06_ablation shows the first, 07_ablations the first two, 08_codes the first and the last.
ABLATIONS: dict[str, Ablation] = {
    one.variant: one
    for one in (
        Ablation("no_layer_norm", {"layer_norm": False}, {"layer_norm": True}),
        Ablation("flashlight_lens", tasks=("flashlight", "lens")),
        Ablation("dim_64", {"dim": 64}, {"dim": 2048}),
    )
}
ABLATION_FOLDERS = {"ablation_model_folder", "ablation_score_folder"}
SHOWS_ONLY = (
    *("figures", "palette.py", "html.py", "show.py", "story.py", "tour.py", "retrieval.py"),
    *(
        "ablation_story.py",
        "codes_story.py",
        "experiments.py",
        "publish.py",
        "development",
        "export",
        "study",
        "replay",
        "costs",
    ),
    *(
        "verdicts.py",
        "verdict_story.py",
        "reference_effects.py",
        "provenance.py",
        "domain_gap.py",
        "dvc_views.py",
    ),
    *("smoke.py", "refresh.py", "runner.py", "cleaning.py", "progress.py"),
)


@dataclass(frozen=True)
class Missing:
    """An input that is not there: the file looked for, and the stage that makes it."""

    path: Path
    stage: str


def defaults(stage: str) -> dict[str, Value]:
    """The parameters of a stage's notebook as its parameters cell declares them, name → literal."""
    notebook = read_notebook(paths.resolve(NOTEBOOKS / f"{MAKERS[stage]}.ipynb"))
    cell = next(cell for cell in notebook.cells if "parameters" in cell.metadata.get("tags", []))
    lines = [line for line in ast.parse(cell.source).body if isinstance(line, ast.AnnAssign)]
    return {cast(ast.Name, line.target).id: ast.literal_eval(cast(ast.expr, line.value)) for line in lines}


def settings_of(
    kind: type[TrainSettings] | type[EvaluationSettings], values: dict[str, Value]
) -> dict[str, Value]:
    """Those of `values` that are fields of a settings class."""
    return {field.name: values[field.name] for field in fields(kind) if field.name in values}


def _inputs(
    collection: str, folders: dict[str, str], variants: Sequence[str], seeds: Sequence[int]
) -> Iterator[Missing]:
    """Every file that must be there, with the stage that makes it."""
    if "data_folder" in folders:
        yield Missing(paths.resolve(folders["data_folder"]) / "collection.json", f"assemble@{collection}")
    for variant in variants:
        for seed in seeds_of(variant, list(seeds)):
            if "model_folder" in folders:
                folder = stages.seed_folder(paths.resolve(folders["model_folder"]), variant, seed)
                yield Missing(folder / "model.json", f"train-{collection}@{collection}-{variant}")
            if "embedding_folder" in folders:
                folder = stages.seed_folder(paths.resolve(folders["embedding_folder"]), variant, seed)
                yield Missing(folder / "codes.npy", f"binarize@{collection}")
            if "ablation_model_folder" in folders:
                folder = stages.seed_folder(paths.resolve(folders["ablation_model_folder"]), variant, seed)
                yield Missing(folder / "model.json", f"train-ablation-{collection}@{variant}")
    if "result_folder" in folders:
        yield Missing(paths.resolve(folders["result_folder"]) / "claims.json", f"evaluate@{collection}")


def prepare(collection: str, variants: Sequence[str] = (), seeds: Sequence[int] = (), **folders: str) -> None:
    """Make sure that a notebook's inputs are there: `data_folder`, `model_folder`, `embedding_folder`, `result_folder`.

    With `ablation_model_folder` the variants are ablations, whose models must be there too; with `ablation_score_folder` they are
    ablations that may have been run.
    Where all folders lie below build/smoke, what is missing (or was made by another state of the library) is made at smoke size.
    Elsewhere it raises FileNotFoundError that names the first missing file and the command that makes it.
    """
    if unknown := sorted(set(folders) - set(FOLDERS)):
        raise ValueError(f"there is no folder '{unknown[0]}'; choose from {', '.join(FOLDERS)}")
    below = paths.resolve(SMOKE)
    if all(paths.resolve(folder).is_relative_to(below) for folder in folders.values()):
        make(variants, seeds, *folders)
    missing = [one for one in _inputs(collection, folders, variants, seeds) if not one.path.is_file()]
    if missing:
        first = missing[0]
        raise FileNotFoundError(
            f"{paths.relative(first.path)} is missing: run `dvc repro {first.stage}` in the repository's folder"
        )


def _state() -> str:
    """Hash of what shapes the smoke files: the notebooks' defaults and the library's modules, but for those that only show."""
    made = [{stage: defaults(stage) for stage in MAKERS}, [asdict(one) for one in ABLATIONS.values()]]
    digest = hashlib.sha256(json.dumps(made).encode())
    package = Path(__file__).parent
    for path in sorted(package.rglob("*.py")):
        if path.relative_to(package).parts[0] not in SHOWS_ONLY:
            digest.update(path.read_bytes())
    return digest.hexdigest()


def _clear_if_stale() -> None:
    folder, state = paths.resolve(SMOKE), _state()
    stamp = folder / STAMP
    if stamp.is_file() and stamp.read_text(encoding="utf-8") == state:
        return
    shutil.rmtree(folder, ignore_errors=True)
    with atomic_path(stamp) as aside:
        aside.write_text(state, encoding="utf-8")


def make(variants: Sequence[str], seeds: Sequence[int], *wanted: str) -> None:
    """Make what is missing of the `wanted` folders (`data_folder` and so on) at smoke size, and what they are made from."""
    _clear_if_stale()
    _make_data()
    ablations = [ABLATIONS[name] for name in variants if name in ABLATIONS]
    results = "result_folder" in wanted
    if results:
        variants, seeds = (
            cast(list[str], defaults("evaluate")["variants"]),
            cast(list[int], defaults("evaluate")["seeds"]),
        )
    for variant in variants:
        for seed in seeds_of(variant, list(seeds)):
            if results or {"model_folder", "embedding_folder"} & set(wanted):
                _make_model(variant, seed)
            if results or "embedding_folder" in wanted:
                _make_embeddings(variant, seed)
    if results:
        _make_results()
    for ablation in ablations if ABLATION_FOLDERS & set(wanted) else ():
        for seed in seeds:
            _make_ablation(ablation, seed)
        if "ablation_score_folder" in wanted:
            _score_ablation(ablation, seeds)


def _folder(stage: str, name: str) -> Path:
    return paths.resolve(str(defaults(stage)[name]))


def _make_data() -> None:
    values, folder = defaults("assemble"), _folder("assemble", "data_folder")
    if not (folder / "collection.json").is_file():
        print("smoke size: drawing a small collection", flush=True)
        stages.assemble(
            str(values["collection"]),
            folder,
            cast(int, values["size"]),
            cast(dict[str, object], values["settings"]),
        )


def _make_model(variant: str, seed: int) -> None:
    values, folder = defaults("train"), _folder("train", "model_folder")
    if not (stages.seed_folder(folder, variant, seed) / "model.json").is_file():
        print(f"smoke size: training {variant}, seed {seed}", flush=True)
        settings = TrainSettings(**settings_of(TrainSettings, values))  # type: ignore[arg-type]
        collection = load_collection(_folder("train", "data_folder"))
        stages.train(collection, variant, [seed], settings, folder, _folder("train", "checkpoint_folder"))


def _make_embeddings(variant: str, seed: int) -> None:
    values, folder = defaults("binarize"), _folder("binarize", "embedding_folder")
    if not (stages.seed_folder(folder, variant, seed) / "codes.npy").is_file():
        collection = load_collection(_folder("binarize", "data_folder"))
        stages.binarize(
            collection,
            [variant],
            [seed],
            _folder("binarize", "model_folder"),
            folder,
            cast(int, values["batch_size"]),
        )


def _make_results() -> None:
    values, folder = defaults("evaluate"), _folder("evaluate", "result_folder")
    if not (folder / "claims.json").is_file():
        settings = EvaluationSettings(**settings_of(EvaluationSettings, values))  # type: ignore[arg-type]
        collection = load_collection(_folder("evaluate", "data_folder"))
        variants, seeds = cast(list[str], values["variants"]), cast(list[int], values["seeds"])
        evaluate_collection(
            collection, _folder("evaluate", "embedding_folder"), folder, variants, seeds, settings
        )


def _make_ablation(ablation: Ablation, seed: int) -> None:
    values, folder = defaults("train"), _folder("ablation", "ablation_model_folder")
    if not (stages.seed_folder(folder, ablation.variant, seed) / "model.json").is_file():
        print(f"smoke size: training {ablation.variant}, seed {seed}", flush=True)
        settings = TrainSettings(**settings_of(TrainSettings, values | ablation.changes))  # type: ignore[arg-type]
        collection = load_collection(_folder("train", "data_folder"))
        checkpoints = _folder("train", "checkpoint_folder")
        stages.train(collection, ablation.variant, [seed], settings, folder, checkpoints, ablation.tasks)


def _score_ablation(ablation: Ablation, seeds: Sequence[int]) -> None:
    values = defaults("ablation")
    folders = {name: _folder("ablation", name) for name in ("result_folder", *sorted(ABLATION_FOLDERS))}
    if not (folders["ablation_score_folder"] / ablation.variant / "claims.json").is_file():
        batch_size = cast(int, values.pop("batch_size"))
        settings = EvaluationSettings(**settings_of(EvaluationSettings, values))  # type: ignore[arg-type]
        margin_c6 = cast(float, values["margin_c6"])
        judging = Judging(settings.margin_c1, margin_c6, settings.seed, settings.n_resamples)
        collection = load_collection(_folder("ablation", "data_folder"))
        evaluate_ablation(collection, ablation, seeds, folders, settings, judging, batch_size)


def tour_folders(collection: str, variant: str, seed: int) -> dict[str, str]:
    """Data, model and embedding folder for the tour: the pipeline's where it has run, else the smoke size of `decor`.

    Raises FileNotFoundError for another collection that has not been made.
    """
    names = ("data_folder", "model_folder", "embedding_folder")
    full = {name: FOLDERS[name].format(collection=collection) for name in names}
    if all(one.path.is_file() for one in _inputs(collection, full, [variant], [seed])):
        return full
    if collection != str(defaults("binarize")["collection"]):
        raise FileNotFoundError(
            f"collection '{collection}' has no {variant} model of seed {seed} yet: run `make {collection}`"
        )
    small = {name: str(defaults("binarize")[name]) for name in names}
    prepare(collection, [variant], [seed], **small)
    return small


def main(argv: Sequence[str] | None = None) -> int:
    """The command line; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m unifiedlib.smoke", description="The notebooks at smoke size."
    )
    parser.add_argument("what", choices=("prepare", "refresh"))
    parser.add_argument("names", nargs="*", help="refresh these notebooks alone, such as 03_binarize")
    arguments = parser.parse_args(argv)
    try:
        make(tuple(ABLATIONS), (), "result_folder", "ablation_score_folder")
        if arguments.what == "refresh":
            from unifiedlib.refresh import refresh

            refresh(paths.resolve(NOTEBOOKS), arguments.names)
    except (ValueError, OSError, RuntimeError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
