from __future__ import annotations

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from unifiedlib.distillation import Teachers, score_divergence, similarity_divergence
from unifiedlib.losses import NO_LABEL, ProxyHead

WIDTH, TEACHER_DIM, DIM, TEMPERATURE = 6, 5, 4, 0.2
CLASSES = {
    "lens/category": ["a", "b", "c"],
    "shop/category": ["a", "b"],
    "shop/product": ["a", "b", "c", "d"],
}
# Four images of lens, then three of shop, of which one has no product and one no category.
LABELS = torch.tensor(
    [[0, -1, -1], [2, -1, -1], [1, -1, -1], [0, -1, -1], [-1, 1, 3], [-1, 0, -1], [-1, -1, 2]]
)
TASKS = {"lens": [0, 1, 2, 3], "shop": [4, 5, 6]}


def generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def random(n: int, dim: int, seed: int) -> torch.Tensor:
    return torch.randn(n, dim, generator=generator(seed))


class Scores:
    """A head whose proxies are an argument."""

    def __init__(self, proxies: torch.Tensor) -> None:
        self.proxies = proxies

    def logits(self, vectors: torch.Tensor) -> torch.Tensor:
        return vectors @ self.proxies.T


def teachers(dim: int = TEACHER_DIM, seed: int = 1) -> Teachers:
    return Teachers(WIDTH, dim, CLASSES, TEMPERATURE, generator(seed))


def student_heads(dim: int = DIM) -> dict[str, ProxyHead]:
    return {
        key: ProxyHead(len(names), dim, 0.1, generator(column))
        for column, (key, names) in enumerate(CLASSES.items())
    }


def pooled(n: int = 7) -> torch.Tensor:
    return random(n, WIDTH, 20)


def embeddings(n: int = 7) -> torch.Tensor:
    return F.normalize(random(n, DIM, 21), dim=1)


def all_losses(module: Teachers, weight: float = 1.0) -> dict[str, torch.Tensor]:
    return module.losses(pooled(), embeddings(), LABELS, student_heads(), weight)


def softmax(scores: list[float]) -> list[float]:
    powers = [math.exp(score) for score in scores]
    return [power / sum(powers) for power in powers]


def divergence(teacher: list[float], student: list[float]) -> float:
    pairs = zip(softmax(teacher), softmax(student), strict=True)
    return sum(p * math.log(p / q) for p, q in pairs)


def naive_similarity_term(teacher: np.ndarray, student: np.ndarray, temperature: float) -> float:
    """Image by image, pair by pair."""
    n, total = len(teacher), 0.0
    for i in range(n):
        others = [j for j in range(n) if j != i]
        total += divergence(
            [float(teacher[i] @ teacher[j]) / temperature for j in others],
            [float(student[i] @ student[j]) / temperature for j in others],
        )
    return total / n


def scores_of(head: ProxyHead, vectors: np.ndarray) -> list[list[float]]:
    proxies = head.proxies.detach().double().numpy()
    return [[float(x @ p) / math.sqrt(float(p @ p)) / head.temperature for p in proxies] for x in vectors]


def naive_losses(module: Teachers, heads: dict[str, ProxyHead]) -> dict[str, float]:
    """All losses of the batch of this file at weight 1, in double precision."""
    losses = {}
    for task, images in TASKS.items():
        features = pooled().double().numpy()[images]
        centred = features - features.mean(1, keepdims=True)
        scaled = centred / np.sqrt((centred**2).mean(1, keepdims=True) + 1e-5)
        taught = scaled @ module.teacher(task).linear.weight.detach().double().numpy().T
        taught /= np.sqrt((taught**2).sum(1, keepdims=True))
        learned = embeddings().double().numpy()[images]
        distilled = naive_similarity_term(taught, learned, TEMPERATURE)
        for column, key in enumerate(CLASSES):
            if not key.startswith(task):
                continue
            scores = scores_of(module.teacher(task).head(key), taught)
            labels = LABELS[images, column].tolist()
            own = [
                -math.log(softmax(row)[label])
                for row, label in zip(scores, labels, strict=True)
                if label != NO_LABEL
            ]
            losses[f"teacher {key}"] = sum(own) / len(own)
            rows = zip(scores, scores_of(heads[key], learned), strict=True)
            distilled += sum(divergence(teacher, student) for teacher, student in rows) / len(images)
        losses[f"distilled {task}"] = distilled
    return losses


