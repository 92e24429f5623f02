"""Initializers that are parameters seen another way: transposed, cut, joined.

Exporters transpose the weight of a linear layer, cut a fused projection in three, or give a vector
more axes. Such an initializer knows for each of its numbers which number of which parameter it is:
that is the way back.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Set
from typing import Any

import attrs
import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray
from onnx.reference import ReferenceEvaluator

Positions = NDArray[np.int64]

_MOVES = frozenset(
    "Concat Expand Flatten Gather Identity Reshape Slice Split Squeeze Transpose Unsqueeze".split()
)
"""Operators that compute nothing, whose other operands are sizes, axes and indices."""


@attrs.frozen(eq=False)
class Places:
    """Numbers of all parameters and buffers, one after the other.

    Attributes:
        starts: Name of a parameter or buffer -> position of its first number; names of one shared
            parameter start at one place.
        shapes: Name -> its shape.
    """

    starts: Mapping[str, int]
    shapes: Mapping[str, tuple[int, ...]]

    def whole(self, name: str) -> Positions:
        """Positions of all numbers of one, in its shape."""
        shape = self.shapes[name]
        count = int(np.prod(shape))
        return np.arange(self.starts[name], self.starts[name] + count).reshape(shape)

    def touched(self, where: Positions) -> list[int]:
        """Starts of the parameters that positions fall into."""
        borders = np.unique(list(self.starts.values()))
        return [int(borders[n]) for n in np.unique(np.searchsorted(borders, where, "right") - 1)]


def places_of(tensors: Mapping[str, Any]) -> Places:
    """Places of the tensors of a module by their names; one object has one place."""
    starts: dict[str, int] = {}
    seen: dict[int, int] = {}
    total = 0
    for name, tensor in tensors.items():
        if id(tensor) not in seen:
            seen[id(tensor)] = total
            total += tensor.numel()
        starts[name] = seen[id(tensor)]
    return Places(starts, {name: tuple(tensor.shape) for name, tensor in tensors.items()})


def move_parameters(model: ir.Model, places: Places) -> dict[str, Positions]:
    """Carry out in place what only moves parameters.

    Args:
        model: A graph whose initializers have the names of the parameters.
        places: Where these are.

    Returns:
        Name of a new initializer -> position of each of its numbers.
    """
    graph = model.graph
    found: dict[str, Positions] = {}
    known = {name for name in places.starts if name in graph.initializers}
    for node in list(graph):
        if not _moves(node, known):
            continue
        feeds = {v.name or "": _array(v) for v in node.inputs if v is not None}
        marks = {name: _marks(name, feeds[name], found, places) for name in feeds}
        moved, positions = (_run(node, given) for given in (feeds, marks))
        for output, array, where in zip(node.outputs, moved, positions, strict=True):
            name = _name(node, graph.initializers)
            value = ir.Value(name=name, const_value=ir.tensor(array, name=name))
            value.shape, value.dtype = ir.Shape(array.shape), ir.DataType.from_numpy(array.dtype)
            graph.register_initializer(value)
            ir.convenience.replace_all_uses_with(output, value)
            found[name] = where
            known.add(name)
        graph.remove(node, safe=True)
    return {name: where for name, where in found.items() if graph.initializers[name].uses()}


def _moves(node: ir.Node, known: Set[str]) -> bool:
    data = node.inputs[: None if node.op_type == "Concat" else 1]
    return (
        node.op_type in _MOVES
        and all(v is None or v.const_value is not None for v in node.inputs)
        and bool(data)
        and all(v is not None and (v.name or "") in known for v in data)
        and not any(v.is_graph_output() for v in node.outputs)
    )


def _array(value: ir.Value) -> NDArray[Any]:
    assert value.const_value is not None
    return value.const_value.numpy()


def _marks(
    name: str, array: NDArray[Any], found: Mapping[str, Positions], places: Places
) -> NDArray[Any]:
    """Positions in the place of a parameter's numbers; other operands as they are."""
    if name in found:
        return found[name]
    return places.whole(name) if name in places.starts else array


def _run(node: ir.Node, feeds: Mapping[str, NDArray[Any]]) -> list[NDArray[Any]]:
    results = ReferenceEvaluator(ir.to_proto(node)).run(None, dict(feeds))
    return [np.array(array, order="C") for array in results]


def _name(node: ir.Node, taken: Iterable[str]) -> str:
    first = node.inputs[0]
    assert first is not None
    base = (first.name or "").partition("/")[0] + f"/{node.op_type.lower()}"
    name, number = base, 2
    while name in taken:
        name, number = f"{base}{number}", number + 1
    return name
