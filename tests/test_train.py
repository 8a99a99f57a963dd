from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from small_world import SETTINGS, write_params, write_small
from torchrun import torchrun

from unifiedlib import stages, train
from unifiedlib.contract import load_collection
from unifiedlib.paths import ROOT_VARIABLE
from unifiedlib.training import Training

REPOSITORY = Path(__file__).resolve().parent.parent
COMMAND = (
    "-m",
    "unifiedlib.train",
    "--collection",
    "decor",
    "--variant",
    "unified",
    "--seed",
    "0",
    "--device",
    "cpu",
)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A repository's root with the small collection under the name of `decor`, and its settings in params.yaml."""
    write_small(tmp_path / "data" / "decor")
    write_params(tmp_path, SETTINGS)
    return tmp_path


@pytest.mark.slow
def test_stage_picks_up_what_torchrun_has_trained(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run = torchrun(*COMMAND, cwd=REPOSITORY, **{ROOT_VARIABLE: str(project)})
    assert run.returncode == 0, run.stderr
    assert "unified, seed 0: trained by 2" in run.stdout
    monkeypatch.setattr("unifiedlib.training.show", None)
    checkpoints = project / ".checkpoints" / "decor"
    data = load_collection(project / "data" / "decor")
    histories, throughput = stages.train(data, "unified", [0], SETTINGS, project / "models", checkpoints)
    assert "taking up unified, seed 0" in capsys.readouterr().out
    assert len(histories[0])
    assert throughput[0].empty
    about = json.loads((project / "models" / "unified" / "seed-0" / "model.json").read_text(encoding="utf-8"))
    assert about["processes"] == 2
    assert not list(checkpoints.glob("unified/*"))


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--variant", "imagenet"), "variant 'imagenet' has nothing to train"),
        (("--variant", "unifed"), "there is no variant 'unifed'; did you mean 'unified'?"),
    ],
)
def test_training_from_the_shell_says_what_is_wrong(
    project: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: tuple[str, ...],
    sentence: str,
) -> None:
    monkeypatch.setattr("unifiedlib.paths.root", lambda: project)
    assert train.main(["--collection", "decor", *arguments]) == 1
    assert sentence in capsys.readouterr().err


def start(root: Path) -> subprocess.Popen[str]:
    environment = os.environ | {ROOT_VARIABLE: str(root), "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        [sys.executable, *COMMAND], cwd=REPOSITORY, env=environment, stdout=subprocess.PIPE, text=True
    )


@pytest.mark.slow
def test_killed_process_started_again_ends_in_the_weights_of_an_unbroken_one(
    project: Path, tmp_path: Path
) -> None:
    settings = replace(SETTINGS, epochs=60, classes_per_step=3)
    write_params(project, settings)
    torch.set_num_threads(1)
    data = load_collection(project / "data" / "decor")
    broken = Training(data, "unified", 0, settings, project / ".checkpoints" / "decor")
    process = start(project)
    while not broken.files.shared_file.exists():
        assert process.poll() is None, "the training ended before it could be killed"
        time.sleep(0.02)
    process.kill()
    process.communicate()
    again = start(project)
    assert "taking up unified, seed 0, after step" in again.communicate()[0]
    assert again.returncode == 0
    unbroken = Training(data, "unified", 0, settings, tmp_path / "unbroken").run()
    resumed = broken.run()
    for name, value in unbroken.model.state_dict().items():
        assert torch.equal(resumed.model.state_dict()[name], value), name
    assert resumed.history.equals(unbroken.history)
