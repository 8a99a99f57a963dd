"""Variants: the ways to get an embedding, and the tasks each of them learns from."""

from __future__ import annotations

from collections.abc import Sequence

from unifiedlib.contract import Collection

IMAGENET = "imagenet"
UNIFIED = "unified"


def variants_of(collection: Collection) -> list[str]:
    """Every variant of a collection: the untrained trunk, one specialist per task, the unified embedding."""
    return [IMAGENET, *collection.tasks, UNIFIED]


def tasks_of(variant: str, collection: Collection) -> list[str]:
    """The tasks that a variant is trained on; none for `imagenet`. Raises ValueError for an unknown variant."""
    if variant not in (known := variants_of(collection)):
        raise ValueError(
            f"collection '{collection.name}' has no variant '{variant}'; choose one of {', '.join(known)}"
        )
    if variant == IMAGENET:
        return []
    return list(collection.tasks) if variant == UNIFIED else [variant]


def tasks_to_train(variant: str, collection: Collection, tasks: Sequence[str] = ()) -> list[str]:
    """The tasks that a variant or an ablation is trained on.

    tasks: those of an ablation, in any order; none: as the variant's name says, or all of them for an ablation.
    Raises ValueError for a task that the collection has not.
    """
    if unknown := [task for task in tasks if task not in collection.tasks]:
        raise ValueError(
            f"collection '{collection.name}' has no task '{unknown[0]}'; it has {', '.join(collection.tasks)}"
        )
    if tasks:
        return [task for task in collection.tasks if task in tasks]
    if variant in variants_of(collection):
        return tasks_of(variant, collection)
    return list(collection.tasks)


def seeds_of(variant: str, seeds: list[int]) -> list[int]:
    """The seeds that a variant is made for: all of them, but one for `imagenet`, in which nothing is random."""
    return seeds[:1] if variant == IMAGENET else seeds
