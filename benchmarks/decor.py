"""How fast decor is drawn, and whether the memory of a world grows with it.

    python benchmarks/decor.py

Speed: items of every block, 96 px, one process with one thread; three rounds, the median round is printed. The peer, on the
same pictures in the same run, is Pillow decoding them from JPEG (quality 90) and shrinking nothing. Memory: peak of a fresh
process that makes a world of a thousand and of a million products and draws the same 200 places of each.
"""

from __future__ import annotations

import io
import subprocess
import sys
from datetime import UTC, datetime
from statistics import median
from time import perf_counter

import cv2
from PIL import Image

from unifiedlib.decor import DecorSettings, World

SIZE, PER_BLOCK, ROUNDS = 96, 60, 3
MEMORY = """
import resource, sys, cv2
from unifiedlib.decor import DecorSettings, World
cv2.setNumThreads(1)
n = int(sys.argv[1])
world = World(DecorSettings(n_train_products=n, n_test_products=n, flashlight_train_pins=2 * n, lens_train_photos=n,
    lens_train_pins=n, shop_train_products=n, lens_test_photos=n // 2, shop_test_boxes=n // 2, shop_test_catalog=n))
for place in range(200):
    world.draw(place * len(world) // 200, 48)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
"""


def seconds_of(work: list[object], do: object) -> float:
    """Median seconds of a round over the whole list."""
    rounds = []
    for _ in range(ROUNDS):
        start = perf_counter()
        for one in work:
            do(one)  # type: ignore[operator]
        rounds.append(perf_counter() - start)
    return median(rounds)


def jpeg(picture: object) -> bytes:
    """A picture as a JPEG file in memory."""
    stream = io.BytesIO()
    Image.fromarray(picture).save(stream, "JPEG", quality=90)  # type: ignore[arg-type]
    return stream.getvalue()


def main() -> None:
    """Measure and print."""
    cv2.setNumThreads(1)
    world = World(DecorSettings())
    print(f"{datetime.now(UTC):%Y-%m-%d}, one process, one thread, {SIZE} px, {ROUNDS} rounds")
    by_domain: dict[str, list[int]] = {}
    for block in world.listing.blocks:
        by_domain.setdefault(block.domain, []).extend(range(block.start, block.start + PER_BLOCK))
    for domain, items in by_domain.items():
        spent = seconds_of(list(items), lambda item: world.draw(item, SIZE))
        print(f"{domain:8s} {len(items) / spent:6.0f} items/s")
    every = [item for items in by_domain.values() for item in items]
    whole = seconds_of(list(every), lambda item: world.draw(item, SIZE))
    files = [jpeg(world.draw(item, SIZE)) for item in every]
    decoded = seconds_of(list(files), lambda file: Image.open(io.BytesIO(file)).load())
    print(f"all      {len(every) / whole:6.0f} items/s; decoding them as JPEG {len(every) / decoded:,.0f}")
    for n in (1_000, 1_000_000):
        done = subprocess.run(
            [sys.executable, "-c", MEMORY, str(n)], capture_output=True, text=True, check=True
        )
        print(f"a world of {n:>9,} training products: peak {float(done.stdout):.0f} MiB")


if __name__ == "__main__":
    main()
