"""One rater's way through a study, without any widget: the screen to show, an answer, an undo, how far it is."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from time import monotonic

from unifiedlib.study.document import Study
from unifiedlib.study.log import LEFT, NEITHER, RIGHT, SECONDS_DECIMALS, TIE, Answer, RaterLog
from unifiedlib.study.presentation import Screen, Shown, screens, shown_on

KEYS = {"q": LEFT, "t": TIE, "n": NEITHER, "p": RIGHT}
"""Far left and far right on the keyboard, and none a command of JupyterLab, where R outside the field would clear the cell."""
WORDS = {"q": "◀ left", "t": "tie: both as good", "n": "neither: both bad", "p": "right ▶"}
"""What the buttons say, by key."""
UNDO_KEY = "u"
LEAST_SECONDS = 0.7
"""Nobody compares two lists faster; a key that is held down comes again sooner."""


class Session:
    """A rater at work. clock: seconds, for how long an answer took.

    Raises as `RaterLog.open`.
    """

    def __init__(
        self, folder: Path, study: Study, rater: str, clock: Callable[[], float] = monotonic
    ) -> None:
        self.study = study
        self.screens: list[Screen] = screens(study, rater)
        self.log = RaterLog.open(folder, study, rater)
        self._clock = clock
        self._since = self._pressed = clock()

    @property
    def n_answered(self) -> int:
        """Screens that have been answered."""
        return len(self.log.answers)

    @property
    def is_done(self) -> bool:
        """Whether every screen has been answered."""
        return self.n_answered == len(self.screens)

    def shown(self) -> Shown:
        """The screen that waits for an answer. Raises ValueError when there is none left."""
        if self.is_done:
            raise ValueError("every screen has been answered; only undo is left")
        return shown_on(self.study, self.screens[self.n_answered])

    def answer(self, answer: str) -> None:
        """Save an answer to the screen that waits, and go on. Raises ValueError for an unknown one, or when no screen waits."""
        self.shown()
        screen, seconds = self.screens[self.n_answered], self._clock() - self._since
        self.log.append(Answer(screen.place, screen.pair, answer, round(seconds, SECONDS_DECIMALS)))
        self._since = self._clock()

    def undo(self) -> None:
        """Take back the last answer; its screen waits again. Raises ValueError where there is none."""
        self.log.undo()
        self._since = self._clock()

    def press(self, key: str) -> str:
        """Do what a key stands for; returns what to tell the rater, "" where nothing is to be said.

        A key too soon after the last one, or after its screen has come, is taken for one held down, and does nothing.
        """
        key, now = key.lower(), self._clock()
        too_soon = now - max(self._since, self._pressed) < LEAST_SECONDS
        self._pressed = now
        if key not in KEYS and key != UNDO_KEY:
            return f"The key “{key}” stands for nothing: press {', '.join(KEYS)}, or {UNDO_KEY} to take back."
        if too_soon:
            return "That was too quick to be counted: look, then press again."
        if key == UNDO_KEY and self.n_answered:
            self.undo()
            return "The last answer was taken back."
        if key == UNDO_KEY:
            return "There is no answer to take back yet."
        if not self.is_done:
            self.answer(KEYS[key])
        return ""
