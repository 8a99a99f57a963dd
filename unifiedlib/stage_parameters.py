"""What each stage's notebook gets: its parameters out of params.yaml, and the folders that it reads and writes."""

from __future__ import annotations

from typing import cast

from unifiedlib.params import (
    ABLATED,
    COLLECTIONS,
    TASKS,
    ParameterError,
    Setting,
    Value,
    ablated,
    require,
)
from unifiedlib.sections import Params

COMMON_ASSEMBLE = ("size",)
OF_ABLATIONS = ("ablation", "ablations", "codes")
GRADED = ("decor",)
SIMULATED = ("study", "replay")
"""Stages whose simulated raters and users need graded truth, which the collections of `GRADED` have."""
FOLDERS = {
    "data_folder": "data/{collection}",
    "model_folder": "models/{collection}",
    "checkpoint_folder": ".checkpoints/{collection}",
    "embedding_folder": "embeddings/{collection}",
    "result_folder": "results/{collection}",
    "ablation_model_folder": "ablations/{collection}/models",
    "ablation_score_folder": "ablations/{collection}/scores",
    "ablation_result_folder": "results/{collection}-ablations",
    "codes_result_folder": "results/{collection}-codes",
    "costs_result_folder": "results/{collection}-costs",
    "replay_result_folder": "results/{collection}-replay",
    "study_result_folder": "results/{collection}-study",
    "executed_folder": "executed/{collection}",
    "results_folder": "results",
    "models_folder": "models",
    "verdict_folder": "verdicts",
}
STAGE_FOLDERS = {
    "assemble": ("data_folder",),
    "train": ("data_folder", "model_folder", "checkpoint_folder"),
    "binarize": ("data_folder", "model_folder", "embedding_folder"),
    "evaluate": ("data_folder", "embedding_folder", "result_folder"),
    "report": ("data_folder", "model_folder", "embedding_folder", "result_folder", "executed_folder"),
    "ablation": ("data_folder", "ablation_model_folder", "result_folder", "ablation_score_folder"),
    "ablations": ("result_folder", "ablation_score_folder", "ablation_result_folder"),
    "codes": ("data_folder", "model_folder", "ablation_model_folder", "codes_result_folder"),
    "study": ("data_folder", "embedding_folder", "study_result_folder"),
    "replay": ("data_folder", "embedding_folder", "replay_result_folder"),
    "costs": ("data_folder", "model_folder", "costs_result_folder"),
    "verdicts": ("results_folder", "models_folder", "verdict_folder"),
}
OF_ALL = ("verdicts",)


def notebook_name(stage: str) -> str:
    """Name of a stage's notebook, without its suffix.

    >>> notebook_name("assemble")
    '01_assemble'
    """
    return f"{1 + list(STAGE_FOLDERS).index(stage):02d}_{stage}"


def _check_variant(params: Params, stage: str, collection: str, variant: str | None) -> None:
    """Raise ParameterError unless the stage takes such a variant of the collection."""
    if (stage in ("train", "ablation")) != (variant is not None):
        rule = "needs --variant" if variant is None else "takes no --variant"
        raise ParameterError(f"stage {stage} {rule}")
    chosen = () if stage == "ablation" else getattr(params.variants, collection)
    if variant is not None:
        require(variant, "ablation" if stage == "ablation" else "variant", (*chosen, *params.ablations))
    if collection not in ABLATED and (stage in OF_ABLATIONS or variant in params.ablations):
        raise ParameterError(
            f"collection '{collection}' has no ablations in dvc.yaml; choose one of {', '.join(ABLATED)}"
        )


def _study_parameters(params: Params, collection: str) -> dict[str, Value]:
    """What the study with simulated raters gets."""
    return {**dict(params.study), "n_resamples": getattr(params.evaluate, collection).n_resamples}


def _check_graded(stage: str, collection: str) -> None:
    """Raise ParameterError for a simulation on a collection without graded truth."""
    if stage in SIMULATED and collection not in GRADED:
        raise ParameterError(
            f"collection '{collection}' has no graded truth, which simulated raters and users need; choose one of "
            f"{', '.join(GRADED)} (people can judge any collection: notebooks/00_judge.ipynb)"
        )


def _ablation_parameters(params: Params, collection: str, variant: str) -> dict[str, Value]:
    """What the ablation stage alone gets: the changes, what they stand instead of, how to embed, to score and to judge."""
    section, usual = ablated(params, collection, variant), getattr(params.train, collection)
    changed = [name for name in params.ablations[variant] if name != TASKS]
    embedding, scoring = getattr(params.binarize, collection), getattr(params.evaluate, collection)
    return {
        "variant": variant,
        "changes": {name: getattr(section, name) for name in changed},
        "instead_of": {name: getattr(usual, name) for name in changed},
        TASKS: section.tasks,
        "batch_size": embedding.batch_size,
        "device": params.device,
        "recall_k": scoring.recall_k,
    } | _judging_parameters(params, collection)


