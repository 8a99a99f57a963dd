from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from small_world import SETTINGS, write_small
from torchrun import torchrun

from unifiedlib.contract import Collection
from unifiedlib.devices import Processes, choose_device
from unifiedlib.model import load_model
from unifiedlib.training import Training

SCRIPT = Path(__file__).parent / "two_processes.py"
# What two processes of four images per task do, for one of eight.
DOUBLED = {"batch_size": 8, "head_batch_size": 16, "head_steps": 10, "images_at_once": 24}


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Collection:
    return write_small(tmp_path_factory.mktemp("data") / "small")


def by_two(
    small: Collection, folder: Path, change: dict[str, object]
) -> tuple[pd.DataFrame, dict[str, torch.Tensor]]:
    run = torchrun(
        str(SCRIPT), str(small.folder), str(folder / "checkpoints"), str(folder / "model"), json.dumps(change)
    )
    assert run.returncode == 0, run.stderr
    about = json.loads((folder / "model" / "model.json").read_text(encoding="utf-8"))
    assert about["processes"] == 2
    return pd.read_csv(folder / "model" / "history.csv"), load_model(folder / "model").state_dict()


@pytest.mark.slow
@pytest.mark.parametrize(
    "change",
    [
        {},
        {"classes_per_step": 3},
        {"mix": "loss", "weighting": "uncertainty"},
        {"weighting": "gradnorm", "images_at_once": 3},
    ],
)
def test_two_processes_train_what_one_does_with_the_doubled_batch(
    small: Collection, tmp_path: Path, change: dict[str, object]
) -> None:
    change = {"optimizer": "sgd", "learning_rate": 0.05, "epochs": 4, **change}
    history, weights = by_two(small, tmp_path, change)
    alone = replace(SETTINGS, **{**DOUBLED, **change})  # type: ignore[arg-type]
    trained = Training(small, "unified", 0, alone, tmp_path / "alone").run()
    shared = [name for name in trained.history if not name.startswith(("gradient", "accuracy"))]
    assert len(shared) > 5
    assert np.allclose(history[shared], trained.history[shared], rtol=2e-3, atol=2e-4)
    for name, value in trained.model.state_dict().items():
        assert torch.allclose(weights[name], value, rtol=1e-2, atol=2e-3), name


def test_batch_is_dealt_image_by_image() -> None:
    processes = Processes("cpu")
    processes.world, processes.rank = 2, 1
    assert processes.part(np.arange(6)).tolist() == [1, 3, 5]
    with pytest.raises(ValueError, match="a batch of 5 images cannot be dealt evenly to 2 processes"):
        processes.part(np.arange(5))


def test_device_that_is_not_there_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert choose_device("auto") == choose_device("cpu") == "cpu"
    with pytest.raises(ValueError, match="PyTorch finds no GPU here: set device to auto or cpu"):
        choose_device("cuda")
    with pytest.raises(ValueError, match="device is 'tpu'; choose one of auto, cpu, cuda"):
        choose_device("tpu")
    with pytest.raises(ValueError, match="precision is 'fp16', which needs a GPU"):
        Processes("cpu", "fp16")
