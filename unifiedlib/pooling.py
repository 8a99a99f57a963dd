"""Global pooling: a trunk's feature map becomes one value per channel."""

from __future__ import annotations

import torch
from torch import Tensor, nn

POOLINGS = ("average", "gem")


def _full_precision(maps: Tensor) -> Tensor:
    return maps.float() if maps.dtype in (torch.float16, torch.bfloat16) else maps


class AveragePool(nn.Module):
    """The mean of each channel: [n x channels x height x width] becomes [n x channels], in 32 bits at least."""

    def forward(self, maps: Tensor) -> Tensor:
        """Pooled features [n x channels] of feature maps [n x channels x height x width]."""
        return _full_precision(maps).mean(dim=(2, 3))


class GeM(nn.Module):
    """Generalised mean of each channel, `(mean of x^p)^(1/p)`, with one learned exponent p for all channels.

    1 is the average; the higher p, the nearer to the maximum. Radenović et al., "Fine-tuning CNN Image Retrieval with No
    Human Annotation", TPAMI 2018, section 3.1; GrokNet (KDD 2020) pools so.

    exponent: p at first, above 0. smallest: values below are raised to it, negative ones too, since a power needs x above 0.
    """

    def __init__(self, exponent: float = 3.0, smallest: float = 1e-6) -> None:
        super().__init__()
        if exponent <= 0 or smallest <= 0:
            raise ValueError(
                f"generalised-mean pooling needs an exponent and a smallest value above 0, not {exponent} and {smallest}"
            )
        self.smallest = smallest
        self.exponent = nn.Parameter(torch.tensor(float(exponent)))

    def forward(self, maps: Tensor) -> Tensor:
        """Pooled features [n x channels] of feature maps [n x channels x height x width], in 32 bits at least."""
        with torch.autocast(maps.device.type, enabled=False):
            values = _full_precision(maps).clamp(min=self.smallest)
            # Taken out of the mean as a constant factor: without it high powers leave the range of 32 bits.
            largest = values.detach().amax(dim=(2, 3), keepdim=True)
            mean = ((values / largest) ** self.exponent).mean(dim=(2, 3))
            return largest[:, :, 0, 0] * mean ** (1 / self.exponent)


def make_pool(name: str) -> AveragePool | GeM:
    """The pooling of that name, one of `POOLINGS`; ValueError for any other."""
    if name not in POOLINGS:
        raise ValueError(f"pooling is {name!r}; choose one of {', '.join(POOLINGS)}")
    return GeM() if name == "gem" else AveragePool()
