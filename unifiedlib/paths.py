"""Where things lie: one rule for the runner, for JupyterLab and for tests, whatever folder they start in."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path

ROOT_VARIABLE = "UNIFIEDLIB_ROOT"
MARKER = "params.yaml"


@cache
def _find_root(named: str | None, package: Path, start: Path) -> Path:
    if named is not None:
        if not Path(named).is_dir():
            raise FileNotFoundError(
                f"{ROOT_VARIABLE} names {named}, which is no folder: correct it or unset it"
            )
        return Path(named).resolve()
    for folder in (package, start, *start.parents):
        if (folder / MARKER).is_file():
            return folder
    raise FileNotFoundError(
        f"no {MARKER} in {package} nor in {start} or above it: start in the repository's folder"
    )


def root() -> Path:
    """The repository's root folder.

    It is, in this order: the folder named by `UNIFIEDLIB_ROOT` (the runner sets it for its kernels), the folder that holds
    this package if `params.yaml` lies there, or the nearest folder with a `params.yaml`, upwards from the current one.
    Raises FileNotFoundError when there is none.
    """
    return _find_root(os.environ.get(ROOT_VARIABLE), Path(__file__).resolve().parent.parent, Path.cwd())


def resolve(path: str | Path) -> Path:
    """`path` as it is if absolute, else below the repository's root. Links are kept as links.

    >>> resolve("data/decor") == root() / "data" / "decor"
    True
    """
    return root() / path


def relative(path: Path) -> str:
    """`path` as a person in the repository's root would type it."""
    return path.relative_to(root()).as_posix() if path.is_relative_to(root()) else str(path)
