"""A small study to try the judging tool with, made of the smoke size, so that its notebook runs before any pipeline has."""

from __future__ import annotations

import io
from contextlib import redirect_stdout
from pathlib import Path

from unifiedlib import paths, smoke
from unifiedlib.stage_parameters import FOLDERS
from unifiedlib.study.design import Design
from unifiedlib.study.document import STUDY_FILE
from unifiedlib.study.make import make
from unifiedlib.study.systems import System
from unifiedlib.variants import IMAGENET, UNIFIED

COLLECTION = "decor"
DESIGN = Design(n_queries=4, k=10, repeat_share=0.25, seed=0)


def prepare_example(folder: str | Path) -> None:
    """Make the example study where `folder` lies below build/smoke and holds none; elsewhere do nothing.

    What is made on the way is not printed: it would name what is compared.
    """
    where, below = paths.resolve(folder), paths.resolve(smoke.SMOKE)
    if not where.is_relative_to(below) or where == below:
        return
    names = ("data_folder", "embedding_folder")
    folders = {name: (smoke.SMOKE / FOLDERS[name].format(collection=COLLECTION)).as_posix() for name in names}
    with redirect_stdout(io.StringIO()):
        smoke.prepare(COLLECTION, [IMAGENET, UNIFIED], [0], **folders)
        if not (where / STUDY_FILE).is_file():
            make(
                where,
                folders["data_folder"],
                folders["embedding_folder"],
                System(UNIFIED),
                System(IMAGENET),
                DESIGN,
            )
