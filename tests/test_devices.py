from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from subprocess import CompletedProcess

import numpy as np
import pandas as pd
import pytest
import torch
from killing import run_and_kill
from small_world import SETTINGS, write_small
from torchrun import torchrun

from unifiedlib.contract import Collection
from unifiedlib.devices import Processes, choose_device
from unifiedlib.model import load_model
from unifiedlib.training import Training
from unifiedlib.training_data import training_data

SCRIPT = Path(__file__).parent / "two_processes.py"
# What two processes of four images per task do, for one of eight.
DOUBLED = {"batch_size": 8, "head_batch_size": 16, "head_steps": 10, "images_at_once": 24}


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Collection:
    return write_small(tmp_path_factory.mktemp("data") / "small")


def start_two(
    small: Collection, folder: Path, change: dict[str, object], *death: str, hosts: int = 1
) -> CompletedProcess[str]:
    folders = (str(small.folder), str(folder / "checkpoints"), str(folder / "model"))
    return torchrun(str(SCRIPT), *folders, json.dumps(change), *death, hosts=hosts)


def by_two(
    small: Collection, folder: Path, change: dict[str, object], said: str = "", hosts: int = 1
) -> tuple[pd.DataFrame, dict[str, torch.Tensor]]:
    run = start_two(small, folder, change, hosts=hosts)
    assert run.returncode == 0, run.stderr
    assert said in run.stdout
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
        {"mix": "round_robin", "loss": "proxy_anchor", "weighting": "uncertainty"},
        {"distillation": 1.0, "weighting": "gradnorm"},
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


@pytest.mark.slow
def test_two_hosts_train_what_two_processes_of_one_do(small: Collection, tmp_path: Path) -> None:
    change: dict[str, object] = {"classes_per_step": 3}
    history, weights = by_two(small, tmp_path / "host", change)
    apart, others = by_two(small, tmp_path / "hosts", change, hosts=2)
    assert apart.equals(history)
    assert all(torch.equal(others[name], weights[name]) for name in weights)


@pytest.mark.slow
def test_two_processes_of_which_one_is_killed_twice_end_as_unbroken_ones(
    small: Collection, tmp_path: Path
) -> None:
    change: dict[str, object] = {"epochs": 24, "classes_per_step": 3}
    unbroken, expected = by_two(small, tmp_path / "unbroken", change)
    for death in ("show:33", "save_checkpoint:0"):
        assert start_two(small, tmp_path / "broken", change, death).returncode
        assert not (tmp_path / "broken" / "model").exists()
    history, weights = by_two(
        small, tmp_path / "broken", change, said="taking up unified, seed 0, after step 20"
    )
    assert history.equals(unbroken)
    assert all(torch.equal(weights[name], expected[name]) for name in expected)


def test_process_whose_checkpoint_others_lack_starts_anew_and_says_so(
    small: Collection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    training = Training(small, "unified", 0, SETTINGS, tmp_path)
    run_and_kill(training, 25, monkeypatch)
    learner = training.learner(training_data(small, training.learned, SETTINGS.validation_share, 0))
    optimizers = training.phase_two(learner, training_data(small, training.learned, 0.2, 0)).optimizers
    assert training.files.take_up(learner, optimizers) is not None
    others = iter([-1, 1, 0])
    monkeypatch.setattr(Processes, "agree", lambda self, number: min(number, next(others)))
    assert training.files.take_up(learner, optimizers) is None
    assert "not every process finds a checkpoint of the same step there" in capsys.readouterr().out


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
