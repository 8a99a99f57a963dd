from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from unifiedlib.weighting import WEIGHTINGS, GradNorm, Uncertainty, make_weighting

KEYS = ["flashlight/category", "lens/category", "shop_the_look/product v1.2"]


def of(values: list[float]) -> dict[str, float]:
    return dict(zip(KEYS, values, strict=False))


def tensors(values: list[float]) -> dict[str, Tensor]:
    return {key: torch.tensor(value, requires_grad=True) for key, value in of(values).items()}


@pytest.mark.parametrize("name", WEIGHTINGS)
def test_every_weighting_starts_as_the_plain_sum(name: str) -> None:
    weighting = make_weighting(name, KEYS)
    losses = tensors([1.5, 2.25, 4.0])
    total = weighting.combine(losses)
    total.backward()  # type: ignore[no-untyped-call]
    assert total.item() == 7.75
    assert [loss.grad.item() for loss in losses.values() if loss.grad is not None] == [1, 1, 1]
    assert weighting.weights() == dict.fromkeys(KEYS, 1.0)


def test_equal_weights_stay_and_have_nothing_to_learn_or_store() -> None:
    weighting = make_weighting("equal", KEYS)
    weighting.update(of([1, 2, 3]), of([1, 2, 3]))
    assert weighting.weights() == dict.fromkeys(KEYS, 1.0)
    assert not list(weighting.parameters())
    assert not weighting.state_dict()
    assert not weighting.needs_norms


def test_uncertainty_equals_a_plain_version_gradients_included() -> None:
    weighting = Uncertainty(KEYS)
    s, values = [0.5, -1.0, 2.0], [1.5, 2.25, 4.0]
    with torch.no_grad():
        for parameter, value in zip(weighting.log_variances, s, strict=True):
            parameter.fill_(value)
    losses = tensors(values)
    total = weighting.combine(losses)
    total.backward()  # type: ignore[no-untyped-call]
    sigma = [math.exp(value / 2) for value in s]
    naive = sum(loss / one**2 + math.log(one) for loss, one in zip(values, sigma, strict=True))
    assert total.item() == pytest.approx(naive, rel=1e-6)
    for parameter, loss, value, exponent in zip(
        weighting.log_variances, losses.values(), values, s, strict=True
    ):
        assert parameter.grad is not None
        assert parameter.grad.item() == pytest.approx(0.5 - math.exp(-exponent) * value, rel=1e-6)
        assert loss.grad is not None
        assert loss.grad.item() == pytest.approx(math.exp(-exponent), rel=1e-6)
    assert weighting.weights() == pytest.approx(of([math.exp(-value) for value in s]))


def test_uncertainty_learns_half_the_inverse_of_a_constant_loss() -> None:
    weighting = Uncertainty(KEYS)
    optimizer = torch.optim.SGD(weighting.parameters(), lr=0.2)
    for _ in range(300):
        optimizer.zero_grad()
        weighting.combine(tensors([0.5, 2.0, 4.0])).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    assert weighting.weights() == pytest.approx(of([1.0, 0.25, 0.125]), rel=1e-3)


@pytest.mark.parametrize("name", WEIGHTINGS)
def test_pieces_of_a_batch_add_up_to_the_whole(name: str) -> None:
    totals, gradients = [], []
    for parts in ([1.0], [0.5, 0.3, 0.2]):
        weighting = make_weighting(name, KEYS)
        for parameter in weighting.parameters():
            torch.nn.init.constant_(parameter, 0.7)
        weighting.update(of([1, 2, 3]), of([3, 1, 2]))
        total = torch.zeros(())
        for part in parts:
            total = total + weighting.combine(tensors([1.5 * part, 2.0 * part, 4.0 * part]), part)
        if list(weighting.parameters()):
            total.backward()  # type: ignore[no-untyped-call]
        totals.append(total.item())
        found = [parameter.grad for parameter in weighting.parameters()]
        gradients.append([gradient.item() for gradient in found if gradient is not None])
    assert totals[0] == pytest.approx(totals[1], rel=1e-6)
    assert gradients[0] == pytest.approx(gradients[1], rel=1e-6)


