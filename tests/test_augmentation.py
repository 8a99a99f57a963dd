from __future__ import annotations

import pytest
import torch

from unifiedlib.augmentation import AugmentationSettings, random_views


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
