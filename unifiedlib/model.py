"""The embedding model: trunk, pool, LayerNorm, Linear, unit length; and its files."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import cast

import numpy as np
import torch
import torch.nn.functional as F
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from unifiedlib.files import atomic_folder, large_write, write_json
from unifiedlib.losses import ProxyHead
from unifiedlib.other_losses import LibraryHead, make_head
from unifiedlib.pooling import make_pool
from unifiedlib.sharding import ShardedProxyHead
from unifiedlib.trunk import make_trunk


@dataclass(frozen=True)
class ModelSettings:
    """All that is needed to rebuild a model and to prepare its pictures.

    trunk, weights: see `make_trunk`. dim: width of the embedding in values, and of the code in bits; a multiple of 8.
    size: side of the stored pictures in pixels, at which pictures are embedded.
    pooling: `average`, or `gem` (`unifiedlib.pooling`). layer_norm: whether pooled values are centred and scaled.
    loss, temperature, margin: of the proxy heads, see `make_head`.
    """

    trunk: str
    weights: str
    dim: int
    size: int
    pooling: str = "average"
    layer_norm: bool = True
    loss: str = "softmax"
    temperature: float = 0.05
    margin: float = 0.0

    def __post_init__(self) -> None:
        if self.dim < 8 or self.dim % 8:
            raise ValueError(f"dim is {self.dim}; it must be a multiple of 8, so that codes fill whole bytes")


Head = ProxyHead | LibraryHead | ShardedProxyHead
# Makes the head of a label set: its number of classes, the model's settings, and what draws its first proxies.
HeadMaker = Callable[[int, ModelSettings, torch.Generator], Head]


def replicated_head(n_classes: int, settings: ModelSettings, generator: torch.Generator) -> Head:
    """A head that lies whole in this process."""
    return make_head(settings.loss, n_classes, settings.dim, settings.temperature, settings.margin, generator)


class EmbeddingModel(nn.Module):
    """Maps pictures to unit vectors.

    Global pool, LayerNorm without affine parameters, a bias-free Linear only where `dim` differs from the trunk's
    width, L2 normalisation (BMVC 2019, section 3.2). LayerNorm centres the pooled values at zero, for the sake of the codes
    `value > 0`. `heads` holds one head per label set, with its class proxies, keyed `task/label_set`.
    """

    def __init__(
        self,
        settings: ModelSettings,
        classes: dict[str, list[str]],
        generator: torch.Generator,
        make: HeadMaker = replicated_head,
    ) -> None:
        super().__init__()
        self.settings = settings
        self.classes = classes
        trunk, info = make_trunk(settings.trunk, settings.weights)
        self.trunk = trunk.to(memory_format=torch.channels_last)
        self.width = info.width
        self.pooling = make_pool(settings.pooling)
        self.linear: nn.Linear | None = None
        if settings.dim != info.width:
            self.linear = nn.Linear(info.width, settings.dim, bias=False)
            with torch.no_grad():
                self.linear.weight.normal_(0, info.width**-0.5, generator=generator)
        self.heads = nn.ModuleDict(
            {key: make(len(names), settings, generator) for key, names in classes.items()}
        )
        self.mean: Tensor
        self.std: Tensor
        self.register_buffer("mean", torch.tensor(info.mean).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(info.std).view(1, 3, 1, 1), persistent=False)

    def train(self, mode: bool = True) -> EmbeddingModel:
        """As in PyTorch, but BatchNorm keeps its ImageNet statistics: small batches of mixed tasks would spoil them."""
        super().train(mode)
        for module in self.trunk.modules():
            if isinstance(module, nn.modules.batchnorm._BatchNorm):
                module.eval()
        return self

    def head(self, key: str) -> Head:
        """The head of a label set, keyed `task/label_set`."""
        return cast(Head, self.heads[key])

    def pool(self, images: Tensor) -> Tensor:
        """Pooled trunk features [n x width] of images [n x 3 x height x width], values 0..1."""
        features: Tensor = self.trunk((images - self.mean) / self.std)
        if features.ndim != 4:
            raise ValueError(
                f"trunk {self.settings.trunk!r} gives no feature map: choose a convolutional trunk"
            )
        pooled: Tensor = self.pooling(features)
        return pooled

    def project(self, pooled: Tensor) -> Tensor:
        """Unit vectors [n x dim] of pooled trunk features [n x width]."""
        values = F.layer_norm(pooled, (self.width,)) if self.settings.layer_norm else pooled
        if self.linear is not None:
            values = self.linear(values)
        return F.normalize(values, dim=1)

    def forward(self, images: Tensor) -> Tensor:
        """Unit vectors [n x dim] of images [n x 3 x height x width], values 0..1."""
        return self.project(self.pool(images))


def to_images(pixels: np.ndarray, device: torch.device | str = "cpu") -> Tensor:
    """Stored pixels uint8 [n x size x size x 3] as float images [n x 3 x size x size], 0..1, channels last in memory."""
    return torch.from_numpy(np.array(pixels)).to(device).permute(0, 3, 1, 2).float().div_(255)


def save_model(folder: Path, model: EmbeddingModel, about: dict[str, object], history: str) -> None:
    """Write `model.safetensors`, `model.json` and `history.csv` (given as text) as one folder, or not at all.

    Raises WriteError when the disk is full or fails.
    """
    tensors = {name: tensor.cpu().contiguous() for name, tensor in model.state_dict().items()}
    needed = sum(tensor.nbytes for tensor in tensors.values())
    with large_write(folder, needed), atomic_folder(folder) as aside:
        save_file(tensors, aside / "model.safetensors")
        write_json(aside / "model.json", {"model": asdict(model.settings), "classes": model.classes, **about})
        (aside / "history.csv").write_text(history, encoding="utf-8")


def load_model(folder: Path, heads: bool = True) -> EmbeddingModel:
    """Rebuild a saved model, in evaluation mode.

    heads: whether its heads are wanted, too; embedding needs none, and those of many classes are large.
    Raises FileNotFoundError when there is none, ValueError when its files are damaged or do not fit together.
    """
    if not (folder / "model.json").is_file():
        raise FileNotFoundError(f"{folder} holds no model; run the train stage first")
    about = json.loads((folder / "model.json").read_text(encoding="utf-8"))
    settings = ModelSettings(**{**about["model"], "weights": "none"})
    classes = about["classes"] if heads else {}
    model = EmbeddingModel(settings, classes, torch.Generator().manual_seed(0))
    try:
        with safe_open(folder / "model.safetensors", framework="pt") as stored:
            wanted = [name for name in stored.keys() if heads or not name.startswith("heads.")]  # noqa: SIM118
            model.load_state_dict({name: stored.get_tensor(name) for name in wanted})
    except (OSError, SafetensorError, RuntimeError) as error:
        raise ValueError(
            f"{folder / 'model.safetensors'} is damaged or does not fit its model.json: train it again"
        ) from error
    return model.eval()
