"""The judging tool for JupyterLab, of plain ipywidgets: two lists side by side, answered by button or by key.

ipywidgets has no widget that hears keys as such. A `Text` that sends its value at every stroke does: its observer takes the
last letter, empties the field, and the field keeps the focus, so the next key goes there, too. JupyterLab leaves keys alone that
are typed into a field. After a click on a button the focus is put back there.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from html import escape
from pathlib import Path
from time import monotonic

import ipywidgets as widgets

from unifiedlib import paths
from unifiedlib.contract import Collection, load_collection
from unifiedlib.palette import INK, QUERY, SOFT
from unifiedlib.study.document import check_collection, read_study
from unifiedlib.study.picture import QUERY_TILE, list_picture, query_picture
from unifiedlib.study.session import KEYS, UNDO_KEY, WORDS, Session

WIDEST = 1120
QUERY_BORDER = f"3px solid {QUERY}"
WIDGET_TYPE = "application/vnd.jupyter.widget-view+json"
CUT_OFF = "The last answer was cut off when it was being saved, so its screen is shown again."


def _heading(text: str, colour: str = INK) -> str:
    return f'<div style="color:{colour};font-size:15px;font-weight:600;line-height:1.3">{escape(text)}</div>'


class Judge:
    """The tool, to be shown by being a cell's last line.

    collection: the pictures; session: whose answers are asked for. clock: as in `Session`.
    """

    def __init__(self, collection: Collection, session: Session) -> None:
        self.collection, self.session = collection, session
        self.question, self.message = widgets.HTML(), widgets.HTML()
        self.left, self.right = (
            widgets.Image(format="png", layout=widgets.Layout(max_width="100%", height="auto"))
            for _ in range(2)
        )
        own = widgets.Layout(
            width=f"{QUERY_TILE}px", height=f"{QUERY_TILE}px", flex="0 0 auto", border=QUERY_BORDER
        )
        self.query = widgets.Image(format="png", layout=own)
        self.progress = widgets.IntProgress(max=len(session.screens), layout=widgets.Layout(width="240px"))
        self.count = widgets.Label()
        self.key = widgets.Text(
            placeholder="click here, then press q, t, n or p; u takes back",
            continuous_update=True,
            layout=widgets.Layout(width="340px"),
        )
        self.key.observe(self._typed, names="value")
        self.buttons = {key: self._button(WORDS[key], key) for key in KEYS}
        self.undo = self._button("take back", UNDO_KEY)
        self.panel = self._layout()
        self._show(CUT_OFF if session.log.cut_off else "")

    def _button(self, words: str, key: str) -> widgets.Button:
        button = widgets.Button(description=f"{words} ({key})", layout=widgets.Layout(width="auto"))
        button.on_click(partial(self._clicked, key))
        return button

    def _layout(self) -> widgets.VBox:
        """The picture with question and answers beside it; below, the lists side by side, however narrow the page."""
        half = widgets.Layout(width="50%", min_width="0", align_items="flex-start", overflow="hidden")
        lists = [
            widgets.VBox([widgets.HTML(_heading(side)), picture], layout=half)
            for side, picture in (("left", self.left), ("right", self.right))
        ]
        answers = widgets.HBox(list(self.buttons.values()), layout=widgets.Layout(flex_flow="row wrap"))
        keys = widgets.HBox([self.key, self.undo])
        done = widgets.HBox([self.progress, self.count])
        beside = widgets.VBox([self.question, answers, keys, self.message, done])
        gap = widgets.Layout(grid_gap="24px", align_items="flex-start", margin="0 0 12px 0")
        return widgets.VBox(
            [widgets.HBox([self.query, beside], layout=gap), widgets.HBox(lists, layout=gap)],
            layout=widgets.Layout(max_width=f"{WIDEST}px"),
        )

    def _typed(self, change: dict[str, str]) -> None:
        """A key was typed into the field: take it and empty the field."""
        if change["new"]:
            self.key.value = ""
            self._press(change["new"][-1])

    def _clicked(self, key: str, _: widgets.Button) -> None:
        self._press(key)
        self.key.focus()

    def _press(self, key: str) -> None:
        try:
            said = self.session.press(key)
        except (ValueError, OSError) as error:
            said = f"Not saved: {error}"
        self._show(said)

    def _show(self, said: str) -> None:
        """Bring the widgets up to the screen that waits for an answer."""
        session = self.session
        self.message.value = f'<span style="color:{SOFT}">{escape(said)}</span>'
        self.progress.value = session.n_answered
        self.count.value = f"{session.n_answered} of {len(session.screens)} answered"
        self.undo.disabled = session.n_answered == 0
        for button in self.buttons.values():
            button.disabled = session.is_done
        if session.is_done:
            self.question.value = _heading("Done: every screen is answered and saved. Thank you.")
            return
        shown, pixels = session.shown(), self.collection.pixels
        self.question.value = _heading(shown.question)
        self.query.value = query_picture(pixels[shown.query])
        self.left.value, self.right.value = (list_picture(pixels[one]) for one in (shown.left, shown.right))

    def _repr_mimebundle_(self, **_: object) -> dict[str, object]:
        """The panel for JupyterLab, and one line for where there are no widgets."""
        view = {"version_major": 2, "version_minor": 0, "model_id": self.panel.model_id}
        return {"text/plain": self.count.value, WIDGET_TYPE: view}


def judge(folder: str | Path, rater: str, clock: Callable[[], float] = monotonic) -> Judge:
    """The judging tool for the study in a folder (from the repository's root), where `rater` stopped last time.

    Answers are saved in the folder's `raters/<rater>.jsonl`, each before the next screen is shown. Raises FileNotFoundError where
    there is no study, or no collection; ValueError for a rater's name or file that does not fit, or a changed collection.
    """
    study = read_study(where := paths.resolve(folder))
    session = Session(where, study, rater, clock)
    collection = load_collection(paths.resolve(study.data_folder))
    check_collection(study, collection)
    return Judge(collection, session)
