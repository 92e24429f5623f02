"""LSTM, GRU and RNN, by the equations of the ONNX operators.

Weights ``(D, G·H, I)``, ``(D, G·H, H)`` and ``(D, 2·G·H)`` hold one gate behind the other: input,
output, forget, cell of an LSTM; update, reset, hidden of a GRU. D directions, H numbers a state.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import torch
from torch import Tensor

from prunus_torch.operators.node import Builder, Node, Operation

State = tuple[Tensor, ...]
"""Hidden state ``(N, H)``, and the cell of an LSTM."""

Step = Callable[..., State]
"""From a step's input, already multiplied, the recurrent weight and bias, and the state before."""

_ACTIVATIONS = {"LSTM": ["Sigmoid", "Tanh", "Tanh"], "GRU": ["Sigmoid", "Tanh"], "RNN": ["Tanh"]}

_PEEPHOLES = 7


def _lstm(given: Tensor, weight: Tensor, bias: Tensor, state: State) -> State:
    hidden, cell = state
    gates = (given + hidden @ weight.t() + bias).chunk(4, -1)
    enter, leave, forget = (torch.sigmoid(gate) for gate in gates[:3])
    cell = forget * cell + enter * torch.tanh(gates[3])
    return leave * torch.tanh(cell), cell


def _gru(given: Tensor, weight: Tensor, bias: Tensor, state: State, *, after: bool) -> State:
    """``after``: the reset gate acts on the product with the state, bias included."""
    (hidden,) = state
    size = hidden.shape[-1]
    gates = given[:, : 2 * size] + hidden @ weight[: 2 * size].t() + bias[: 2 * size]
    update, reset = torch.sigmoid(gates).chunk(2, -1)
    own, shift = weight[2 * size :].t(), bias[2 * size :]
    inner = reset * (hidden @ own + shift) if after else (reset * hidden) @ own + shift
    return ((1 - update) * torch.tanh(given[:, 2 * size :] + inner) + update * hidden,)


def _plain(given: Tensor, weight: Tensor, bias: Tensor, state: State) -> State:
    return (torch.tanh(given + state[0] @ weight.t() + bias),)


def _recurrent(node: Node, step: Step, states: int) -> Operation:
    _check(node)
    directions = {"forward": (False,), "reverse": (True,), "bidirectional": (False, True)}
    backward: Sequence[bool] = directions[_text(node.get("direction", "forward"))]
    batch_first = bool(node.get("layout", 0))

    def run(
        x: Tensor, weight: Tensor, recurrent: Tensor, bias: Tensor | None = None,
        lengths: Tensor | None = None, *first: Tensor | None,
    ) -> tuple[Tensor, ...]:  # fmt: skip
        x = x.transpose(0, 1) if batch_first else x
        start = _starts(x, recurrent, [*first[:states], *[None] * states][:states], batch_first)
        found, ends = [], []
        for number, reverse in enumerate(backward):
            sums = _biases(bias, recurrent, number)
            given = _turned(x, lengths, reverse=reverse) @ weight[number].t() + sums[0]
            state = tuple(one[number] for one in start)
            cell = partial(step, weight=recurrent[number], bias=sums[1])
            outputs, end = _passed(given, cell, state, lengths)
            found.append(_turned(outputs, lengths, reverse=reverse))
            ends.append(end)
        whole = torch.stack(found, 1)
        last = [torch.stack(parts) for parts in zip(*ends, strict=True)]
        if batch_first:
            return whole.permute(2, 0, 1, 3), *(one.transpose(0, 1) for one in last)
        return whole, *last

    return run


def _passed(
    given: Tensor, step: Callable[..., State], state: State, lengths: Tensor | None
) -> tuple[Tensor, State]:
    """Hidden states ``(T, N, H)``, zero behind the end of a sequence, and the last ones."""
    outputs = []
    for time, row in enumerate(given):
        after = step(row, state=state)
        if lengths is None:
            state = after
            outputs.append(state[0])
            continue
        there = (time < lengths)[:, None]
        state = tuple(torch.where(there, new, old) for new, old in zip(after, state, strict=True))
        outputs.append(torch.where(there, state[0], torch.zeros_like(state[0])))
    return torch.stack(outputs), state


def _turned(x: Tensor, lengths: Tensor | None, *, reverse: bool) -> Tensor:
    """Each sequence ``(T, N, …)`` from its end to its start; what lies behind it stays."""
    if not reverse:
        return x
    if lengths is None:
        return x.flip(0)
    time = torch.arange(len(x), device=x.device)[:, None]
    places = torch.where(time < lengths, lengths.long() - 1 - time, time)
    return x.gather(0, places[..., None].expand_as(x))


def _starts(
    x: Tensor, recurrent: Tensor, given: Sequence[Tensor | None], batch_first: bool
) -> list[Tensor]:
    """First states ``(D, N, H)``; zeros where none are given."""
    zeros = x.new_zeros(len(recurrent), x.shape[1], recurrent.shape[-1])
    found = [one.transpose(0, 1) if one is not None and batch_first else one for one in given]
    return [zeros if one is None else one for one in found]


def _biases(bias: Tensor | None, recurrent: Tensor, number: int) -> tuple[Tensor, Tensor]:
    """Those of the input and of the state, of one direction."""
    size = recurrent.shape[1]
    if bias is None:
        return recurrent.new_zeros(size), recurrent.new_zeros(size)
    return bias[number, :size], bias[number, size:]


def _check(node: Node) -> None:
    """Refuse what is not computed here.

    Raises:
        ModelError: names the setting.
    """
    usual = _ACTIVATIONS[node.operator]
    asked = [_text(name) for name in node.get("activations", usual)]
    if any(name != usual[place % len(usual)] for place, name in enumerate(asked)):
        raise node.refuse(f"activations {', '.join(asked)} in a recurrent layer")
    for name in ("clip", "input_forget"):
        if node.get(name, 0):
            raise node.refuse(f"{name} in a recurrent layer")
    if node.has(_PEEPHOLES):
        raise node.refuse("peepholes in a recurrent layer")


def _text(given: str | bytes) -> str:
    return given.decode() if isinstance(given, bytes) else given


def _build_gru(node: Node) -> Operation:
    after = bool(node.get("linear_before_reset", 0))
    return _recurrent(node, partial(_gru, after=after), 1)


BUILDERS: dict[str, Builder] = {
    "LSTM": lambda node: _recurrent(node, _lstm, 2),
    "GRU": _build_gru,
    "RNN": lambda node: _recurrent(node, _plain, 1),
}