def test_divergence_of_scores_worked_by_hand() -> None:
    teacher, student = torch.tensor([[math.log(3.0), 0.0]]), torch.zeros(1, 2)
    expected = 0.75 * math.log(0.75 / 0.5) + 0.25 * math.log(0.25 / 0.5)
    assert score_divergence(teacher, student).item() == pytest.approx(expected, rel=1e-6)


def test_divergence_of_similarities_worked_by_hand() -> None:
    """The teacher holds the first two images for equal and the third for unlike, the student all three for unlike."""
    teacher = torch.tensor([[1.0, 0, 0], [1, 0, 0], [0, 1, 0]])
    high, low = math.e / (math.e + 1), 1 / (math.e + 1)
    expected = 2 / 3 * (high * math.log(2 * high) + low * math.log(2 * low))
    assert similarity_divergence(teacher, torch.eye(3), 1.0).item() == pytest.approx(expected, rel=1e-6)


def test_losses_equal_a_reference_written_out() -> None:
    module = teachers()
    expected = naive_losses(module, student_heads())
    losses = all_losses(module)
    assert {name: value.item() for name, value in losses.items()} == pytest.approx(expected, rel=1e-5)


def test_gradients_of_the_student_equal_finite_differences() -> None:
    module = teachers().double()
    heads = {key: head.double() for key, head in student_heads().items()}

    def distilled(vectors: torch.Tensor, proxies: torch.Tensor) -> torch.Tensor:
        own = {**heads, "shop/product": Scores(proxies)}
        losses = module.losses(pooled().double(), vectors, LABELS, own, 0.7)
        return losses["distilled lens"] + losses["distilled shop"]

    proxies = heads["shop/product"].proxies.detach().clone()
    assert torch.autograd.gradcheck(
        distilled, (embeddings().double().requires_grad_(), proxies.requires_grad_())
    )


def test_distilled_terms_give_teachers_and_their_features_no_gradient() -> None:
    module, heads = teachers(), student_heads()
    features, vectors = pooled().requires_grad_(), embeddings().requires_grad_()
    losses = module.losses(features, vectors, LABELS, heads, 1.0)
    (losses["distilled lens"] + losses["distilled shop"]).backward()
    assert all(parameter.grad is None or not parameter.grad.any() for parameter in module.parameters())
    assert features.grad is None or not features.grad.any()
    assert vectors.grad.any(dim=1).all()
    assert all(head.proxies.grad.any() for head in heads.values())


def test_classification_trains_each_teacher_and_the_features_but_not_the_student() -> None:
    module, heads = teachers(), student_heads()
    features, vectors = pooled().requires_grad_(), embeddings().requires_grad_()
    losses = module.losses(features, vectors, LABELS, heads, 1.0)
    sum(value for name, value in losses.items() if name.startswith("teacher")).backward()
    assert all(parameter.grad.any() for parameter in module.parameters())
    assert features.grad.any(dim=1).all()
    assert vectors.grad is None
    assert all(head.proxies.grad is None for head in heads.values())


def test_student_that_equals_its_teacher_has_nothing_to_learn() -> None:
    module = teachers()
    vectors = torch.empty(7, TEACHER_DIM)
    for task, images in TASKS.items():
        vectors[images] = module.teacher(task)(pooled()[images]).detach()
    heads = {key: module.teacher(key.split("/")[0]).head(key) for key in CLASSES}
    losses = module.losses(pooled(), vectors, LABELS, heads, 1.0)
    assert losses["distilled lens"].item() == pytest.approx(0, abs=1e-6)
    assert losses["distilled shop"].item() == pytest.approx(0, abs=1e-6)


def test_images_of_other_tasks_do_not_matter() -> None:
    module, heads = teachers(), student_heads()
    mixed, vectors = pooled().requires_grad_(), embeddings().requires_grad_()
    losses = module.losses(mixed, vectors, LABELS, heads, 1.0)
    alone = module.losses(pooled()[:4], embeddings()[:4], LABELS[:4], heads, 1.0)
    assert losses["distilled lens"].item() == alone["distilled lens"].item()
    assert losses["teacher lens/category"].item() == alone["teacher lens/category"].item()
    (losses["distilled lens"] + losses["teacher lens/category"]).backward()
    assert not mixed.grad[4:].any()
    assert not vectors.grad[4:].any()


