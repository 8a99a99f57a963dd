"""How the losses of the label sets are weighted against each other: equally, by uncertainty, or by their gradients."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

import torch
from torch import Tensor, nn

WEIGHTINGS = ("equal", "uncertainty", "gradnorm")


class Weighting(nn.Module):
    """The plain sum of the losses: Zhai et al., KDD 2019, "assigned equal weights and are summed".

    keys: the label sets, `task/label_set`. needs_norms: whether the training loop must call `update` with gradient norms.
    A label set that is absent from a batch must be left out of its `combine` and `update`; nothing of it then changes.
    """

    needs_norms = False

    def __init__(self, keys: list[str]) -> None:
        super().__init__()
        if not keys or len(set(keys)) < len(keys):
            raise ValueError(f"a weighting needs the names of its losses, each once, not {keys}")
        self.keys = list(keys)
        self._numbers = {key: number for number, key in enumerate(keys)}

    def _numbers_of(self, keys: Iterable[str]) -> list[int]:
        present = list(keys)
        unknown = [key for key in present if key not in self._numbers]
        if unknown or not present:
            raise ValueError(f"the losses are of {present}; give at least one of {self.keys} and no other")
        return [self._numbers[key] for key in present]

    def combine(self, losses: Mapping[str, Tensor], share: float = 1.0) -> Tensor:
        """The total to backpropagate, a scalar.

        losses: scalars of the label sets that the batch has. A batch may come in pieces whose totals add up to the batch's:
        then they are the piece's parts of the losses, of every label set that the *batch* has, and share is the piece's share
        of the batch; the shares add up to 1.
        """
        self._numbers_of(losses)
        return torch.stack(list(losses.values())).sum()

    def weights(self) -> dict[str, float]:
        """The factor of each loss, above 0, for the history."""
        return dict.fromkeys(self.keys, 1.0)

    def update(self, losses: Mapping[str, float], norms: Mapping[str, float]) -> None:
        """Learn from a step: losses and gradient norms of the label sets that the batch has. Only `GradNorm` does."""


class Uncertainty(Weighting):
    """Learned weights, `sum of exp(-s) loss + s / 2` with `s = log sigma^2`, one parameter s per loss, at first 0.

    Kendall, Gal & Cipolla, "Multi-Task Learning Using Uncertainty to Weigh Losses", CVPR 2018, section 3.2: a classification
    loss counts `loss / sigma^2 + log sigma`, where sigma^2 is the temperature of its softmax. For a constant loss the
    best weight is 1 / (2 loss). The gradient of s is `1/2 - exp(-s) loss`.

    Each s is a parameter of its own: without a gradient the optimiser leaves it alone, momentum and all. Weight decay would
    draw the weights to 1, so let its parameters have none.
    """

    def __init__(self, keys: list[str]) -> None:
        super().__init__(keys)
        self.log_variances = nn.ParameterList([nn.Parameter(torch.zeros(())) for _ in keys])

    def combine(self, losses: Mapping[str, Tensor], share: float = 1.0) -> Tensor:
        """The total to backpropagate, a scalar; `s / 2` counts by `share`, so once per batch. See `Weighting.combine`."""
        terms = []
        for number, loss in zip(self._numbers_of(losses), losses.values(), strict=True):
            log_variance = self.log_variances[number]
            terms.append(torch.exp(-log_variance) * loss + share * log_variance / 2)
        return torch.stack(terms).sum()

    def weights(self) -> dict[str, float]:
        """The factor of each loss, exp(-s)."""
        return {
            key: torch.exp(-value).item() for key, value in zip(self.keys, self.log_variances, strict=True)
        }


class GradNorm(Weighting):
    """Weights that let all losses fall at similar rates. Chen et al., "GradNorm", ICML 2018, section 3 and algorithm 1.

    With `g_k` the norm of loss k's gradient, `G_k = w_k g_k` the weighted one, `G` the mean of the `G_k`, and
    `r_k = (L_k / L_k(0)) / mean of these`, the relative inverse training rate, the weights minimise

        sum over k of |G_k - G r_k^alpha|,    G r_k^alpha held constant.

    Its derivative by w_k is `g_k sign(G_k - G r_k^alpha)`, so by `log w_k` it is `G_k sign(...)`. A step is
    `log w_k -= rate * (G_k / G) * sign(...)`; after it the weights are scaled to add up to the number of losses. Stepping the
    logarithm and dividing by G are ours: weights stay above 0, and steps are the same whatever the scale of the losses.

    Norms are of the gradient with respect to the batch's embeddings [n x dim], where the paper takes the last shared layer's
    weights: our reading, which costs no pass through the trunk. The norm of a mean over n images falls with sqrt(n), so
    it compares label sets fairly only where a batch has as many images of each.

    The weights and the first losses are buffers: a checkpoint holds them. Where a batch has some label sets only, these share
    what they had among themselves; where it has one (a round-robin mix), nothing changes.

    alpha: how strongly rates are evened out, at least 0. rate: of the steps, above 0; about the share by which a weight changes.
    """

    needs_norms = True
    loss_weights: Tensor
    first_losses: Tensor

    def __init__(self, keys: list[str], alpha: float = 1.5, rate: float = 0.025) -> None:
        super().__init__(keys)
        if not (alpha >= 0 and rate > 0):
            raise ValueError(f"alpha is {alpha} and rate {rate}; alpha must be at least 0 and rate above 0")
        self.alpha = alpha
        self.rate = rate
        self.register_buffer("loss_weights", torch.ones(len(keys)))
        self.register_buffer("first_losses", torch.zeros(len(keys)))

    def combine(self, losses: Mapping[str, Tensor], share: float = 1.0) -> Tensor:
        """The total to backpropagate, the weighted sum, a scalar. See `Weighting.combine`."""
        weights = self.loss_weights[self._numbers_of(losses)]
        return (weights * torch.stack(list(losses.values()))).sum()

    def weights(self) -> dict[str, float]:
        """The factor of each loss; together they are as many as the losses."""
        return dict(zip(self.keys, self.loss_weights.tolist(), strict=True))

    def update(self, losses: Mapping[str, float], norms: Mapping[str, float]) -> None:
        """Step the weights by a batch.

        losses: unweighted, of the label sets that the batch has. norms: of the gradients of the same losses with respect to
        all embeddings of the batch; where it came in pieces, the root of the sum of the pieces' squares.
        A step in which one of them is not finite changes nothing, as mixed precision passes over such steps.
        """
        numbers = self._numbers_of(losses)
        if losses.keys() != norms.keys():
            raise ValueError(
                f"losses are of {list(losses)}, norms of {list(norms)}; they must be of the same label sets"
            )
        values = [max(loss, 0.0) for loss in losses.values()]
        lengths = [norms[key] for key in losses]
        if not all(map(math.isfinite, (*losses.values(), *lengths))):
            return
        weights, first = self.loss_weights.tolist(), self.first_losses.tolist()
        for number, loss in zip(numbers, values, strict=True):
            first[number] = first[number] or loss
        ratios = [loss / (first[number] or 1.0) for number, loss in zip(numbers, values, strict=True)]
        stepped = self._stepped([weights[number] for number in numbers], ratios, lengths)
        others = sum(weight for number, weight in enumerate(weights) if number not in numbers)
        scale = (len(self.keys) - others) / sum(stepped)
        for number, weight in zip(numbers, stepped, strict=True):
            weights[number] = weight * scale
        self.loss_weights.copy_(torch.tensor(weights))
        self.first_losses.copy_(torch.tensor(first))

    def _stepped(self, weights: list[float], ratios: list[float], norms: list[float]) -> list[float]:
        """The weights after one step, before they are scaled."""
        weighted = [weight * norm for weight, norm in zip(weights, norms, strict=True)]
        mean_norm, mean_ratio = sum(weighted) / len(weighted), sum(ratios) / len(ratios)
        if not (mean_norm and mean_ratio):
            return weights
        after = []
        for weight, ratio, norm in zip(weights, ratios, weighted, strict=True):
            excess = norm / mean_norm - (ratio / mean_ratio) ** self.alpha
            sign = (excess > 0) - (excess < 0)
            after.append(weight * math.exp(-self.rate * norm / mean_norm * sign))
        return after


def make_weighting(name: str, keys: list[str]) -> Weighting:
    """The weighting called `name`, one of `WEIGHTINGS`, of the losses of the label sets `keys`."""
    kinds: dict[str, type[Weighting]] = {
        "equal": Weighting,
        "uncertainty": Uncertainty,
        "gradnorm": GradNorm,
    }
    if name not in kinds:
        raise ValueError(f"weighting is {name!r}; choose one of {', '.join(WEIGHTINGS)}")
    return kinds[name](keys)