def _judging_parameters(params: Params, collection: str) -> dict[str, Value]:
    """How ablations are judged, one by one and together."""
    scoring = getattr(params.evaluate, collection)
    names = ("n_resamples", "margin_c1", "seed")
    return {name: getattr(scoring, name) for name in names} | {"margin_c6": params.ablate.margin_c6}


def _codes_parameters(params: Params, collection: str) -> dict[str, Value]:
    """What the study of codes gets: which ablations, how they are embedded, scored and judged, and how long it learns."""
    embedding, scoring = getattr(params.binarize, collection), getattr(params.evaluate, collection)
    return {**dict(params.codes), **dict(embedding), **dict(scoring), "device": params.device}


def _verdict_parameters(params: Params) -> dict[str, Value]:
    """What the page of verdicts gets: whose they are, and each claim's threshold on each collection, {"decor C1": -0.01}."""
    thresholds: dict[str, Setting] = {}
    for collection in params.verdicts.collections:
        require(collection, "collection", COLLECTIONS)
        scoring = getattr(params.evaluate, collection)
        own = dict.fromkeys(("C1", "C1-total", "C9"), -scoring.margin_c1)
        own |= {"C3": -scoring.margin_c3, "C6": -params.ablate.margin_c6, "C8": params.costs.least_saving}
        thresholds |= {f"{collection} {claim}": threshold for claim, threshold in own.items()}
    return {"collections": params.verdicts.collections, "thresholds": thresholds}


def _own_parameters(params: Params, stage: str, collection: str, variant: str | None) -> dict[str, Value]:
    """What one stage gets beside what all get."""
    if stage == "ablations":
        return {"experiments": dict(params.experiments)} | _judging_parameters(params, collection)
    if stage == "codes":
        return _codes_parameters(params, collection)
    if stage == "costs":
        embedding, variants = getattr(params.binarize, collection), getattr(params.variants, collection)
        return {**dict(params.costs), **dict(embedding), "variants": list(variants)}
    if stage == "replay":
        return dict(params.replay)
    if stage == "study":
        return _study_parameters(params, collection)
    if stage == "ablation":
        return _ablation_parameters(params, collection, cast(str, variant))
    if stage == "train":
        name = cast(str, variant)
        return {"variant": name, "device": params.device, **dict(ablated(params, collection, name))}
    values: dict[str, Value] = dict(getattr(getattr(params, stage), collection))
    if stage == "assemble":
        settings = {name: values.pop(name) for name in list(values) if name not in COMMON_ASSEMBLE}
        return values | {"settings": cast(dict[str, Setting], settings)}
    if stage == "binarize":
        values["device"] = params.device
    return values | {"variants": list(getattr(params.variants, collection))}


def stage_parameters(
    params: Params, stage: str, collection: str | None, variant: str | None = None
) -> dict[str, Value]:
    """The flat name → value table that the notebook of `stage` gets.

    It holds each key of the stage's section, `collection`, `threads` and the stage's folders (from the root); `seeds` except for
    assemble. For assemble, the keys that belong to one collection alone come as one table, `settings`. `variant` for train and
    ablation, `variants` for binarize, evaluate, report and costs. Train gets an ablation's changes merged into its section, with
    `tasks`; ablation gets them as `changes`, and beside them what binarize and evaluate know. `experiments` for ablations;
    codes gets what binarize and evaluate know, and the `ablations` that are studied; study its own section, and `n_resamples`;
    costs the `batch_size` of binarize beside its own.
    A stage of `OF_ALL` takes no collection.
    Raises ParameterError for an unknown stage, collection or variant, or a variant where none belongs.
    """
    require(stage, "stage", STAGE_FOLDERS)
    if stage in OF_ALL:
        if collection is not None or variant is not None:
            raise ParameterError(f"stage {stage} takes no --collection and no --variant: it shows all")
        own = {name: FOLDERS[name] for name in STAGE_FOLDERS[stage]}
        return {**_verdict_parameters(params), "threads": params.threads, **own}
    if collection is None:
        raise ParameterError(f"stage {stage} needs --collection")
    require(collection, "collection", COLLECTIONS)
    _check_variant(params, stage, collection, variant)
    _check_graded(stage, collection)
    values = _own_parameters(params, stage, collection, variant)
    if stage != "assemble":
        values["seeds"] = list(getattr(params.seeds, collection))
    values |= {"collection": collection, "threads": params.threads}
    folders: dict[str, Value] = {
        name: FOLDERS[name].format(collection=collection) for name in STAGE_FOLDERS[stage]
    }
    if stage == "train" and variant in params.ablations:
        folders["model_folder"] = FOLDERS["ablation_model_folder"].format(collection=collection)
    return values | folders