def test_absent_label_set_keeps_its_uncertainty_whatever_the_optimizers_momentum() -> None:
    weighting = Uncertainty(KEYS)
    optimizer = torch.optim.AdamW(weighting.parameters(), lr=0.1, weight_decay=0.0)
    weighting.combine(tensors([1.0, 2.0, 3.0])).backward()  # type: ignore[no-untyped-call]
    optimizer.step()
    before = weighting.weights()
    optimizer.zero_grad()
    present = {key: value for key, value in tensors([1.0, 2.0, 3.0]).items() if key != KEYS[1]}
    weighting.combine(present).backward()  # type: ignore[no-untyped-call]
    optimizer.step()
    after = weighting.weights()
    assert after[KEYS[1]] == before[KEYS[1]]
    assert after[KEYS[0]] != before[KEYS[0]]


def test_gradnorm_step_equals_one_worked_by_hand() -> None:
    # Weights 1, norms 4, 1, 1: their mean is 2. Losses fell to 1/2, 1 and 3/2 of the first: relative rates 1/2, 1, 3/2.
    # Targets with alpha 1 are 1, 2, 3, so the first weight shrinks by exp(-0.1 * 4 / 2), the others grow by exp(0.1 * 1 / 2).
    weighting = GradNorm(KEYS, alpha=1.0, rate=0.1)
    weighting.first_losses.copy_(torch.tensor([2.0, 2.0, 2.0]))
    weighting.update(of([1.0, 2.0, 3.0]), of([4.0, 1.0, 1.0]))
    stepped = np.array([math.exp(-0.2), math.exp(0.05), math.exp(0.05)])
    assert weighting.weights() == pytest.approx(of((stepped * 3 / stepped.sum()).tolist()), rel=1e-6)
    total = weighting.combine(tensors([1.0, 2.0, 3.0])).item()
    assert total == pytest.approx(float((stepped * [1, 2, 3]).sum() * 3 / stepped.sum()), rel=1e-6)


def test_gradnorm_step_goes_down_the_gradient_of_the_papers_objective() -> None:
    weighting = GradNorm(KEYS, rate=1e-3)
    weighting.first_losses.copy_(torch.tensor([2.0, 3.0, 4.0]))
    weighting.loss_weights.copy_(torch.tensor([0.5, 1.5, 1.0]))
    losses, norms = [1.0, 2.5, 1.0], [3.0, 0.4, 2.0]
    log_weights = torch.log(weighting.loss_weights.double()).requires_grad_()
    weighted = log_weights.exp() * torch.tensor(norms, dtype=torch.float64)
    ratios = torch.tensor(losses, dtype=torch.float64) / weighting.first_losses.double()
    target = (weighted.mean() * (ratios / ratios.mean()) ** 1.5).detach()
    ((weighted - target).abs().sum() / weighted.mean().detach()).backward()  # type: ignore[no-untyped-call]
    assert log_weights.grad is not None
    stepped = (log_weights - 1e-3 * log_weights.grad).exp().detach()
    weighting.update(of(losses), of(norms))
    assert weighting.weights() == pytest.approx(of((stepped * 3 / stepped.sum()).tolist()), rel=1e-6)


def test_gradnorm_evens_out_gradients_of_losses_that_fall_alike() -> None:
    weighting, norms = GradNorm(KEYS), of([500.0, 5.0, 50.0])
    for _ in range(600):
        weighting.update(of([2.0, 2.0, 2.0]), norms)
    weights = weighting.weights()
    assert sum(weights.values()) == pytest.approx(3, rel=1e-5)
    assert min(weights.values()) > 0
    weighted = [weights[key] * norms[key] for key in KEYS]
    assert max(weighted) / min(weighted) < 1.1


def test_gradnorm_favours_the_loss_that_falls_slowest() -> None:
    weighting = GradNorm(KEYS)
    weighting.update(of([2.0, 2.0, 2.0]), of([1.0, 1.0, 1.0]))
    for _ in range(50):
        weighting.update(of([1.0, 1.8, 0.5]), of([1.0, 1.0, 1.0]))
    weights = weighting.weights()
    assert weights[KEYS[1]] > weights[KEYS[0]] > weights[KEYS[2]]


