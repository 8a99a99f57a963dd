from __future__ import annotations

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from unifiedlib.losses import NO_LABEL, ProxyHead


def head(n_classes: int = 5, dim: int = 8, temperature: float = 0.05) -> ProxyHead:
    return ProxyHead(n_classes, dim, temperature, torch.Generator().manual_seed(3))


def unit(n: int, dim: int = 8, seed: int = 0) -> torch.Tensor:
    return F.normalize(torch.randn(n, dim, generator=torch.Generator().manual_seed(seed)), dim=1)


def naive_loss(embeddings: np.ndarray, proxies: np.ndarray, labels: np.ndarray, temperature: float) -> float:
    """The equation written out, image by image and class by class, in double precision."""
    losses = []
    for x, label in zip(embeddings, labels, strict=True):
        scores = [math.exp(sum(x * p) / math.sqrt(sum(p * p)) / temperature) for p in proxies]
        losses.append(-math.log(scores[label] / sum(scores)))
    return sum(losses) / len(losses)


def test_loss_equals_the_equation_written_out() -> None:
    layer, embeddings, labels = head(), unit(6), torch.tensor([0, 1, 2, 3, 4, 0])
    expected = naive_loss(
        embeddings.double().numpy(), layer.proxies.detach().double().numpy(), labels.numpy(), 0.05
    )
    assert layer(embeddings, labels).item() == pytest.approx(expected, rel=1e-5)


def test_gradients_equal_finite_differences() -> None:
    layer = head().double()
    labels = torch.tensor([0, 4, NO_LABEL])

    def loss(embeddings: torch.Tensor, proxies: torch.Tensor) -> torch.Tensor:
        return torch.func.functional_call(layer, {"proxies": proxies}, (embeddings, labels))

    inputs = (unit(3).double().requires_grad_(), layer.proxies.detach().clone().requires_grad_())
    assert torch.autograd.gradcheck(loss, inputs)


def test_images_without_a_label_add_neither_loss_nor_gradient() -> None:
    layer = head()
    both, alone = unit(4).requires_grad_(), unit(4)[:2].clone().requires_grad_()
    masked = layer(both, torch.tensor([1, 2, NO_LABEL, NO_LABEL]))
    masked.backward()
    proxy_gradient = layer.proxies.grad.clone()
    layer.zero_grad()
    layer(alone, torch.tensor([1, 2])).backward()
    assert masked.item() == layer(alone, torch.tensor([1, 2])).item()
    assert torch.equal(both.grad[:2], alone.grad)
    assert not both.grad[2:].any()
    assert torch.equal(proxy_gradient, layer.proxies.grad)


def test_batch_without_any_label_gives_zero_that_can_be_summed() -> None:
    embeddings = unit(2).requires_grad_()
    loss = head()(embeddings, torch.full((2,), NO_LABEL))
    loss.backward()
    assert loss.item() == 0
    assert not embeddings.grad.any()


def test_length_of_a_proxy_does_not_matter() -> None:
    layer, embeddings, labels = head(), unit(3), torch.tensor([0, 1, 2])
    before = layer(embeddings, labels).item()
    with torch.no_grad():
        layer.proxies.mul_(7)
    assert layer(embeddings, labels).item() == pytest.approx(before, rel=1e-5)


def test_proxies_are_parameters_and_follow_the_generator() -> None:
    assert [name for name, _ in head().named_parameters()] == ["proxies"]
    assert torch.equal(head().proxies, head().proxies)


@pytest.mark.parametrize(("n_classes", "dim", "temperature"), [(0, 8, 0.05), (5, 0, 0.05), (5, 8, 0.0)])
def test_senseless_heads_are_refused(n_classes: int, dim: int, temperature: float) -> None:
    with pytest.raises(ValueError, match="a head needs classes"):
        head(n_classes, dim, temperature)
