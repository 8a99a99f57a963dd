import re
from dataclasses import fields
from pathlib import Path

import pytest
from tiny_project import REPOSITORY

from unifiedlib.decor import DecorSettings
from unifiedlib.loaders.own import OwnSettings
from unifiedlib.params import ABLATED, COLLECTIONS, ParameterError, load_params
from unifiedlib.photos import PhotoSettings
from unifiedlib.replay.settings import ReplaySettings
from unifiedlib.sections import AblatedTrain, AssembleDecor, AssembleOwn, AssemblePhotos, Replay, Train
from unifiedlib.stage_parameters import (
    GRADED,
    OF_ABLATIONS,
    OF_ALL,
    SIMULATED,
    STAGE_FOLDERS,
    stage_parameters,
)
from unifiedlib.train_settings import TrainSettings
from unifiedlib.variants import IMAGENET, UNIFIED

TEXT = (REPOSITORY / "params.yaml").read_text(encoding="utf-8")


def load_with(tmp_path: Path, old: str, new: str) -> object:
    assert old in TEXT, f"params.yaml holds no {old!r} any more"
    path = tmp_path / "params.yaml"
    path.write_text(TEXT.replace(old, new, 1), encoding="utf-8")
    return load_params(path)


def line_of(key: str) -> str:
    """The first line of params.yaml with this key, up to its comment."""
    return next(line for line in TEXT.splitlines() if line.strip().startswith(f"{key}:")).split(" #")[0]


@pytest.mark.parametrize("written", ["1e-4", "1.0e-4", "0.0001", "1E-04"])
def test_every_way_to_write_a_float_is_a_float(tmp_path: Path, written: str) -> None:
    params = load_with(tmp_path, line_of("weight_decay"), f"    weight_decay: {written}")
    assert params.train.decor.weight_decay == 1e-4


def test_whole_number_will_do_for_a_float(tmp_path: Path) -> None:
    value = load_with(tmp_path, line_of("weight_decay"), "    weight_decay: 0").train.decor.weight_decay
    assert isinstance(value, float)


@pytest.mark.parametrize(
    ("key", "written", "sentence"),
    [
        ("epochs", "'2'", "train.decor.epochs is '2' (str); it must be a whole number"),
        ("epochs", "2.5", "train.decor.epochs is 2.5 (float); it must be a whole number"),
        ("epochs", "true", "train.decor.epochs is True (bool); it must be a whole number"),
        ("epochs", "-1", "train.decor.epochs is -1 (int); it must be greater than or equal to 0"),
        ("momentum", "no", "train.decor.momentum is 'no' (str); it must be a number"),
        ("momentum", "true", "train.decor.momentum is True (bool); it must be a number"),
        ("momentum", "1.5", "train.decor.momentum is 1.5 (float); it must be less than 1"),
        ("momentum", ".nan", "train.decor.momentum is nan (float); it must be a finite number"),
        ("trunk", "3", "train.decor.trunk is 3 (int); it must be a text"),
        (
            "weights",
            "pakage",
            "train.decor.weights is 'pakage'; did you mean 'package'? (choose one of package, timm, none)",
        ),
        ("weights", "zoo", "train.decor.weights is 'zoo'; choose one of package, timm, none"),
    ],
)
def test_value_against_its_rule_is_one_sentence(
    tmp_path: Path, key: str, written: str, sentence: str
) -> None:
    with pytest.raises(ParameterError) as error:
        load_with(tmp_path, line_of(key), f"    {key}: {written}")
    assert str(error.value) == f"params.yaml: {sentence}"


@pytest.mark.parametrize(
    ("written", "sentence"),
    [
        ("0", "seeds.decor is 0 (int); it must be a list, such as [0, 1]"),
        ("[]", "seeds.decor is [] (list); it must be a list of at least one value"),
        ("[0, 1, 0]", "seeds.decor is [0, 1, 0]; list each value once"),
        ("[0, x]", "seeds.decor[1] is 'x' (str); it must be a whole number"),
        ("[0, 1.0]", "seeds.decor[1] is 1.0 (float); it must be a whole number"),
        ("[0, -1]", "seeds.decor[1] is -1 (int); it must be greater than or equal to 0"),
    ],
)
def test_list_against_its_rule_is_one_sentence(tmp_path: Path, written: str, sentence: str) -> None:
    seeds = TEXT[TEXT.index("\nseeds:") :]
    line = next(line for line in seeds.splitlines() if line.startswith("  decor:"))
    with pytest.raises(ParameterError) as error:
        load_with(tmp_path, line, f"  decor: {written}")
    assert str(error.value) == f"params.yaml: {sentence}"


