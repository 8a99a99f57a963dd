"""What a study is on disk: `study.json`, all that raters need and no names, and `key.json`, which list is whose.

Both are made once. `study.json` may be handed to raters; who holds `key.json` can unblind it.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from unifiedlib.contract import Collection
from unifiedlib.files import write_json

STUDY_FILE, KEY_FILE, RATER_FOLDER = "study.json", "key.json", "raters"


class Document(BaseModel):
    """A part of a study's files: frozen, strictly typed, no unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Pair(Document):
    """Two result lists of one query, as they stand on the screen; item numbers, nearest first."""

    number: int = Field(ge=0)
    task: str
    query: int = Field(ge=0)
    left: list[int] = Field(min_length=1)
    right: list[int] = Field(min_length=1)


class LeftOut(Document):
    """Queries of a task that are not in the study, counted.

    no_match: nothing in the gallery is right; same_lists: both lists are the same; not_drawn: they could have been asked;
    n_query: the queries that the task has.
    """

    n_query: int
    no_match: int
    same_lists: int
    not_drawn: int


class Study(Document):
    """What raters are shown.

    collection: its fingerprint, as pictures are named by item number; data_folder: where it lies, from the repository's root;
    k: results in a list; questions: what is asked, by task; repeats: numbers of the pairs that each rater sees twice.
    """

    collection: str
    data_folder: str
    k: int = Field(ge=1)
    seed: int = Field(ge=0)
    questions: dict[str, str]
    pairs: list[Pair] = Field(min_length=1)
    repeats: list[int]
    left_out: dict[str, LeftOut]

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the content: answers belong to one fingerprint."""
        return hashlib.sha256(json.dumps(self.model_dump(), sort_keys=True).encode()).hexdigest()


class Key(Document):
    """Which list is whose. study: its fingerprint; ours, theirs: {task: system}; ours_left: of each pair."""

    study: str
    ours: dict[str, str]
    theirs: dict[str, str]
    ours_left: list[bool]


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise FileNotFoundError(
            f"{path} is missing: make a study with `python -m unifiedlib.study make`"
        ) from None


def _broken(path: Path, error: ValidationError) -> ValueError:
    first = error.errors()[0]
    where = ".".join(map(str, first["loc"])) or "the file"
    return ValueError(f"{path} is damaged at {where} ({first['msg']}): restore it from a copy")


def read_study(folder: Path) -> Study:
    """The study in a folder. Raises FileNotFoundError where there is none, ValueError where it is damaged."""
    path = folder / STUDY_FILE
    try:
        study = Study.model_validate_json(_read(path))
    except ValidationError as error:
        raise _broken(path, error) from None
    numbers = [pair.number for pair in study.pairs]
    if numbers != list(range(len(numbers))) or not set(study.repeats) <= set(numbers):
        raise ValueError(
            f"{path} is damaged: pairs are not numbered 0 to {len(numbers) - 1}, or repeats name others"
        )
    return study


def read_key(folder: Path, study: Study) -> Key:
    """The key of a study. Raises FileNotFoundError where it is kept elsewhere, ValueError where it is another study's."""
    path = folder / KEY_FILE
    if not path.is_file():
        raise FileNotFoundError(f"{path} is missing: put the key back that was made with the study")
    try:
        key = Key.model_validate_json(_read(path))
    except ValidationError as error:
        raise _broken(path, error) from None
    if key.study != study.fingerprint or len(key.ours_left) != len(study.pairs):
        raise ValueError(
            f"{path} is the key of another study: put the key back that was made with {STUDY_FILE}"
        )
    return key


def write_study(folder: Path, study: Study, key: Key) -> None:
    """Write both files. Raises FileExistsError where the folder holds answers to another study."""
    answered = sorted((folder / RATER_FOLDER).glob("*.jsonl"))
    if answered and (not (folder / STUDY_FILE).is_file() or read_study(folder) != study):
        raise FileExistsError(
            f"{folder} holds answers of {len(answered)} raters to another study: choose another folder, or move them away"
        )
    write_json(folder / KEY_FILE, key.model_dump())
    write_json(folder / STUDY_FILE, study.model_dump())


def check_collection(study: Study, collection: Collection) -> None:
    """Raise ValueError unless the collection is the one that the study was made from."""
    if study.collection != collection.fingerprint:
        raise ValueError(
            f"the study was made from another state of collection '{collection.name}', so its item numbers may name other "
            "pictures: assemble that state again, or make a new study"
        )
