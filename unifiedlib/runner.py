"""Runs one stage of the pipeline: its notebook, with the parameters of params.yaml, in the repository's root.

    python -m unifiedlib.runner clean
    python -m unifiedlib.runner train --collection decor --variant unified
    python -m unifiedlib.runner ablation --collection decor --variant no_layer_norm

The clean copy `build/notebooks/NN_stage.ipynb` is executed to `executed/<collection>/NN_stage[-variant].ipynb`, with a page
beside it. A notebook that fails is kept as `….failed.ipynb`, and what the stage had written is removed.
"""

from __future__ import annotations

import argparse
import logging
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from time import monotonic
from typing import ClassVar

import papermill
from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import AsyncKernelManager
from jupyter_client.provisioning.local_provisioner import LocalProvisioner
from nbclient.exceptions import DeadKernelError
from nbformat import NotebookNode
from papermill.exceptions import PapermillExecutionError

from unifiedlib import paths
from unifiedlib.cleaning import clean_notebooks
from unifiedlib.files import atomic_path
from unifiedlib.html import render
from unifiedlib.parameter_cell import check_parameters
from unifiedlib.params import COLLECTIONS, Value, load_params
from unifiedlib.progress import LOG_VARIABLE
from unifiedlib.stage_parameters import OF_ALL, STAGE_FOLDERS, notebook_name, stage_parameters

NOTEBOOKS = Path("notebooks")
CLEAN_NOTEBOOKS = Path("build/notebooks")
EXECUTED = Path("executed")
THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
)
OUTPUTS = {
    "assemble": "{data_folder}",
    "train": "{model_folder}/{variant}",
    "binarize": "{embedding_folder}",
    "evaluate": "{result_folder}",
    "ablation": "{ablation_score_folder}/{variant}",
    "ablations": "{ablation_result_folder}",
    "codes": "{codes_result_folder}",
    "costs": "{costs_result_folder}",
    "replay": "{replay_result_folder}",
    "study": "{study_result_folder}",
    "verdicts": "{verdict_folder}",
}


class StageError(RuntimeError):
    """A stage's notebook failed; the message is the notebook's own sentence and where its copy lies."""


@dataclass(frozen=True)
class Stage:
    """One stage of the pipeline for one collection (None: for all), and for one variant where it has one.

    is_ablation: whether the variant is one of `ablations` in params.yaml.
    """

    name: str
    collection: str | None
    variant: str | None = None
    is_ablation: bool = False

    def __str__(self) -> str:
        """As DVC names it."""
        if self.collection is None:
            return self.name
        if self.variant is None:
            return f"{self.name}@{self.collection}"
        if self.name == "ablation":
            return f"ablation-{self.collection}@{self.variant}"
        if self.is_ablation:
            return f"{self.name}-ablation-{self.collection}@{self.variant}"
        return f"{self.name}-{self.collection}@{self.collection}-{self.variant}"

    @property
    def notebook(self) -> str:
        """Name of the stage's notebook, without its suffix."""
        return notebook_name(self.name)

    def executed(self, suffix: str) -> Path:
        """The executed notebook (`.ipynb`), its page (`.html`), or the copy of one that failed (`.failed.ipynb`)."""
        variant = f"-{self.variant}" if self.variant else ""
        return paths.resolve(EXECUTED / (self.collection or "") / f"{self.notebook}{variant}{suffix}")

    def output(self, values: Mapping[str, Value]) -> Path | None:
        """The folder that this stage writes, if it writes one."""
        pattern = OUTPUTS.get(self.name)
        return paths.resolve(pattern.format(**values)) if pattern else None


def kernel_environment(threads: int) -> dict[str, str]:
    """Environment variables of a stage's kernel: fixed hashing and thread counts, progress as lines of a log."""
    fixed = {"PYTHONHASHSEED": "0", "OMP_WAIT_POLICY": "PASSIVE", LOG_VARIABLE: "1"}
    return fixed | {paths.ROOT_VARIABLE: str(paths.root())} | dict.fromkeys(THREAD_VARIABLES, str(threads))


class OwnKernel(AsyncKernelManager):
    """Starts this very interpreter as the kernel, whatever kernels the machine has under the name `python3`."""

    environment: ClassVar[dict[str, str]] = {}
    running: ClassVar[set[int]] = set()

    @property
    def kernel_spec(self) -> KernelSpec:
        """How the kernel is started."""
        command = [
            sys.executable,
            "-Xfrozen_modules=off",
            "-m",
            "ipykernel_launcher",
            "-f",
            "{connection_file}",
            "--log-level=CRITICAL",
        ]
        return KernelSpec(
            argv=command, env=self.environment, display_name="Python 3", language="python", name="python3"
        )

    async def start_kernel(self, **options: object) -> None:  # type: ignore[override]
        """Start the kernel and note its process group, for `stop_kernels`.

        Its own stdout is dropped: ipykernel writes there once more what its child processes print, after sending it here.
        """
        await super().start_kernel(**options, stdout=subprocess.DEVNULL)
        if isinstance(self.provisioner, LocalProvisioner) and self.provisioner.pid is not None:
            self.running.add(self.provisioner.pid)


def stop_kernels() -> None:
    """End every kernel that this process has started, with the processes that the kernel has started."""
    while OwnKernel.running:
        with suppress(ProcessLookupError):
            os.killpg(OwnKernel.running.pop(), signal.SIGKILL)


