"""How strong each nuisance of a picture is: the strength of its domain times the nuisance's own factor."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TypeVar

from unifiedlib.decor.settings import DecorSettings


@dataclass(frozen=True)
class PinNuisances:
    """Of a pin, each 0..1: products around, colour and light, words and borders, a close look beside the whole."""

    props: float
    grading: float
    text: float
    collage: float


@dataclass(frozen=True)
class CameraNuisances:
    """Of a camera photo, each 0..1. framing: how far the product is from filling the middle; it has no factor of its own."""

    framing: float
    clutter: float
    tilt: float
    occlusion: float
    light: float
    blur: float
    noise: float
    compression: float


@dataclass(frozen=True)
class SceneNuisances:
    """Of a scene, each 0..1: products that hide one another and are small, and the light of the room."""

    overlap: float
    light: float


Nuisances = TypeVar("Nuisances", PinNuisances, CameraNuisances, SceneNuisances)


def _of(kind: type[Nuisances], domain: str, settings: DecorSettings) -> Nuisances:
    strength: float = getattr(settings, f"{domain}_strength")
    factors = {field.name: getattr(settings, f"{domain}_{field.name}", 1.0) for field in fields(kind)}
    return kind(**{name: min(strength * factor, 1.0) for name, factor in factors.items()})


def pin_nuisances(settings: DecorSettings) -> PinNuisances:
    """Those of every pin of a world."""
    return _of(PinNuisances, "pin", settings)


def camera_nuisances(settings: DecorSettings) -> CameraNuisances:
    """Those of every camera photo of a world."""
    return _of(CameraNuisances, "camera", settings)


def scene_nuisances(settings: DecorSettings) -> SceneNuisances:
    """Those of every scene of a world."""
    return _of(SceneNuisances, "scene", settings)
