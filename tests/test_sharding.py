from __future__ import annotations

from pathlib import Path

import pytest
import torch
import torch.distributed as dist
import torch.nn.functional as F

from unifiedlib.losses import NO_LABEL, ProxyHead
from unifiedlib.sharding import ShardedProxyHead

N_CLASSES, DIM, TEMPERATURE, WORLD = 11, 6, 0.2, 2
# Per situation: the labels of either process' images, and the classes of the step.
SITUATIONS: dict[str, tuple[list[list[int]], list[int] | None]] = {
    "all classes": ([[3, 10, 0, 5], [3, 4, 9, 1]], None),
    "some classes": ([[3, 10, 0, 5], [3, 4, 9, 1]], [0, 1, 3, 4, 5, 7, 9, 10]),
    "labels uneven": ([[NO_LABEL, NO_LABEL, NO_LABEL, 8], [0, 10, NO_LABEL, 4]], None),
    "labels uneven, some classes": ([[NO_LABEL] * 4, [0, 10, 9, 4]], [0, 2, 4, 8, 9, 10]),
    "parts of unequal size": ([[3, NO_LABEL, 7], [2, 2, 0, 10, 1]], [0, 1, 2, 3, 7, 8, 10]),
    "classes of one process alone": ([[10, 7], [8, 7]], [6, 7, 8, 10]),
    "no label anywhere": ([[NO_LABEL] * 2, [NO_LABEL] * 2], None),
}


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(5)


def unit(n: int, seed: int = 0) -> torch.Tensor:
    return F.normalize(torch.randn(n, DIM, generator=torch.Generator().manual_seed(seed)), dim=1)


def as_tensor(classes: list[int] | None) -> torch.Tensor | None:
    return None if classes is None else torch.tensor(classes)


def results_of_process(rank: int, folder: Path) -> None:
    """What one of the processes computes, written to a file: loss and gradients of each situation, and the rest."""
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=WORLD)
    found: dict[str, object] = {}
    for name, (labels, classes) in SITUATIONS.items():
        head = ShardedProxyHead(N_CLASSES, DIM, TEMPERATURE, generator(), sparse=classes is not None)
        whole = unit(sum(map(len, labels)))
        first = len(labels[0]) * rank
        embeddings = whole[first : first + len(labels[rank])].clone().requires_grad_()
        loss = head(embeddings, torch.tensor(labels[rank]), as_tensor(classes))
        (3 * loss).backward()
        gradient = head.proxies.grad if head.proxies.grad is not None else torch.zeros_like(head.proxies)
        if classes is not None:
            assert gradient.is_sparse
            gradient = gradient.to_dense()
        found[name] = (loss.detach(), embeddings.grad, gradient)
    found["first"] = head.proxies.detach().clone()
    found["nearest"] = head.nearest(unit(7)[: 7 * (1 - rank)])
    head.load_state_dict(
        {"proxies": head.own_block(torch.arange(N_CLASSES)[:, None].expand(-1, DIM).float())}
    )
    found["loaded"], found["full"] = head.proxies.detach().clone(), head.full_proxies()
    torch.save(found, folder / f"{rank}.pt")
    dist.destroy_process_group()


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, object]]:
    folder = tmp_path_factory.mktemp("sharding")
    torch.multiprocessing.spawn(results_of_process, (folder,), nprocs=WORLD)
    return [torch.load(folder / f"{rank}.pt") for rank in range(WORLD)]


