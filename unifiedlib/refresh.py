"""Executes the notebooks with their defaults and stores them with outputs that do not differ from machine to machine."""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Sequence
from pathlib import Path
from time import monotonic

import nbformat
from nbclient import NotebookClient
from nbformat import NotebookNode
from PIL import Image

from unifiedlib import paths
from unifiedlib.cleaning import KERNEL, read_notebook
from unifiedlib.files import atomic_path
from unifiedlib.runner import OwnKernel, kernel_environment

THREADS = 1
TIMEOUT = 600
SHRINK = 0.65
COLOURS = 64
JPEG_QUALITY = 60
# A live widget: nothing without its kernel, and named anew in each run.
WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"
PROGRESS = re.compile(r"smoke size: |.+: [\d,]+ of [\d,]+, about [\d,]+ s left$")


def small_picture(encoded: str) -> tuple[str, str]:
    """A PNG, base64, made smaller for the repository; returns its media type and the new text.

    It gets fewer pixels, and is stored as a PNG of few colours or as a JPEG, whichever is smaller.
    """
    picture = Image.open(io.BytesIO(base64.b64decode(encoded))).convert("RGB")
    size = (max(1, round(picture.width * SHRINK)), max(1, round(picture.height * SHRINK)))
    picture = picture.resize(size, Image.Resampling.LANCZOS)
    drawn, photographed = io.BytesIO(), io.BytesIO()
    picture.quantize(COLOURS, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE).save(
        drawn, "PNG", optimize=True
    )
    picture.save(photographed, "JPEG", quality=JPEG_QUALITY, optimize=True)
    kind, stream = min(
        (("image/png", drawn), ("image/jpeg", photographed)), key=lambda pair: len(pair[1].getvalue())
    )
    return kind, base64.b64encode(stream.getvalue()).decode("ascii") + "\n"


def _normalise_output(output: NotebookNode, where: str) -> NotebookNode:
    if output.output_type == "stream" and output.name == "stderr":
        raise ValueError(
            f"{where} writes to stderr, which a stored notebook must not hold: {output.text.strip()[:200]}"
        )
    if "data" in output:
        output.data.pop(WIDGET_VIEW, None)
        if "image/png" in output.data:
            kind, picture = small_picture(output.data.pop("image/png"))
            output.data[kind] = picture
        output["metadata"] = {}
    text = nbformat.v4.writes(nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(outputs=[output])]))
    homes = {str(paths.root()), str(Path.home()), str(Path(nbformat.__file__).parents[1])}
    if found := [home for home in homes if home in text] or re.findall(
        r"/(?:tmp|home|root|Users)/[\w./-]+", text
    ):
        raise ValueError(f"{where} shows a path of this machine, {found[0]}: use paths.relative in that cell")
    return output


def without_progress(outputs: list[NotebookNode]) -> list[NotebookNode]:
    """The outputs without lines that tell how far something is: they depend on what is there and on how fast it goes."""
    kept = []
    for output in outputs:
        if output.output_type == "stream" and output.name == "stdout":
            lines = [line for line in output.text.splitlines(keepends=True) if not PROGRESS.match(line)]
            output["text"] = "".join(lines)
        if output.get("text", "kept"):
            kept.append(output)
    return kept


def normalise(notebook: NotebookNode, name: str) -> NotebookNode:
    """The notebook with metadata that every machine shares, small pictures, and counts from 1.

    Raises ValueError when a cell wrote to stderr or shows a path of this machine.
    """
    count = 0
    for number, cell in enumerate(notebook.cells):
        tags = sorted(cell.metadata.get("tags", []))
        cell["metadata"] = NotebookNode({"tags": tags} if tags else {})
        if cell.cell_type == "code":
            count += 1
            cell["execution_count"] = count
            cell["outputs"] = [
                _normalise_output(output, f"{name}, cell {number}")
                for output in without_progress(cell.outputs)
            ]
            for output in cell.outputs:
                if output.output_type == "execute_result":
                    output["execution_count"] = count
    notebook["metadata"] = NotebookNode(
        {"kernelspec": NotebookNode(KERNEL), "language_info": NotebookNode({"name": "python"})}
    )
    return notebook


def refresh(folder: Path, names: Sequence[str] = ()) -> None:
    """Execute the notebooks of `folder` (or those named) in that folder, as JupyterLab does, and store them with their outputs.

    Raises FileNotFoundError for a name without a notebook, nbclient's CellExecutionError when a cell fails.
    """
    chosen = [folder / f"{name}.ipynb" for name in names] or sorted(folder.glob("*.ipynb"))
    OwnKernel.environment = kernel_environment(THREADS)
    for path in chosen:
        start = monotonic()
        notebook = read_notebook(path)
        resources = {"metadata": {"path": str(folder)}}
        NotebookClient(
            notebook, timeout=TIMEOUT, resources=resources, kernel_manager_class=OwnKernel
        ).execute()
        text = nbformat.writes(normalise(notebook, path.name), indent=1, sort_keys=True).rstrip("\n") + "\n"
        with atomic_path(path) as aside:
            aside.write_text(text, encoding="utf-8")
        print(f"{path.name}: {monotonic() - start:.0f} s, {len(text) / 1000:.0f} kB", flush=True)
