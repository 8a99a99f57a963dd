"""Normalised softmax over class proxies: one fully connected layer per label set, whose weights are the proxies."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

NO_LABEL = -1


class ProxyHead(nn.Module):
    """One label set's class proxies and their loss, `-log softmax(x . p / temperature)` on the unit sphere.

    Zhai & Wu, "Classification is a Strong Baseline for Deep Metric Learning", BMVC 2019, section 3.1.

    n_classes: number of classes, one proxy each. dim: width of the embedding. temperature: above 0; the paper's 0.05.
    generator: draws the first proxies, each entry from a normal distribution of standard deviation 1 / sqrt(dim).
    """

    def __init__(self, n_classes: int, dim: int, temperature: float, generator: torch.Generator) -> None:
        super().__init__()
        if n_classes < 1 or dim < 1 or temperature <= 0:
            raise ValueError(
                f"a head needs classes, a width and a temperature above 0, not {n_classes}, {dim}, {temperature}"
            )
        self.temperature = temperature
        self.proxies = nn.Parameter(torch.randn(n_classes, dim, generator=generator) / dim**0.5)

    def logits(self, embeddings: Tensor) -> Tensor:
        """Cosine similarity to every proxy over the temperature, [n x n_classes], for unit vectors [n x dim]."""
        return embeddings @ F.normalize(self.proxies, dim=1).T / self.temperature

    def forward(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        """Mean cross-entropy, a scalar, over the images that carry a label here.

        embeddings: unit vectors [n x dim]. labels: int64 [n], a class number, or `NO_LABEL` for an image that this label
        set says nothing of: such images add neither loss nor gradient. Without any labelled image the loss is 0.
        """
        known = labels != NO_LABEL
        if not known.any():
            return embeddings.sum() * 0.0
        return F.cross_entropy(self.logits(embeddings[known]), labels[known])
