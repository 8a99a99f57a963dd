from __future__ import annotations

import os
import signal
import struct
import subprocess
import sys
import time
import tracemalloc
import warnings
import zlib
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from unifiedlib import decoding
from unifiedlib.assembly import assemble_decor, assemble_pictures
from unifiedlib.contract import FILES, Collection, ContractError, TaskSpec
from unifiedlib.decoding import AHEAD, RECORD, PictureList, decode_items, in_order, scratch_key
from unifiedlib.decor import DecorSettings
from unifiedlib.pictures import PictureError, StorageError, read_picture, read_pixels

SIZE = 24
TASKS = {"lens": TaskSpec(k=1, label_set="product")}


def tables(names: list[str]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Items and labels of whole pictures: of every four, two train, one is a query and one in the gallery."""
    roles = ("train", "train", "query", "gallery")
    items = pd.DataFrame({"image": names, "box": None, "domain": "camera", "group": names})
    labels = pd.DataFrame(
        {
            "item": range(len(names)),
            "task": "lens",
            "label_set": "product",
            "label": [f"product {item % 3}" for item in range(len(names))],
            "role": [roles[item % 4] for item in range(len(names))],
        }
    )
    return items, labels


def write_pictures(source: Path, count: int, width: int = 40, height: int = 30) -> list[str]:
    """Pictures of noise, every one different; returns their names."""
    source.mkdir(parents=True, exist_ok=True)
    names = [f"{number:03d}.png" for number in range(count)]
    for number, name in enumerate(names):
        pixels = np.random.default_rng(number).integers(0, 256, (height, width, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(source / name, compress_level=1)
    return names


def assembled(
    folder: Path, source: Path, names: list[str], size: int = SIZE, **options: object
) -> Collection:
    items, labels = tables(names)
    return assemble_pictures(folder, "mine", source, items, labels, TASKS, size, [], {}, **options)  # type: ignore[arg-type]


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the pictures that are decoded during the test, in order."""
    names: list[str] = []

    def noting(path: Path, **options: object) -> np.ndarray:
        names.append(path.name)
        return read_pixels(path, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(decoding, "read_pixels", noting)
    return names


# each picture once, a bounded number at a time


def test_boxes_of_one_picture_are_cut_from_one_decoding(tmp_path: Path, decoded: list[str]) -> None:
    pixels = np.zeros((40, 60, 3), np.uint8)
    pixels[:, :30], pixels[:, 30:] = (200, 0, 0), (0, 0, 200)
    for name in ("a.png", "b.png"):
        Image.fromarray(pixels).save(tmp_path / name)
    boxes = [[0.0, 0.0, 0.5, 1.0], None, [0.5, 0.0, 1.0, 1.0], np.array([0.5, 0.0, 1.0, 0.5])]
    items = pd.DataFrame({"image": ["a.png", "b.png", "a.png", "b.png"], "box": boxes})
    stored, left_out = decode_items(items, tmp_path, SIZE, tmp_path / "scratch", workers=2)
    assert sorted(decoded) == ["a.png", "b.png"]
    assert left_out == []
    assert (stored[0] == (200, 0, 0)).all()
    assert (stored[1, 12, 2] == (200, 0, 0)).all()
    assert (stored[2] == (0, 0, 200)).all()
    assert (stored[3] == (0, 0, 200)).all()


def test_unusable_picture_is_listed_once_whatever_its_boxes(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"")
    items = pd.DataFrame({"image": ["a.png"] * 3, "box": [None, [0, 0, 0.5, 1], [0, 0, 1, 0.5]]})
    _, left_out = decode_items(items, tmp_path, SIZE, tmp_path / "scratch")
    assert left_out == [
        {
            "image": "a.png",
            "reason": "a.png: not a picture in a known format (JPEG, PNG, WEBP, BMP, TIFF, GIF)",
        }
    ]


def test_calls_are_drawn_only_as_far_ahead_as_the_window_reaches() -> None:
    drawn: list[int] = []

    def calls() -> Iterator[int]:
        for number in range(10_000):
            drawn.append(number)
            yield number

    results = in_order(lambda number: 2 * number, calls(), workers=2)
    assert [next(results) for _ in range(3)] == [(0, 0), (1, 2), (2, 4)]
    drawn_by_then = 2 * AHEAD + 2
    assert len(drawn) == drawn_by_then
    results.close()
    assert len(drawn) == drawn_by_then


def test_results_come_in_the_order_of_the_calls_and_all_of_them() -> None:
    def slow_at_first(number: int) -> int:
        time.sleep(0.002 if number % 7 == 0 else 0)
        return number

    assert list(in_order(slow_at_first, range(200), 3)) == [(number, number) for number in range(200)]


def test_memory_does_not_grow_with_the_number_of_pictures(tmp_path: Path) -> None:
    names = write_pictures(tmp_path / "source", 400, 8, 8)
    peaks = []
    for count in (100, 400):
        items, _ = tables(names[:count])
        tracemalloc.start()
        decode_items(items, tmp_path / "source", 96, tmp_path / f"scratch-{count}", workers=2)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] - peaks[0] < 100 * 96 * 96 * 3 / 4


def test_picture_list_keeps_every_row_of_a_picture_in_order() -> None:
    items = pd.DataFrame(
        {"image": ["b", "a", "b", "c", "a"], "box": [None, None, [0, 0, 1, 0.5], None, None]}
    )
    listed = PictureList(items)
    assert [(listed[number].name, listed[number].rows) for number in range(len(listed))] == [
        ("b", (0, 2)),
        ("a", (1, 4)),
        ("c", (3,)),
    ]
    assert listed[0].boxes == (None, (0.0, 0.0, 1.0, 0.5))


# going on where a killed run was


def files_of(folder: Path) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in FILES}


