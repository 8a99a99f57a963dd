from __future__ import annotations

import copy
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from unifiedlib.checkpoint import Key, Stored, read_checkpoint, restore_optimizers, save_checkpoint
from unifiedlib.row_optimizer import RowAdamW, RowSGD

N_ROWS, DIM = 12, 3
Make = Callable[[Iterable[Tensor]], torch.optim.Optimizer]
PAIRS: dict[str, tuple[Make, Make]] = {
    "adamw": (
        lambda p: RowAdamW(p, lr=0.1, betas=(0.8, 0.99), weight_decay=0.2),
        lambda p: torch.optim.AdamW(p, lr=0.1, betas=(0.8, 0.99), weight_decay=0.2),
    ),
    "sgd": (
        lambda p: RowSGD(p, lr=0.1, momentum=0.9, weight_decay=0.2),
        lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9, weight_decay=0.2),
    ),
    "sgd without momentum": (
        lambda p: RowSGD(p, lr=0.1, weight_decay=0.2),
        lambda p: torch.optim.SGD(p, lr=0.1, weight_decay=0.2),
    ),
}
both = pytest.mark.parametrize("kind", ["adamw", "sgd"])


class Table(nn.Module):
    """Rows with sparse gradients, and a bias with a dense one."""

    def __init__(self) -> None:
        super().__init__()
        self.rows = nn.Parameter(torch.randn(N_ROWS, DIM, generator=torch.Generator().manual_seed(1)))
        self.bias = nn.Parameter(torch.ones(DIM))


def gradients(rows: list[int], seed: int) -> Tensor:
    values = torch.randn(len(rows), DIM, generator=torch.Generator().manual_seed(seed))
    indices = torch.tensor([rows], dtype=torch.int64)
    return torch.sparse_coo_tensor(indices, values, (N_ROWS, DIM), check_invariants=True)


def step(table: Table, optimizer: torch.optim.Optimizer, rows: list[int], seed: int) -> None:
    table.rows.grad = gradients(rows, seed)
    table.bias.grad = torch.randn(DIM, generator=torch.Generator().manual_seed(seed + 1000))
    optimizer.step()


def touched_at(number: int) -> list[int]:
    """Rows of a step, of which more and more are touched."""
    order = torch.randperm(N_ROWS, generator=torch.Generator().manual_seed(number))
    return order[: 2 + number % 3].tolist()


@pytest.mark.parametrize("kind", PAIRS)
def test_rows_all_touched_at_every_step_move_as_in_pytorch(kind: str) -> None:
    ours, theirs = Table(), Table()
    make, make_peer = PAIRS[kind]
    optimizer, peer = make(ours.parameters()), make_peer(theirs.parameters())
    for number in range(20):
        rows = torch.randperm(N_ROWS, generator=torch.Generator().manual_seed(number)).tolist()
        for group in optimizer.param_groups + peer.param_groups:
            group["lr"] = 0.1 / (1 + number)
        step(ours, optimizer, rows, number)
        theirs.rows.grad = gradients(rows, number).to_dense()
        theirs.bias.grad = ours.bias.grad
        peer.step()
    torch.testing.assert_close(ours.rows, theirs.rows, rtol=1e-5, atol=1e-6)
    assert torch.equal(ours.bias, theirs.bias)


@pytest.mark.parametrize("kind", PAIRS)
def test_row_moves_as_if_the_steps_between_its_touches_were_not(kind: str) -> None:
    make, make_peer = PAIRS[kind]
    ours, theirs = Table(), Table()
    optimizer, peer = make([ours.rows]), make_peer([theirs.rows])
    for number in range(9):
        ours.rows.grad = gradients([4] if number % 3 else [1, 7], number)
        optimizer.step()
        if number % 3:
            theirs.rows.grad = gradients([4], number).to_dense()
            peer.step()
    torch.testing.assert_close(ours.rows[4], theirs.rows[4])
    untouched = [row for row in range(N_ROWS) if row not in (1, 4, 7)]
    assert torch.equal(ours.rows[untouched], Table().rows[untouched])


@both
def test_state_is_kept_for_touched_rows_alone(kind: str) -> None:
    table = Table()
    optimizer = PAIRS[kind][0](table.parameters())
    for rows in ([5, 2], [2, 9], [5]):
        step(table, optimizer, rows, 0)
    state = optimizer.state_dict()["state"][0]
    assert state["rows"].tolist() == [2, 5, 9]
    assert state["step"].tolist() == [2, 2, 1]
    assert {len(value) for value in state.values()} == {3}


