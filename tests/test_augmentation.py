from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from unifiedlib.augmentation import GREY, AugmentationSettings, Views, draw_views, random_views, show


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_views_have_the_crop_size_and_stay_in_range() -> None:
    images = torch.rand(6, 3, 40, 40, generator=seeded())
    views = random_views(images, AugmentationSettings(32, 0.4, 0.4), seeded())
    assert views.shape == (6, 3, 32, 32)
    assert views.min() >= 0
    assert views.max() <= 1


def test_same_generator_gives_the_same_views_and_another_gives_others() -> None:
    images, settings = torch.rand(4, 3, 40, 40, generator=seeded()), AugmentationSettings(32, 0.4, 0.2)
    assert torch.equal(random_views(images, settings, seeded(1)), random_views(images, settings, seeded(1)))
    assert not torch.equal(
        random_views(images, settings, seeded(1)), random_views(images, settings, seeded(2))
    )


@pytest.mark.parametrize(("size", "crop"), [(40, 32), (31, 17), (24, 24)])
def test_views_are_those_of_pytorch_with_a_place_computed_for_every_pixel(size: int, crop: int) -> None:
    images = torch.rand(5, 3, size, size, generator=seeded())
    views = draw_views(5, AugmentationSettings(crop, 0.3, 0.0), seeded(3))
    grid = F.affine_grid(views.theta, [5, 3, crop, crop], align_corners=False)
    theirs = F.grid_sample(images, grid, padding_mode="reflection", align_corners=False)
    torch.testing.assert_close(show(images, views, crop), theirs, rtol=0, atol=1e-5)


def test_colours_change_as_brightness_saturation_and_contrast_are_defined() -> None:
    images = torch.rand(3, 3, 16, 16, generator=seeded())
    views = draw_views(3, AugmentationSettings(16, 1.0, 0.3), seeded(2))
    plain = show(images, Views(views.theta, None), 16)
    assert views.colour is not None
    brightness, contrast, saturation = views.colour.view(3, 3, 1, 1, 1)
    bright = plain * brightness
    grey = (bright * torch.tensor(GREY).view(1, 3, 1, 1)).sum(1, keepdim=True)
    saturated = grey + saturation * (bright - grey)
    mean = grey.mean(dim=(2, 3), keepdim=True)
    wanted = (mean + contrast * (saturated - mean)).clamp(0, 1)
    torch.testing.assert_close(show(images, views, 16), wanted, rtol=0, atol=1e-6)
    assert torch.equal(images, torch.rand(3, 3, 16, 16, generator=seeded()))


def test_about_half_of_the_views_are_mirrored() -> None:
    ramp = torch.linspace(0, 1, 24).view(1, 1, 1, 24).expand(200, 3, 24, 24)
    views = random_views(ramp, AugmentationSettings(24, 1.0, 0.0), seeded(5))
    rises = views[:, 0, 12, 20] > views[:, 0, 12, 4]
    assert 0.4 < rises.float().mean() < 0.6
    assert (views[:, 0, 12, 20] - views[:, 0, 12, 4]).abs().min() > 0.5


def test_every_picture_of_a_batch_gets_its_own_view() -> None:
    images = torch.rand(1, 3, 40, 40, generator=seeded()).repeat(8, 1, 1, 1)
    views = random_views(images, AugmentationSettings(32, 0.4, 0.2), seeded())
    assert len({view.sum().item() for view in views}) == 8


def test_flat_colour_stays_flat_and_small_areas_show_less() -> None:
    flat = torch.full((3, 3, 40, 40), 0.5)
    views = random_views(flat, AugmentationSettings(32, 0.3, 0.3), seeded())
    assert views.std(dim=(2, 3)).max() < 1e-5
    ramp = torch.linspace(0, 1, 40).view(1, 1, 1, 40).expand(64, 3, 40, 40)
    spread = [
        random_views(ramp, AugmentationSettings(32, area, 0.0), seeded()).std(dim=3).mean()
        for area in (0.1, 0.9)
    ]
    assert spread[0] < spread[1]


@pytest.mark.parametrize(
    ("crop", "min_area", "colour"), [(4, 0.5, 0.1), (32, 0.0, 0.1), (32, 1.5, 0.1), (32, 0.5, 1.0)]
)
def test_settings_out_of_range_are_refused(crop: int, min_area: float, colour: float) -> None:
    with pytest.raises(ValueError, match="must"):
        AugmentationSettings(crop, min_area, colour)
