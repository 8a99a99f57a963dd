"""Each nuisance of a picture can be turned up and down alone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from unifiedlib.decor import DecorSettings, World
from unifiedlib.decor.nuisances import camera_nuisances, pin_nuisances, scene_nuisances

HARD = DecorSettings(pin_strength=1.0, camera_strength=1.0, scene_strength=1.0)
FACTORS = {
    "pin": ("props", "grading", "text", "collage"),
    "camera": ("clutter", "tilt", "occlusion", "light", "blur", "noise", "compression"),
    "scene": ("overlap", "light"),
}
BLOCKS = {"pin": "test_pins", "camera": "test_photos", "scene": "test_boxes"}


def items_of(world: World, domain: str, count: int) -> range:
    block = next(one for one in world.listing.blocks if one.name == BLOCKS[domain])
    return range(block.start, block.start + count)


@pytest.mark.parametrize("name", [f"{domain}_{one}" for domain, names in FACTORS.items() for one in names])
def test_each_factor_changes_pictures_of_its_domain_and_no_others(name: str) -> None:
    with_it, without = World(HARD), World(replace(HARD, **{name: 0.0}))
    for domain in FACTORS:
        pairs = [(with_it.draw(i, 32), without.draw(i, 32)) for i in items_of(with_it, domain, 12)]
        changed = any(not np.array_equal(one, two) for one, two in pairs)
        assert changed == name.startswith(domain)


def test_turning_one_down_leaves_the_others_as_they_are() -> None:
    """Without noise, compression and blur the rest of the photo is there still, in its place."""
    plain = replace(HARD, camera_noise=0.0, camera_compression=0.0)
    sharp, soft = World(replace(plain, camera_blur=0.0)), World(plain)
    for item in items_of(sharp, "camera", 6):
        one, two = (world.draw(item, 64).astype(float) for world in (sharp, soft))
        apart = np.abs(one - two).mean()
        other = np.abs(one - sharp.draw(item + 1, 64)).mean()
        assert apart < other / 2


def test_strength_times_factor_counts_as_one_at_most() -> None:
    settings = DecorSettings(camera_strength=0.8, camera_blur=2.0, camera_noise=0.5, camera_tilt=0.0)
    nuisances = camera_nuisances(settings)
    assert (nuisances.blur, nuisances.noise, nuisances.tilt) == (1.0, 0.4, 0.0)
    assert nuisances.framing == nuisances.light == 0.8
    assert pin_nuisances(settings).text == settings.pin_strength
    assert scene_nuisances(settings).overlap == settings.scene_strength


def test_factor_out_of_range_is_named() -> None:
    with pytest.raises(ValueError, match=r"camera_blur is 2\.5: it must be in 0\.0\.\.2\.0"):
        DecorSettings(camera_blur=2.5)
