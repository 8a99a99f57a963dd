from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import get_args

import numpy as np
import pandas as pd
import pytest
from index_world import clustered

from unifiedlib.files import sha256
from unifiedlib.index import Index, IndexFileError, Where, storage
from unifiedlib.index.vectors import Representation

GALLERY, QUERIES = clustered(100, 64, 0), clustered(5, 64, 1)
IDS = np.random.default_rng(2).choice(10**15, 100, replace=False)


def names(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


def saved(folder: Path, **options: object) -> Path:
    Index.build(GALLERY, IDS, **options).save(folder)
    return folder


@pytest.mark.parametrize("kind", ["flat", "ivf", "hnsw"])
@pytest.mark.parametrize("representation", get_args(Representation))
def test_a_round_trip_keeps_ids_answers_filters_and_facts(
    representation: str, kind: str, tmp_path: Path
) -> None:
    tags = pd.DataFrame({"id": IDS[:60], "task": "lens", "domain": "pin"})
    index = Index.build(GALLERY, IDS, representation=representation, kind=kind, tags=tags, about={"a": "b"})
    index.save(tmp_path / "index")
    loaded = Index.load(tmp_path / "index", verify=True)
    assert loaded.facts == index.facts
    assert np.array_equal(loaded.ids, np.sort(IDS))
    for where in (None, Where(task="lens")):
        before, after = (one.search(QUERIES, 4, where=where) for one in (index, loaded))
        assert np.array_equal(before.ids, after.ids)
        assert np.array_equal(before.distances, after.distances)


def test_the_folder_holds_what_the_page_says(tmp_path: Path) -> None:
    saved(tmp_path / "index", representation="reranked")
    parts = ["parts-1", "parts-1/codes.npy", "parts-1/floats.npy", "parts-1/ids.npy"]
    assert names(tmp_path / "index") == ["index.json", *parts]
    about = json.loads((tmp_path / "index/index.json").read_text())
    assert about["parts"]["codes.npy"]["sha256"] == sha256(tmp_path / "index/parts-1/codes.npy")


def test_codes_and_floats_stay_on_disk(tmp_path: Path) -> None:
    index = Index.load(saved(tmp_path / "index", representation="reranked"))
    for array in (index._vectors.codes, index._vectors.floats):
        assert array is not None
        assert isinstance(array.base, np.memmap)
        assert not array.flags.writeable


def test_codes_take_a_thirtysecond_of_the_floats(tmp_path: Path) -> None:
    sizes = {
        name: (saved(tmp_path / name, representation=name) / f"parts-1/{part}.npy").stat().st_size - 128
        for name, part in (("float", "floats"), ("binary", "codes"))
    }
    assert sizes["float"] == 32 * sizes["binary"]


def test_an_index_is_saved_over_the_one_it_was_loaded_from(tmp_path: Path) -> None:
    folder = saved(tmp_path / "index")
    index = Index.load(folder)
    index.add(QUERIES)
    index.save(folder)
    index.save(folder)
    assert names(folder) == ["index.json", "parts-3", "parts-3/codes.npy", "parts-3/ids.npy"]
    assert np.array_equal(
        Index.load(folder, verify=True).search(QUERIES, 2).ids, index.search(QUERIES, 2).ids
    )


# Killed saves


def killed_at(point: str) -> None:
    """Let the function `point` of the storage kill its process."""

    def kill(*_: object, **__: object) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    setattr(storage, point, kill)


@pytest.mark.parametrize(
    ("point", "size_after"),
    [("sha256", 100), ("write_json", 100), ("_remove_other_parts", 7)],
    ids=["while parts are written", "before they are named", "before the old ones are removed"],
)
def test_a_killed_save_leaves_the_old_index_or_the_new_one_whole(
    point: str, size_after: int, tmp_path: Path
) -> None:
    folder = saved(tmp_path / "index")
    child = os.fork()
    if child == 0:
        killed_at(point)
        Index.build(GALLERY[:7]).save(folder)
        os._exit(1)
    assert os.waitpid(child, 0)[1] == signal.SIGKILL
    assert len(Index.load(folder, verify=True)) == size_after
    saved(folder)
    assert len(names(folder)) == 4, "what the killed save left is removed by the next"
    assert len(Index.load(folder, verify=True)) == 100


def test_a_first_save_that_is_killed_leaves_no_index_and_may_be_repeated(tmp_path: Path) -> None:
    child = os.fork()
    if child == 0:
        killed_at("write_json")
        saved(tmp_path / "index")
        os._exit(1)
    assert os.waitpid(child, 0)[1] == signal.SIGKILL
    with pytest.raises(FileNotFoundError, match=r"holds no index \(index.json is missing\)"):
        Index.load(tmp_path / "index")
    assert len(Index.load(saved(tmp_path / "index"))) == 100


def test_a_failed_save_leaves_the_old_index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = saved(tmp_path / "index")

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(storage, "sha256", full)
        with pytest.raises(OSError, match="No space left"):
            Index.build(GALLERY[:7]).save(folder)
    assert len(Index.load(folder, verify=True)) == 100
    assert names(folder) == ["index.json", "parts-1", "parts-1/codes.npy", "parts-1/ids.npy"]


def test_a_folder_of_other_things_is_not_written_to(tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("dear")
    with pytest.raises(ValueError, match=r"holds 'letter.txt' and no index: name a new folder"):
        saved(tmp_path)
    assert names(tmp_path) == ["letter.txt"]


# Damaged and foreign files


def truncate(folder: Path) -> None:
    os.truncate(folder / "parts-1/codes.npy", 500)


def remove(folder: Path) -> None:
    (folder / "parts-1/ids.npy").unlink()


def break_json(folder: Path) -> None:
    path = folder / "index.json"
    path.write_text(path.read_text()[:-40])


def foreign_json(folder: Path) -> None:
    (folder / "index.json").write_text('{"version": 1}')


def later_version(folder: Path) -> None:
    change(folder, "version", 2)


def no_parts(folder: Path) -> None:
    change(folder, "parts_folder", "../elsewhere")


def part_elsewhere(folder: Path) -> None:
    change(folder, "parts", {"../../secret": {"bytes": 1, "sha256": ""}})


def no_dim(folder: Path) -> None:
    change(folder, "dim", "wide")


def other_dim(folder: Path) -> None:
    change(folder, "dim", 128)


def foreign_array(folder: Path) -> None:
    replace_part(folder, "codes.npy", b"not an array")


def pickled_array(folder: Path) -> None:
    np.save(folder / "objects.npy", np.array([{}], object), allow_pickle=True)
    replace_part(folder, "codes.npy", (folder / "objects.npy").read_bytes())


def ids_out_of_order(folder: Path) -> None:
    np.save(folder / "ids.npy", np.arange(100)[::-1])
    replace_part(folder, "ids.npy", (folder / "ids.npy").read_bytes())


def change(folder: Path, name: str, value: object) -> None:
    about = json.loads((folder / "index.json").read_text())
    (folder / "index.json").write_text(json.dumps({**about, name: value}))


def replace_part(folder: Path, name: str, content: bytes) -> None:
    """Put other bytes in a part's place, as if they had been saved there."""
    path = folder / "parts-1" / name
    path.write_bytes(content)
    about = json.loads((folder / "index.json").read_text())
    about["parts"][name] = {"bytes": len(content), "sha256": sha256(path)}
    change(folder, "parts", about["parts"])


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (truncate, "codes.npy has 500 bytes, 928 were saved: it is truncated or was changed"),
        (remove, "ids.npy is missing: save the index again"),
        (break_json, "index.json is no JSON"),
        (foreign_json, "index.json is not of an index of unifiedlib"),
        (later_version, "index.json has version 2, this library reads 1"),
        (no_parts, "does not name its parts as a saved index does"),
        (part_elsewhere, "does not name its parts as a saved index does"),
        (no_dim, "dim is 'wide'; it must be a whole number above 0"),
        (other_dim, r"codes.npy is uint8 \[100, 8\], the index says uint8 \[100, 16\]"),
        (foreign_array, "codes.npy is no array"),
        (pickled_array, "codes.npy is no array"),
        (ids_out_of_order, "its ids do not ascend from 0 on"),
    ],
)
def test_a_damaged_or_foreign_file_is_named(
    damage: Callable[[Path], None], message: str, tmp_path: Path
) -> None:
    folder = saved(tmp_path / "index")
    damage(folder)
    with pytest.raises(IndexFileError, match=message):
        Index.load(folder)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"hello, world, no index", "faiss.index is damaged or not faiss's"),
        (None, "holds a IndexHNSWFlat of 9"),
    ],
)
def test_a_foreign_faiss_file_is_named(content: bytes | None, message: str, tmp_path: Path) -> None:
    folder = saved(tmp_path / "index", representation="float", kind="hnsw")
    other = tmp_path / "other"
    Index.build(GALLERY[:9], representation="float", kind="hnsw").save(other)
    replace_part(folder, "faiss.index", content or (other / "parts-1/faiss.index").read_bytes())
    with pytest.raises(IndexFileError, match=message):
        Index.load(folder)