def test_misspelt_key_names_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match=r"'train.decor.epoch' is unknown; did you mean 'epochs'\?"):
        load_with(tmp_path, "    epochs:", "    epoch:")


def test_misspelt_section_names_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match=r"'evaluat' is unknown; did you mean 'evaluate'\?"):
        load_with(tmp_path, "\nevaluate:", "\nevaluat:")


def test_missing_key_is_named(tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match=r"^params.yaml: 'train.decor.epochs' is missing; add it$"):
        load_with(tmp_path, line_of("epochs"), "")


def test_key_twice_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match=r"line \d+: a key stands twice"):
        load_with(tmp_path, "\nthreads:", "\nthreads: 1\nthreads:")


def test_broken_yaml_names_the_line(tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match=r"line \d+ is not YAML"):
        load_with(tmp_path, "\nthreads:", "\nthreads: [2\nx:")


def test_missing_file_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match=r"params\.yaml is missing"):
        load_params(tmp_path / "params.yaml")


def test_every_line_of_the_file_carries_a_comment() -> None:
    values = [line for line in TEXT.splitlines() if ": " in line and not line.lstrip().startswith("#")]
    listed = re.compile(r"  \w+: ([&*]\w+ ?)?(\[.*)?$")
    bare = [line for line in values if " #" not in line and not listed.fullmatch(line)]
    assert bare == []


@pytest.mark.parametrize(
    ("section", "settings", "besides"),
    [
        (Train, TrainSettings, set()),
        (AblatedTrain, TrainSettings, {"tasks"}),
        (AssembleDecor, DecorSettings, {"size"}),
        (AssemblePhotos, PhotoSettings, {"size"}),
        (AssembleOwn, OwnSettings, {"size"}),
        (Replay, ReplaySettings, set()),
    ],
)
def test_section_holds_just_what_the_library_takes(section: type, settings: type, besides: set[str]) -> None:
    assert set(section.model_fields) - besides == {field.name for field in fields(settings)}


def test_unknown_names_are_refused_with_choices() -> None:
    params = load_params(REPOSITORY / "params.yaml")
    with pytest.raises(ParameterError, match=r"there is no stage 'trian'; did you mean 'train'\?"):
        stage_parameters(params, "trian", "decor")
    with pytest.raises(ParameterError, match=r"there is no collection 'phots'; did you mean 'photos'\?"):
        stage_parameters(params, "report", "phots")
    with pytest.raises(ParameterError, match=r"there is no variant 'unify'; did you mean 'unified'\?"):
        stage_parameters(params, "train", "decor", "unify")


def test_train_needs_a_variant_and_others_take_none() -> None:
    params = load_params(REPOSITORY / "params.yaml")
    with pytest.raises(ParameterError, match="stage train needs --variant"):
        stage_parameters(params, "train", "decor")
    with pytest.raises(ParameterError, match="stage report takes no --variant"):
        stage_parameters(params, "report", "decor", "unified")


def test_assemble_passes_what_only_one_collection_has_as_one_table() -> None:
    params = load_params(REPOSITORY / "params.yaml")
    decor, photos = (stage_parameters(params, "assemble", name) for name in ("decor", "photos"))
    assert decor.keys() == photos.keys()
    assert decor["settings"]["n_test_products"] == params.assemble.decor.n_test_products
    assert photos["settings"]["garment_split"] == params.assemble.photos.garment_split