@pytest.mark.parametrize("situation", SITUATIONS)
def test_two_processes_give_loss_and_gradients_of_one_with_the_whole_batch(
    found: list[dict[str, object]], situation: str
) -> None:
    labels, classes = SITUATIONS[situation]
    head = ProxyHead(N_CLASSES, DIM, TEMPERATURE, generator())
    embeddings = unit(sum(map(len, labels))).requires_grad_()
    loss = head(embeddings, torch.tensor(labels[0] + labels[1]), as_tensor(classes))
    (3 * loss).backward()
    parts = [process[situation] for process in found]
    assert [part[0].item() for part in parts] == [pytest.approx(loss.item(), rel=1e-6)] * WORLD
    assert parts[0][0] == parts[1][0]
    torch.testing.assert_close(torch.cat([part[1] for part in parts]), embeddings.grad)
    expected = head.proxies.grad if head.proxies.grad is not None else torch.zeros_like(head.proxies)
    torch.testing.assert_close(torch.cat([part[2] for part in parts]), expected)


def test_first_proxies_do_not_depend_on_the_number_of_processes(found: list[dict[str, object]]) -> None:
    whole = ProxyHead(N_CLASSES, DIM, TEMPERATURE, generator()).proxies
    assert [len(process["first"]) for process in found] == [5, 6]
    assert torch.equal(torch.cat([process["first"] for process in found]), whole)


def test_nearest_is_sought_among_the_proxies_of_all_processes(found: list[dict[str, object]]) -> None:
    whole = ProxyHead(N_CLASSES, DIM, TEMPERATURE, generator()).logits(unit(7)).argmax(1)
    assert torch.equal(found[0]["nearest"], whole)
    assert len(found[1]["nearest"]) == 0


def test_full_proxies_come_to_the_first_process_in_order(found: list[dict[str, object]]) -> None:
    assert torch.equal(found[0]["full"][:, 0], torch.arange(N_CLASSES).float())
    assert found[1]["full"] is None
    assert torch.equal(found[1]["loaded"], found[0]["full"][5:])


def test_process_alone_needs_no_group() -> None:
    alone = ShardedProxyHead(N_CLASSES, DIM, TEMPERATURE, generator())
    head = ProxyHead(N_CLASSES, DIM, TEMPERATURE, generator())
    labels = torch.tensor([2, NO_LABEL, 10])
    torch.testing.assert_close(alone(unit(3), labels), head(unit(3), labels))
    assert torch.equal(alone.nearest(unit(3)), head.nearest(unit(3)))
    assert torch.equal(alone.full_proxies(), head.proxies)


@pytest.mark.parametrize("classes", [None, [0, 2, 3, 7, 10]])
def test_gradients_equal_finite_differences(classes: list[int] | None) -> None:
    head = ShardedProxyHead(N_CLASSES, DIM, TEMPERATURE, generator()).double()
    labels = torch.tensor([2, NO_LABEL, 10, 0])

    def loss(embeddings: torch.Tensor, proxies: torch.Tensor) -> torch.Tensor:
        inputs = (embeddings, labels, as_tensor(classes))
        return torch.func.functional_call(head, {"proxies": proxies}, inputs)

    inputs = (unit(4).double().requires_grad_(), head.proxies.detach().clone().requires_grad_())
    assert torch.autograd.gradcheck(loss, inputs)


def test_second_backward_through_a_kept_graph_adds_the_same_again() -> None:
    head = ShardedProxyHead(N_CLASSES, DIM, TEMPERATURE, generator())
    loss = head(unit(3), torch.tensor([1, 2, 3]))
    loss.backward(retain_graph=True)
    once = head.proxies.grad.clone()
    loss.backward()
    assert torch.equal(head.proxies.grad, 2 * once)


def test_label_outside_the_classes_of_the_step_is_refused() -> None:
    head = ShardedProxyHead(N_CLASSES, DIM, TEMPERATURE, generator())
    with pytest.raises(ValueError, match="class 4 of the batch is not among"):
        head(unit(2), torch.tensor([1, 4]), torch.tensor([1, 2, 5]))


def test_proxies_of_another_head_are_not_loaded() -> None:
    head = ShardedProxyHead(N_CLASSES, DIM, TEMPERATURE, generator())
    with pytest.raises(ValueError, match=r"are \(10, 6\), this head's are \(11, 6\)"):
        head.own_block(torch.zeros(N_CLASSES - 1, DIM))