def test_gradnorm_does_not_depend_on_the_scale_of_losses_and_norms() -> None:
    small, large = GradNorm(KEYS), GradNorm(KEYS)
    for losses, norms in (([2.0, 3.0, 4.0], [1.0, 4.0, 2.0]), ([1.5, 2.9, 1.0], [2.0, 3.0, 1.0])):
        small.update(of(losses), of(norms))
        large.update(of([64 * loss for loss in losses]), of([1024 * norm for norm in norms]))
    assert small.weights() == large.weights()


def test_label_set_absent_from_a_batch_keeps_its_weight() -> None:
    weighting = GradNorm(KEYS)
    weighting.update(of([2.0, 2.0, 2.0]), of([4.0, 1.0, 2.0]))
    before = weighting.weights()
    weighting.update(of([1.0, 2.0]), of([4.0, 1.0]))
    after = weighting.weights()
    assert after[KEYS[2]] == before[KEYS[2]]
    assert after[KEYS[0]] < before[KEYS[0]]
    assert sum(after.values()) == pytest.approx(3, rel=1e-6)
    weighting.update(of([0.1]), of([9.0]))
    assert weighting.weights() == pytest.approx(after, rel=1e-6)


def test_label_set_that_comes_later_is_compared_with_its_own_first_loss() -> None:
    weighting = GradNorm(KEYS)
    weighting.update(of([2.0]), of([1.0]))
    assert weighting.first_losses.tolist() == [2, 0, 0]
    weighting.update({KEYS[1]: 5.0, KEYS[0]: 1.0}, {KEYS[1]: 1.0, KEYS[0]: 1.0})
    assert weighting.first_losses.tolist() == [2, 5, 0]


def test_gradnorm_resumed_from_its_buffers_equals_an_unbroken_one_to_the_bit() -> None:
    generator = np.random.default_rng(0)
    steps = [(generator.exponential(size=3), generator.exponential(size=3)) for _ in range(60)]
    unbroken, resumed = GradNorm(KEYS), GradNorm(KEYS)
    for number, (losses, norms) in enumerate(steps):
        unbroken.update(of(losses.tolist()), of(norms.tolist()))
        if number == 29:
            resumed.load_state_dict({name: value.clone() for name, value in unbroken.state_dict().items()})
        if number > 29:
            resumed.update(of(losses.tolist()), of(norms.tolist()))
    assert all(
        torch.equal(value, resumed.state_dict()[name]) for name, value in unbroken.state_dict().items()
    )


@pytest.mark.parametrize(
    ("losses", "norms"),
    [
        ([1.0, 2.0, 3.0], [1.0, math.inf, 1.0]),
        ([1.0, math.nan, 3.0], [1.0, 1.0, 1.0]),
        ([1.0, 2.0, 3.0], [0.0, 0.0, 0.0]),
        ([0.0, 0.0, 0.0], [1.0, 2.0, 3.0]),
    ],
)
def test_gradnorm_keeps_its_weights_where_a_step_says_nothing(
    losses: list[float], norms: list[float]
) -> None:
    weighting = GradNorm(KEYS)
    weighting.update(of(losses), of(norms))
    assert weighting.weights() == dict.fromkeys(KEYS, 1.0)


def test_wrong_use_of_a_weighting_is_refused_with_what_to_do() -> None:
    with pytest.raises(ValueError, match="weighting is 'even'; choose one of equal, uncertainty, gradnorm"):
        make_weighting("even", KEYS)
    with pytest.raises(ValueError, match="names of its losses, each once"):
        make_weighting("equal", ["lens/category", "lens/category"])
    with pytest.raises(ValueError, match=r"the losses are of \['other'\]; give at least one of"):
        make_weighting("gradnorm", KEYS).combine({"other": torch.tensor(1.0)})
    with pytest.raises(ValueError, match=r"the losses are of \[\]; give at least one of"):
        make_weighting("equal", KEYS).combine({})
    with pytest.raises(ValueError, match="they must be of the same label sets"):
        make_weighting("gradnorm", KEYS).update(of([1.0, 2.0]), of([1.0]))
    with pytest.raises(ValueError, match=r"alpha is -1 and rate 0\.025; alpha must be at least 0"):
        GradNorm(KEYS, alpha=-1)