def _remove(path: Path | None) -> None:
    if path is not None and path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    elif path is not None:
        path.unlink(missing_ok=True)


def _execute(stage: Stage, source: Path, values: Mapping[str, Value], threads: int) -> NotebookNode:
    """Execute the notebook to a file of its own; on failure that file becomes the `.failed.ipynb`.

    It runs in a second thread, so that an interrupt reaches this one and ends the kernel at once.
    """
    running, failed = stage.executed(".running.ipynb"), stage.executed(".failed.ipynb")
    running.parent.mkdir(parents=True, exist_ok=True)
    OwnKernel.environment = kernel_environment(threads)
    logging.getLogger("papermill").setLevel(logging.CRITICAL)
    work = partial(
        papermill.execute_notebook,
        source,
        running,
        parameters=dict(values),
        kernel_name="python3",
        language="python",
        progress_bar=False,
        stdout_file=sys.stdout,
        stderr_file=sys.stderr,
        cwd=paths.root(),
        kernel_manager_class=OwnKernel,
    )
    try:
        with ThreadPoolExecutor(1) as thread:
            future = thread.submit(work)
            try:
                notebook: NotebookNode = future.result()
                return notebook
            except KeyboardInterrupt:
                stop_kernels()
                raise
    except BaseException:
        if running.exists():
            os.replace(running, failed)
        raise


def _failure(stage: Stage, sentence: str) -> StageError:
    kept = stage.executed(".failed.ipynb")
    where = f"\nThe notebook up to that cell: {paths.relative(kept)}" if kept.exists() else ""
    return StageError(f"{stage} stopped: {sentence}{where}")


def find_stage(name: str, collection: str | None, variant: str | None) -> Stage:
    """The stage of that name, by params.yaml."""
    params = load_params(paths.resolve("params.yaml"))
    return Stage(name, collection, variant, variant in params.ablations)


def run_stage(stage: Stage) -> Path:
    """Run a stage; returns the page of its executed notebook.

    What an earlier run of the stage left is removed first. Raises ParameterError for a wrong parameter, FileNotFoundError for
    a missing clean copy, and StageError when the notebook fails; then nothing that the stage wrote stays but its checkpoints.
    """
    params = load_params(paths.resolve("params.yaml"))
    values = stage_parameters(params, stage.name, stage.collection, stage.variant)
    source = paths.resolve(CLEAN_NOTEBOOKS / f"{stage.notebook}.ipynb")
    if not source.exists():
        raise FileNotFoundError(
            f"{paths.relative(source)} is missing: run `python -m unifiedlib.runner clean` first"
        )
    check_parameters(source, values)
    output = stage.output(values)
    for old in (output, *(stage.executed(suffix) for suffix in (".ipynb", ".html", ".failed.ipynb"))):
        _remove(old)
    try:
        notebook = _execute(stage, source, values, params.threads)
    except BaseException as error:
        _remove(output)
        if isinstance(error, PapermillExecutionError):
            raise _failure(stage, f"{error.ename}: {error.evalue}") from None
        if isinstance(error, DeadKernelError):
            reason = "its kernel ended by itself, most often because the memory or the disk was full"
            raise _failure(stage, f"{reason}: free some and run it again") from None
        raise
    os.replace(stage.executed(".running.ipynb"), stage.executed(".ipynb"))
    about = " · ".join(
        filter(
            None,
            [
                stage.collection and f"collection {stage.collection}",
                stage.variant and f"variant {stage.variant}",
                f"stage {stage.name}",
            ],
        )
    )
    page = stage.executed(".html")
    with atomic_path(page) as aside:
        aside.write_text(render(notebook, about, paths.resolve(NOTEBOOKS)), encoding="utf-8")
    return page


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m unifiedlib.runner", description="Run one stage of the pipeline."
    )
    stages = parser.add_subparsers(dest="stage", required=True, metavar="STAGE")
    stages.add_parser("clean", help="write the notebooks without outputs to build/notebooks")
    for name in STAGE_FOLDERS:
        stage = stages.add_parser(name, help=f"execute the notebook of {name}")
        if name in OF_ALL:
            stage.set_defaults(collection=None, variant=None)
            continue
        stage.add_argument("--collection", required=True, choices=COLLECTIONS)
        if name in ("train", "ablation"):
            stage.add_argument("--variant", required=True)
        else:
            stage.set_defaults(variant=None)
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> int:
    """The command line; returns the exit status. Errors that a user can mend are printed as their one sentence."""
    arguments = _arguments(argv)
    start = monotonic()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    try:
        if arguments.stage == "clean":
            copies = clean_notebooks(paths.resolve(NOTEBOOKS), paths.resolve(CLEAN_NOTEBOOKS))
            print(f"clean: {len(copies)} notebooks in {CLEAN_NOTEBOOKS}")
        else:
            stage = find_stage(arguments.stage, arguments.collection, arguments.variant)
            page = run_stage(stage)
            print(f"{stage}: {monotonic() - start:.0f} s, {paths.relative(page)}", flush=True)
    except (ValueError, OSError, StageError) as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(
            f"{arguments.stage} was interrupted; run it again (a training goes on from its checkpoint)",
            file=sys.stderr,
        )
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
