"""A head's proxies spread over processes: each keeps a contiguous block of the classes, and none a copy of all.

The idea is that of An et al., "Partial FC: Training 10 Million Identities on a Single Machine", ICCV workshops 2021: gather
the embeddings, which are small, and leave the proxies where they are. What the softmax of an image needs from all processes
is its largest logit, its sum of exponentials and the logit of its own class. Without a process group, or in a group of one,
everything here works alone.

Every method that talks to the others is called by all processes of the group, in the same order.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor, nn

from unifiedlib.losses import (
    NO_LABEL,
    ROWS_AT_ONCE,
    check_head,
    first_proxies,
    nearest_proxies,
    places_of,
)

Group = dist.ProcessGroup | None


def _place(group: Group) -> tuple[int, int]:
    """Rank of this process in the group, and the number of its processes."""
    if not dist.is_initialized():
        return 0, 1
    return dist.get_rank(group), dist.get_world_size(group)


def _reduce(tensor: Tensor, how: Any, group: Group) -> Tensor:
    """`tensor` reduced over the processes, in place."""
    if _place(group)[1] > 1:
        dist.all_reduce(tensor, how, group=group)
    return tensor


def _gather(tensor: Tensor, group: Group) -> tuple[Tensor, list[int]]:
    """The tensors of all processes one after the other, and the length of each; lengths may differ."""
    world = _place(group)[1]
    if world == 1:
        return tensor, [len(tensor)]
    length = torch.tensor([len(tensor)], device=tensor.device)
    lengths = [torch.empty_like(length) for _ in range(world)]
    dist.all_gather(lengths, length, group=group)
    sizes = [int(one) for one in lengths]
    padded = tensor.new_zeros((max(sizes), *tensor.shape[1:]))
    padded[: len(tensor)] = tensor
    parts = [torch.empty_like(padded) for _ in sizes]
    dist.all_gather(parts, padded, group=group)
    return torch.cat([part[:size] for part, size in zip(parts, sizes, strict=True)]), sizes


def _own_part(tensor: Tensor, sizes: list[int], group: Group) -> Tensor:
    """Of a tensor of all processes, see `_gather`, the part of this one."""
    rank = _place(group)[0]
    return tensor[sum(sizes[:rank]) : sum(sizes[: rank + 1])]


def _pieces(proxies: Tensor) -> list[Tensor]:
    """Views of a few thousand proxies each, the size in which they travel."""
    return [proxies[start : start + ROWS_AT_ONCE] for start in range(0, len(proxies), ROWS_AT_ONCE)]


class _GatherRows(torch.autograd.Function):
    """`_gather` with a gradient, see `gathered`."""

    @staticmethod
    def forward(ctx: Any, rows: Tensor, group: Group) -> Tensor:
        everyone, ctx.sizes = _gather(rows, group)
        ctx.group = group
        return everyone.clone() if everyone is rows else everyone

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        total = _reduce(gradient.clone(memory_format=torch.contiguous_format), dist.ReduceOp.SUM, ctx.group)
        return _own_part(total, ctx.sizes, ctx.group), None


def gathered(rows: Tensor, group: Group = None) -> Tensor:
    """The rows [n_local x ...] of all processes, one process after the other, [n x ...]; every process must call it.

    The gradient of a process' own rows is the sum over what all processes did with them.
    """
    everyone: Tensor = _GatherRows.apply(rows, group)
    return everyone


class _ShardedCrossEntropy(torch.autograd.Function):
    """Mean cross-entropy over images [n], of logits [n x n_own] of which each process holds the columns of its own classes.

    columns: int64 [n], the column of the image's class; outside 0..n_own - 1 where another process holds it.
    With z the logits of all processes, the loss is the mean of log sum exp z - z[own class], the same number everywhere; its
    gradient in z is (softmax(z) - [own class]) / n, of which each process returns its columns, without a reduction.
    """

    @staticmethod
    def forward(ctx: Any, logits: Tensor, columns: Tensor, group: Group) -> Tensor:
        largest = logits.new_full((len(logits),), -torch.inf)
        if logits.shape[1]:
            largest = logits.amax(dim=1)
        _reduce(largest, dist.ReduceOp.MAX, group)
        shifted = logits - largest[:, None]
        here = torch.nonzero((columns >= 0) & (columns < logits.shape[1])).flatten()
        own = shifted.new_zeros(len(logits))
        own[here] = shifted[here, columns[here]]
        exponentials = shifted.exp_()
        sums = _reduce(torch.stack([exponentials.sum(dim=1), own]), dist.ReduceOp.SUM, group)
        difference = exponentials.div_(sums[0][:, None])
        difference[here, columns[here]] -= 1
        ctx.save_for_backward(difference)
        return (sums[0].log() - sums[1]).mean()

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        (difference,) = ctx.saved_tensors
        return difference * (gradient / len(difference)), None, None


class ShardedProxyHead(nn.Module):
    """`ProxyHead` whose proxies are spread over the processes of a group; `proxies` [n_own x dim] are those of this one.

    Arguments as of `ProxyHead`; from the same generator the first proxies are the same, however many processes share them,
    and no process holds more than its own block. group: the processes, by default all of them.
    Its `state_dict` is that of the own block; `full_proxies` and `own_block` are for files that hold the whole head.
    """

    def __init__(
        self,
        n_classes: int,
        dim: int,
        temperature: float,
        generator: torch.Generator,
        sparse: bool = False,
        group: Group = None,
    ) -> None:
        super().__init__()
        check_head(n_classes, dim, temperature)
        self.n_classes = n_classes
        self.temperature = temperature
        self.sparse = sparse
        self.group = group
        self.rank, self.world_size = _place(group)
        self.start, self.stop = self._block(self.rank)
        self.proxies = nn.Parameter(first_proxies(n_classes, dim, generator, self.start, self.stop))

    def _block(self, rank: int) -> tuple[int, int]:
        """First class of a process, and the first that is no more its own."""
        return self.n_classes * rank // self.world_size, self.n_classes * (rank + 1) // self.world_size

    def forward(self, embeddings: Tensor, labels: Tensor, classes: Tensor | None = None) -> Tensor:
        """Mean cross-entropy, a scalar, over the labelled images of all processes: the same number on each of them.

        embeddings: unit vectors [n_local x dim] of this process' part of the batch. labels: int64 [n_local], see `ProxyHead`.
        classes: the same on all processes, see `ProxyHead` and `sampled_classes`; drawn from the labels of all of them.

        Backward, called on all processes with the same weight, gives each the gradient of this one loss, complete with respect
        to its own embeddings and proxies. So the gradients of a trunk that every process has a copy of are to be *summed*
        over processes, not averaged. Raises ValueError when a label is not among `classes`.
        """
        with torch.autocast(embeddings.device.type, enabled=False):
            everyones = _gather(labels, self.group)[0]
            known = everyones != NO_LABEL
            if not known.any():
                return embeddings.sum() * 0.0
            images = gathered(embeddings.to(self.proxies.dtype), self.group)[known]
            proxies, columns = self._own_share(everyones[known], classes)
            logits = images @ F.normalize(proxies, dim=1).T / self.temperature
            loss: Tensor = _ShardedCrossEntropy.apply(logits, columns, self.group)
            return loss

    def _own_share(self, labels: Tensor, classes: Tensor | None) -> tuple[Tensor, Tensor]:
        """This process' proxies of the softmax [n_own x dim], and the place of each label among them, see the loss."""
        if classes is None:
            return self.proxies, labels - self.start
        classes = classes.to(labels.device)
        first, last = torch.searchsorted(classes, classes.new_tensor([self.start, self.stop])).tolist()
        rows = F.embedding(classes[first:last] - self.start, self.proxies, sparse=self.sparse)
        return rows, places_of(labels, classes) - first

    @torch.no_grad()
    def nearest(self, embeddings: Tensor) -> Tensor:
        """Class number of the nearest of all proxies, int64 [n_local], for this process' unit vectors [n_local x dim].

        Of equally near ones the first. Processes may pass different numbers of vectors, also none.
        """
        everyone, sizes = _gather(embeddings, self.group)
        similarity, row = nearest_proxies(everyone, self.proxies)
        largest = _reduce(similarity.clone(), dist.ReduceOp.MAX, self.group)
        number = torch.where(similarity == largest, row + self.start, self.n_classes)
        return _own_part(_reduce(number, dist.ReduceOp.MIN, self.group), sizes, self.group)

    @torch.no_grad()
    def full_proxies(self) -> Tensor | None:
        """All proxies [n_classes x dim], in main memory, on process 0; None on the others."""
        if self.rank:
            for piece in _pieces(self.proxies):
                dist.send(piece, group=self.group, group_dst=0)
            return None
        full = torch.empty((self.n_classes, self.proxies.shape[1]), dtype=self.proxies.dtype)
        full[: self.stop] = self.proxies
        for rank in range(1, self.world_size):
            start, stop = self._block(rank)
            for part in _pieces(full[start:stop]):
                arrived = torch.empty_like(part, device=self.proxies.device)
                dist.recv(arrived, group=self.group, group_src=rank)
                part.copy_(arrived)
        return full

    def own_block(self, proxies: Tensor) -> Tensor:
        """This process' block [n_own x dim] of all proxies [n_classes x dim], a view.

        Raises ValueError when they are not as many or not as wide.
        """
        expected = (self.n_classes, self.proxies.shape[1])
        if tuple(proxies.shape) != expected:
            raise ValueError(f"these proxies are {tuple(proxies.shape)}, this head's are {expected}")
        return proxies[self.start : self.stop]
