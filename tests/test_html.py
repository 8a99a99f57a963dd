from __future__ import annotations

from pathlib import Path

from nbformat.v4 import new_code_cell, new_notebook, new_output

from unifiedlib.html import fold_progress, render


def said(text: str) -> object:
    return new_output("stream", name="stdout", text=text)


def test_progress_is_folded_away_and_what_was_said_stays_in_sight() -> None:
    outputs = [
        said("flashlight: 3 classes\nseed 0, step: 1 of 20, about 9 s left\n"),
        said("seed 0, step: 1,000 of 2,000, about 0 s left\ndone\n"),
    ]
    cell = new_code_cell("train()", outputs=outputs)
    notebook = new_notebook(cells=[cell])
    folded = fold_progress(notebook).cells[0].outputs
    assert [(one.text, one.get("is_progress", False)) for one in folded] == [
        (
            "seed 0, step: 1 of 20, about 9 s left\nseed 0, step: 1,000 of 2,000, about 0 s left\n",
            True,
        ),
        ("flashlight: 3 classes\ndone\n", False),
    ]
    assert len(cell.outputs) == 2, "the notebook itself is left as it is"
    page = render(notebook, "decor", Path())
    assert page.count("<summary>progress</summary>") == 1
    assert "<pre>flashlight: 3 classes\ndone\n</pre>" in page


def test_text_without_progress_is_one_block() -> None:
    cell = new_code_cell("print()", outputs=[said("one\n"), said("of two, about right\n")])
    (output,) = fold_progress(new_notebook(cells=[cell])).cells[0].outputs
    assert output.text == "one\nof two, about right\n"
