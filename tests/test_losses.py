from __future__ import annotations

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from unifiedlib.losses import NO_LABEL, ROWS_AT_ONCE, ProxyHead, first_proxies, sampled_classes
from unifiedlib.row_optimizer import RowAdamW


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


def test_first_proxies_are_those_of_one_draw() -> None:
    drawn = torch.randn(3 * ROWS_AT_ONCE + 5, 16, generator=torch.Generator().manual_seed(3)) / 16**0.5
    assert torch.equal(head(len(drawn), 16).proxies, drawn)


def test_part_of_the_first_proxies_is_a_part_of_the_whole() -> None:
    def part(start: int, stop: int) -> torch.Tensor:
        return first_proxies(2 * ROWS_AT_ONCE + 7, 4, torch.Generator().manual_seed(3), start, stop)

    whole = head(2 * ROWS_AT_ONCE + 7, 4).proxies
    for start, stop in ((0, 3), (10, ROWS_AT_ONCE + 1), (2 * ROWS_AT_ONCE - 1, len(whole)), (5, 5)):
        assert torch.equal(part(start, stop), whole[start:stop])


@pytest.mark.parametrize("sparse", [False, True])
def test_softmax_over_some_classes_equals_a_head_of_these_alone(sparse: bool) -> None:
    whole = ProxyHead(9, 8, 0.05, torch.Generator().manual_seed(3), sparse)
    few = head(4)
    classes, labels = torch.tensor([0, 3, 4, 8]), torch.tensor([8, 3, NO_LABEL, 0, 3])
    with torch.no_grad():
        few.proxies.copy_(whole.proxies[classes])
    ours, theirs = unit(5).requires_grad_(), unit(5).requires_grad_()
    loss, expected = whole(ours, labels, classes), few(theirs, torch.tensor([3, 1, NO_LABEL, 0, 1]))
    loss.backward()
    expected.backward()
    assert loss.item() == expected.item()
    assert torch.equal(ours.grad, theirs.grad)
    assert whole.proxies.grad.is_sparse == sparse
    gradient = whole.proxies.grad.to_dense() if sparse else whole.proxies.grad
    assert torch.equal(gradient[classes], few.proxies.grad)
    assert gradient.count_nonzero() == few.proxies.grad.count_nonzero()


def test_softmax_over_all_classes_by_number_equals_that_over_all() -> None:
    layer, labels = head(), torch.tensor([0, 4, NO_LABEL])
    assert layer(unit(3), labels, torch.arange(5)).item() == layer(unit(3), labels).item()


@pytest.mark.parametrize(("classes", "missing"), [([0, 1, 3], 2), ([0, 1], 2), ([], 0)])
def test_label_outside_the_classes_of_the_step_is_refused(classes: list[int], missing: int) -> None:
    with pytest.raises(ValueError, match=f"class {missing} of the batch is not among"):
        head()(unit(2), torch.tensor([0, 2]), torch.tensor(classes, dtype=torch.int64))


def test_step_over_some_classes_makes_nothing_of_the_size_of_the_head() -> None:
    layer = ProxyHead(100_000, 8, 0.05, torch.Generator().manual_seed(3), sparse=True)
    optimizer = RowAdamW(layer.parameters())
    labels = torch.tensor([5, 99_999])
    with torch.profiler.profile(profile_memory=True) as watched:
        for number in range(2):
            classes = sampled_classes(labels, layer.n_classes, 10, np.random.default_rng(number))
            layer(unit(2).requires_grad_(), labels, classes).backward()
            optimizer.step()
            optimizer.zero_grad()
    largest = max(event.self_cpu_memory_usage for event in watched.events())
    assert largest <= 4 * layer.n_classes


def test_sample_holds_the_batchs_own_classes_and_fills_up_with_others() -> None:
    labels = torch.tensor([40, NO_LABEL, 7, 40, 0])
    classes = sampled_classes(labels, 50, 20, np.random.default_rng(0))
    assert classes.dtype == torch.int64
    assert len(classes) == 20
    assert (classes.diff() > 0).all()
    assert {0, 7, 40} <= set(classes.tolist()) <= set(range(50))


@pytest.mark.parametrize(("per_step", "expected"), [(1, [3, 5, 8]), (3, [3, 5, 8]), (99, list(range(10)))])
def test_sample_is_never_smaller_than_the_batchs_classes_nor_larger_than_all(
    per_step: int, expected: list[int]
) -> None:
    classes = sampled_classes(torch.tensor([8, 3, 5, 3]), 10, per_step, np.random.default_rng(0))
    assert classes.tolist() == expected


def test_sample_without_any_label_is_random_alone() -> None:
    classes = sampled_classes(torch.tensor([NO_LABEL]), 10**9, 5, np.random.default_rng(0))
    assert len(classes.unique()) == 5


def test_other_classes_are_equally_likely() -> None:
    generator, labels = np.random.default_rng(0), torch.tensor([0, 4, 5, 11])
    counts = np.zeros(12)
    for _ in range(4000):
        counts[sampled_classes(labels, 12, 6, generator)] += 1
    assert (counts[[0, 4, 5, 11]] == 4000).all()
    others = np.delete(counts, [0, 4, 5, 11])
    # 4,000 draws of 2 of 8: 1,000 each, with a standard deviation of 27.
    assert abs(others - 1000).max() < 4 * 27


def test_sample_follows_its_generator() -> None:
    draws = [sampled_classes(torch.tensor([3]), 10**6, 50, np.random.default_rng(seed)) for seed in (1, 1, 2)]
    assert torch.equal(draws[0], draws[1])
    assert not torch.equal(draws[0], draws[2])


@pytest.mark.parametrize(("label", "per_step", "words"), [(10, 4, "must lie in 0..9"), (2, 0, "at least 1")])
def test_senseless_samples_are_refused(label: int, per_step: int, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        sampled_classes(torch.tensor([label]), 10, per_step, np.random.default_rng(0))


def test_nearest_class_is_that_of_the_largest_logit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("unifiedlib.losses.ROWS_AT_ONCE", 3)
    monkeypatch.setattr("unifiedlib.losses.IMAGES_AT_ONCE", 4)
    layer, embeddings = head(10), unit(9)
    assert torch.equal(layer.nearest(embeddings), layer.logits(embeddings).argmax(1))
    assert len(layer.nearest(embeddings[:0])) == 0


def test_of_equally_near_classes_the_first_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("unifiedlib.losses.ROWS_AT_ONCE", 2)
    layer = head(5)
    with torch.no_grad():
        layer.proxies[1:] = layer.proxies[1]
    assert layer.nearest(F.normalize(layer.proxies[4:], dim=1)).tolist() == [1]