def test_image_of_two_tasks_counts_in_both() -> None:
    labels = LABELS.clone()
    labels[3, 1] = 0
    losses = teachers().losses(pooled(), embeddings(), labels, student_heads(), 1.0)
    before = all_losses(teachers())
    assert losses["distilled lens"].item() == before["distilled lens"].item()
    assert losses["distilled shop"].item() != before["distilled shop"].item()


def test_task_without_images_in_the_batch_gives_zeros_that_can_be_summed() -> None:
    vectors = embeddings(4).requires_grad_()
    losses = teachers().losses(pooled(4), vectors, LABELS[:4], student_heads(), 1.0)
    absent = [value for name, value in losses.items() if "shop" in name]
    assert [value.item() for value in absent] == [0, 0, 0]
    sum(losses.values()).backward()
    assert vectors.grad.isfinite().all()


@pytest.mark.parametrize("n", [1, 2])
def test_too_few_images_to_compare_leave_the_scores_to_learn(n: int) -> None:
    module, heads = teachers(), student_heads()
    losses = module.losses(pooled(n), embeddings(n), LABELS[:n], heads, 1.0)
    scores = module.teacher("lens").head("lens/category").logits(module.teacher("lens")(pooled(n)))
    expected = score_divergence(scores, heads["lens/category"].logits(embeddings(n)))
    assert losses["distilled lens"].item() == pytest.approx(expected.item(), rel=1e-6)


def test_weight_scales_the_distilled_terms_alone() -> None:
    once, twice = all_losses(teachers(), 1.0), all_losses(teachers(), 2.0)
    factors = {name: twice[name].item() / once[name].item() for name in once}
    assert factors == {name: 2 if name.startswith("distilled") else 1 for name in once}


def test_teachers_follow_the_generator_and_leave_the_global_one_alone() -> None:
    before = torch.get_rng_state()
    first = teachers()
    again = all_losses(teachers())
    assert torch.equal(torch.get_rng_state(), before)
    assert all(torch.equal(value, again[name]) for name, value in all_losses(first).items())
    other = teachers(seed=2)
    assert not torch.equal(first.teacher("lens").linear.weight, other.teacher("lens").linear.weight)


def test_teachers_are_saved_and_loaded_whole() -> None:
    fresh = teachers(seed=2)
    fresh.load_state_dict(teachers().state_dict())
    again = all_losses(teachers())
    assert all(torch.equal(value, again[name]) for name, value in all_losses(fresh).items())


def test_task_may_have_the_name_of_a_method() -> None:
    module = Teachers(WIDTH, TEACHER_DIM, {"train/type": ["a"], "keys/items": ["b"]}, 0.1, generator(0))
    assert module.tasks == ["train", "keys"]


def test_student_learns_its_teachers_similarities() -> None:
    module, heads = teachers(), student_heads()
    vectors = embeddings().requires_grad_()
    optimizer = torch.optim.Adam([vectors, *(head.proxies for head in heads.values())], 0.05)
    values = []
    for _ in range(200):
        optimizer.zero_grad()
        losses = module.losses(pooled(), F.normalize(vectors, dim=1), LABELS, heads, 1.0)
        value = losses["distilled lens"] + losses["distilled shop"]
        value.backward()
        optimizer.step()
        values.append(value.item())
    assert values[-1] < 0.05 * values[0]


@pytest.mark.parametrize(("width", "dim", "temperature"), [(0, 5, 0.1), (6, 0, 0.1), (6, 5, 0.0)])
def test_senseless_teachers_are_refused(width: int, dim: int, temperature: float) -> None:
    with pytest.raises(ValueError, match="teachers need widths"):
        Teachers(width, dim, CLASSES, temperature, generator(0))


def test_batch_that_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match="do not fit 3 label sets"):
        teachers().losses(pooled(), embeddings(), LABELS[:, :2], student_heads(), 1.0)
    with pytest.raises(ValueError, match=r"weight -1\.0"):
        all_losses(teachers(), -1.0)
