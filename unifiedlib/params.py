"""params.yaml, read once and strictly: every number a user may turn, typed, one section per stage.

YAML 1.2, as DVC reads it: `1e-4` is a float, `no` and `on` are texts. A whole number will do for a float; nothing else is
converted. To add a parameter, add one line to its section here, one to params.yaml and one to the notebook's parameters cell.
"""

from __future__ import annotations

from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Generic, Literal, TypeVar, cast

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails
from ruamel.yaml import YAML
from ruamel.yaml.constructor import DuplicateKeyError
from ruamel.yaml.error import MarkedYAMLError

Value = bool | int | float | str | list[int] | list[str] | dict[str, bool | int | float | str]


class ParameterError(ValueError):
    """A parameter is unknown, missing, or breaks its rule; the message names the key, the value and the rule."""


class Section(BaseModel):
    """A section of params.yaml: frozen, strictly typed, no unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


def _distinct(values: list[int] | list[str]) -> list[int] | list[str]:
    if len(set(values)) < len(values):
        raise ValueError("list each value once")
    return values


Count = Annotated[int, Field(ge=1)]
Seed = Annotated[int, Field(ge=0)]
Positive = Annotated[float, Field(gt=0)]
NotNegative = Annotated[float, Field(ge=0)]
Share = Annotated[float, Field(ge=0, le=1)]
Factor = Annotated[float, Field(ge=0, le=2)]
BelowOne = Annotated[float, Field(ge=0, lt=1)]
Seeds = Annotated[list[Seed], Field(min_length=1), AfterValidator(_distinct)]
Variant = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
Variants = Annotated[list[Variant], Field(min_length=1), AfterValidator(_distinct)]


class AssembleDecor(Section):
    """`assemble.decor`: how the decor world is drawn (`unifiedlib.decor.DecorSettings`)."""

    size: Annotated[int, Field(ge=16)]
    seed: Seed
    n_train_products: Count
    n_test_products: Count
    flashlight_train_pins: Count
    lens_train_photos: Count
    lens_train_pins: Count
    shop_train_products: Count
    shop_boxes_per_product: Count
    lens_test_photos: Count
    shop_test_boxes: Count
    shop_test_catalog: Count
    boxes_per_scene: Count
    click_noise: Share
    click_position_bias: NotNegative
    look_overlap: Share
    line_share: Share
    pin_strength: Share
    pin_props: Factor
    pin_grading: Factor
    pin_text: Factor
    pin_collage: Factor
    camera_strength: Share
    camera_clutter: Factor
    camera_tilt: Factor
    camera_occlusion: Factor
    camera_light: Factor
    camera_blur: Factor
    camera_noise: Factor
    camera_compression: Factor
    scene_strength: Share
    scene_overlap: Factor
    scene_light: Factor


class AssemblePhotos(Section):
    """`assemble.photos`: which photographs, and how they are split (`unifiedlib.photos.PhotoSettings`)."""

    size: Annotated[int, Field(ge=16)]
    source: str
    garment_split: Literal["person", "random"]
    garment_test_share: Annotated[float, Field(gt=0, lt=1)]
    seed: Seed


class AssembleOwn(Section):
    """`assemble.own`: your own pictures (`unifiedlib.loaders.own.OwnSettings`)."""

    size: Annotated[int, Field(ge=16)]
    source: str
    k: Count
    split: Literal["label", "group"]
    test_share: Annotated[float, Field(gt=0, lt=1)]
    seed: Seed
    label_set: str
    leave_out_group: bool


class AssembleStl(Section):
    """`assemble.stl`: Pinterest's public Shop-the-Look pairs (`unifiedlib.loaders.stl.StlSettings`)."""

    size: Annotated[int, Field(ge=16)]
    source: str
    part: Literal["home", "fashion"]
    test_share: Annotated[float, Field(gt=0, lt=1)]
    min_boxes: Count
    shared_boxes: Literal["leave_out", "merge"]
    seed: Seed


class AssembleBenchmark(Section):
    """`assemble.cub` and its kin: a public benchmark in its official layout (`unifiedlib.loaders.benchmarks`)."""

    size: Annotated[int, Field(ge=16)]
    source: str


class Train(Section):
    """`train.<collection>`: model and training (`unifiedlib.training.TrainSettings`)."""

    trunk: str
    weights: Literal["package", "timm", "none"]
    dim: Annotated[int, Field(ge=8, multiple_of=8)]
    temperature: Positive
    crop: Annotated[int, Field(ge=8)]
    min_area: Annotated[float, Field(gt=0, le=1)]
    colour: BelowOne
    head_steps: Count
    head_batch_size: Count
    head_learning_rate: Positive
    epochs: Annotated[int, Field(ge=0)]
    batch_size: Count
    images_at_once: Count
    learning_rate: Positive
    trunk_learning_rate: NotNegative
    frozen_stages: Annotated[int, Field(ge=0)]
    images_per_class: Count
    catalog_share: Share
    optimizer: Literal["adamw", "sgd"]
    schedule: Literal["cosine", "step"]
    momentum: BelowOne
    weight_decay: NotNegative
    validation_share: BelowOne
    checkpoint_every: Count


class Binarize(Section):
    """`binarize.<collection>`: embeddings and codes of the test items."""

    batch_size: Count


