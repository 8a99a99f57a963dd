from __future__ import annotations

import copy
import math
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file

from unifiedlib.losses import NO_LABEL, ProxyHead
from unifiedlib.other_losses import LOSSES, LibraryHead, make_head

OTHERS = LOSSES[1:]
MEANS = ("arcface", "cosface", "subcenter_arcface")
SUB_CENTRES = 3
LABELS = torch.tensor([0, 1, 2, 3, 4, 0])


def head(loss: str, temperature: float = 0.1, margin: float = 0.0, seed: int = 3) -> LibraryHead:
    made = make_head(loss, 5, 8, temperature, margin, torch.Generator().manual_seed(seed))
    assert isinstance(made, LibraryHead)
    return made


def unit(n: int, seed: int = 0) -> torch.Tensor:
    return F.normalize(torch.randn(n, 8, generator=torch.Generator().manual_seed(seed)), dim=1)


def stored(layer: LibraryHead) -> torch.Tensor:
    """The head's only parameter."""
    (parameter,) = layer.parameters()
    return parameter


def rows(layer: LibraryHead) -> torch.Tensor:
    """All proxies, sub-centres one after the other, one a row, in double precision."""
    parameter = stored(layer).detach().double()
    return parameter if parameter.shape[1] == 8 else parameter.T


def cosine(x: torch.Tensor, p: torch.Tensor) -> torch.Tensor:
    return (x * p).sum() / ((x * x).sum().sqrt() * (p * p).sum().sqrt())


def with_margin(loss: str, value: torch.Tensor, margin: float) -> torch.Tensor:
    """What a loss makes of the cosine to an image's own class."""
    if loss == "cosface":
        return value - margin
    angle = torch.acos(value)
    if angle > math.pi - margin:
        return value - margin * math.sin(margin)
    return torch.cos(angle + margin)