@pytest.mark.parametrize("stage", STAGE_FOLDERS)
@pytest.mark.parametrize("collection", COLLECTIONS)
def test_every_stage_gets_its_names(stage: str, collection: str) -> None:
    if stage in SIMULATED and collection not in GRADED:
        pytest.skip("it has no graded truth")
    if stage in OF_ALL or (stage in OF_ABLATIONS and collection not in ABLATED):
        pytest.skip("it is not run on this collection")
    params = load_params(REPOSITORY / "params.yaml")
    variant = {"train": UNIFIED, "ablation": "no_layer_norm"}.get(stage)
    values = stage_parameters(params, stage, collection, variant)
    assert values["collection"] == collection
    assert values["threads"] == params.threads
    assert values.get("data_folder", f"data/{collection}") == f"data/{collection}"
    assert set(STAGE_FOLDERS[stage]) <= values.keys()
    assert ("seeds" in values) == (stage != "assemble")
    assert values.get("variants", [IMAGENET, UNIFIED])[0] == IMAGENET
    assert values.get("device", params.device) == params.device
    assert ("device" in values) == (stage in ("train", "binarize", "ablation", "codes"))


def test_replay_of_a_collection_without_graded_truth_is_refused() -> None:
    params = load_params(REPOSITORY / "params.yaml")
    with pytest.raises(
        ParameterError, match=r"collection 'photos' has no graded truth.*; choose one of decor"
    ):
        stage_parameters(params, "replay", "photos")


def test_probability_above_one_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(ParameterError) as error:
        load_with(tmp_path, "  attraction: [0.02,", "  attraction: [1.02,")
    assert (
        str(error.value)
        == "params.yaml: replay.attraction[0] is 1.02 (float); it must be less than or equal to 1"
    )


# Ablations


def ablation_sentence(tmp_path: Path, old: str, new: str) -> str:
    with pytest.raises(ParameterError) as error:
        load_with(tmp_path, old, new)
    return str(error.value).removeprefix("params.yaml: ")


@pytest.mark.parametrize(
    ("written", "sentence"),
    [
        (
            "{layer_nrom: false}",
            "'ablations.no_layer_norm.layer_nrom' is unknown; did you mean 'layer_norm'?",
        ),
        (
            "{layer_norm: 0}",
            "ablations.no_layer_norm.layer_norm is 0 (int); it must be true or false",
        ),
        (
            "{loss: arkface}",
            "ablations.no_layer_norm.loss is 'arkface'; did you mean 'arcface'? (choose one of softmax, arcface, cosface, "
            "proxy_anchor, subcenter_arcface)",
        ),
        (
            "{tasks: lens}",
            "ablations.no_layer_norm.tasks is 'lens' (str); it must be a list, such as [0, 1]",
        ),
        ("{tasks: [lens, lens]}", "ablations.no_layer_norm.tasks is ['lens', 'lens']; list each value once"),
        (
            "layer_norm",
            "ablations.no_layer_norm is 'layer_norm' (str); it must be a table, such as {layer_norm: false}",
        ),
    ],
)
def test_change_against_its_rule_is_one_sentence(tmp_path: Path, written: str, sentence: str) -> None:
    assert (
        ablation_sentence(tmp_path, "no_layer_norm: {layer_norm: false}", f"no_layer_norm: {written}")
        == sentence
    )


def test_ablation_twice_is_refused(tmp_path: Path) -> None:
    assert "a key stands twice" in ablation_sentence(tmp_path, "  cosface: {", "  arcface: {")


@pytest.mark.parametrize("name", ["unified", "imagenet", "lens"])
def test_ablation_may_not_be_called_as_another_variant_or_a_task(tmp_path: Path, name: str) -> None:
    found = ablation_sentence(tmp_path, "  gem_pooling: {", f"  {name}: {{")
    assert found == f"ablations.{name} has the name of another variant or of a task; name it otherwise"


def test_ablation_with_an_odd_name_is_refused(tmp_path: Path) -> None:
    found = ablation_sentence(tmp_path, "  gem_pooling: {", "  GeM-pooling: {")
    assert found.startswith(
        "ablations.GeM-pooling is 'GeM-pooling' (str); it must be a name of small letters"
    )


def test_experiment_with_an_unknown_ablation_names_the_nearest(tmp_path: Path) -> None:
    found = ablation_sentence(tmp_path, "pooling: [gem_pooling]", "pooling: [gem_poling]")
    assert found.startswith(
        "experiments.pooling names 'gem_poling', which is no ablation; did you mean 'gem_pooling'?"
    )


