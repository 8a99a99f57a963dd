"""What `dvc metrics` and `dvc plots` print, by the files that the reports write for them and by DVC itself."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from tiny_project import REPOSITORY

from unifiedlib.dvc_views import headline_metrics, plot_rows, training_rows, write_views

DVC = [sys.executable, "-m", "dvc"]


def scores(shift: float = 0.0) -> pd.DataFrame:
    rows = [
        (variant, seed, task, "task", kind, 8, f"P@{k}", k, 0.5 + seed / 10 + shift, 0.4, 0.7, 10)
        for variant in ("lens", "unified")
        for seed in (0, 1)
        for task in ("lens", "shop")
        for kind in ("float", "binary")
        for k in (1, 5)
    ]
    columns = ["variant", "seed", "task", "gallery", "representation", "dim", "metric", "k"]
    return pd.DataFrame(rows, columns=[*columns, "value", "low", "high", "n_query"])


def write_histories(folder: Path) -> None:
    for variant in ("lens", "unified"):
        for seed in (0, 1):
            own = folder / variant / f"seed-{seed}"
            own.mkdir(parents=True)
            table = pd.DataFrame(
                {"phase": [1, 2], "step": [20, 5], "loss lens/style": [3.0 + seed, 1.0 + seed]}
            )
            table.assign(learning_rate=0.1).to_csv(own / "history.csv", index=False)


def test_metrics_are_the_headline_ones_of_what_was_trained_for_the_task() -> None:
    found = headline_metrics(scores())
    assert found["lens"] == {"lens": {"float": {"P@5": 0.55}, "binary": {"P@5": 0.55}}}
    assert list(found["unified"]) == ["lens", "shop"]


def test_rows_to_plot_name_task_and_metric() -> None:
    table = plot_rows(scores())
    assert set(table["task"]) == {"lens P@5", "shop P@5"}
    assert len(table) == 6


def test_training_rows_are_means_over_seeds_through_both_phases(tmp_path: Path) -> None:
    write_histories(tmp_path)
    (tmp_path / "imagenet/seed-0").mkdir(parents=True)
    assert training_rows(tmp_path).to_numpy().tolist() == [
        *(["lens", "lens/style", 20, 3.5], ["lens", "lens/style", 25, 1.5]),
        *(["unified", "lens/style", 20, 3.5], ["unified", "lens/style", 25, 1.5]),
    ]
    assert training_rows(tmp_path / "nowhere").empty


def write_run(root: Path, shift: float) -> None:
    """What a run of `decor` and its ablations leaves, gathered for DVC; the study of codes has no metrics.json."""
    for name in ("decor", "decor-ablations", "decor-codes"):
        folder = root / "results" / name
        folder.mkdir(parents=True, exist_ok=True)
        scores(shift).to_csv(folder / "scores.csv", index=False)
        if name != "decor-codes":
            (folder / "metrics.json").write_text("{}")
    names = write_views(root / "verdicts", root / "results", root / "models")
    assert names == ["decor", "decor-ablations"]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository with the real dvc.yaml, in which one collection was run at two commits; its files kept by git."""
    root = tmp_path_factory.mktemp("project")
    for name in ("dvc.yaml", "params.yaml", ".dvc/config"):
        (root / name).parent.mkdir(exist_ok=True)
        shutil.copy(REPOSITORY / name, root / name)
    shutil.copytree(REPOSITORY / ".dvc/plots", root / ".dvc/plots")
    write_histories(root / "models/decor")
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "core.hooksPath=/dev/null"]
    subprocess.run([*git, "init", "-q"], cwd=root, check=True)
    write_run(root, shift=0.0)
    subprocess.run([*git, "add", "-A"], cwd=root, check=True)
    subprocess.run([*git, "-c", "commit.gpgsign=false", "commit", "-q", "-m", "one"], cwd=root, check=True)
    write_run(root, shift=0.125)
    return root


def dvc(root: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*DVC, *words], cwd=root, capture_output=True, text=True, check=True)


def test_metrics_show_is_free_of_complaints_about_what_was_not_run(project: Path) -> None:
    done = dvc(project, "metrics", "show", "--md")
    assert "failed" not in done.stdout + done.stderr
    assert "unified.shop.binary.P@5" in done.stdout
    assert "0.675" in done.stdout


def test_metrics_diff_has_a_line_per_changed_metric(project: Path) -> None:
    lines = json.loads(dvc(project, "metrics", "diff", "--json").stdout)["verdicts/metrics/decor.json"]
    assert len(lines) == 6
    assert {round(change["diff"], 6) for change in lines.values()} == {0.125}


def test_plots_show_draws_scores_and_curves_by_templates_of_our_own(project: Path) -> None:
    done = dvc(project, "plots", "show", "--json")
    drawn = json.loads(done.stdout)["data"]
    names = {name.replace("\\", "/").removeprefix("dvc.yaml::") for name in drawn}
    assert {"verdicts/plots/scores/decor.csv", "verdicts/plots/training/decor.csv"} <= names
    for plots in drawn.values():
        for plot in plots:
            content = plot["content"]
            content = content if isinstance(content, str) else json.dumps(content)
            assert "facet" in content
            assert "<DVC_METRIC" not in content.replace("<DVC_METRIC_DATA>", "")
