"""What making embeddings small costs and buys: each model's floats and codes, scored at equal widths and at equal bytes.

A model of the unified variant, of whatever width, is scored with its floats, its signs, and bits set above the training
items' median. From the floats of the widest one, two other ways to few bytes are learned beside: ITQ and product
quantisation. Test items are embedded once per model, and so are the training items, which alone thresholds, rotations and
centroids are learned from.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from unifiedlib.binarization import BITS_PER_BYTE, Floats
from unifiedlib.clusters import query_clusters
from unifiedlib.code_statistics import BitStatistics, random_pairs
from unifiedlib.codes_claims import CodesJudging, judge_codes
from unifiedlib.contract import MERGED, Collection, load_collection
from unifiedlib.devices import choose_device
from unifiedlib.embedding import embed
from unifiedlib.evaluation import QUERY_COLUMNS, SCORE_COLUMNS, EvaluationSettings, result_frames
from unifiedlib.files import write_json, write_table
from unifiedlib.model import load_model
from unifiedlib.parallel import in_processes
from unifiedlib.quantizers import (
    FloatVectors,
    Representation,
    Signs,
    learn_itq,
    learn_product,
    median_thresholds,
    zero_thresholds,
)
from unifiedlib.scoring import (
    OWN_GALLERY,
    JudgedGallery,
    Results,
    headline_metric,
    judged_galleries,
    score_queries,
)
from unifiedlib.stages import seed_folder
from unifiedlib.threads import use_threads
from unifiedlib.variants import UNIFIED

FEWEST_BYTES = 8
PAIRS_PER_MODEL = 4000
PAIR_DECIMALS = 4
CODE_SCORE_COLUMNS = (*SCORE_COLUMNS, "bytes")
CODE_QUERY_COLUMNS = (*QUERY_COLUMNS, "bytes")
BIT_COLUMNS = (
    *("collection", "variant", "seed", "representation", "dim", "layer_norm"),
    *("n_bits", "even", "correlation", "effective", "n_item"),
)
PAIR_COLUMNS = ("variant", "dim", "cosine", "differing")


@dataclass(frozen=True)
class CodesSettings:
    """How the study is made.

    evaluation: metrics, intervals, margins and the seed, of the bootstrap and of what is learned; itq_iterations and
    pq_iterations: of ITQ's rotation and of product quantisation's k-means; batch_size: items embedded at a time.
    """

    evaluation: EvaluationSettings
    itq_iterations: int
    pq_iterations: int
    batch_size: int

    @property
    def judging(self) -> CodesJudging:
        """How claims are judged."""
        it = self.evaluation
        return CodesJudging(it.margin_c1, it.margin_c3, it.seed, it.n_resamples)


@dataclass(frozen=True)
class Study:
    """Tables of one model, or of all.

    scores: columns `CODE_SCORE_COLUMNS`; per_query: `CODE_QUERY_COLUMNS`, headline metrics in the tasks' own galleries alone;
    bits: `BIT_COLUMNS`, over the test items; pairs: `PAIR_COLUMNS`, random pairs of test items, of the first seed alone.
    """

    scores: pd.DataFrame
    per_query: pd.DataFrame
    bits: pd.DataFrame
    pairs: pd.DataFrame


@dataclass(frozen=True)
class Embedded:
    """A model's embeddings: of the test items (item numbers ascending, floats [n x dim]) and of the training items."""

    items: np.ndarray
    floats: Floats
    training: Floats
    layer_norm: bool

    @property
    def dim(self) -> int:
        """Width of the embedding."""
        return int(self.floats.shape[1])

    def of(self, items: np.ndarray) -> Floats:
        """Embeddings of test items, by their numbers."""
        return self.floats[np.searchsorted(self.items, items)]


def training_items(collection: Collection) -> np.ndarray:
    """Item numbers that any task trains on, int64, ascending."""
    rows = collection.labels["role"] == "train"
    return np.unique(collection.labels.loc[rows, "item"].to_numpy(np.int64))


