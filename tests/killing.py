"""Kills a training in the middle, as a test of what survives it."""

from __future__ import annotations

from itertools import count

import pytest
import torch

import unifiedlib.training as training_module
from unifiedlib.training import Training


def run_and_kill(training: Training, step: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Interrupt a training before it takes this step of its second phase."""
    real, steps = training_module.show, count()

    def killed(*arguments: object) -> torch.Tensor:
        if next(steps) == step:
            raise KeyboardInterrupt
        return real(*arguments)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(training_module, "show", killed)
        with pytest.raises(KeyboardInterrupt):
            training.run()