SCRIPT = """
import sys
from pathlib import Path
from test_assembly import assembled
folder, source, count = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
assembled(folder, source, [f"{n:03d}.png" for n in range(count)], workers=1, save_every=0.0)
"""


def test_assembly_killed_midway_goes_on_and_makes_the_same_bytes(tmp_path: Path, decoded: list[str]) -> None:
    names = write_pictures(tmp_path / "source", 120, 500, 400)
    command = [sys.executable, "-c", SCRIPT, tmp_path / "data/mine", tmp_path / "source", "120"]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent)}
    run = subprocess.Popen(command, env=environment)
    scratch = tmp_path / "data/.checkpoints/mine"
    while not any(path.stat().st_size >= 20 * RECORD.itemsize for path in scratch.glob("*/journal")):
        assert run.poll() is None
        time.sleep(0.01)
    run.send_signal(signal.SIGKILL)
    run.wait()
    journal = next(scratch.glob("*/journal"))
    done = journal.stat().st_size // RECORD.itemsize
    assert 20 <= done < 120
    assert not (tmp_path / "data/mine").exists()
    assembled(tmp_path / "data/mine", tmp_path / "source", names)
    assert sorted(decoded) == names[done:]
    assert not (tmp_path / "data/.checkpoints").exists()
    assembled(tmp_path / "unbroken/mine", tmp_path / "source", names)
    assert files_of(tmp_path / "data/mine") == files_of(tmp_path / "unbroken/mine")


def test_finished_scratch_is_not_decoded_again_but_for_changed_and_unusable_pictures(
    tmp_path: Path, decoded: list[str]
) -> None:
    names = write_pictures(tmp_path / "source", 8)
    (tmp_path / "source" / "005.png").write_bytes(b"not yet copied")
    items, _ = tables(names)
    decode_items(items, tmp_path / "source", SIZE, tmp_path / "scratch")
    decoded.clear()
    Image.new("RGB", (9, 9), (1, 2, 3)).save(tmp_path / "source" / "002.png")
    pixels, left_out = decode_items(items, tmp_path / "source", SIZE, tmp_path / "scratch")
    assert sorted(decoded) == ["002.png", "005.png"]
    assert (pixels[2] == (1, 2, 3)).all()
    assert [entry["image"] for entry in left_out] == ["005.png"]


def test_torn_last_record_of_the_journal_is_passed_over(tmp_path: Path, decoded: list[str]) -> None:
    names = write_pictures(tmp_path / "source", 8)
    items, _ = tables(names)
    for end in (5, 24):
        decode_items(items, tmp_path / "source", SIZE, tmp_path / "scratch")
        journal = tmp_path / "scratch" / "journal"
        journal.write_bytes(journal.read_bytes()[:-end])
        decoded.clear()
        whole, _ = decode_items(items, tmp_path / "source", SIZE, tmp_path / "scratch")
        assert len(decoded) == 1
        assert journal.stat().st_size == 8 * RECORD.itemsize
    fresh, _ = decode_items(items, tmp_path / "source", SIZE, tmp_path / "fresh")
    assert (whole == fresh).all()


