from __future__ import annotations

import pytest

from unifiedlib.progress import progress


def test_items_pass_through_unchanged() -> None:
    assert list(progress("abc", 3, "letters")) == ["a", "b", "c"]


def test_log_gets_a_line_that_says_how_far_and_how_long(capsys: pytest.CaptureFixture[str]) -> None:
    list(progress(range(2000), 2000, "steps", every=0.0))
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("steps: 1 of 2,000, about ")
    assert lines[-1] == "steps: 2,000 of 2,000, about 0 s left"


def test_quick_work_leaves_the_log_alone(capsys: pytest.CaptureFixture[str]) -> None:
    list(progress(range(10), 10, "steps"))
    assert capsys.readouterr().out == ""
