"""The optimisers of a training: one for the dense parameters, one for the rows of large label sets' proxies."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import nn

from unifiedlib.row_optimizer import RowAdamW, RowSGD
from unifiedlib.train_settings import TrainSettings

SECOND_BETA = 0.999
WITHOUT_DECAY = ("plain", "weights")
Parameters = list[nn.Parameter]


def make_optimizers(
    settings: TrainSettings, rates: Mapping[str, float], groups: Mapping[str, Parameters]
) -> list[torch.optim.Optimizer]:
    """Optimisers of parameter groups, each with its highest learning rate as `top_rate`.

    groups: `new`, `trunk`, `plain` and `weights` (new, without weight decay: exponents, and weights of losses) and `rows`
    (proxies whose gradients are sparse). rates: the rate of each group. Empty groups are left out.
    """
    dense = [
        {
            "params": groups[name],
            "top_rate": rates[name],
            "weight_decay": 0.0 if name in WITHOUT_DECAY else settings.weight_decay,
        }
        for name in ("new", "trunk", *WITHOUT_DECAY)
        if groups.get(name)
    ]
    made: list[torch.optim.Optimizer] = []
    if dense:
        made.append(_dense(settings, dense))
    if groups.get("rows"):
        rows = [{"params": groups["rows"], "top_rate": rates["rows"]}]
        made.append(_rows(settings, rows))
    return made


def _dense(settings: TrainSettings, groups: list[dict[str, object]]) -> torch.optim.Optimizer:
    if settings.optimizer == "sgd":
        return torch.optim.SGD(groups, lr=0.0, momentum=settings.momentum)
    return torch.optim.AdamW(groups, lr=0.0, betas=(settings.momentum, SECOND_BETA))


def _rows(settings: TrainSettings, groups: list[dict[str, object]]) -> torch.optim.Optimizer:
    if settings.optimizer == "sgd":
        return RowSGD(groups, lr=0.0, momentum=settings.momentum, weight_decay=settings.weight_decay)
    return RowAdamW(
        groups, lr=0.0, betas=(settings.momentum, SECOND_BETA), weight_decay=settings.weight_decay
    )
