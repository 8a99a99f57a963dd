from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from unifiedlib.model import EmbeddingModel, ModelSettings, load_model, save_model, to_images
from unifiedlib.trunk import PACKAGED_TRUNK, make_trunk, trunk_width

CLASSES = {"flashlight/category": ["a", "b"], "shop_the_look/product": ["c", "d", "e"]}


def small(dim: int = 16, seed: int = 0) -> EmbeddingModel:
    torch.manual_seed(seed)
    settings = ModelSettings("test_resnet", "none", dim, 32)
    return EmbeddingModel(settings, CLASSES, torch.Generator().manual_seed(seed))


def images(n: int = 3) -> torch.Tensor:
    return torch.rand(n, 3, 32, 32, generator=torch.Generator().manual_seed(1))


def test_embeddings_are_unit_vectors_of_the_wanted_width() -> None:
    vectors = small().eval()(images())
    assert vectors.shape == (3, 16)
    assert torch.allclose(vectors.norm(dim=1), torch.ones(3))


def test_no_linear_layer_when_the_trunk_is_as_wide_as_the_embedding() -> None:
    width = trunk_width("test_resnet")
    assert small(width).linear is None
    assert small(width + 8).linear is not None
    assert small(width + 8).linear.bias is None


def test_values_are_centred_before_the_linear_layer() -> None:
    model = small(trunk_width("test_resnet")).eval()
    vectors = model.project(torch.rand(5, model.width) + 3)
    assert vectors.mean(dim=1).abs().max() < 1e-6


def test_batchnorm_statistics_stay_frozen_in_training() -> None:
    model = small().train()
    before = {name: value.clone() for name, value in model.trunk.state_dict().items() if "running" in name}
    model(images())
    after = model.trunk.state_dict()
    assert before
    assert all(torch.equal(value, after[name]) for name, value in before.items())


def test_pixels_become_images_between_zero_and_one() -> None:
    pixels = np.zeros((2, 4, 4, 3), np.uint8)
    pixels[1, 2, 3] = (255, 128, 0)
    tensor = to_images(pixels)
    assert tensor.shape == (2, 3, 4, 4)
    assert tensor[1, :, 2, 3].tolist() == pytest.approx([1, 128 / 255, 0])
    assert tensor.is_contiguous(memory_format=torch.channels_last)


def test_saved_model_gives_the_same_embeddings_and_keeps_its_proxies(tmp_path: Path) -> None:
    model = small().eval()
    save_model(tmp_path / "m", model, {"variant": "unified"}, "step\n")
    loaded = load_model(tmp_path / "m")
    assert torch.equal(loaded(images()), model(images()))
    assert torch.equal(
        loaded.heads["shop_the_look/product"].proxies, model.heads["shop_the_look/product"].proxies
    )
    assert sorted(path.name for path in (tmp_path / "m").iterdir()) == [
        "history.csv",
        "model.json",
        "model.safetensors",
    ]


def test_missing_or_damaged_model_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="holds no model; run the train stage first"):
        load_model(tmp_path)
    save_model(tmp_path / "m", small(), {}, "")
    path = tmp_path / "m" / "model.safetensors"
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(ValueError, match=r"model.safetensors is damaged or does not fit"):
        load_model(tmp_path / "m")


@pytest.mark.parametrize("dim", [0, 12])
def test_width_that_fills_no_whole_bytes_is_refused(dim: int) -> None:
    with pytest.raises(ValueError, match="must be a multiple of 8"):
        small(dim)


def test_packaged_trunk_carries_the_imagenet_weights() -> None:
    trunk, info = make_trunk(PACKAGED_TRUNK, "package")
    assert (info.width, info.mean) == (1280, (0.5, 0.5, 0.5))
    random, _ = make_trunk(PACKAGED_TRUNK, "none")
    assert not torch.equal(trunk.conv_stem.weight, random.conv_stem.weight)
    assert trunk.bn1.running_var.std() > 0


@pytest.mark.parametrize(
    ("name", "weights", "message"),
    [
        ("efficientnot", "none", "timm knows no trunk 'efficientnot'"),
        (
            "resnet50",
            "package",
            "no packaged weights for trunk 'resnet50': use 'tf_efficientnet_lite0' offline",
        ),
        ("resnet50", "imagenet", "weights is 'imagenet'; choose one of package, timm, none"),
    ],
)
def test_unknown_trunk_or_weights_are_refused(name: str, weights: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make_trunk(name, weights)


def test_weights_out_of_reach_name_the_offline_choice(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_network(*_: object, **__: object) -> None:
        raise OSError("name resolution failed")

    monkeypatch.setattr("unifiedlib.trunk.timm.create_model", no_network)
    with pytest.raises(ConnectionError, match="without a network use trunk 'tf_efficientnet_lite0'"):
        make_trunk("resnet50", "timm")


def test_trunk_without_a_feature_map_is_refused() -> None:
    model = EmbeddingModel(ModelSettings("test_vit", "none", 16, 160), {}, torch.Generator())
    with pytest.raises(ValueError, match="gives no feature map: choose a convolutional trunk"):
        model.eval()(torch.rand(1, 3, 160, 160))
