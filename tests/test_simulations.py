from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from unifiedlib.simulations import (
    INTERLEAVING,
    RATERS,
    VOLUMES,
    sentence,
    simulation_markdown,
    simulation_table,
)


def write(folder: Path, content: object) -> None:
    folder.mkdir(parents=True)
    (folder / "summary.json").write_text(json.dumps(content), encoding="utf-8")


def rated(name: str) -> dict[str, object]:
    return {"id": name, "simulated": True, "effect": 0.2, "low": -0.1, "high": 0.3}


def played(method: str, action: str, measure: str, lift: float | None) -> dict[str, object]:
    about = {
        "comparison": "specialist",
        "task": "lens",
        "method": method,
        "action": action,
        "measure": measure,
    }
    return about | {
        "simulated": True,
        "effect": 0.01,
        "low": 0.0,
        "high": 0.02,
        "lift": lift,
        "outcome": "ahead",
    }


@pytest.fixture
def results(tmp_path: Path) -> Path:
    entries = [rated("specialist"), rated("specialist/lens"), rated("codes/shop"), rated("imagenet/lens")]
    write(tmp_path / "decor-study", {"simulated": True, "results": entries})
    replayed = [
        *(played("A/B", "click", "volume", -0.05), played("A/B", "repin", "volume", 0.071)),
        *(played("A/B", "click", "propensity", 0.5), played("interleaving", "click", "preference", None)),
    ]
    write(tmp_path / "decor-replay", replayed)
    return tmp_path


def tabled(results: Path) -> pd.DataFrame:
    return simulation_table(results / "decor-study/summary.json", results / "decor-replay/summary.json")


def test_raters_and_users_stand_beside_each_other(results: Path) -> None:
    table = tabled(results)
    assert table[["compared", "task"]].to_numpy().tolist() == [
        ["unified minus specialist", "lens"],
        ["unified minus ImageNet", "lens"],
        ["codes minus floats", "shop"],
    ]
    first = table.iloc[0]
    assert first[RATERS] == "+0.200 (−0.100 to +0.300)"
    assert first[VOLUMES["click"]] == "−5.0%, ahead"
    assert first[VOLUMES["repin"]] == "+7.1%, ahead"
    assert first[INTERLEAVING] == "+0.010 (0.000 to +0.020)"
    assert table.iloc[2][INTERLEAVING] == ""
    assert "not measurements of people" in sentence(table)


def test_what_was_not_run_is_told_with_the_command(tmp_path: Path) -> None:
    table = tabled(tmp_path)
    assert table.empty
    assert "`make study` and `make replay`" in sentence(table)


def test_entry_that_does_not_say_that_it_is_simulated_is_refused(results: Path) -> None:
    (results / "decor-replay/summary.json").write_text(json.dumps([{"method": "A/B"}]))
    with pytest.raises(ValueError, match="not marked as simulated"):
        tabled(results)


def test_table_for_the_readme_keeps_empty_cells(results: Path) -> None:
    lines = simulation_markdown(tabled(results)).splitlines()
    assert lines[0].startswith("**Simulations, not measurements of people.**")
    assert all(line.startswith("| ") and line.endswith(" |") for line in lines[4:])
    assert {line.count("|") for line in lines[2:]} == {7}