def naive_softmax_loss(
    loss: str, x: torch.Tensor, proxies: torch.Tensor, labels: torch.Tensor, temperature: float, margin: float
) -> torch.Tensor:
    """Image by image and class by class; `proxies` holds a row per proxy."""
    sub = SUB_CENTRES if loss == "subcenter_arcface" else 1
    total = torch.zeros((), dtype=torch.float64)
    for image, label in zip(x, labels.tolist(), strict=True):
        scores = []
        for number in range(len(proxies) // sub):
            value = max(cosine(image, p) for p in proxies[number * sub : (number + 1) * sub])
            if number == label:
                value = with_margin(loss, value, margin)
            scores.append(torch.exp(value / temperature))
        total = total - torch.log(scores[label] / sum(scores))
    return total / len(x)


def naive_proxy_anchor(
    x: torch.Tensor, proxies: torch.Tensor, labels: torch.Tensor, temperature: float, margin: float
) -> torch.Tensor:
    """Equation 4 of Kim et al., proxy by proxy and image by image."""
    pulled, pushed, n_present = torch.zeros(()).double(), torch.zeros(()).double(), 0
    for number, proxy in enumerate(proxies):
        own = [cosine(image, proxy) for image, label in zip(x, labels, strict=True) if label == number]
        foreign = [cosine(image, proxy) for image, label in zip(x, labels, strict=True) if label != number]
        n_present += bool(own)
        pulled = pulled + torch.log(1 + sum(torch.exp(-(value - margin) / temperature) for value in own))
        pushed = pushed + torch.log(1 + sum(torch.exp((value + margin) / temperature) for value in foreign))
    return pulled / n_present + pushed / len(proxies)


def naive(
    loss: str, x: torch.Tensor, proxies: torch.Tensor, labels: torch.Tensor, temperature: float, margin: float
) -> torch.Tensor:
    if loss == "proxy_anchor":
        return naive_proxy_anchor(x, proxies, labels, temperature, margin)
    radians = margin if loss == "cosface" else math.radians(margin)
    return naive_softmax_loss(loss, x, proxies, labels, temperature, radians)


DEFAULT_MARGINS = {"arcface": 28.6, "subcenter_arcface": 28.6, "cosface": 0.35, "proxy_anchor": 0.1}
CASES = [(loss, 0.0, margin) for loss, margin in DEFAULT_MARGINS.items()] + [
    ("arcface", 10.0, 10.0),
    ("subcenter_arcface", 10.0, 10.0),
    ("cosface", 0.2, 0.2),
    ("proxy_anchor", 0.3, 0.3),
]


@pytest.mark.parametrize(("loss", "given", "margin"), CASES)
def test_value_and_gradients_equal_the_equation_written_out(loss: str, given: float, margin: float) -> None:
    layer = head(loss, 0.1, given).double()
    embeddings = unit(6).double().requires_grad_()
    value = layer(embeddings, LABELS)
    value.backward()
    x, proxies = unit(6).double().requires_grad_(), rows(layer).clone().requires_grad_()
    expected = naive(loss, x, proxies, LABELS, 0.1, margin)
    expected.backward()
    assert value.item() == pytest.approx(expected.item(), rel=1e-9)
    torch.testing.assert_close(embeddings.grad, x.grad)
    parameter = stored(layer)
    gradient = parameter.grad if parameter.shape[1] == 8 else parameter.grad.T
    torch.testing.assert_close(gradient, proxies.grad)


def test_angle_that_the_margin_would_turn_past_the_opposite_follows_the_fallback() -> None:
    layer = head("arcface").double()
    embeddings = -F.normalize(rows(layer) + 0.1 * unit(5).double(), dim=1)
    expected = naive("arcface", embeddings, rows(layer), LABELS[:5], 0.1, 28.6)
    assert layer(embeddings, LABELS[:5]).item() == pytest.approx(expected.item(), rel=1e-9)


@pytest.mark.parametrize("loss", OTHERS)
def test_gradients_equal_finite_differences(loss: str) -> None:
    layer = head(loss).double()
    labels = torch.tensor([0, 4, NO_LABEL])
    assert torch.autograd.gradcheck(lambda x: layer(x, labels), unit(3).double().requires_grad_())


@pytest.mark.parametrize("loss", OTHERS)
def test_images_without_a_label_add_neither_loss_nor_gradient(loss: str) -> None:
    layer, alone_layer = head(loss), head(loss)
    both, alone = unit(4).requires_grad_(), unit(4)[:2].clone().requires_grad_()
    masked = layer(both, torch.tensor([1, 2, NO_LABEL, NO_LABEL]))
    masked.backward()
    expected = alone_layer(alone, torch.tensor([1, 2]))
    expected.backward()
    assert masked.item() == expected.item()
    assert torch.equal(both.grad[:2], alone.grad)
    assert not both.grad[2:].any()
    assert torch.equal(stored(layer).grad, stored(alone_layer).grad)


@pytest.mark.parametrize("loss", OTHERS)
def test_batch_without_any_label_gives_zero_that_can_be_summed(loss: str) -> None:
    embeddings = unit(2).requires_grad_()
    value = head(loss)(embeddings, torch.full((2,), NO_LABEL))
    value.backward()
    assert value.item() == 0
    assert not embeddings.grad.any()


@pytest.mark.parametrize("loss", OTHERS)
def test_image_that_equals_its_proxy_has_finite_gradients(loss: str) -> None:
    layer = head(loss)
    embeddings = F.normalize(rows(layer).float().view(5, -1, 8)[:, 0], dim=1).requires_grad_()
    layer(embeddings, torch.arange(5)).backward()
    assert embeddings.grad.isfinite().all()
    assert stored(layer).grad.isfinite().all()


@pytest.mark.parametrize("loss", MEANS)
def test_pieces_of_a_batch_add_up_by_their_share(loss: str) -> None:
    layer, embeddings = head(loss), unit(6)
    pieces = layer(embeddings[:4], LABELS[:4]) * 4 / 6 + layer(embeddings[4:], LABELS[4:]) * 2 / 6
    assert pieces.item() == pytest.approx(layer(embeddings, LABELS).item(), rel=1e-5)
    assert not layer.whole_batch


def test_pieces_of_a_proxy_anchor_batch_do_not_add_up_and_the_head_says_so() -> None:
    layer, embeddings = head("proxy_anchor"), unit(6)
    pieces = layer(embeddings[:4], LABELS[:4]) * 4 / 6 + layer(embeddings[4:], LABELS[4:]) * 2 / 6
    assert abs(pieces.item() - layer(embeddings, LABELS).item()) > 0.01
    assert layer.whole_batch


@pytest.mark.parametrize("loss", ["arcface", "cosface", "proxy_anchor"])
def test_first_proxies_are_those_of_our_head(loss: str) -> None:
    ours = ProxyHead(5, 8, 0.1, torch.Generator().manual_seed(3))
    torch.testing.assert_close(head(loss).proxies, F.normalize(ours.proxies, dim=1))


@pytest.mark.parametrize("loss", OTHERS)
def test_first_proxies_follow_the_generator_and_leave_the_global_one_alone(loss: str) -> None:
    before = torch.get_rng_state()
    first = head(loss)
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(8)
    assert torch.equal(stored(first), stored(head(loss)))
    assert not torch.equal(stored(first), stored(head(loss, seed=4)))


@pytest.mark.parametrize("loss", LOSSES)
def test_proxies_are_a_parameter_that_is_saved_and_loaded(loss: str, tmp_path: Path) -> None:
    trained, fresh = (make_head(loss, 5, 8, 0.1, 0.0, torch.Generator().manual_seed(seed)) for seed in (1, 2))
    save_file(trained.state_dict(), tmp_path / "head.safetensors")
    fresh.load_state_dict(load_file(tmp_path / "head.safetensors"))
    assert len(list(trained.parameters())) == 1
    assert torch.equal(trained(unit(6), LABELS), fresh(unit(6), LABELS))


@pytest.mark.parametrize("loss", OTHERS)
def test_head_can_be_copied(loss: str) -> None:
    layer = head(loss)
    assert torch.equal(copy.deepcopy(layer)(unit(6), LABELS), layer(unit(6), LABELS))


@pytest.mark.parametrize("loss", OTHERS)
def test_training_step_changes_the_proxies_that_are_searched(loss: str) -> None:
    layer = head(loss)
    before = layer.proxies.detach().clone()
    optimizer = torch.optim.SGD(layer.parameters(), 0.1)
    layer(unit(6), LABELS).backward()
    optimizer.step()
    assert not torch.equal(layer.proxies, before)


@pytest.mark.parametrize("loss", OTHERS)
def test_nearest_is_the_class_with_the_best_proxy(loss: str) -> None:
    layer, embeddings = head(loss), unit(20)
    sub = SUB_CENTRES if loss == "subcenter_arcface" else 1
    expected = [
        max(range(len(rows(layer))), key=lambda row: cosine(x, rows(layer)[row])) // sub
        for x in embeddings.double()
    ]
    assert layer.nearest(embeddings).tolist() == expected


@pytest.mark.parametrize("loss", OTHERS)
def test_proxies_are_unit_vectors_one_per_class(loss: str) -> None:
    proxies = head(loss).proxies
    assert proxies.shape == (5, 8)
    torch.testing.assert_close(proxies.norm(dim=1), torch.ones(5))


def test_proxy_of_a_class_with_sub_centres_is_their_mean_direction() -> None:
    layer = head("subcenter_arcface")
    own = F.normalize(rows(layer), dim=1)[6:9]
    torch.testing.assert_close(layer.proxies[2].double(), F.normalize(own.sum(0), dim=0), rtol=0, atol=1e-6)


def test_logits_are_those_of_our_head_from_the_same_proxies() -> None:
    ours = ProxyHead(5, 8, 0.1, torch.Generator().manual_seed(3))
    torch.testing.assert_close(head("cosface").logits(unit(4)), ours.logits(unit(4)))


@pytest.mark.parametrize("loss", OTHERS)
def test_half_precision_embeddings_leave_proxies_and_loss_in_32_bits(loss: str) -> None:
    layer = head(loss)
    with torch.autocast("cpu", torch.bfloat16):
        value = layer(unit(6).bfloat16(), LABELS)
        layer.nearest(unit(6).bfloat16())
    assert value.dtype == torch.float32
    assert stored(layer).dtype == torch.float32


def test_softmax_is_our_own_head() -> None:
    assert type(make_head("softmax", 5, 8, 0.05, 0.0, torch.Generator())) is ProxyHead


def test_unknown_loss_is_refused_with_the_choices() -> None:
    with pytest.raises(ValueError, match="loss is 'triplet'; choose one of softmax, arcface"):
        make_head("triplet", 5, 8, 0.05, 0.0, torch.Generator())


def test_margin_with_softmax_is_refused() -> None:
    with pytest.raises(ValueError, match="set margin to 0"):
        make_head("softmax", 5, 8, 0.05, 0.3, torch.Generator())


def test_sample_of_classes_is_refused() -> None:
    with pytest.raises(ValueError, match="sample of its classes"):
        head("cosface")(unit(2), torch.tensor([0, 1]), torch.arange(3))


@pytest.mark.parametrize(
    ("n_classes", "temperature", "margin"), [(0, 0.1, 0.0), (5, 0.0, 0.0), (5, 0.1, -1.0)]
)
def test_senseless_heads_are_refused(n_classes: int, temperature: float, margin: float) -> None:
    with pytest.raises(ValueError, match="a head needs classes"):
        make_head("arcface", n_classes, 8, temperature, margin, torch.Generator())
