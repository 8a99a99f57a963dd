"""What a GPU does, held against the CPU; skipped where there is none."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from killing import run_and_kill
from small_world import SETTINGS, write_small

from unifiedlib.contract import Collection
from unifiedlib.devices import Processes
from unifiedlib.embedding import embed
from unifiedlib.model import load_model
from unifiedlib.training import Trained, Training

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="PyTorch finds no GPU here")

WAYS: list[dict[str, object]] = [
    {},
    {"classes_per_step": 3},
    {"classes_per_step": 3, "optimizer": "sgd"},
    {"weighting": "gradnorm", "mix": "loss"},
    {"weighting": "uncertainty", "pooling": "gem", "images_at_once": 3},
    {"distillation": 1.0},
    {"loss": "arcface"},
    {"loss": "subcenter_arcface"},
]


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Collection:
    return write_small(tmp_path_factory.mktemp("data") / "small")


@pytest.fixture(autouse=True)
def full_precision(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", False)


def training(small: Collection, folder: Path, device: str, **change: object) -> Training:
    settings = replace(SETTINGS, **change)  # type: ignore[arg-type]
    return Training(small, "unified", 0, settings, folder, processes=Processes(device, settings.precision))


def accuracy(trained: Trained) -> float:
    columns = [name for name in trained.history if name.startswith("accuracy")]
    return float(trained.history[columns].dropna().iloc[-1].mean())


@pytest.mark.parametrize("change", WAYS)
def test_gpu_trains_what_the_cpu_does(small: Collection, tmp_path: Path, change: dict[str, object]) -> None:
    change = {"optimizer": "sgd", "learning_rate": 0.05, "epochs": 4, **change}
    alone = training(small, tmp_path / "cpu", "cpu", **change).run()
    trained = training(small, tmp_path / "gpu", "cuda", **change).run()
    shared = [name for name in alone.history if name.startswith(("loss", "weight"))]
    assert next(trained.model.parameters()).is_cuda
    assert np.allclose(trained.history[shared], alone.history[shared], rtol=1e-2, atol=2e-3)


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_half_precision_learns_and_keeps_weights_whole(
    small: Collection, tmp_path: Path, precision: str
) -> None:
    trained = training(small, tmp_path, "cuda", precision=precision).run()
    assert {value.dtype for value in trained.model.parameters()} == {torch.float32}
    assert accuracy(trained) > 0.9


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_killed_training_goes_on(
    small: Collection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, precision: str
) -> None:
    unbroken = training(small, tmp_path / "unbroken", "cuda", precision=precision).run()
    broken = training(small, tmp_path / "broken", "cuda", precision=precision)
    run_and_kill(broken, 25, monkeypatch)
    resumed = broken.run()
    for name, value in resumed.model.state_dict().items():
        assert torch.allclose(value, unbroken.model.state_dict()[name], rtol=1e-3, atol=1e-4), name


def test_model_trained_on_a_gpu_is_taken_up_and_embeds_alike_on_a_cpu(
    small: Collection, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    trained = training(small, tmp_path, "cuda").run()
    taken = training(small, tmp_path, "cpu")
    capsys.readouterr()
    again = taken.run()
    assert "taking up unified, seed 0, after step" in capsys.readouterr().out
    taken.save(tmp_path / "model", again)
    model = load_model(tmp_path / "model")
    there, here = (embed(one, small.pixels[:8], 4) for one in (trained.model, model))
    assert np.allclose(there, here, atol=1e-4)


def test_unfinished_training_of_a_gpu_is_not_taken_up_by_a_cpu(
    small: Collection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run_and_kill(training(small, tmp_path, "cuda"), 25, monkeypatch)
    capsys.readouterr()
    here = training(small, tmp_path, "cpu").run()
    assert "made by another machine, thread count or number of processes" in capsys.readouterr().out
    assert not next(here.model.parameters()).is_cuda