def test_damaged_scratch_is_made_anew(tmp_path: Path, decoded: list[str]) -> None:
    names = write_pictures(tmp_path / "source", 4)
    items, _ = tables(names)
    decode_items(items, tmp_path / "source", SIZE, tmp_path / "scratch")
    (tmp_path / "scratch" / "pixels.npy").write_bytes(b"\x93NUMPY")
    decoded.clear()
    decode_items(items, tmp_path / "source", SIZE, tmp_path / "scratch")
    assert decoded == names


def test_scratch_key_changes_with_what_the_pixels_follow_from_and_with_nothing_else(tmp_path: Path) -> None:
    items, _ = tables(["a.png", "b.png"])
    key = scratch_key(items, tmp_path, 24)
    assert key == scratch_key(items.assign(group="other"), tmp_path, 24)
    boxed = items.assign(box=[None, [0.0, 0.0, 1.0, 0.5]])
    others = [
        scratch_key(boxed, tmp_path, 24),
        scratch_key(items.assign(image=["a.png", "c.png"]), tmp_path, 24),
        scratch_key(items, tmp_path / "elsewhere", 24),
        scratch_key(items, tmp_path, 25),
    ]
    assert len({key, *others}) == 5


def test_scratch_of_other_settings_is_removed_and_trainings_are_left_alone(tmp_path: Path) -> None:
    names = write_pictures(tmp_path / "source", 8)
    checkpoints = tmp_path / ".checkpoints" / "mine"
    (checkpoints / "assembly-0123").mkdir(parents=True)
    (checkpoints / "unified.safetensors").write_bytes(b"a training's")
    assembled(tmp_path / "data" / "mine", tmp_path / "source", names, checkpoints=checkpoints)
    assert [path.name for path in checkpoints.iterdir()] == ["unified.safetensors"]


def test_wrong_labels_stop_before_anything_is_decoded(tmp_path: Path, decoded: list[str]) -> None:
    items, labels = tables(write_pictures(tmp_path / "source", 8))
    labels.loc[3, "role"] = "test"
    with pytest.raises(ContractError, match="labels row 3: role 'test'"):
        assemble_pictures(tmp_path / "mine", "mine", tmp_path / "source", items, labels, TASKS, SIZE, [], {})
    assert decoded == []


# disks and folders that fail


def test_missing_source_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="nowhere is no folder: name the folder that holds the pict"):
        assembled(tmp_path / "mine", tmp_path / "nowhere", ["a.png"] * 4)


def test_source_that_goes_away_stops_the_run_instead_of_leaving_everything_out(tmp_path: Path) -> None:
    items, _ = tables(["a.png", "b.png"])
    with pytest.raises(StorageError, match="unplugged is gone; start again when it is back"):
        decode_items(items, tmp_path / "unplugged", SIZE, tmp_path / "scratch")


def test_collection_larger_than_the_disk_is_refused_at_once(tmp_path: Path) -> None:
    names = write_pictures(tmp_path / "source", 8)
    with pytest.raises(StorageError, match=r"8 pictures of 3000000 pixels need .* MiB are free; free some"):
        assembled(tmp_path / "mine", tmp_path / "source", names, size=3_000_000)


def test_drawn_collection_larger_than_the_disk_is_refused_before_anything_is_drawn(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match=r"pictures of 3000000 pixels need .* MiB are free; free some"):
        assemble_decor(tmp_path / "new" / "decor", DecorSettings(), 3_000_000)
    assert not list((tmp_path / "new").iterdir())


def test_write_that_fails_midway_says_so_and_keeps_what_is_decoded(tmp_path: Path) -> None:
    names = write_pictures(tmp_path / "source", 40)
    script = (
        "import resource, sys\nfrom pathlib import Path\nfrom test_assembly import *\n"
        "source = Path(sys.argv[1])\nitems, _ = tables([f'{n:03d}.png' for n in range(40)])\n"
        "(source.parent / 'scratch').mkdir()\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))\n"
        "decode_items(items, source, SIZE, source.parent / 'scratch')"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent)}
    run = subprocess.run(
        [sys.executable, "-c", script, tmp_path / "source"], env=environment, capture_output=True, text=True
    )
    last = run.stderr.strip().splitlines()[-1]
    assert last.startswith("unifiedlib.pictures.StorageError:")
    assert "scratch: writing failed" in last
    assert last.endswith("mend that and start again: what is decoded is kept")
    assert len(names) == 40


