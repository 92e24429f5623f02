"""Sizes that an exported program holds in its calls follow from those of its parameters.

A program of torch.export has no layers with attributes: ``aten.view(x, [n, 512])`` states sizes in
its arguments. The program is run call by call beside the whole one, and each size that says how
many channels there were becomes how many there are.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.fx import GraphModule, Interpreter, Node

from prunus_torch.module.example import Example

Shape = tuple[int, ...]
Numbers = Mapping[str, Mapping[str, int]]


def follow_program(
    whole: GraphModule, small: GraphModule, example: Example, numbers: Numbers
) -> None:
    """Change the calls of a program in place.

    Args:
        whole: The program before.
        small: The same with smaller parameters.
        example: A call of both.
        numbers: Part -> attribute -> value, which sizes do not tell (``groups``).
    """
    with torch.no_grad():
        shapes = _Shapes(whole)
        shapes.run(*example.args, **example.kwargs)
        _Following(small, shapes.found, numbers).run(*example.args, **example.kwargs)
    small.recompile()


class _Shapes(Interpreter):
    """Runs a program and remembers the shape of every tensor."""

    def __init__(self, program: GraphModule) -> None:
        super().__init__(program)
        self.found: dict[str, Shape] = {}

    def run_node(self, n: Node) -> Any:
        """Remember what a call gives."""
        given = super().run_node(n)
        if isinstance(given, Tensor):
            self.found[n.name] = tuple(given.shape)
        return given


class _Following(Interpreter):
    """Runs a program and changes each call, once what it reads is there."""

    def __init__(self, program: GraphModule, before: Mapping[str, Shape], numbers: Numbers) -> None:
        super().__init__(program)
        self._before, self._numbers = before, numbers

    def run_node(self, n: Node) -> Any:
        """Change a call, then make it."""
        rule = _RULES.get(str(n.target).rpartition(".")[0]) if n.op == "call_function" else None
        if rule is not None and isinstance(n.args[0], Node):
            data = self.env[n.args[0]]
            call = Call(n, self._before, tuple(data.shape), self._numbers)
            rule(call)
        return super().run_node(n)


class Call:
    """A call whose data may have fewer channels than before.

    Attributes:
        node: The call.
        before: Shape of its data in the whole program.
        after: Its shape now.
        made: Shape of what the call gave.
        numbers: As for `follow_program`.
    """

    def __init__(
        self, node: Node, shapes: Mapping[str, Shape], after: Shape, numbers: Numbers
    ) -> None:
        data = node.args[0]
        assert isinstance(data, Node)
        self.node, self.after, self.numbers = node, after, numbers
        self.before = shapes.get(data.name, after)
        self.made = shapes.get(node.name, ())

    def change(self, index: int, value: Any) -> None:
        """Give the call another argument."""
        self.node.update_arg(index, value)


def _convolution(call: Call) -> None:
    schema = call.node.target._schema  # type: ignore[union-attr]
    index = next(i for i, one in enumerate(schema.arguments) if one.name == "groups")
    weight = call.node.args[1]
    part = str(weight.target).rpartition(".")[0] if isinstance(weight, Node) else ""
    groups = call.numbers.get(part, {}).get("groups")
    if groups is not None and len(call.node.args) > index:
        call.change(index, groups)


def _layer_norm(call: Call) -> None:
    axes = len(call.node.args[1])  # type: ignore[arg-type]
    call.change(1, list(call.after[-axes:]))


def _group_norm(call: Call) -> None:
    groups = call.node.args[1]
    assert isinstance(groups, int)
    call.change(1, max(call.after[1] // (call.before[1] // groups), 1))


def _view(call: Call) -> None:
    sizes = call.node.args[1]
    assert isinstance(sizes, Sequence)
    new = regrouped(call.before, call.made, call.after)
    call.change(
        1, [n if isinstance(s, int) and s > 0 else s for s, n in zip(sizes, new, strict=True)]
    )


def _unflatten(call: Call) -> None:
    axis, sizes = call.node.args[1:3]
    assert isinstance(axis, int)
    assert isinstance(sizes, Sequence)
    start = axis % len(call.before)
    new = regrouped(call.before, call.made, call.after)[start : start + len(sizes)]
    call.change(
        2, [n if isinstance(s, int) and s > 0 else s for s, n in zip(sizes, new, strict=True)]
    )


def _split(call: Call) -> None:
    size = call.node.args[1]
    axis = call.node.args[2] if len(call.node.args) > 2 else 0
    assert isinstance(axis, int)
    parts = call.before[axis] / size if isinstance(size, int) else len(size)  # type: ignore[arg-type]
    equal = isinstance(size, int) or len(set(size)) == 1  # type: ignore[arg-type]
    if call.before[axis] != call.after[axis] and equal and parts == int(parts):
        each = call.after[axis] // int(parts)
        call.change(1, each if isinstance(size, int) else [each] * int(parts))


def regrouped(before: Shape, made: Shape, after: Shape) -> Shape:
    """The shape that a reshape makes of smaller data.

    Axes are taken together from the front until as many numbers are on both sides. Within such
    axes, a smaller number goes to the last one that it divides.

    Args:
        before: Shape of the data.
        made: What it became.
        after: Shape of the data now.
    """
    new: list[int] = []
    start = end = 0
    for stop in range(1, len(made) + 1):
        wanted = math.prod(made[len(new) : stop])
        while end < len(before) and math.prod(before[start:end]) < wanted:
            end += 1
        last = stop == len(made)
        if math.prod(before[start:end]) == wanted and (last or wanted > 1 or end > start):
            end = len(before) if last else end
            new += _shared(
                made[len(new) : stop], math.prod(before[start:end]), math.prod(after[start:end])
            )
            start = end
    return tuple(new) if len(new) == len(made) else made


def _shared(sizes: Shape, before: int, after: int) -> list[int]:
    """Sizes whose product was ``before``, changed to have the product ``after``."""
    found = list(sizes)
    if before == after:
        return found
    for axis in reversed(range(len(found))):
        if found[axis] > 1 and found[axis] * after % before == 0:
            found[axis] = found[axis] * after // before
            break
    return found


_RULES: dict[str, Callable[[Call], None]] = {
    **dict.fromkeys((f"aten.conv{n}d" for n in (1, 2, 3)), _convolution),
    **dict.fromkeys(("aten.conv_transpose1d", "aten.conv_transpose2d"), _convolution),
    **dict.fromkeys(("aten.conv_transpose3d", "aten.convolution"), _convolution),
    "aten.layer_norm": _layer_norm,
    "aten.rms_norm": _layer_norm,
    "aten.group_norm": _group_norm,
    **dict.fromkeys(("aten.view", "aten.reshape", "aten._unsafe_view"), _view),
    "aten.unflatten": _unflatten,
    **dict.fromkeys(("aten.split", "aten.split_with_sizes"), _split),
}
"""Function, without its overload -> how its arguments follow."""
