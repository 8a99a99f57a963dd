"""Settings shared by every test: one thread, since the models here are tiny and threads would only wait for each other."""

from __future__ import annotations

import os

os.environ["UNIFIEDLIB_LOG_PROGRESS"] = "1"

import unifiedlib  # noqa: F401  # before torch, which reads the environment it sets

import torch  # isort: skip

torch.set_num_threads(1)