def byte_sizes(dim: int) -> list[int]:
    """The bytes at which other quantisers of `dim` values are compared with codes: a bit per value, halved down to 8 bytes.

    >>> byte_sizes(256)
    [32, 16, 8]
    """
    sizes = [dim // BITS_PER_BYTE]
    while sizes[-1] % 2 == 0 and sizes[-1] // 2 >= FEWEST_BYTES:
        sizes.append(sizes[-1] // 2)
    return sizes


def representations(
    training: Floats, is_quantised: bool, settings: CodesSettings
) -> Iterator[Representation]:
    """What a model's embeddings are stored as, learned from its embeddings of training items, float32 [n x dim].

    is_quantised: whether ITQ and product quantisation are learned too, at each of `byte_sizes`.
    """
    dim, seed = training.shape[1], settings.evaluation.seed
    yield from (FloatVectors(dim), zero_thresholds(dim), median_thresholds(training))
    for n_bytes in byte_sizes(dim) if is_quantised else ():
        yield learn_itq(training, n_bytes * BITS_PER_BYTE, seed, settings.itq_iterations)
        yield learn_product(training, n_bytes, seed, settings.pq_iterations)


def embed_model(collection: Collection, model_folder: Path, batch_size: int, device: str) -> Embedded:
    """Embed a collection's test and training items with the model in `model_folder`."""
    model = load_model(model_folder, heads=False).to(device)
    test, training = collection.test_items(), training_items(collection)
    floats, learned = (embed(model, collection.pixels[items], batch_size) for items in (test, training))
    return Embedded(test, floats, learned, model.settings.layer_norm)


def score_representations(
    collection: Collection,
    embedded: Embedded,
    stored: Sequence[Representation],
    settings: EvaluationSettings,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Scores and per-query results of every task in both galleries, without the columns that name the model."""
    gallery = embedded.of(collection.gallery(MERGED))
    prepared = [(one, one.gallery(gallery)) for one in stored]
    pairs = []
    for task in collection.tasks:
        judged = judged_galleries(collection, task, settings.recall_k)
        queries = embedded.of(judged[0].relevance.query_items)
        found: list[tuple[dict[str, str | int], JudgedGallery, Results]] = [
            (
                {"task": task, "gallery": one.name, "representation": how.name, "bytes": how.n_bytes},
                one,
                values,
            )
            for how, searched in prepared
            for one, values in zip(
                judged,
                score_queries(how.queries(queries), searched, judged, settings.batch_size),
                strict=True,
            )
        ]
        clusters = query_clusters(collection, task, judged[0].relevance.query_items)
        pairs += list(result_frames(found, clusters, settings))
    scores, per_query = (pd.concat(frames, ignore_index=True) for frames in zip(*pairs, strict=True))
    return scores, per_query


def _headline_rows(collection: Collection, per_query: pd.DataFrame) -> pd.DataFrame:
    wanted = {task: headline_metric(spec.k) for task, spec in collection.tasks.items()}
    own = (per_query["metric"] == per_query["task"].map(wanted)) & (per_query["gallery"] == OWN_GALLERY)
    return per_query[own].reset_index(drop=True)


def bit_rows(embedded: Embedded, stored: Sequence[Representation]) -> pd.DataFrame:
    """Statistics of the test items' bits, a row for each representation that is one of `Signs`."""
    rows = [
        {"representation": how.name, **BitStatistics.of(how.codes(embedded.floats)).row()}
        for how in stored
        if isinstance(how, Signs)
    ]
    return pd.DataFrame(rows).assign(layer_norm=embedded.layer_norm, n_item=len(embedded.items))


def pair_rows(embedded: Embedded, seed: int) -> pd.DataFrame:
    """Distances of random pairs of test items, as floats and as signs: columns dim, cosine, differing."""
    codes = zero_thresholds(embedded.dim).codes(embedded.floats)
    pairs = random_pairs(embedded.floats, codes, seed, PAIRS_PER_MODEL)
    return pairs.round(PAIR_DECIMALS).assign(dim=embedded.dim)


def study_model(
    collection: Collection, model_folder: Path, variant: str, seed: int, settings: CodesSettings, device: str
) -> Study:
    """All that the study measures of one model; ITQ and product quantisation of the unified variant alone."""
    embedded = embed_model(collection, model_folder, settings.batch_size, device)
    stored = list(representations(embedded.training, variant == UNIFIED, settings))
    scores, per_query = score_representations(collection, embedded, stored, settings.evaluation)
    named = {"collection": collection.name, "variant": variant, "seed": seed}
    return Study(
        scores.assign(**named, dim=embedded.dim)[list(CODE_SCORE_COLUMNS)],
        _headline_rows(collection, per_query).assign(**named)[list(CODE_QUERY_COLUMNS)],
        bit_rows(embedded, stored).assign(**named, dim=embedded.dim)[list(BIT_COLUMNS)],
        pair_rows(embedded, settings.evaluation.seed).assign(variant=variant)[list(PAIR_COLUMNS)],
    )


def _study_alone(
    data_folder: Path,
    model_folder: Path,
    variant: str,
    seed: int,
    settings: CodesSettings,
    device: str,
    threads: int,
) -> Study:
    """One model in a process of its own, which reads the collection itself."""
    use_threads(threads)
    return study_model(load_collection(data_folder), model_folder, variant, seed, settings, device)


def study_codes(
    collection: Collection,
    ablations: Sequence[str],
    seeds: Sequence[int],
    folders: Mapping[str, Path],
    settings: CodesSettings,
    device: str = "cpu",
) -> Study:
    """Study the unified variant and ablations of it, such as other widths, with each seed; models side by side.

    folders: `model_folder` holds `unified/seed-<n>/`, `ablation_model_folder` the ablations'.
    """
    where = {UNIFIED: folders["model_folder"]} | dict.fromkeys(ablations, folders["ablation_model_folder"])
    made = [(variant, seed) for variant in where for seed in seeds]
    threads, kind = torch.get_num_threads(), choose_device(device)
    workers = min(threads, len(made)) if kind == "cpu" else 1
    calls = [(seed_folder(where[variant], variant, seed), variant, seed, settings) for variant, seed in made]
    if workers > 1:
        alone = [(collection.folder, *call, kind, threads // workers) for call in calls]
        studies = in_processes(_study_alone, alone, workers)
    else:
        studies = [study_model(collection, *call, kind) for call in calls]
    first = [study for study, (_, seed) in zip(studies, made, strict=True) if seed == seeds[0]]
    scores, per_query, bits = (
        pd.concat([getattr(one, name) for one in studies], ignore_index=True)
        for name in ("scores", "per_query", "bits")
    )
    return Study(scores, per_query, bits, pd.concat([one.pairs for one in first], ignore_index=True))


def write_study(folder: Path, study: Study, settings: CodesSettings) -> list[dict[str, str | float | None]]:
    """Judge the claims and write scores.csv and .parquet, per_query.parquet, bits.csv and claims.json; returns the claims.

    The tables are written first and claims.json last.
    """
    claims = judge_codes(study.scores, study.per_query, settings.judging)
    for name in ("scores.parquet", "scores.csv"):
        write_table(folder / name, study.scores)
    write_table(folder / "per_query.parquet", study.per_query)
    write_table(folder / "bits.csv", study.bits)
    write_json(folder / "claims.json", claims)
    return claims
