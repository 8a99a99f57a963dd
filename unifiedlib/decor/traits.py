"""The shape of one product: a dozen numbers that the families of shapes read as they like."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

N_TRAITS = 12


@dataclass(frozen=True)
class Traits:
    """Shape numbers in 0..1; the first chooses the form and leans to one end by look."""

    u: tuple[float, ...]

    def span(self, number: int, low: float, high: float) -> float:
        """Trait `number` as a length between `low` and `high`."""
        return low + (high - low) * self.u[number]

    def choose(self, number: int, options: Sequence[str]) -> str:
        """Trait `number` as one of the options."""
        return options[min(int(self.u[number] * len(options)), len(options) - 1)]
