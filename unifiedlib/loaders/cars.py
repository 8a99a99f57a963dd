"""Cars-196: cars of 196 makes, models and years, as metric learning uses it: the first 98 train, the others are searched.

Krause et al., 3D Object Representations for Fine-Grained Categorization, 2013; the split is that of Song et al., CVPR 2016.
Pictures are taken whole: results with the cars' boxes cut out are not comparable.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from unifiedlib.loaders.cars_annotations import read_annotations
from unifiedlib.loaders.official import Benchmark, list_file, official_root
from unifiedlib.loaders.official_tables import picture_tables
from unifiedlib.loaders.tables import PictureTables

N_CLASSES = 196
N_TRAINED = 98
CARS = Benchmark(
    task="cars",
    title="Cars-196",
    label_set="category",
    domain="pin",
    url="https://ai.stanford.edu/~jkrause/cars/car_dataset.html",
    licence="see its page; the photographers hold the rights",
    archive="car_ims.tgz",
    tops=("",),
    holds=("car_ims",),
    lists=(("cars_annos.mat",),),
    published={
        "training pictures": 8054,
        "queries": 8131,
        "gallery pictures": 8131,
        "training classes": 98,
        "test classes": 98,
    },
    md5={
        "car_ims.tgz": "d5c8f0aa497503f355e17dc7886c3f14",
        "cars_annos.mat": "b407c6086d669747186bd1d764ff9dbc",
    },
)


def cars_tables(source: Path) -> PictureTables:
    """Tables of Cars-196: task `cars`, label set `category`; every test picture is a query and in the gallery.

    source: holds `car_ims/` and `cars_annos.mat`. See `picture_tables` for what is an error and what is noted; a class number
    without a name is an error too.
    """
    root, path = official_root(source, CARS), list_file(source, CARS)
    annotations = read_annotations(path)
    images, classes, names = annotations.images, annotations.classes, annotations.names
    if len(names) != N_CLASSES:
        raise ValueError(
            f"{path} names {len(names)} classes, not {N_CLASSES}: the split into training and test needs them all"
        )
    for row, number in enumerate(classes, start=1):
        if not 1 <= number <= N_CLASSES:
            raise ValueError(
                f"{path} row {row}: class {number} of {images[row - 1]} is not one of 1 to {N_CLASSES}"
            )
    listed = pd.DataFrame(
        {
            "where": [f"{path} row {row}" for row in range(1, len(images) + 1)],
            "image": images,
            "role": ["train" if number <= N_TRAINED else "query+gallery" for number in classes],
            "label": [f"{number:03d} {names[number - 1]}" for number in classes],
        }
    )
    return picture_tables(CARS, root, listed)
