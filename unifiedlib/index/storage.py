"""An index on disk: a folder that holds the old index or the new one, whole, whenever a save is killed.

`index.json` says what the index is, and names the folder beside it that holds its parts, with the bytes and SHA-256 of each. A
save writes a new folder of parts, then replaces `index.json` in one step, then removes the old parts.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
import numpy.typing as npt

from unifiedlib.files import atomic_folder, sha256, write_json

FORMAT = "unifiedlib index"
VERSION = 1
ABOUT = "index.json"
PARTS = "parts-"


class IndexFileError(ValueError):
    """A saved index that is foreign, truncated or damaged; the message names the file and what to do."""


@dataclass(frozen=True)
class Saved:
    """A saved index whose files are all there, with the bytes they were written with. about: the content of `index.json`."""

    folder: Path
    about: dict[str, object]

    def has(self, name: str) -> bool:
        """Whether it has the part `name`."""
        return name in cast(Mapping[str, object], self.about["parts"])

    def array(self, name: str, dtype: type[np.generic], shape: tuple[int, ...]) -> npt.NDArray[np.generic]:
        """The array of the part `name`, mapped from its file. Raises IndexFileError unless it is as the index says."""
        path = self.folder / name
        if not self.has(name):
            raise IndexFileError(f"{self.folder.parent / ABOUT} does not list {name}: save the index again")
        try:
            mapped = np.load(path, mmap_mode="r", allow_pickle=False)
        except (OSError, ValueError) as error:
            raise IndexFileError(f"{path} is no array: {error}; save the index again") from None
        if mapped.dtype != dtype or mapped.shape != shape:
            raise IndexFileError(
                f"{path} is {mapped.dtype} {list(mapped.shape)}, the index says {np.dtype(dtype)} {list(shape)}: "
                "save the index again"
            )
        return np.asarray(mapped)


def _generation(folder: Path) -> int:
    """The number of the parts in use; 0 where no index is saved. Raises ValueError when the folder holds other things."""
    if not folder.exists():
        return 0
    if (folder / ABOUT).is_file():
        return int(str(_read_about(folder)["parts_folder"]).removeprefix(PARTS))
    if other := sorted(path.name for path in folder.iterdir() if not path.name.lstrip(".").startswith(PARTS)):
        raise ValueError(
            f"{folder} holds {other[0]!r} and no index: name a new folder, or an index to replace"
        )
    return 0


def write_saved(
    folder: Path, about: Mapping[str, object], writers: Mapping[str, Callable[[Path], object]]
) -> None:
    """Save an index in `folder`, in place of one that is there. One process may write to a folder at a time.

    writers: what writes each part, by the part's name. Raises ValueError, before anything is written, when `folder` holds
    anything but an index.
    """
    parts_folder = f"{PARTS}{_generation(folder) + 1}"
    with atomic_folder(folder / parts_folder) as aside:
        for name, write in writers.items():
            write(aside / name)
        parts = {
            name: {"bytes": (aside / name).stat().st_size, "sha256": sha256(aside / name)} for name in writers
        }
    head = {"format": FORMAT, "version": VERSION, "parts_folder": parts_folder}
    write_json(folder / ABOUT, {**head, **about, "parts": parts})
    _remove_other_parts(folder, parts_folder)


def _remove_other_parts(folder: Path, used: str) -> None:
    """Remove the parts of the index before, and what killed saves left."""
    for path in folder.iterdir():
        if path.name.lstrip(".").startswith(PARTS) and path.name != used:
            shutil.rmtree(path)


def _read_about(folder: Path) -> dict[str, object]:
    path = folder / ABOUT
    if not path.is_file():
        raise FileNotFoundError(f"{folder} holds no index ({ABOUT} is missing): build one and save it there")
    try:
        about = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise IndexFileError(f"{path} is no JSON ({error}): save the index again") from None
    if not isinstance(about, dict) or about.get("format") != FORMAT:
        raise IndexFileError(f"{path} is not of an index of unifiedlib: its format must be {FORMAT!r}")
    if about.get("version") != VERSION:
        raise IndexFileError(
            f"{path} has version {about.get('version')}, this library reads {VERSION}: build the index again"
        )
    parts, name = about.get("parts"), about.get("parts_folder")
    number = name.removeprefix(PARTS) if isinstance(name, str) and name.startswith(PARTS) else ""
    if not number.isdecimal() or not isinstance(parts, dict) or not all(map(_is_part, parts.items())):
        raise IndexFileError(f"{path} does not name its parts as a saved index does: save the index again")
    return about


def _is_part(named: tuple[str, object]) -> bool:
    """Whether an entry of `parts` names a file of the folder, its bytes and its checksum."""
    name, facts = named
    return Path(name).name == name and isinstance(facts, dict) and {"bytes", "sha256"} <= set(facts)


def read_saved(folder: Path, verify: bool = False) -> Saved:
    """Open a saved index. The bytes of each part are compared always; with `verify` its SHA-256 too, which reads all of it.

    Raises FileNotFoundError when there is no index, IndexFileError for a foreign, truncated or damaged one.
    """
    about = _read_about(folder)
    inside = folder / str(about["parts_folder"])
    parts = about["parts"]
    for name, facts in parts.items() if isinstance(parts, dict) else ():
        path = inside / name
        if not path.is_file():
            raise IndexFileError(f"{path} is missing: save the index again")
        if (found := path.stat().st_size) != facts["bytes"]:
            raise IndexFileError(
                f"{path} has {found:,} bytes, {facts['bytes']:,} were saved: it is truncated or was changed; save the index again"
            )
        if verify and sha256(path) != facts["sha256"]:
            raise IndexFileError(f"{path} is not as it was saved (SHA-256 differs): save the index again")
    return Saved(inside, about)