@pytest.mark.parametrize("name", ["../secret.png", "/etc/secret.png"])
def test_picture_outside_the_source_folder_is_refused(tmp_path: Path, name: str) -> None:
    names = [*write_pictures(tmp_path / "source", 4), name]
    with pytest.raises(ValueError, match=f"items row 4: image '{name}' leads outside the source folder"):
        assembled(tmp_path / "mine", tmp_path / "source", names)
    assert issubclass(PictureError, ValueError)


# ten thousand bad files


def encoded(pixels: np.ndarray, **options: object) -> bytes:
    stream = BytesIO()
    Image.fromarray(pixels).save(stream, **options)  # type: ignore[arg-type]
    return stream.getvalue()


def bases() -> dict[str, list[bytes]]:
    """Whole small pictures, by suffix."""
    coarse = np.random.default_rng(0).uniform(0, 255, (5, 6, 3))
    pixels = cv2.resize(coarse, (48, 36), interpolation=cv2.INTER_CUBIC).clip(0, 255).astype(np.uint8)
    cmyk, frames = BytesIO(), BytesIO()
    Image.fromarray(pixels).convert("CMYK").save(cmyk, "JPEG")
    turned = [Image.fromarray(np.ascontiguousarray(np.rot90(pixels, 2)))] * 3
    Image.fromarray(pixels).save(frames, "GIF", save_all=True, append_images=turned)
    compressions = (None, "tiff_lzw", "tiff_adobe_deflate", "jpeg")
    return {
        "jpg": [
            encoded(pixels, format="JPEG", quality=90),
            encoded(pixels, format="JPEG", progressive=True),
            cmyk.getvalue(),
        ],
        "png": [
            encoded(pixels, format="PNG"),
            cv2.imencode(".png", pixels.astype(np.uint16) * 257)[1].tobytes(),
            encoded(pixels[:, :, 0] // 64, format="PNG", bits=2),
        ],
        "gif": [frames.getvalue()],
        "bmp": [encoded(pixels, format="BMP")],
        "tif": [encoded(pixels, format="TIFF", compression=kind) for kind in compressions],
        "webp": [encoded(pixels, format="WEBP"), encoded(pixels, format="WEBP", lossless=True)],
    }


def flipped(content: bytes, rng: np.random.Generator) -> bytes:
    bits = np.unpackbits(np.frombuffer(content, np.uint8))
    bits[rng.integers(0, len(bits), int(rng.integers(1, 9)))] ^= 1
    return np.packbits(bits).tobytes()


def huge(content: bytes, suffix: str, rng: np.random.Generator) -> bytes:
    """The picture with other declared dimensions, its checksum put right."""
    width, height = (int(side) for side in rng.choice([1, 47, 4_000, 30_000, 65_500], 2))
    if suffix == "png":
        header = struct.pack(">II", width * 900, height) + content[24:29]
        return content[:16] + header + struct.pack(">I", zlib.crc32(b"IHDR" + header)) + content[33:]
    if suffix == "jpg":
        place = max(content.find(b"\xff\xc0"), content.find(b"\xff\xc2")) + 5
        return content[:place] + struct.pack(">HH", height, width) + content[place + 4 :]
    place, form = {"gif": (6, "<HH"), "bmp": (18, "<II"), "webp": (26, "<HH"), "tif": (8, "<HH")}[suffix]
    return content[:place] + struct.pack(form, width, height) + content[place + struct.calcsize(form) :]


def tiff_chain(rng: np.random.Generator) -> bytes:
    """A TIFF of thousands of directories, each naming the next, another as its own child, and at last the first."""
    count = int(rng.integers(2, 2000))
    places = 8 + 18 * np.arange(count)
    following = np.append(places[1:], places[0])
    children = rng.choice(places, count)
    directories = b"".join(
        struct.pack("<HHHIII", 1, 0x014A, 4, 1, child, after)
        for child, after in zip(children.tolist(), following.tolist(), strict=True)
    )
    return b"II*\0" + struct.pack("<I", 8) + directories


def text_bomb(content: bytes, rng: np.random.Generator) -> bytes:
    """A PNG that carries megabytes of text in a few kilobytes, once or often."""
    text = zlib.compress(bytes(int(rng.integers(10, 60)) * 100_000), 9)
    kind, data = (b"zTXt", b"a\0\0" + text) if rng.random() < 0.5 else (b"iTXt", b"a\0\1\0\0\0" + text)
    chunk = struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    return content[:33] + chunk * int(rng.integers(1, 4)) + content[33:]


KINDS = {
    "truncated": 2800,
    "flipped": 3600,
    "noise": 1600,
    "renamed": 300,
    "huge": 900,
    "empty": 100,
    "chain": 300,
    "text": 100,
    "joined": 300,
}


def bad_files() -> Iterator[tuple[str, str, bytes, bytes]]:
    """Kind, suffix, content and the whole picture that it was made from, KINDS of each."""
    rng = np.random.default_rng(20)
    whole = bases()
    suffixes = list(whole)
    for kind, count in KINDS.items():
        for _ in range(count):
            suffix = "png" if kind == "text" else suffixes[int(rng.integers(len(suffixes)))]
            base = whole[suffix][int(rng.integers(len(whole[suffix])))]
            match kind:
                case "truncated":
                    content = base[: int(rng.integers(1, len(base)))]
                case "flipped":
                    content = flipped(base, rng)
                case "noise":
                    content = base[: int(rng.integers(2, 40))] + rng.bytes(int(rng.integers(1, 900)))
                case "renamed":
                    content, suffix = base, suffixes[int(rng.integers(len(suffixes)))]
                case "huge":
                    content = huge(base, suffix, rng)
                case "empty":
                    content = b""
                case "chain":
                    content, suffix = tiff_chain(rng), "tif"
                case "text":
                    content = text_bomb(base, rng)
                case _:
                    content = base[: int(rng.integers(8, len(base)))] + base
            yield kind, suffix, content, base


def read_or_reason(path: Path) -> np.ndarray | str:
    try:
        picture = read_picture(path)
    except PictureError as error:
        return str(error)
    assert picture.mode == "RGB"
    return np.asarray(picture)


@pytest.mark.slow
def test_none_of_ten_thousand_bad_files_crashes_hangs_or_enters_training_unnoticed(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    originals: dict[bytes, np.ndarray] = {}
    for number, base in enumerate(base for group in bases().values() for base in group):
        (source / f"whole-{number}").write_bytes(base)
        originals[base] = np.asarray(read_picture(source / f"whole-{number}"))
    good, refused = [], []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for number, (kind, suffix, content, base) in enumerate(bad_files()):
            path = source / f"{number:05d}-{kind}.{suffix}"
            path.write_bytes(content)
            start = time.monotonic()
            result = read_or_reason(path)
            assert time.monotonic() - start < 5, path.name
            if isinstance(result, str):
                assert result.startswith(f"{path}: "), result
                refused.append(path.name)
                continue
            good.append(path.name)
            # What is accepted lacks nothing: a cut file only what lies behind the picture, and a PNG has checksums.
            if kind in ("truncated", "renamed", "text") or (kind == "flipped" and suffix == "png"):
                assert np.array_equal(result, originals[base]), path.name
            if kind in ("noise", "empty", "chain"):
                assert kind == "noise", path.name
    assert len(good) + len(refused) == sum(KINDS.values()) == 10_000
    names = [*sorted(good + refused), *write_pictures(source, 8)]
    before = sorted((path.name, path.stat().st_size) for path in tmp_path.rglob("*"))
    collection = assembled(tmp_path / "made" / "mine", source, names, remove_duplicates=False)
    assert sorted(entry["image"] for entry in collection.left_out) == sorted(refused)
    assert set(good) < set(collection.items["image"])
    after = [path for path in tmp_path.rglob("*") if "made" not in path.relative_to(tmp_path).parts]
    assert sorted((path.name, path.stat().st_size) for path in after) == before
    assert sorted(path.name for path in (tmp_path / "made").rglob("*")) == sorted(["mine", *FILES])
