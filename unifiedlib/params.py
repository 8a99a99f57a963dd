"""params.yaml, read once and strictly: every number a user may turn, typed, one section per stage.

YAML 1.2, as DVC reads it: `1e-4` is a float, `no` and `on` are texts. A whole number will do for a float; nothing else is
converted. `unifiedlib.sections` holds the names, types and rules.
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path
from typing import cast

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails
from ruamel.yaml import YAML
from ruamel.yaml.constructor import DuplicateKeyError
from ruamel.yaml.error import MarkedYAMLError

from unifiedlib.sections import AblatedTrain, Assemble, Params
from unifiedlib.variants import IMAGENET, UNIFIED

Setting = bool | int | float | str
Value = Setting | list[int] | list[str] | dict[str, Setting] | dict[str, list[str]]


class ParameterError(ValueError):
    """A parameter is unknown, missing, or breaks its rule; the message names the key, the value and the rule."""


COLLECTIONS = tuple(Assemble.model_fields)
COMMON_ASSEMBLE = ("size",)
ABLATED = ("decor", "photos")
OF_ABLATIONS = ("ablation", "ablations", "codes")
TASKS = "tasks"
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
}
STAGE_FOLDERS = {
    "assemble": ("data_folder",),
    "train": ("data_folder", "model_folder", "checkpoint_folder"),
    "binarize": ("data_folder", "model_folder", "embedding_folder"),
    "evaluate": ("data_folder", "embedding_folder", "result_folder"),
    "report": ("data_folder", "model_folder", "embedding_folder", "result_folder"),
    "ablation": ("data_folder", "ablation_model_folder", "result_folder", "ablation_score_folder"),
    "ablations": ("result_folder", "ablation_score_folder", "ablation_result_folder"),
    "codes": ("data_folder", "model_folder", "ablation_model_folder", "codes_result_folder"),
    "costs": ("data_folder", "model_folder", "costs_result_folder"),
}


def nearest(name: str, choices: tuple[str, ...]) -> str:
    """What to write instead of `name`: the nearest spelling, if one is near, and the choices, if they are few.

    >>> nearest("pakage", ("package", "timm"))
    "did you mean 'package'? (choose one of package, timm)"
    """
    close = get_close_matches(name, choices, n=1)
    few = f"choose one of {', '.join(choices)}"
    if not close:
        return few
    return f"did you mean '{close[0]}'?" + (f" ({few})" if len(choices) <= 8 else "")


def _read_yaml(path: Path) -> object:
    try:
        return YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ParameterError(f"{path} is missing: restore it with `git checkout {path.name}`") from None
    except DuplicateKeyError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else "?"
        raise ParameterError(
            f"{path.name}, line {line}: a key stands twice in its section; keep one"
        ) from None
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else "?"
        raise ParameterError(
            f"{path.name}, line {line} is not YAML: {error.problem or error.context}"
        ) from None


def _section_at(location: tuple[str | int, ...], root: type[BaseModel]) -> type[BaseModel]:
    section = root
    for part in location:
        section = cast(type[BaseModel], section.model_fields[str(part)].annotation)
    return section


RULES = {
    "bool_type": "true or false",
    "int_type": "a whole number",
    "float_type": "a number",
    "string_type": "a text",
    "list_type": "a list, such as [0, 1]",
    "too_short": "a list of at least one value",
    "finite_number": "a finite number",
    "dict_type": "a table, such as {layer_norm: false}",
    "string_pattern_mismatch": "a name of small letters, digits and _ that starts with a letter",
}


def _key(location: tuple[str | int, ...]) -> str:
    """A place in params.yaml as a person writes it.

    >>> _key(("seeds", "decor", 0))
    'seeds.decor[0]'
    """
    parts = [part for part in location if part != "[key]"]
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in parts).lstrip(".")


def _sentence(detail: ErrorDetails, root: type[BaseModel] = Params, place: tuple[str | int, ...] = ()) -> str:
    """One sentence for pydantic's finding: the key, the value, the rule, and the choices or the nearest spelling.

    root: the model that was checked; place: where in the file it stands.
    """
    key, value, context = _key((*place, *detail["loc"])), detail["input"], detail.get("ctx", {})
    match detail["type"]:
        case "extra_forbidden":
            known = tuple(_section_at(detail["loc"][:-1], root).model_fields)
            return f"'{key}' is unknown; {nearest(str(detail['loc'][-1]), known)}"
        case "missing":
            return f"'{key}' is missing; add it"
        case "literal_error":
            choices = tuple(str(context["expected"]).replace(" or ", ", ").replace("'", "").split(", "))
            return f"{key} is {value!r}; {nearest(str(value), choices)}"
        case "value_error":
            return f"{key} is {value!r}; {context['error']}"
        case "model_type":
            return f"{f'{key!r}' if key else 'the file'} is {value!r}; it must hold `name: value` lines"
        case kind:
            rule = RULES.get(kind, detail["msg"].removeprefix("Input should be "))
            return f"{key} is {value!r} ({type(value).__name__}); it must be {rule}"


def ablated(params: Params, collection: str, variant: str) -> AblatedTrain:
    """`train.<collection>` as a variant is trained by: with what it changes where it is an ablation.

    Raises ParameterError, one sentence for the first change that breaks a rule.
    """
    section = getattr(params.train, collection).model_dump()
    try:
        return AblatedTrain.model_validate(section | params.ablations.get(variant, {}))
    except ValidationError as error:
        found = _sentence(error.errors()[0], AblatedTrain, ("ablations", variant))
        raise ParameterError(f"params.yaml: {found}") from None


def _check_ablations(params: Params) -> None:
    """Raise ParameterError for the first ablation or experiment that breaks a rule."""
    tasks: set[str] = set()
    for variant in params.ablations:
        for collection in ABLATED:
            tasks.update(ablated(params, collection, variant).tasks)
    taken = {IMAGENET, UNIFIED, *tasks}.union(*(getattr(params.variants, name) for name in ABLATED))
    if clash := [variant for variant in params.ablations if variant in taken]:
        raise ParameterError(
            f"params.yaml: ablations.{clash[0]} has the name of another variant or of a task; name it otherwise"
        )
    known = tuple(params.ablations)
    for experiment, listed in params.experiments.items():
        if unknown := [variant for variant in listed if variant not in known]:
            raise ParameterError(
                f"params.yaml: experiments.{experiment} names '{unknown[0]}', which is no ablation; {nearest(unknown[0], known)}"
            )
    if unknown := [variant for variant in params.codes.ablations if variant not in known]:
        raise ParameterError(
            f"params.yaml: codes.ablations names '{unknown[0]}', which is no ablation; {nearest(unknown[0], known)}"
        )
    in_one = {variant for listed in params.experiments.values() for variant in listed}
    if alone := [variant for variant in known if variant not in in_one]:
        raise ParameterError(
            f"params.yaml: ablation '{alone[0]}' is in no experiment; add it to one of `experiments`"
        )


def load_params(path: Path) -> Params:
    """Read and check params.yaml.

    Raises ParameterError, one sentence for the first thing wrong: the key, its value, the rule, the choices or nearest spelling.
    """
    content = _read_yaml(path)
    try:
        params = Params.model_validate(content)
    except ValidationError as error:
        details = error.errors()
        unknown_first = sorted(details, key=lambda detail: detail["type"] != "extra_forbidden")
        more = f" (and {len(details) - 1} more)" if len(details) > 1 else ""
        raise ParameterError(f"{path.name}: {_sentence(unknown_first[0])}{more}") from None
    _check_ablations(params)
    return params


def _require(name: str, what: str, choices: Iterable[str]) -> None:
    if name not in (known := tuple(choices)):
        raise ParameterError(f"there is no {what} '{name}'; {nearest(name, known)}")


def _check_variant(params: Params, stage: str, collection: str, variant: str | None) -> None:
    """Raise ParameterError unless the stage takes such a variant of the collection."""
    if (stage in ("train", "ablation")) != (variant is not None):
        rule = "needs --variant" if variant is None else "takes no --variant"
        raise ParameterError(f"stage {stage} {rule}")
    chosen = () if stage == "ablation" else getattr(params.variants, collection)
    if variant is not None:
        _require(variant, "ablation" if stage == "ablation" else "variant", (*chosen, *params.ablations))
    if collection not in ABLATED and (stage in OF_ABLATIONS or variant in params.ablations):
        raise ParameterError(
            f"collection '{collection}' has no ablations in dvc.yaml; choose one of {', '.join(ABLATED)}"
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


def _own_parameters(params: Params, stage: str, collection: str, variant: str | None) -> dict[str, Value]:
    """What one stage gets beside what all get."""
    if stage == "ablations":
        return {"experiments": dict(params.experiments)} | _judging_parameters(params, collection)
    if stage == "codes":
        return _codes_parameters(params, collection)
    if stage == "costs":
        embedding, variants = getattr(params.binarize, collection), getattr(params.variants, collection)
        return {**dict(params.costs), **dict(embedding), "variants": list(variants)}
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
    params: Params, stage: str, collection: str, variant: str | None = None
) -> dict[str, Value]:
    """The flat name → value table that the notebook of `stage` gets.

    It holds each key of the stage's section, `collection`, `threads` and the stage's folders (from the root); `seeds` except for
    assemble. For assemble, the keys that belong to one collection alone come as one table, `settings`. `variant` for train and
    ablation, `variants` for binarize, evaluate, report and costs. Train gets an ablation's changes merged into its section, with
    `tasks`; ablation gets them as `changes`, and beside them what binarize and evaluate know. `experiments` for ablations;
    codes gets what binarize and evaluate know, and the `ablations` that are studied; costs gets the `batch_size` of binarize.
    Raises ParameterError for an unknown stage, collection or variant, or a variant where none belongs.
    """
    _require(stage, "stage", STAGE_FOLDERS)
    _require(collection, "collection", COLLECTIONS)
    _check_variant(params, stage, collection, variant)
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
