"""Normalised softmax over class proxies: one fully connected layer per label set, whose weights are the proxies."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

NO_LABEL = -1
# Blocks in which proxies are drawn and searched: 4 MiB at 256 dimensions.
ROWS_AT_ONCE = 2**12
IMAGES_AT_ONCE = 2**10


def check_head(n_classes: int, dim: int, temperature: float) -> None:
    """Raise ValueError unless a head of these sizes makes sense."""
    if n_classes < 1 or dim < 1 or temperature <= 0:
        raise ValueError(
            f"a head needs classes, a width and a temperature above 0, not {n_classes}, {dim}, {temperature}"
        )


def first_proxies(n_classes: int, dim: int, generator: torch.Generator, start: int, stop: int) -> Tensor:
    """The first proxies of classes `start` to `stop` of a head, [stop - start x dim].

    Entries come from a normal distribution of standard deviation 1 / sqrt(dim). The whole head is drawn, whatever part of
    it is asked for, so that it does not depend on how its classes are spread; no more than a block of the rest is kept.
    """
    proxies = torch.empty(stop - start, dim)
    for first in range(0, n_classes, ROWS_AT_ONCE):
        block = torch.randn(min(ROWS_AT_ONCE, n_classes - first), dim, generator=generator)
        low, high = max(start, first), min(stop, first + len(block))
        if low < high:
            proxies[low - start : high - start] = block[low - first : high - first].div_(dim**0.5)
    return proxies


def sampled_classes(
    labels: Tensor, n_classes: int, classes_per_step: int, generator: np.random.Generator
) -> Tensor:
    """The classes of a step's softmax, ascending int64: all that `labels` names, and random others up to `classes_per_step`.

    The class subsampling of Zhai & Wu, BMVC 2019; how the others are drawn is not published, here each is as likely as the
    next, without replacement. Where the batch alone has more classes than `classes_per_step`, all of them are kept. Time and
    memory grow with `classes_per_step`, not with `n_classes`.

    labels: int64, any shape, of the whole batch; `NO_LABEL` names no class.
    Raises ValueError for a class outside 0..n_classes - 1 or less than one class per step.

    >>> sampled_classes(torch.tensor([7, 2, NO_LABEL, 7]), 1_000_000, 2, np.random.default_rng(0))
    tensor([2, 7])
    """
    if classes_per_step < 1:
        raise ValueError(f"classes_per_step is {classes_per_step}; it must be at least 1")
    own = np.unique(labels.cpu().numpy())
    own = own[own != NO_LABEL]
    if len(own) and not 0 <= own[0] <= own[-1] < n_classes:
        raise ValueError(f"labels name classes {own[0]} to {own[-1]}; they must lie in 0..{n_classes - 1}")
    n_others = n_classes - len(own)
    n_wanted = min(n_others, max(0, classes_per_step - len(own)))
    others = generator.choice(n_others, n_wanted, replace=False, shuffle=False)
    # The i-th of the others becomes a class number by stepping over the batch's own that lie below it.
    others += np.searchsorted(own - np.arange(len(own)), others, side="right")
    return torch.from_numpy(np.sort(np.concatenate([own, others])).astype(np.int64))


def places_of(labels: Tensor, classes: Tensor) -> Tensor:
    """Where each label stands among `classes` (ascending), int64 [n]. Raises ValueError when one is not there."""
    places = torch.searchsorted(classes, labels).clamp_(max=max(0, len(classes) - 1))
    missing = labels[classes[places] != labels] if len(classes) else labels
    if len(missing):
        raise ValueError(
            f"class {int(missing[0])} of the batch is not among the step's classes: "
            "draw them with sampled_classes from the labels of the whole batch"
        )
    return places


def nearest_proxies(embeddings: Tensor, proxies: Tensor) -> tuple[Tensor, Tensor]:
    """Largest cosine similarity [n] of each unit vector [n x dim] to the proxies [n_classes x dim], and its row, int64 [n].

    Of equally near rows the first. Searches block by block: a matrix [n x n_classes] is never built.
    """
    starts = range(0, max(1, len(embeddings)), IMAGES_AT_ONCE)
    found = [_nearest_of_block(embeddings[start : start + IMAGES_AT_ONCE], proxies) for start in starts]
    return torch.cat([best for best, _ in found]), torch.cat([row for _, row in found])


def _nearest_of_block(embeddings: Tensor, proxies: Tensor) -> tuple[Tensor, Tensor]:
    best = embeddings.new_full((len(embeddings),), -torch.inf)
    row = torch.zeros(len(embeddings), dtype=torch.int64, device=embeddings.device)
    for start in range(0, len(proxies), ROWS_AT_ONCE):
        block = F.normalize(proxies[start : start + ROWS_AT_ONCE], dim=1)
        similarity, place = (embeddings @ block.T).max(dim=1)
        nearer = similarity > best
        best = torch.where(nearer, similarity, best)
        row = torch.where(nearer, place + start, row)
    return best, row


class ProxyHead(nn.Module):
    """One label set's class proxies and their loss, `-log softmax(x . p / temperature)` on the unit sphere.

    Zhai & Wu, "Classification is a Strong Baseline for Deep Metric Learning", BMVC 2019, section 3.1.

    n_classes: number of classes, one proxy each. dim: width of the embedding. temperature: above 0; the paper's 0.05.
    generator: draws the first proxies, see `first_proxies`. sparse: whether a step over some of the classes gives gradients
    of their rows alone, which `RowAdamW` and `RowSGD` take; then nothing of the size of the head is made in a step.
    """

    def __init__(
        self,
        n_classes: int,
        dim: int,
        temperature: float,
        generator: torch.Generator,
        sparse: bool = False,
    ) -> None:
        super().__init__()
        check_head(n_classes, dim, temperature)
        self.temperature = temperature
        self.sparse = sparse
        self.proxies = nn.Parameter(first_proxies(n_classes, dim, generator, 0, n_classes))

    @property
    def n_classes(self) -> int:
        """Number of classes."""
        return len(self.proxies)

    def logits(self, embeddings: Tensor, classes: Tensor | None = None) -> Tensor:
        """Cosine similarity to every proxy over the temperature, [n x n_classes], for unit vectors [n x dim].

        classes: int64 [n_sampled], the proxies to compare with instead of all.
        """
        proxies: Tensor = self.proxies
        if classes is not None:
            proxies = F.embedding(classes, proxies, sparse=self.sparse)
        return embeddings @ F.normalize(proxies, dim=1).T / self.temperature

    def forward(self, embeddings: Tensor, labels: Tensor, classes: Tensor | None = None) -> Tensor:
        """Mean cross-entropy, a scalar, over the images that carry a label here.

        embeddings: unit vectors [n x dim]. labels: int64 [n], a class number, or `NO_LABEL` for an image that this label
        set says nothing of: such images add neither loss nor gradient. Without any labelled image the loss is 0.
        classes: ascending class numbers, int64 [n_sampled], over which the softmax runs instead of all, each label among
        them: see `sampled_classes`. Raises ValueError when a label is not.
        """
        known = labels != NO_LABEL
        if not known.any():
            return embeddings.sum() * 0.0
        if classes is None:
            return F.cross_entropy(self.logits(embeddings[known]), labels[known])
        classes = classes.to(labels.device)
        return F.cross_entropy(self.logits(embeddings[known], classes), places_of(labels[known], classes))

    @torch.no_grad()
    def nearest(self, embeddings: Tensor) -> Tensor:
        """Class number of the nearest proxy, int64 [n], for unit vectors [n x dim]; without a matrix [n x n_classes]."""
        return nearest_proxies(embeddings, self.proxies)[1]
