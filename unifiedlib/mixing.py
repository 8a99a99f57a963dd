"""How tasks share a batch: the same number of images of each, by their sizes, one after the other, or by their losses."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from fractions import Fraction

import numpy as np

from unifiedlib.sampling import ClassBalancedSampler

MIXES = ("uniform", "proportional", "round_robin", "loss")
MixState = dict[str, int | list[int] | list[float]]


def allocate(total: int, weights: Sequence[float]) -> list[int]:
    """Split `total` things by `weights`, at least one to each; returns whole numbers that add up to `total`.

    Who would get less than one gets one; the others share the rest in proportion, rounded by the method of the largest
    remainder, the earlier first where remainders tie; in exact fractions, so that no machine rounds otherwise.
    weights: at least 0, one for each; all 0 counts as all equal.

    >>> allocate(10, [70, 20, 10])
    [7, 2, 1]
    >>> allocate(10, [990, 9, 1])
    [8, 1, 1]
    """
    if total < len(weights):
        raise ValueError(f"{total} cannot be split among {len(weights)} so that each gets at least one")
    if not all(math.isfinite(weight) and weight >= 0 for weight in weights):
        raise ValueError(f"the weights are {list(weights)}; each must be a number of at least 0")
    shares = [Fraction(weight) for weight in weights] if any(weights) else [Fraction(1)] * len(weights)
    large = list(range(len(weights)))
    while True:
        rest, whole = total - (len(weights) - len(large)), sum(shares[i] for i in large)
        quotas = {i: rest * shares[i] / whole for i in large}
        if min(quotas.values()) >= 1:
            break
        large = [i for i in large if quotas[i] >= 1]
    counts = [math.floor(quotas.get(i, 1)) for i in range(len(weights))]
    by_remainder = sorted(large, key=lambda i: counts[i] - quotas[i])
    for i in by_remainder[: total - sum(counts)]:
        counts[i] += 1
    return counts


class Mix:
    """Mixed batches of `per_task` times the number of tasks images, the tasks' parts one after the other.

    uniform: `per_task` images of each task (Zhai et al., KDD 2019: "a uniform mix of each of the datasets").
    proportional: by the tasks' sizes. round_robin: a whole batch of one task, of the next task in the next step. Both after
    the samplers of UnED (Ypsilantis et al., ICCV 2023), where a batch is always of one domain and the sizes decide how many
    batches each gets; dividing every batch by the sizes is our reading.
    loss: by the tasks' losses. UDON (Ypsilantis et al., NeurIPS 2024) draws the domain of each batch in proportion to its
    classification loss since the last update; dividing every batch by the losses is our reading. Differently from its code, the
    losses are the student's where there are teachers too, and the batch is uniform until the first `update` (there: round-robin
    for 1,000 steps).

    Parts are whole classes, at least one of each task, see `allocate`. For a single task all four are the same.

    mix: one of `MIXES`. samplers: one per task, all with `images_per_class`. sizes: training images of each task.
    per_task: images per task in a uniform batch, a multiple of `images_per_class`. images_per_class: 0 for batches that are
    not class-balanced, whose parts are whole images.

    The first three are functions of the step alone. `loss` depends on the losses it was told, and `state` is all of that.
    Where several processes train one model, tell each of them the same losses.
    """

    def __init__(
        self,
        mix: str,
        samplers: dict[str, ClassBalancedSampler],
        sizes: dict[str, int],
        per_task: int,
        images_per_class: int,
    ) -> None:
        if mix not in MIXES:
            raise ValueError(f"mix is {mix!r}; choose one of {', '.join(MIXES)}")
        if not samplers or samplers.keys() != sizes.keys():
            raise ValueError(
                f"a mix needs a sampler and a size of each task, not samplers of {list(samplers)} and sizes of {list(sizes)}"
            )
        self.unit = max(images_per_class, 1)
        if per_task < 1 or per_task % self.unit:
            raise ValueError(
                f"per_task is {per_task}; it must be a positive multiple of images_per_class {images_per_class}"
            )
        self.mix = mix
        self.samplers = samplers
        self.sizes = sizes
        self.n_positions = per_task // self.unit * len(samplers)
        # Steps in which every task has its turn.
        self.cycle = len(samplers) if mix == "round_robin" else 1
        self._start = 0
        self._drawn = [0] * len(samplers)
        self._losses: list[float] = []

    def _counts(self) -> list[int]:
        """Positions of each task in a batch, for all mixes but `round_robin`."""
        if self.mix == "proportional":
            return allocate(self.n_positions, [self.sizes[task] for task in self.samplers])
        return allocate(self.n_positions, self._losses or [1.0] * len(self.samplers))

    def _parts(self, step: int) -> list[tuple[int, int]]:
        """Per task, its first position in the batch of `step` and the number of positions."""
        if step < self._start:
            raise ValueError(f"step {step} lies before step {self._start}, at which the mix was last updated")
        n_tasks = len(self.samplers)
        if self.mix == "round_robin":
            turn, chosen = divmod(step, n_tasks)
            return [(turn * self.n_positions, self.n_positions if i == chosen else 0) for i in range(n_tasks)]
        since = step - self._start
        return [
            (drawn + since * count, count) for drawn, count in zip(self._drawn, self._counts(), strict=True)
        ]

    def counts(self, step: int) -> dict[str, int]:
        """Images of each task in the batch of `step`, with 0 where it has none."""
        return {
            task: count * self.unit for task, (_, count) in zip(self.samplers, self._parts(step), strict=True)
        }

    def batch(self, step: int) -> np.ndarray:
        """Item numbers of the batch of `step`, int64 [per_task x tasks], tasks one after the other in the samplers' order.

        It changes nothing, so a step may be drawn again, and any step from the last update on.
        """
        parts = zip(self.samplers.values(), self._parts(step), strict=True)
        return np.concatenate(
            [sampler.draw(first, count * self.unit, step) for sampler, (first, count) in parts if count]
        )

    def update(self, losses: Mapping[str, float], step: int) -> None:
        """Divide the batches from `step` on by `losses`; no effect but for the mix `loss`.

        losses: each task's mean loss since the last update, at least 0. step: the next to be drawn, not before the last
        update.
        """
        if self.mix != "loss":
            return
        if losses.keys() != self.samplers.keys():
            raise ValueError(
                f"the losses are of {list(losses)}; the mix needs one of each task: {list(self.samplers)}"
            )
        if not all(math.isfinite(loss) and loss >= 0 for loss in losses.values()):
            raise ValueError(f"the losses are {dict(losses)}; each must be a number of at least 0")
        self._drawn = [first for first, _ in self._parts(step)]
        self._start = step
        self._losses = [float(losses[task]) for task in self.samplers]

    def state(self) -> MixState:
        """What the batches depend on beside the step, ready for JSON, tasks in the samplers' order.

        start: the step of the last update. drawn: positions of each task drawn before it. losses: told at it, or empty.
        """
        return {"start": self._start, "drawn": list(self._drawn), "losses": list(self._losses)}

    def load_state(self, state: Mapping[str, object]) -> None:
        """Go on from a `state` of the same mix and tasks."""
        start, drawn, losses = (state.get(name) for name in ("start", "drawn", "losses"))
        n_tasks = len(self.samplers)
        if (
            not isinstance(start, int)
            or not isinstance(drawn, list)
            or not isinstance(losses, list)
            or len(drawn) != n_tasks
            or len(losses) not in (0, n_tasks)
        ):
            raise ValueError(
                f"{dict(state)} is no state of a mix of {n_tasks} tasks: it needs start, {n_tasks} drawn, and none or {n_tasks} "
                "losses"
            )
        self._start = start
        self._drawn = [int(count) for count in drawn]
        self._losses = [float(loss) for loss in losses]
