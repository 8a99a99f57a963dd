"""Settings shared by every test: one thread, since the models here are tiny and threads would only wait for each other."""

from __future__ import annotations

import os
os.environ["UNIFIEDLIB_LOG_PROGRESS"] = "1"

import torch

torch.set_num_threads(1)
