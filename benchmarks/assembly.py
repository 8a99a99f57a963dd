"""Seconds to turn picture files into pixels, and to read a training batch, beside torchvision and the bare JPEG decoder.

    python benchmarks/assembly.py

Draws seeded, photo-like JPEGs (smooth noise and texture, quality 90) into a temporary folder: many of 400 x 300 pixels, some of
4,000 x 3,000. Then, in turn within each round, over the same files in the file cache:

- `pixels.npy`: `decode_items`, the pixels 112 x 112 of every picture on disk;
- `collection`: `assemble_pictures`, the same and what torchvision does not do: tables checked, copies of test pictures sought,
  the collection written and read again;
- `ImageFolder`: one pass of torchvision's `ImageFolder` through a `DataLoader` (`Resize((112, 112))`, `PILToTensor`), its
  workers started before;
- `JPEG decoder`: Pillow's full decoding alone, without a resize, in as many threads.

Batches: 96 random items as a tensor, from `pixels.npy` in this process, and from the same `DataLoader`, shuffled. One warm-up
round, then medians. The table is printed and written to `benchmarks/results/assembly.csv`.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import redirect_stdout
from dataclasses import dataclass
from functools import partial
from io import StringIO
from pathlib import Path
from shutil import rmtree
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter

import cv2
import numpy as np
import pandas as pd
import torch
from PIL import Image
from reporting import RESULTS, report
from torch.utils.data import DataLoader
from torchvision.datasets import ImageFolder
from torchvision.transforms import Compose, PILToTensor, Resize

from unifiedlib.assembly import assemble_pictures
from unifiedlib.contract import TaskSpec, load_collection
from unifiedlib.decoding import decode_items

SIZE = 112
BATCH = 96
WORKERS = 2
TARGETS = {"400 x 300": 1.5, "4000 x 3000": 3.0, "batch of 96": 20.0}


@dataclass(frozen=True)
class Files:
    """A folder of pictures, in the layout of `ImageFolder`: one folder per class."""

    folder: Path
    width: int
    height: int
    count: int

    @property
    def name(self) -> str:
        """As the table names them."""
        return f"{self.width} x {self.height}"

    def paths(self) -> list[Path]:
        """The pictures, in order."""
        return sorted(self.folder.glob("*/*.jpg"))


def photo(rng: np.random.Generator, width: int, height: int) -> np.ndarray:
    """Smooth noise of five scales and a fine texture, uint8 [height x width x 3]."""
    picture = np.full((height, width, 3), 128, np.float32)
    for scale in range(5):
        coarse = rng.normal(0, 60 / 1.6**scale, (3 * 2**scale, 4 * 2**scale, 3)).astype(np.float32)
        picture += cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    grain = rng.normal(0, 12, (height // 2, width // 2, 1)).astype(np.float32)
    picture += cv2.resize(grain, (width, height), interpolation=cv2.INTER_LINEAR)[:, :, None]
    return picture.clip(0, 255).astype(np.uint8)


def draw(files: Files, seed: int) -> None:
    """Write the pictures of `files`, two classes in turn."""
    rng = np.random.default_rng(seed)
    for number in range(files.count):
        path = files.folder / f"class-{number % 2}" / f"{number:05d}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(photo(rng, files.width, files.height)).save(path, quality=90)


def pixels_only(files: Files, target: Path) -> None:
    """Decode the pictures to `target / "pixels.npy"`."""
    names = [path.relative_to(files.folder).as_posix() for path in files.paths()]
    rmtree(target, ignore_errors=True)
    with redirect_stdout(StringIO()):
        decode_items(pd.DataFrame({"image": names, "box": None}), files.folder, SIZE, target, WORKERS)


def assembly(files: Files, target: Path) -> None:
    """Assemble the pictures into the folder `target`."""
    names = [path.relative_to(files.folder).as_posix() for path in files.paths()]
    roles = ("train", "train", "query", "gallery")
    items = pd.DataFrame({"image": names, "box": None, "domain": "pin", "group": names})
    labels = pd.DataFrame(
        {
            "item": range(len(names)),
            "task": "lens",
            "label_set": "class",
            "label": [name.split("/")[0] for name in names],
            "role": [roles[item // 2 % 4] for item in range(len(names))],
        }
    )
    tasks = {"lens": TaskSpec(k=1, label_set="class")}
    with redirect_stdout(StringIO()):
        assemble_pictures(target, "bench", files.folder, items, labels, tasks, SIZE, [], {}, workers=WORKERS)


def image_folder(files: Files, batch: int, shuffle: bool) -> DataLoader[tuple[torch.Tensor, torch.Tensor]]:
    """torchvision's way to the same pictures; its workers stay alive between passes."""
    data = ImageFolder(str(files.folder), Compose([Resize((SIZE, SIZE)), PILToTensor()]))
    return DataLoader(data, batch, shuffle=shuffle, num_workers=WORKERS, persistent_workers=True)


