"""A rater's answers on disk: a line of JSON each, appended and flushed to the disk before the next screen is shown.

`raters/<name>.jsonl` begins with a line that names the study and the rater. A killed kernel loses at most the answer in
progress: a last line that was cut off in writing is left out, and the screen is asked again. An undo is a line, too.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

from unifiedlib.study.document import RATER_FOLDER, Study
from unifiedlib.study.presentation import Screen, check_rater, screens

LEFT, RIGHT, TIE, NEITHER = "left", "right", "tie", "neither"
ANSWERS = (LEFT, RIGHT, TIE, NEITHER)
SECONDS_DECIMALS = 2


@dataclass(frozen=True)
class Answer:
    """What a rater said about a screen.

    place, pair: as in `Screen`; answer: one of `ANSWERS`, `neither` where both lists are bad; seconds: how long it took, None
    where nobody looked at a clock.
    """

    place: int
    pair: int
    answer: str
    seconds: float | None = None


def check_answer(answer: str) -> str:
    """The answer, if it is one of `ANSWERS`; else ValueError."""
    if answer not in ANSWERS:
        raise ValueError(f"answer is '{answer}'; choose one of {', '.join(ANSWERS)}")
    return answer


def rater_file(folder: Path, rater: str) -> Path:
    """Where a rater's answers lie. Raises ValueError for a name that could lead elsewhere."""
    return folder / RATER_FOLDER / f"{check_rater(rater)}.jsonl"


def _lines(path: Path) -> tuple[list[dict[str, object]], int, int]:
    """The whole lines of a file, how many bytes they take, and how many the file has."""
    content = path.read_bytes() if path.is_file() else b""
    parts = content.split(b"\n")
    found: list[dict[str, object]] = []
    size = 0
    for number, part in enumerate(parts, 1):
        is_last = number >= len(parts) - 1
        try:
            line = json.loads(part)
            whole = isinstance(line, dict) and number < len(parts)
        except ValueError:
            whole = False
        if not whole:
            if not is_last:
                raise ValueError(
                    f"{path}, line {number} is damaged: restore the file from a copy, or move it away"
                )
            break
        found.append(line)
        size += len(part) + 1
    return found, size, len(content)


def _replay(path: Path, lines: Sequence[dict[str, object]], shown: Sequence[Screen]) -> list[Answer]:
    """The answers that stand, after each undo has taken back the last one before it."""
    answers: list[Answer] = []
    for number, line in enumerate(lines, 2):
        if line == {"undo": True} and answers:
            answers.pop()
            continue
        try:
            answer = Answer(**line)  # type: ignore[arg-type]
            check_answer(answer.answer)
            fits = answer.place == len(answers) and shown[answer.place].pair == answer.pair
        except (TypeError, ValueError, IndexError):
            fits = False
        if not fits:
            raise ValueError(
                f"{path}, line {number} is no answer to this study's next screen: restore the file from a copy, or move it away"
            )
        answers.append(answer)
    return answers


@dataclass
class RaterLog:
    """The answers of one rater to one study, and where they are saved.

    header: the file's first line. size: its bytes, as far as its lines are whole; on_disk: all of them, more where a last line
    was cut off. A file of another size than that was written to by another window.
    """

    path: Path
    header: dict[str, object]
    answers: list[Answer]
    size: int
    on_disk: int

    @property
    def cut_off(self) -> bool:
        """Whether a last line was cut off in writing; it is no answer."""
        return self.on_disk > self.size

    @classmethod
    def open(cls, folder: Path, study: Study, rater: str, simulated: bool = False) -> Self:
        """Take up a rater's file in a study's folder, or get ready to begin one; nothing is written yet.

        Raises ValueError for a name that cannot be a file's, answers to another study, or a damaged file.
        """
        path = rater_file(folder, rater)
        header: dict[str, object] = {"study": study.fingerprint, "rater": rater, "simulated": simulated}
        lines, size, on_disk = _lines(path)
        if lines and lines[0] != header:
            raise ValueError(
                f"{path} holds answers to another study, or of another rater; the study may have been changed since: put it "
                "back as it was, or answer under another name"
            )
        return cls(path, header, _replay(path, lines[1:], screens(study, rater)), size, on_disk)

    def append(self, answer: Answer) -> None:
        """Save an answer; when this returns, it is on the disk. Raises ValueError for an answer that is none."""
        check_answer(answer.answer)
        self._write(asdict(answer))
        self.answers.append(answer)

    def undo(self) -> Answer:
        """Take back the last answer and return it. Raises ValueError where there is none."""
        if not self.answers:
            raise ValueError("there is no answer to take back yet")
        self._write({"undo": True})
        return self.answers.pop()

    def _write(self, line: dict[str, object]) -> None:
        found = self.path.stat().st_size if self.path.is_file() else 0
        if found != self.on_disk:
            raise ValueError(
                f"{self.path} has changed meanwhile: another window answers under this name; close one and run the cell again"
            )
        new = [self.header, line] if self.size == 0 else [line]
        data = "".join(json.dumps(one) + "\n" for one in new).encode()
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("ab") as stream:
            stream.truncate(self.size)
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        if self.size == 0:
            _sync_folder(self.path.parent)
        self.size += len(data)
        self.on_disk = self.size


def _sync_folder(folder: Path) -> None:
    """Let a new file's name reach the disk, too."""
    number = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)


def read_logs(folder: Path, study: Study) -> list[RaterLog]:
    """The answers of every rater of a study, by name. Raises as `RaterLog.open`."""
    logs = []
    for path in sorted((folder / RATER_FOLDER).glob("*.jsonl")):
        lines, _, _ = _lines(path)
        simulated = bool(lines and lines[0].get("simulated"))
        logs.append(RaterLog.open(folder, study, path.stem, simulated))
    return logs
