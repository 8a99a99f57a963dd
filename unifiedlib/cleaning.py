"""Clean copies of the notebooks: what the pipeline depends on, so that running or saving a notebook makes no stage stale."""

from __future__ import annotations

from pathlib import Path

import nbformat
from nbformat import NotebookNode

from unifiedlib.files import atomic_path

KERNEL = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}


def read_notebook(path: Path) -> NotebookNode:
    """Read a notebook as format 4.5. Raises FileNotFoundError or ValueError with a sentence when it cannot be read."""
    if not path.is_file():
        raise FileNotFoundError(f"the notebook {path} is missing: restore it with `git checkout {path}`")
    try:
        notebook: NotebookNode = nbformat.read(path, as_version=4)
    except (ValueError, nbformat.reader.NotJSONError, nbformat.ValidationError) as error:
        raise ValueError(
            f"{path} is not a readable notebook ({str(error).splitlines()[0][:120]}): restore it with git"
        ) from None
    return notebook


def _clean_cell(cell: NotebookNode, number: int) -> NotebookNode:
    kept = {"cell_type": cell.cell_type, "id": cell.get("id", f"cell-{number}"), "source": cell.source}
    tags = sorted(cell.metadata.get("tags", []))
    kept["metadata"] = {"tags": tags} if tags else {}
    if cell.cell_type == "code":
        kept |= {"outputs": [], "execution_count": None}
    elif "attachments" in cell:
        kept["attachments"] = cell.attachments
    return NotebookNode(kept)


def clean_notebook(notebook: NotebookNode) -> str:
    """The notebook as text, without what running or saving changes: outputs, counts, and all metadata but the cells' tags.

    Cell ids stay (cells of old notebooks that have none get their number). Equal sources give equal bytes.
    """
    cells = [_clean_cell(cell, number) for number, cell in enumerate(notebook.cells)]
    metadata = {"kernelspec": KERNEL, "language_info": {"name": "python"}}
    clean = nbformat.from_dict({"nbformat": 4, "nbformat_minor": 5, "metadata": metadata, "cells": cells})
    return str(nbformat.writes(clean, indent=1, sort_keys=True)).rstrip("\n") + "\n"


def clean_notebooks(source: Path, target: Path) -> list[Path]:
    """Write a clean copy of each notebook in the folder `source` to `target`; returns the copies, sorted by name."""
    copies = []
    for path in sorted(source.glob("*.ipynb")):
        with atomic_path(target / path.name) as aside:
            aside.write_text(clean_notebook(read_notebook(path)), encoding="utf-8")
        copies.append(target / path.name)
    if not copies:
        raise FileNotFoundError(
            f"{source} holds no notebooks: restore them with `git checkout {source.name}`"
        )
    return copies
