"""What a step of training gains when the process keeps the memory that it frees.

    python benchmarks/allocator.py

The peer is the same step under the C library's own settings. Each round starts a fresh process for either side, which makes
two steps to warm up and then eight; the median step of each process is compared, and the median ratio over the rounds
printed, with the page faults of a step. Steps: forward, backward and AdamW on 96 random pictures of 96 px, EfficientNet-Lite0,
2,048 dimensions, 2 threads.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

ROUNDS = 3
IMAGES, CROP, THREADS, WARM_UP, STEPS = 96, 96, 2, 2, 8


def measure(keep: bool) -> None:
    """Print the median seconds and page faults of a step as JSON; runs in a process of its own."""
    import resource
    from time import perf_counter

    import torch

    from unifiedlib.model import EmbeddingModel, ModelSettings
    from unifiedlib.threads import keep_freed_memory

    if keep and not keep_freed_memory():
        raise SystemExit("this C library has no such setting: there is nothing to compare")
    torch.set_num_threads(THREADS)
    settings = ModelSettings("tf_efficientnet_lite0", "package", 2048, CROP)
    classes = {"task/label": [str(number) for number in range(50)]}
    model = EmbeddingModel(settings, classes, torch.Generator().manual_seed(0)).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4)
    images = torch.rand(IMAGES, 3, CROP, CROP).contiguous(memory_format=torch.channels_last)
    labels = torch.arange(IMAGES) % 50
    seconds, faults = [], []
    for _ in range(WARM_UP + STEPS):
        start, before = perf_counter(), resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        loss = model.head("task/label")(model(images), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        seconds.append(perf_counter() - start)
        faults.append(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
    print(json.dumps([median(seconds[WARM_UP:]), median(faults[WARM_UP:])]))


def round_of(side: str) -> tuple[float, float]:
    """Median seconds and page faults of a step, `keep` or `default`, in a fresh process."""
    environment = os.environ | {"OMP_WAIT_POLICY": "PASSIVE"}
    done = subprocess.run(
        [sys.executable, __file__, side], capture_output=True, text=True, check=True, env=environment
    )
    seconds, faults = json.loads(done.stdout)
    return seconds, faults


def main() -> None:
    """Compare both sides and print the table."""
    rounds = [(round_of("default"), round_of("keep")) for _ in range(ROUNDS)]
    print(f"{datetime.now(UTC):%Y-%m-%d}, {os.cpu_count()} cores, {THREADS} threads, {ROUNDS} rounds")
    for number, side in enumerate(("default", "keep")):
        seconds = median(one[number][0] for one in rounds)
        faults = median(one[number][1] for one in rounds)
        print(f"{side:8s} {IMAGES / seconds:6.0f} images/s  {faults:10,.0f} page faults a step")
    ratio = median(default[0] / keep[0] for default, keep in rounds)
    print(f"keeping freed memory: {ratio:.2f} times as fast (median of rounds)")


if __name__ == "__main__":
    if sys.argv[1:]:
        sys.path.insert(0, str(Path(__file__).parents[1]))
        measure(sys.argv[1] == "keep")
    else:
        main()
