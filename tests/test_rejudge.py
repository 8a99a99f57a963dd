from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from unifiedlib import paths, rejudge
from unifiedlib.params import load_params
from unifiedlib.publish import PUBLISHED
from unifiedlib.sections import Params

REPOSITORY = Path(__file__).resolve().parent.parent
SUFFIX = "-per-query.parquet"


@pytest.fixture(scope="module")
def params() -> Params:
    return load_params(REPOSITORY / "params.yaml")


def with_margins(params: Params, margin: float) -> Params:
    """The parameters with another margin of C1 on both collections."""
    chosen = {name: getattr(params.evaluate, name) for name in ("decor", "photos")}
    others = {name: one.model_copy(update={"margin_c1": margin}) for name, one in chosen.items()}
    return params.model_copy(update={"evaluate": params.evaluate.model_copy(update=others)})


def test_published_claims_are_those_of_the_published_queries(params: Params) -> None:
    folder = REPOSITORY / PUBLISHED
    found = rejudge.rejudge(params, folder)
    assert set(found) == {path.name.removesuffix(SUFFIX) for path in folder.glob(f"*{SUFFIX}")}
    assert found.keys() >= {"decor", "decor-ablations", "photos", "photos-ablations"}
    assert not any(found.values()), found


def test_another_margin_is_seen(
    params: Params, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    for published in (REPOSITORY / PUBLISHED).glob("decor-*"):
        if published.name.startswith(("decor-per-query", "decor-claims", "decor-scores")):
            (tmp_path / published.name).symlink_to(published)
    monkeypatch.setattr(rejudge, "load_params", lambda _: with_margins(params, 0.5))
    monkeypatch.setattr(paths, "resolve", lambda _: tmp_path)
    assert rejudge.main([]) == 1
    printed = capsys.readouterr().out
    assert "claims come out otherwise" in printed
    assert "C9: verdict inconclusive, now replicated" in printed
    assert "C2" not in printed


def test_rows_that_lack_something_are_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path, params: Params
) -> None:
    published = REPOSITORY / PUBLISHED / "decor-per-query.parquet"
    rows = pd.read_parquet(published)
    rows.drop(columns="cluster", errors="ignore").to_parquet(tmp_path / published.name)
    for name in ("decor-claims.json", "decor-scores.csv"):
        (tmp_path / name).symlink_to(published.parent / name)
    monkeypatch.setattr(paths, "resolve", lambda _: tmp_path)
    monkeypatch.setattr(rejudge, "load_params", lambda _: params)
    assert rejudge.main([]) == 1
    assert "decor-per-query.parquet has no column 'cluster'" in capsys.readouterr().err


def test_each_difference_is_a_line() -> None:
    published = [{"id": "C1", "verdict": "replicated", "effect": 0.1}, {"id": "C2", "verdict": "replicated"}]
    again = [{"id": "C1", "verdict": "inconclusive", "effect": 0.1}, {"id": "C3", "verdict": "replicated"}]
    assert rejudge.changed(published, again) == [
        "C2: published, but not judged here",
        "C3: judged here, but not published",
        "C1: verdict replicated, now inconclusive",
    ]