class Evaluate(Section):
    """`evaluate.<collection>`: metrics, intervals and the claims' margins."""

    recall_k: Count
    n_resamples: Annotated[int, Field(ge=100)]
    margin_c1: NotNegative
    margin_c3: NotNegative
    seed: Seed


class Report(Section):
    """`report.<collection>`: figures."""

    n_examples: Count


AnySection = TypeVar("AnySection")


class PerCollection(Section, Generic[AnySection]):
    """The same section for each collection."""

    decor: AnySection
    photos: AnySection
    own: AnySection
    stl: AnySection
    cub: AnySection
    cars: AnySection
    sop: AnySection
    inshop: AnySection
    benchmarks: AnySection


class Assemble(Section):
    """`assemble`: each collection has settings of its own."""

    decor: AssembleDecor
    photos: AssemblePhotos
    own: AssembleOwn
    stl: AssembleStl
    cub: AssembleBenchmark
    cars: AssembleBenchmark
    sop: AssembleBenchmark
    inshop: AssembleBenchmark
    benchmarks: AssembleBenchmark


class Params(Section):
    """The whole of params.yaml."""

    threads: Count
    variants: PerCollection[Variants]
    seeds: PerCollection[Seeds]
    assemble: Assemble
    train: PerCollection[Train]
    binarize: PerCollection[Binarize]
    evaluate: PerCollection[Evaluate]
    report: PerCollection[Report]


COLLECTIONS = tuple(Assemble.model_fields)
COMMON_ASSEMBLE = ("size",)
FOLDERS = {
    "data_folder": "data/{collection}",
    "model_folder": "models/{collection}",
    "checkpoint_folder": ".checkpoints/{collection}",
    "embedding_folder": "embeddings/{collection}",
    "result_folder": "results/{collection}",
}
STAGE_FOLDERS = {
    "assemble": ("data_folder",),
    "train": ("data_folder", "model_folder", "checkpoint_folder"),
    "binarize": ("data_folder", "model_folder", "embedding_folder"),
    "evaluate": ("data_folder", "embedding_folder", "result_folder"),
    "report": ("data_folder", "model_folder", "embedding_folder", "result_folder"),
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


def _section_at(location: tuple[str | int, ...]) -> type[BaseModel]:
    section: type[BaseModel] = Params
    for part in location:
        section = cast(type[BaseModel], section.model_fields[str(part)].annotation)
    return section


RULES = {
    "int_type": "a whole number",
    "float_type": "a number",
    "string_type": "a text",
    "list_type": "a list, such as [0, 1]",
    "too_short": "a list of at least one value",
    "finite_number": "a finite number",
}


def _key(location: tuple[str | int, ...]) -> str:
    """A place in params.yaml as a person writes it.

    >>> _key(("seeds", "decor", 0))
    'seeds.decor[0]'
    """
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in location).lstrip(".")


def _sentence(detail: ErrorDetails) -> str:
    """One sentence for pydantic's finding: the key, the value, the rule, and the choices or the nearest spelling."""
    key, value, context = _key(detail["loc"]), detail["input"], detail.get("ctx", {})
    match detail["type"]:
        case "extra_forbidden":
            known = tuple(_section_at(detail["loc"][:-1]).model_fields)
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


def load_params(path: Path) -> Params:
    """Read and check params.yaml.

    Raises ParameterError, one sentence for the first thing wrong: the key, its value, the rule, the choices or nearest spelling.
    """
    content = _read_yaml(path)
    try:
        return Params.model_validate(content)
    except ValidationError as error:
        details = error.errors()
        unknown_first = sorted(details, key=lambda detail: detail["type"] != "extra_forbidden")
        more = f" (and {len(details) - 1} more)" if len(details) > 1 else ""
        raise ParameterError(f"{path.name}: {_sentence(unknown_first[0])}{more}") from None


def _require(name: str, what: str, choices: tuple[str, ...]) -> None:
    if name not in choices:
        raise ParameterError(f"there is no {what} '{name}'; {nearest(name, choices)}")


def stage_parameters(
    params: Params, stage: str, collection: str, variant: str | None = None
) -> dict[str, Value]:
    """The flat name → value table that the notebook of `stage` gets.

    It holds each key of the stage's section, `collection`, `threads` and the stage's folders (from the root);
    `seeds` except for assemble; `variant` for train, `variants` for what follows. For assemble, the keys that belong to one
    collection alone come as one table, `settings`.
    Raises ParameterError for an unknown stage, collection or variant, or a variant where none belongs.
    """
    _require(stage, "stage", tuple(STAGE_FOLDERS))
    _require(collection, "collection", COLLECTIONS)
    if (stage == "train") != (variant is not None):
        rule = "needs --variant" if variant is None else "takes no --variant"
        raise ParameterError(f"stage {stage} {rule}")
    values: dict[str, Value] = dict(getattr(getattr(params, stage), collection))
    chosen: list[str] = getattr(params.variants, collection)
    if stage == "assemble":
        settings = {name: values.pop(name) for name in list(values) if name not in COMMON_ASSEMBLE}
        values["settings"] = cast(dict[str, bool | int | float | str], settings)
    else:
        values["seeds"] = list(getattr(params.seeds, collection))
    if variant is not None:
        _require(variant, "variant", tuple(chosen))
        values["variant"] = variant
    elif stage != "assemble":
        values["variants"] = list(chosen)
    values |= {"collection": collection, "threads": params.threads}
    return values | {name: FOLDERS[name].format(collection=collection) for name in STAGE_FOLDERS[stage]}
