"""The sections of params.yaml as strictly typed models: every name, its type and its rule.

To add a parameter, add one line to its section here, one to params.yaml and one to the notebook's parameters cell.
"""

from __future__ import annotations

from typing import Annotated, Generic, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field


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
Changes = Annotated[dict[str, object], Field(min_length=1)]


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
    """`train.<collection>`: model and training (`unifiedlib.train_settings.TrainSettings`)."""

    trunk: str
    weights: Literal["package", "timm", "none"]
    dim: Annotated[int, Field(ge=8, multiple_of=8)]
    pooling: Literal["average", "gem"]
    layer_norm: bool
    loss: Literal["softmax", "arcface", "cosface", "proxy_anchor", "subcenter_arcface"]
    temperature: Positive
    margin: NotNegative
    classes_per_step: Annotated[int, Field(ge=0)]
    mix: Literal["uniform", "proportional", "round_robin", "loss"]
    weighting: Literal["equal", "uncertainty", "gradnorm"]
    distillation: NotNegative
    budget: Literal["per_task", "total"]
    crop: Annotated[int, Field(ge=8)]
    min_area: Annotated[float, Field(gt=0, le=1)]
    colour: BelowOne
    head_steps: Count
    head_batch_size: Count
    head_learning_rate: Positive
    head_views: Count
    epochs: Annotated[int, Field(ge=0)]
    batch_size: Count
    images_at_once: Count
    precision: Literal["fp32", "bf16", "fp16"]
    learning_rate: Positive
    trunk_learning_rate: NotNegative
    frozen_stages: Annotated[int, Field(ge=0)]
    images_per_class: Annotated[int, Field(ge=0)]
    catalog_share: Share
    optimizer: Literal["adamw", "sgd"]
    schedule: Literal["cosine", "step"]
    momentum: BelowOne
    weight_decay: NotNegative
    validation_share: BelowOne
    checkpoint_every: Count


class AblatedTrain(Train):
    """`train.<collection>` with what one of `ablations` changes; tasks: those that it learns from, none for all of them."""

    tasks: Variants = Field(default_factory=list)


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


class Ablate(Section):
    """`ablate`: how ablations are judged, beside `evaluate.<collection>`."""

    margin_c6: NotNegative


class Codes(Section):
    """`codes`: which ablations the study of codes takes in, and how long it learns (`unifiedlib.codes_study`)."""

    ablations: Variants
    itq_iterations: Count
    pq_iterations: Count


class StudySection(Section):
    """`study`: the user study with simulated raters (`unifiedlib.study.simulated_study`)."""

    n_queries: Count
    n_raters: Annotated[int, Field(ge=2)]
    k: Count
    depth: Count
    noise: NotNegative
    tie_threshold: NotNegative
    neither_threshold: NotNegative
    repeat_share: Share
    seed: Seed


class Replay(Section):
    """`replay`: simulated users, and how much of them (`unifiedlib.replay.settings.ReplaySettings`)."""

    tasks: Variants
    comparisons: dict[Variant, Annotated[list[str], Field(min_length=2, max_length=2)]]
    k: Count
    examination_power: NotNegative
    examination: list[Share]
    attraction: Annotated[list[Share], Field(min_length=1)]
    save: Annotated[list[Share], Field(min_length=1)]
    user_effect: NotNegative
    sessions_power: Positive
    most_sessions: Count
    queries_per_session: Annotated[float, Field(ge=1)]
    n_users: Count
    n_null_users: Count
    n_null_replications: Count
    n_population: Count
    user_counts: Annotated[list[Count], Field(min_length=1), AfterValidator(_distinct)]
    n_replications: Count
    n_resamples: Annotated[int, Field(ge=100)]
    power: Annotated[float, Field(gt=0.05, lt=1)]
    seed: Seed


class Costs(Section):
    """`costs`: how costs are measured, what the model of an operation assumes, how C8 is judged (`unifiedlib.costs`)."""

    rounds: Count
    warm_up: Annotated[int, Field(ge=0)]
    embedded_pictures: Count
    training_steps: Annotated[int, Field(ge=1, le=20)]
    indexed_items: Annotated[int, Field(ge=2)]
    queries: Count
    k: Count
    least_saving: Share
    n_resamples: Annotated[int, Field(ge=100)]
    seed: Seed
    n_tasks: Count
    corpus_items: Positive
    shared_share: Share
    new_items_per_day: NotNegative
    refreshes_per_year: NotNegative
    training_images: Positive
    queries_per_day: Positive
    searched_share: Share
    replicas: Annotated[int, Field(ge=0)]
    speed_up: Positive
    core_hour_price: NotNegative
    memory_price: NotNegative
    disk_price: NotNegative
    query_value: Positive
    precision_lost: Share


class Verdicts(Section):
    """`verdicts`: the page on which the claims' verdicts stand beside each other (`unifiedlib.verdicts`)."""

    collections: Variants


class Params(Section):
    """The whole of params.yaml.

    ablations: {variant: what it changes in `train.<collection>`, fields of `AblatedTrain`}; experiments: {question: its
    ablations}.
    """

    threads: Count
    device: Literal["auto", "cpu", "cuda"]
    variants: PerCollection[Variants]
    seeds: PerCollection[Seeds]
    assemble: Assemble
    train: PerCollection[Train]
    binarize: PerCollection[Binarize]
    evaluate: PerCollection[Evaluate]
    report: PerCollection[Report]
    ablations: dict[Variant, Changes]
    experiments: dict[Variant, Variants]
    ablate: Ablate
    codes: Codes
    study: StudySection
    replay: Replay
    costs: Costs
    verdicts: Verdicts