@both
def test_room_for_state_doubles_up_to_one_row_each(kind: str) -> None:
    table = Table()
    optimizer = PAIRS[kind][0](table.parameters())
    rooms = []
    for row in range(N_ROWS):
        step(table, optimizer, [row], row)
        rooms.append(optimizer.state[table.rows]["rows"].untyped_storage().nbytes() // 8)
    assert rooms == [1, 2, 4, 4, 8, 8, 8, 8, 12, 12, 12, 12]


def test_row_that_a_gradient_names_twice_gets_the_sum() -> None:
    once, twice = Table(), Table()
    for table, rows in ((once, [3]), (twice, [3, 3])):
        optimizer = RowSGD([table.rows], lr=0.5)
        table.rows.grad = torch.sparse_coo_tensor(
            [rows], torch.full((len(rows), DIM), 2.0 / len(rows)), (N_ROWS, DIM), check_invariants=True
        )
        optimizer.step()
    assert torch.equal(once.rows, twice.rows)


@both
def test_gradient_without_rows_changes_nothing(kind: str) -> None:
    table = Table()
    optimizer = PAIRS[kind][0](table.parameters())
    step(table, optimizer, [], 0)
    assert torch.equal(table.rows, Table().rows)


@both
def test_training_resumed_from_a_checkpoint_equals_an_unbroken_one_to_the_bit(
    kind: str, tmp_path: Path
) -> None:
    make, stored, key = PAIRS[kind][0], Stored(5, False, {}), Key("recipe", "machine")
    unbroken = Table()
    optimizer = make(unbroken.parameters())
    for number in range(10):
        step(unbroken, optimizer, touched_at(number), number)
        if number == 4:
            save_checkpoint(tmp_path / "c", unbroken.state_dict(), [optimizer], stored, key)
    resumed = Table()
    again = make(resumed.parameters())
    found = read_checkpoint(tmp_path / "c", key)
    resumed.load_state_dict(found.weights)
    restore_optimizers([again], found.optimizers)
    assert found.stored == stored
    for number in range(5, 10):
        step(resumed, again, touched_at(number), number)
    assert torch.equal(unbroken.rows, resumed.rows)
    assert torch.equal(unbroken.bias, resumed.bias)
    for name, value in optimizer.state_dict()["state"][0].items():
        assert isinstance(value, Tensor)
        assert torch.equal(value, again.state_dict()["state"][0][name])


@both
def test_loaded_state_is_a_copy(kind: str) -> None:
    table = Table()
    optimizer = PAIRS[kind][0](table.parameters())
    step(table, optimizer, [1, 2], 0)
    stored = copy.deepcopy(optimizer.state_dict())
    again = PAIRS[kind][0](table.parameters())
    again.load_state_dict(stored)
    step(table, again, [2, 3], 1)
    assert stored["state"][0]["rows"].tolist() == [1, 2]
    assert stored["state"][0]["step"].tolist() == [1, 1]


def test_row_numbers_survive_loading_in_half_precision() -> None:
    rows = nn.Parameter(torch.zeros(5000, 1, dtype=torch.bfloat16))
    optimizer = RowAdamW([rows])
    rows.grad = torch.sparse_coo_tensor(
        [[4097]], torch.ones(1, 1, dtype=torch.bfloat16), (5000, 1), check_invariants=True
    )
    optimizer.step()
    again = RowAdamW([rows])
    again.load_state_dict(optimizer.state_dict())
    assert again.state[rows]["rows"].tolist() == [4097]
    assert again.state[rows]["step"].dtype == torch.float32


def test_gradient_is_left_as_it_was() -> None:
    table = Table()
    step(table, RowAdamW(table.parameters()), [1, 2], 0)
    assert torch.equal(table.rows.grad.to_dense(), gradients([1, 2], 0).to_dense())


@both
def test_sparse_gradient_after_a_dense_one_is_refused(kind: str) -> None:
    table = Table()
    optimizer = PAIRS[kind][0](table.parameters())
    table.rows.grad = torch.ones_like(table.rows)
    optimizer.step()
    with pytest.raises(ValueError, match="sparse gradient after a dense one"):
        step(table, optimizer, [1], 0)