@pytest.mark.parametrize("rows", [np.arange(100) + 10**10, np.zeros(100, np.int64), np.arange(100) - 1])
def test_rows_that_faiss_would_read_outside_the_gallery_are_refused(rows: np.ndarray, tmp_path: Path) -> None:
    folder = saved(tmp_path / "index", representation="float", kind="hnsw")
    np.save(tmp_path / "rows.npy", rows)
    replace_part(folder, "rows.npy", (tmp_path / "rows.npy").read_bytes())
    with pytest.raises(IndexFileError, match=r"rows\.npy does not name each row once"):
        Index.load(folder)


@pytest.mark.parametrize("name", ["codes.npy", "rows.npy", "faiss.index"])
def test_a_part_that_is_not_listed_is_not_read(name: str, tmp_path: Path) -> None:
    folder = saved(tmp_path / "index", kind="hnsw")
    about = json.loads((folder / "index.json").read_text())
    change(folder, "parts", {part: facts for part, facts in about["parts"].items() if part != name})
    with pytest.raises(IndexFileError, match="list"):
        Index.load(folder, verify=True)


def test_a_changed_byte_is_found_when_asked_for(tmp_path: Path) -> None:
    path = saved(tmp_path / "index") / "parts-1/codes.npy"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    assert len(Index.load(tmp_path / "index")) == 100
    with pytest.raises(IndexFileError, match=r"codes.npy is not as it was saved \(SHA-256 differs\)"):
        Index.load(tmp_path / "index", verify=True)


def test_no_index_is_an_error_of_its_own(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="build one and save it there"):
        Index.load(tmp_path)
