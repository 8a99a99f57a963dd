"""Reads `cars_annos.mat` in a process of its own: scipy's reader can crash on a damaged file, and would take the caller along.

python -m unifiedlib.loaders.cars_annotations FILE    # prints {"images": [...], "classes": [...], "names": [...]}
"""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.io import loadmat

SECONDS = 300


@dataclass(frozen=True)
class Annotations:
    """images: path of each picture; classes: its class number, from 1; names: of the classes, in order."""

    images: list[str]
    classes: list[int]
    names: list[str]


def _load(path: Path) -> dict[str, list[str] | list[int]]:
    content = loadmat(path, variable_names=["annotations", "class_names"])
    rows = content["annotations"].ravel()
    return {
        "images": [str(np.squeeze(value)) for value in rows["relative_im_path"]],
        "classes": [int(np.squeeze(value)) for value in rows["class"]],
        "names": [str(np.squeeze(value)) for value in content["class_names"].ravel()],
    }


def read_annotations(path: Path) -> Annotations:
    """What `cars_annos.mat` says of each picture; ValueError when it is damaged or another MATLAB file."""
    command = [sys.executable, "-m", "unifiedlib.loaders.cars_annotations", str(path)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)
    except subprocess.TimeoutExpired:
        raise _refused(path, f"the reader did not end in {SECONDS} s") from None
    if done.returncode != 0:
        raise _refused(
            path, (done.stderr.strip().splitlines() or [f"the reader ended with {done.returncode}"])[-1]
        )
    return Annotations(**json.loads(done.stdout))


def _refused(path: Path, why: str) -> ValueError:
    return ValueError(
        f"{path} is not the official cars_annos.mat, with annotations.relative_im_path, annotations.class and class_names "
        f"({why}): download it again"
    )


if __name__ == "__main__":
    sys.stdout.write(json.dumps(_load(Path(sys.argv[1]))))