def read_all(loader: DataLoader[tuple[torch.Tensor, torch.Tensor]]) -> None:
    """One pass."""
    for _ in loader:
        pass


def decode(path: Path) -> None:
    """Decode one JPEG in full."""
    with Image.open(path) as picture:
        picture.load()


def decode_all(files: Files) -> None:
    """Decode every JPEG in full, in threads."""
    with ThreadPoolExecutor(WORKERS) as pool:
        for _ in pool.map(decode, files.paths()):
            pass


def read_batches(pixels: np.ndarray, count: int) -> None:
    """Read random batches from mapped pixels as tensors."""
    rng = np.random.default_rng(0)
    for _ in range(count):
        torch.from_numpy(pixels[rng.choice(len(pixels), BATCH, replace=False)])


def measure(ways: Mapping[str, Callable[[], None]], rounds: int) -> dict[str, float]:
    """Median seconds of each way; every round runs each once, after a round that is not counted."""
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(rounds + 1):
        for name, way in ways.items():
            start = perf_counter()
            way()
            if number:
                seconds[name].append(perf_counter() - start)
    return {name: median(times) for name, times in seconds.items()}


def compare(files: Files, work: Path, rounds: int) -> list[tuple[str, str, float]]:
    """Rows (what is read, way, seconds per picture)."""
    loader = image_folder(files, max(1, min(BATCH, files.count // (4 * WORKERS))), shuffle=False)
    ways = {
        "pixels.npy": partial(pixels_only, files, work / "pixels"),
        "collection": partial(assembly, files, work / "collection"),
        "ImageFolder": partial(read_all, loader),
        "JPEG decoder": partial(decode_all, files),
    }
    return [(files.name, way, took / files.count) for way, took in measure(ways, rounds).items()]


def compare_batches(files: Files, work: Path, rounds: int) -> list[tuple[str, str, float]]:
    """Rows (what is read, way, seconds per batch)."""
    assembly(files, work / "collection")
    pixels = load_collection(work / "collection").pixels
    loader = image_folder(files, BATCH, shuffle=True)
    ways = {
        "pixels.npy": partial(read_batches, pixels, len(loader)),
        "ImageFolder": partial(read_all, loader),
    }
    return [(f"batch of {BATCH}", way, took / len(loader)) for way, took in measure(ways, rounds).items()]


def table_of(rows: list[tuple[str, str, float]]) -> pd.DataFrame:
    """Columns read, way, milliseconds, times_imagefolder (how many times as fast), target."""
    table = pd.DataFrame(rows, columns=["read", "way", "milliseconds"])
    peer = table[table["way"] == "ImageFolder"].set_index("read")["milliseconds"]
    table["times_imagefolder"] = table["read"].map(peer) / table["milliseconds"]
    table["target"] = table["read"].map(TARGETS).where(table["way"] == "pixels.npy")
    table["milliseconds"] *= 1000
    return table.round({"milliseconds": 3, "times_imagefolder": 2})


def main(argv: Sequence[str] | None = None) -> int:
    """The command line; returns the exit status."""
    parser = argparse.ArgumentParser(description="Assembly and batches beside torchvision's ImageFolder.")
    parser.add_argument("--small", type=int, default=2000, help="pictures of 400 x 300")
    parser.add_argument("--large", type=int, default=48, help="pictures of 4,000 x 3,000")
    parser.add_argument("--rounds", type=int, default=5)
    chosen = parser.parse_args(argv)
    with TemporaryDirectory(prefix="assembly-") as name:
        work = Path(name)
        small = Files(work / "small", 400, 300, chosen.small)
        large = Files(work / "large", 4000, 3000, chosen.large)
        for seed, files in enumerate((small, large)):
            draw(files, seed)
        rows = [row for files in (small, large) for row in compare(files, work, chosen.rounds)]
        rows += compare_batches(small, work, chosen.rounds)
    report(table_of(rows), RESULTS / "assembly.csv", WORKERS, rounds=chosen.rounds)
    return 0


if __name__ == "__main__":
    sys.exit(main())
