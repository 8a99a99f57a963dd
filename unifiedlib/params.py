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
Value = Setting | list[int] | list[float] | list[str] | dict[str, Setting] | dict[str, list[str]]


class ParameterError(ValueError):
    """A parameter is unknown, missing, or breaks its rule; the message names the key, the value and the rule."""


COLLECTIONS = tuple(Assemble.model_fields)
ABLATED = ("decor", "photos")
TASKS = "tasks"


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


def require(name: str, what: str, choices: Iterable[str]) -> None:
    """Raise ParameterError, with the nearest spelling, unless `name` is one of the choices; what: "variant" and the like."""
    if name not in (known := tuple(choices)):
        raise ParameterError(f"there is no {what} '{name}'; {nearest(name, known)}")
