"""Settings shared by every test: one thread, since the models here are tiny and threads would only wait for each other; and which
tests share a process."""

from __future__ import annotations

import os

os.environ["UNIFIEDLIB_LOG_PROGRESS"] = "1"

import pytest

import unifiedlib  # noqa: F401  # before torch, which reads the environment it sets

import torch  # isort: skip

torch.set_num_threads(1)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Under `--dist loadgroup` the tests of a file share a process, for its fixtures, and all notebooks do, for `build/smoke`."""
    for item in items:
        group = "notebooks" if item.path.suffix == ".ipynb" else item.path.name
        item.add_marker(pytest.mark.xdist_group(group))
