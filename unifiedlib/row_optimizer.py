"""AdamW and SGD for parameters of which a step touches few rows: class proxies of large label sets.

Both are PyTorch's own optimisers for every parameter with a dense gradient. A parameter whose gradient is sparse (rows alone,
as `torch.nn.functional.embedding(..., sparse=True)` gives) is treated row by row instead: a step reads and writes the rows of
the gradient and no others, and state is kept for rows touched so far. Where every row is touched at every step, the values are
PyTorch's, up to the rounding of floats. Where not, a row lives in a time of its own, which stands still between two touches:

- its moments or momentum average over its own touches alone, and do not fade while it rests; dense optimisers feed them zeros;
- it does not move while it rests; in dense optimisers momentum carries it on after its last gradient;
- weight decay shrinks it when it is touched, dense optimisers shrink it at every step. Proxies are compared by direction,
  so their length matters only to the size of their steps;
- AdamW corrects its bias by the row's own number of touches, not by the number of steps.

State of such a parameter, tensors only, one entry per touched row, in the order of first touch: `rows` int64 [n_touched], its row
numbers; `step` float32 [n_touched], touches so far; `exp_avg` and `exp_avg_sq`, or `momentum_buffer`
[n_touched x …]. Room for them grows by doubling. In addition, not saved, an int32 per row of the parameter says where its
state is.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import torch
from torch import Tensor
from torch.optim import SGD, AdamW, Optimizer

State = dict[str, Tensor]


def _lengthened(tensor: Tensor, length: int, limit: int) -> Tensor:
    """`tensor` with `length` rows, the new ones 0; where there is no room, moved to where there is for twice as many."""
    old = len(tensor)
    rest = tensor.shape[1:]
    room = tensor.untyped_storage().nbytes() // (rest.numel() * tensor.element_size())
    if room < length:
        roomy = tensor.new_empty((min(limit, max(length, 2 * room)), *rest))
        roomy[:old] = tensor
        tensor = roomy
    tensor = tensor.as_strided((length, *rest), tensor.stride())
    tensor[old:] = 0
    return tensor


class _RowOptimizer(Optimizer):
    """What both have in common; stands before PyTorch's optimiser in the order of inheritance."""

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        self._slots: dict[Tensor, Tensor] = {}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """As in PyTorch; the tensors are copied, because they grow here, and row numbers stay integers."""
        super().load_state_dict(state_dict)
        parameters = [parameter for group in self.param_groups for parameter in group["params"]]
        numbers = [number for group in state_dict["param_groups"] for number in group["params"]]
        for number, parameter in zip(numbers, parameters, strict=True):
            state = self.state.get(parameter, {})
            if "rows" in state:
                state["rows"] = state_dict["state"][number]["rows"]
                for name, value in state.items():
                    state[name] = value.to(parameter.device).clone(memory_format=torch.contiguous_format)

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """Make one step; returns what `closure`, which computes the loss and its gradients anew, gives."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        sparse: dict[Tensor, Tensor] = {}
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None and parameter.grad.is_sparse:
                    sparse[parameter] = parameter.grad.coalesce()
                    self._step_rows(parameter, sparse[parameter], group)
                    parameter.grad = None
        super().step()
        for parameter, gradient in sparse.items():
            parameter.grad = gradient
        return loss

    def _step_rows(self, parameter: Tensor, gradient: Tensor, group: dict[str, Any]) -> None:
        raise NotImplementedError

    def _state_of(self, parameter: Tensor) -> State:
        state = cast(State, self.state[parameter])
        if state and "rows" not in state:
            raise ValueError(
                f"a parameter of shape {tuple(parameter.shape)} has a sparse gradient after a dense one: "
                "give its head the classes of every step, or of none"
            )
        return state

    def _touch(self, parameter: Tensor, rows: Tensor, state: State, moments: tuple[str, ...]) -> Tensor:
        """Where the state of `rows` is, int64; makes room, filled with 0, for those touched for the first time.

        moments: the entries of the state that have the shape of the parameter's rows.
        """
        if not state:
            state["rows"] = rows.new_empty(0)
            state["step"] = torch.empty(0, dtype=torch.float32, device=parameter.device)
            state.update({name: parameter.new_empty((0, *parameter.shape[1:])) for name in moments})
        if parameter not in self._slots:
            known = torch.full((len(parameter),), -1, dtype=torch.int32, device=parameter.device)
            known[state["rows"]] = torch.arange(
                len(state["rows"]), dtype=torch.int32, device=parameter.device
            )
            self._slots[parameter] = known
        slots = self._slots[parameter]
        new = rows[slots[rows] < 0]
        used = len(state["rows"])
        for name in state:
            state[name] = _lengthened(state[name], used + len(new), len(parameter))
        state["rows"][used:] = new
        slots[new] = torch.arange(used, used + len(new), dtype=torch.int32, device=parameter.device)
        return slots[rows].long()


class RowAdamW(_RowOptimizer, AdamW):
    """`torch.optim.AdamW` that updates and remembers only the rows of sparse gradients, see the module.

    Loshchilov & Hutter, "Decoupled Weight Decay Regularization", ICLR 2019. Arguments as in PyTorch.
    """

    def __init__(
        self,
        params: Any,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
    ) -> None:
        self._slots = {}
        super().__init__(params, lr=lr, betas=betas, eps=eps, weight_decay=weight_decay)

    def _step_rows(self, parameter: Tensor, gradient: Tensor, group: dict[str, Any]) -> None:
        rows, values = gradient.indices()[0], gradient.values()
        state = self._state_of(parameter)
        slots = self._touch(parameter, rows, state, ("exp_avg", "exp_avg_sq"))
        fast, slow = group["betas"]
        step = state["step"][slots] + 1
        mean = state["exp_avg"][slots].lerp_(values, 1 - fast)
        square = state["exp_avg_sq"][slots].mul_(slow).addcmul_(values, values, value=1 - slow)
        state["step"][slots] = step
        state["exp_avg"][slots] = mean
        state["exp_avg_sq"][slots] = square
        # 1 - 0.999^1 would lose three of its digits in float32.
        step = step.double().view(-1, *[1] * (parameter.ndim - 1))
        size = square.div_((1 - slow**step).to(square.dtype)).sqrt_().add_(group["eps"])
        rate = (group["lr"] / (1 - fast**step)).to(mean.dtype)
        moved = parameter[rows].mul_(1 - group["lr"] * group["weight_decay"])
        parameter[rows] = moved.sub_(mean.mul_(rate).div_(size))


class RowSGD(_RowOptimizer, SGD):
    """`torch.optim.SGD` that updates and remembers only the rows of sparse gradients, see the module. Arguments as in PyTorch."""

    def __init__(
        self, params: Any, lr: float = 1e-3, momentum: float = 0.0, weight_decay: float = 0.0
    ) -> None:
        self._slots = {}
        super().__init__(params, lr=lr, momentum=momentum, weight_decay=weight_decay)

    def _step_rows(self, parameter: Tensor, gradient: Tensor, group: dict[str, Any]) -> None:
        rows, values = gradient.indices()[0], gradient.values()
        moved = parameter[rows]
        change = values.add(moved, alpha=group["weight_decay"])
        if group["momentum"]:
            state = self._state_of(parameter)
            slots = self._touch(parameter, rows, state, ("momentum_buffer",))
            state["step"][slots] += 1
            change = state["momentum_buffer"][slots].mul_(group["momentum"]).add_(change)
            state["momentum_buffer"][slots] = change
        parameter[rows] = moved.sub_(change, alpha=group["lr"])