def test_ablation_in_no_experiment_is_named(tmp_path: Path) -> None:
    found = ablation_sentence(
        tmp_path, "[proportional_mix, round_robin_mix, loss_mix]", "[proportional_mix, loss_mix]"
    )
    assert found == "ablation 'round_robin_mix' is in no experiment; add it to one of `experiments`"


def test_training_of_an_ablation_is_that_of_the_collection_but_for_its_changes() -> None:
    params = load_params(REPOSITORY / "params.yaml")
    usual = stage_parameters(params, "train", "decor", UNIFIED)
    changed = stage_parameters(params, "train", "decor", "no_layer_norm")
    assert {name for name in usual if usual[name] != changed[name]} == {
        "variant",
        "layer_norm",
        "model_folder",
    }
    assert changed["model_folder"] == "ablations/decor/models"
    assert (usual["tasks"], changed["tasks"]) == ([], [])
    assert stage_parameters(params, "train", "photos", "flashlight_lens")["tasks"] == ["flashlight", "lens"]


def test_ablation_stage_is_told_what_was_changed_and_instead_of_what() -> None:
    params = load_params(REPOSITORY / "params.yaml")
    values = stage_parameters(params, "ablation", "decor", "distilled")
    assert (values["changes"], values["instead_of"]) == ({"distillation": 1.0}, {"distillation": 0.0})
    assert values["margin_c1"] == params.evaluate.decor.margin_c1
    pair = stage_parameters(params, "ablation", "decor", "flashlight_lens")
    assert (pair["changes"], pair["tasks"]) == ({}, ["flashlight", "lens"])


def test_ablations_are_run_on_two_collections_alone() -> None:
    params = load_params(REPOSITORY / "params.yaml")
    asked = (("train", "arcface"), ("ablation", "arcface"), ("ablations", None), ("codes", None))
    for stage, variant in asked:
        with pytest.raises(
            ParameterError,
            match=r"collection 'own' has no ablations in dvc\.yaml; choose one of decor, photos",
        ):
            stage_parameters(params, stage, "own", variant)


def test_study_of_codes_names_ablations(tmp_path: Path) -> None:
    assert ablation_sentence(tmp_path, "no_layer_norm] # studied", "no_layer_norms] # studied").startswith(
        "codes.ablations names 'no_layer_norms', which is no ablation; did you mean 'no_layer_norm'?"
    )


def test_main_variant_is_no_ablation() -> None:
    params = load_params(REPOSITORY / "params.yaml")
    with pytest.raises(ParameterError, match="there is no ablation 'unified'"):
        stage_parameters(params, "ablation", "decor", "unified")


@pytest.mark.parametrize("variant", load_params(REPOSITORY / "params.yaml").ablations)
@pytest.mark.parametrize("collection", ABLATED)
def test_every_ablation_can_be_trained(collection: str, variant: str) -> None:
    values = stage_parameters(load_params(REPOSITORY / "params.yaml"), "train", collection, variant)
    TrainSettings(**{field.name: values[field.name] for field in fields(TrainSettings)})


def test_study_with_simulated_raters_needs_graded_truth() -> None:
    params = load_params(REPOSITORY / "params.yaml")
    with pytest.raises(
        ParameterError, match=r"collection 'photos' has no graded truth, .* choose one of decor"
    ):
        stage_parameters(params, "study", "photos")


def test_page_of_verdicts_gets_every_margin_and_takes_no_collection() -> None:
    params = load_params(REPOSITORY / "params.yaml")
    values = stage_parameters(params, "verdicts", None)
    assert values["collections"] == ["decor", "photos"]
    assert values["thresholds"]["photos C9"] == -params.evaluate.photos.margin_c1
    assert values["thresholds"]["decor C6"] == -params.ablate.margin_c6
    assert values["thresholds"]["decor C8"] == params.costs.least_saving
    with pytest.raises(ParameterError, match="stage verdicts takes no --collection"):
        stage_parameters(params, "verdicts", "decor")
    with pytest.raises(ParameterError, match="stage evaluate needs --collection"):
        stage_parameters(params, "evaluate", None)
