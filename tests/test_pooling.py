from __future__ import annotations

import pytest
import torch

from unifiedlib.pooling import POOLINGS, AveragePool, GeM, make_pool


def maps(n: int = 2, channels: int = 3, seed: int = 0) -> torch.Tensor:
    """Positive feature maps, as after a ReLU."""
    return torch.rand(n, channels, 4, 5, generator=torch.Generator().manual_seed(seed)) + 0.01


def test_generalised_mean_of_a_map_worked_by_hand() -> None:
    pooled = GeM()(torch.tensor([[[[1.0, 2.0], [2.0, 3.0]]]]))
    assert pooled.item() == pytest.approx(((1 + 8 + 8 + 27) / 4) ** (1 / 3), rel=1e-6)


def test_exponent_one_is_the_average() -> None:
    torch.testing.assert_close(GeM(1.0)(maps()), AveragePool()(maps()))


def test_large_exponent_comes_near_the_maximum() -> None:
    torch.testing.assert_close(GeM(500.0)(maps() * 50), maps().amax((2, 3)) * 50, rtol=0.01, atol=0)


def test_average_is_the_mean_to_the_bit() -> None:
    assert torch.equal(AveragePool()(maps()), maps().mean(dim=(2, 3)))


def test_gradients_of_maps_and_exponent_equal_finite_differences() -> None:
    layer = GeM().double()

    def pooled(values: torch.Tensor, exponent: torch.Tensor) -> torch.Tensor:
        return torch.func.functional_call(layer, {"exponent": exponent}, values)

    inputs = (maps().double().requires_grad_(), layer.exponent.detach().clone().requires_grad_())
    assert torch.autograd.gradcheck(pooled, inputs)


@pytest.mark.parametrize("exponent", [3.0, 20.0])
def test_channel_that_is_all_zero_or_negative_is_pooled_with_finite_gradients(exponent: float) -> None:
    layer, values = GeM(exponent), maps()
    values[:, 0], values[:, 1] = 0, -1
    values.requires_grad_()
    pooled = layer(values)
    pooled.sum().backward()
    torch.testing.assert_close(pooled[:, :2], torch.full((2, 2), 1e-6))
    assert not values.grad[:, :2].any()
    assert values.grad.isfinite().all()
    assert layer.exponent.grad.isfinite()


@pytest.mark.parametrize("name", POOLINGS)
def test_pooling_stays_in_full_precision_within_autocast(name: str) -> None:
    half = maps().bfloat16()
    with torch.autocast("cpu", torch.bfloat16):
        pooled = make_pool(name)(half)
    assert pooled.dtype == torch.float32
    assert torch.equal(pooled, make_pool(name)(half.float()))


def test_only_the_exponent_is_a_parameter_and_starts_at_three() -> None:
    assert {name: value.item() for name, value in GeM().state_dict().items()} == {"exponent": 3.0}
    assert not AveragePool().state_dict()


def test_unknown_pooling_is_refused_with_the_choices() -> None:
    with pytest.raises(ValueError, match="pooling is 'max'; choose one of average, gem"):
        make_pool("max")


@pytest.mark.parametrize(("exponent", "smallest"), [(0.0, 1e-6), (3.0, 0.0)])
def test_senseless_generalised_mean_is_refused(exponent: float, smallest: float) -> None:
    with pytest.raises(ValueError, match="above 0"):
        GeM(exponent, smallest)
