"""Random views of a batch, every picture its own: resized crop, flip, colour; all in one pass over the batch."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

GREY = (0.299, 0.587, 0.114)


@dataclass(frozen=True)
class AugmentationSettings:
    """How far training views stray from the stored picture.

    crop: side of a view in pixels. min_area: smallest share of the picture's area that a view shows, in (0, 1].
    colour: largest relative change of brightness, contrast and saturation, in [0, 1).
    """

    crop: int
    min_area: float
    colour: float

    def __post_init__(self) -> None:
        if self.crop < 8:
            raise ValueError(f"crop is {self.crop}; it must be at least 8 pixels")
        if not 0 < self.min_area <= 1 or not 0 <= self.colour < 1:
            raise ValueError(
                f"min_area is {self.min_area} and colour {self.colour}; they must lie in (0, 1] and [0, 1)"
            )


def _uniform(n: int, low: float, high: float, generator: torch.Generator) -> Tensor:
    return torch.rand(n, generator=generator) * (high - low) + low


@dataclass(frozen=True)
class Views:
    """How n images are shown: theta, the crops [n x 2 x 3]; colour, factors of brightness, contrast and saturation [3 x n]."""

    theta: Tensor
    colour: Tensor | None

    def part(self, first: int, step: int) -> Views:
        """The views of every step-th image from the first on."""
        colour = None if self.colour is None else self.colour[:, first::step]
        return Views(self.theta[first::step], colour)


def draw_views(n: int, settings: AugmentationSettings, generator: torch.Generator) -> Views:
    """Draw views of n images: crops of random area and aspect (3/4 to 4/3), mirrored in half of the cases, and colours."""
    side = _uniform(n, settings.min_area, 1.0, generator).sqrt()
    aspect = _uniform(n, -0.5, 0.5, generator).mul(torch.log(torch.tensor(16 / 9))).exp().sqrt()
    width, height = (side * aspect).clamp(max=1), (side / aspect).clamp(max=1)
    flip = torch.where(torch.rand(n, generator=generator) < 0.5, -1.0, 1.0)
    theta = torch.zeros(n, 2, 3)
    theta[:, 0, 0], theta[:, 1, 1] = width * flip, height
    theta[:, 0, 2] = (1 - width) * _uniform(n, -1, 1, generator)
    theta[:, 1, 2] = (1 - height) * _uniform(n, -1, 1, generator)
    if not settings.colour:
        return Views(theta, None)
    low, high = 1 - settings.colour, 1 + settings.colour
    return Views(theta, torch.stack([_uniform(n, low, high, generator) for _ in range(3)]))


def show(images: Tensor, views: Views, crop: int) -> Tensor:
    """The drawn view of each image: [n x 3 x size x size], values 0..1, to [n x 3 x crop x crop], resized bilinearly."""
    grid = _grid(views.theta.to(images.device), crop)
    shown: Tensor = F.grid_sample(images, grid, padding_mode="reflection", align_corners=False)
    return shown if views.colour is None else _recolour(shown, views.colour.to(images.device))


def _grid(theta: Tensor, side: int) -> Tensor:
    """Where the pixels of each view lie in its picture, -1 to 1: [n x side x side x 2], as `F.affine_grid` gives it.

    No view is turned, so rows and columns are placed once instead of for every pixel: a sixth of the time.
    """
    places = torch.linspace(-1, 1, side, device=theta.device) * (side - 1) / side
    x, y = (theta[:, axis, axis, None] * places + theta[:, axis, 2, None] for axis in range(2))
    grid = theta.new_empty(len(theta), side, side, 2)
    grid[..., 0], grid[..., 1] = x[:, None, :], y[:, :, None]
    return grid


def random_views(images: Tensor, settings: AugmentationSettings, generator: torch.Generator) -> Tensor:
    """One random view of each image: [n x 3 x size x size], values 0..1, to [n x 3 x crop x crop]."""
    return show(images, draw_views(len(images), settings, generator), settings.crop)


def _recolour(images: Tensor, factors: Tensor) -> Tensor:
    brightness, contrast, saturation = (factor.view(-1, 1, 1, 1) for factor in factors)
    images = images * brightness
    grey = (images * torch.tensor(GREY, device=images.device).view(1, 3, 1, 1)).sum(1, keepdim=True)
    images = images.sub_(grey).mul_(saturation).add_(grey)
    mean = grey.mean(dim=(2, 3), keepdim=True)
    changed: Tensor = images.sub_(mean).mul_(contrast).add_(mean).clamp_(0, 1)
    return changed.contiguous(memory_format=torch.channels_last)
