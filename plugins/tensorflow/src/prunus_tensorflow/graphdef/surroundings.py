"""Other holders of a shape in the graph: initial values of variables and gradient code.

Nothing here is needed for inference, but TensorFlow checks it when it imports the graph
(``Assign`` must fit its variable) or runs it (a gradient reshapes to a stored shape).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import attrs
import numpy as np

from prunus.plugin import ModelError
from prunus_tensorflow.graphdef.cuts import Cut
from prunus_tensorflow.graphdef.edits import set_shape, set_tensor
from prunus_tensorflow.graphdef.inferred import InferredShapes
from prunus_tensorflow.graphdef.names import split
from prunus_tensorflow.graphdef.targets import TargetEditor
from prunus_tensorflow.graphdef.view import PASSING, GraphView, const_value

_ELEMENTWISE = ("Add", "AddV2", "Sub", "Mul", "Identity", "Cast", "Minimum", "Maximum", "RealDiv")
# Random and filling ops take the shape as their first input.
_SHAPED = re.compile(r"^(Stateless)?(Random|Truncated|Parameterized)|^Fill$")
# The gradient of op `x` keeps the static shapes of x's inputs in `x_grad/Shape`, `x_grad/Shape_1`
# (tensorflow/python/ops/math_grad.py: array_ops.shape under the scope `<x>_grad`), or, of
# convolutions, in `x_grad/Const`, `x_grad/Const_1` (nn_grad.py: a folded shape_n), or, of a
# Reshape with an open batch, in `x_grad/Reshape/shape` (array_grad.py).
_GRADIENT = re.compile(r"(?:^|/)gradients(?:_\d+)?/")
_GRADIENT_SHAPE = re.compile(
    r"(?:^|/)gradients(?:_\d+)?/(.+)_grad/(?:(?:Shape|Const)(?:_(\d+))?|Reshape/shape)$"
)


@attrs.frozen(eq=False)
class Surroundings:
    """Edits everything around the lowered part.

    Attributes:
        view: The old graph.
        nodes: Nodes of the new graph by name; edited in place.
        editor: Rewrites shape operands.
    """

    view: GraphView
    nodes: Mapping[str, Any]
    editor: TargetEditor
    _sliced: dict[str, Cut] = attrs.field(factory=dict)

    def variable(self, name: str, cut: Cut) -> None:
        """Give a variable and its initial value the new shape."""
        set_shape(self.nodes[name].attr["shape"].shape, cut.shape)
        self.reshapes(name, cut)
        for reader in self.view.readers[name]:
            node = self.view.nodes[reader]
            inputs = self.view.inputs(node)
            writes = node.op in ("Assign", "AssignVariableOp") and split(inputs[0])[0] == name
            if writes and len(inputs) > 1:
                self._initial(inputs[1], cut, name, set())

    def reshapes(self, name: str, cut: Cut) -> None:
        """Rewrite targets that reshape a weight, such as a bias to (1, 1, 1, C)."""
        stack, seen = [name], {name}
        sizes = [new for old, new in zip(cut.before, cut.shape, strict=True) if old != 1]
        while stack:
            for reader in self.view.readers[stack.pop()]:
                node = self.view.nodes[reader]
                inputs = self.view.inputs(node)
                if reader in seen or node.op not in (*PASSING, "Reshape", "Cast"):
                    continue
                seen.add(reader)
                stack.append(reader)
                target = self.view.constant(inputs[1]) if node.op == "Reshape" else None
                if target is None or sum(target != 1) != len(sizes):
                    continue
                rest = iter(sizes)
                numbers = [one if one == 1 else next(rest) for one in target.tolist()]
                self.editor.rewrite(inputs[1], np.asarray(numbers, np.int64), reader)

    def _initial(self, reference: str, cut: Cut, owner: str, seen: set[str]) -> None:
        node = self.view.producer(reference)
        if node.name in seen:
            return
        seen.add(node.name)
        inputs = self.view.inputs(node)
        if node.op == "Const":
            self._const(node, cut, owner)
        elif _SHAPED.search(node.op):
            self.editor.rewrite(inputs[0], np.asarray(cut.shape, np.int64), owner)
        elif node.op in _ELEMENTWISE:
            for one in inputs:
                self._initial(one, cut, owner, seen)

    def _const(self, node: Any, cut: Cut, owner: str) -> None:
        proto = self.nodes[node.name].attr["value"].tensor
        old = const_value(node)
        if old.shape != cut.before or not cut.smaller:
            return
        earlier = self._sliced.get(node.name)
        if earlier is not None and earlier.shape != cut.shape:
            raise ModelError(
                f"node '{node.name}' is the initial value of '{owner}' and of another variable "
                "whose shape now differs: exclude one of their layers"
            )
        self._sliced[node.name] = cut
        set_tensor(proto, cut.of(old))

    def gradients(self, before: InferredShapes, after: InferredShapes) -> None:
        """Rewrite the shapes that gradient code stores as constants.

        Args:
            before: Shapes of the old graph.
            after: Shapes of the new graph, its gradient part left out.
        """
        for node in self.view.graph.node:
            match = _GRADIENT_SHAPE.search(node.name)
            if match is None or node.op != "Const" or match.group(1) not in self.view.nodes:
                continue
            inputs = self.view.inputs(self.view.nodes[match.group(1)])
            position = int(match.group(2) or 0)
            if position >= len(inputs):
                continue
            old, new = before.shape(inputs[position]), after.shape(inputs[position])
            stored = const_value(node)
            if old is None or new is None or not len(old) == len(new) == stored.size:
                continue
            numbers = [
                n if o != n and s == o else s
                for o, n, s in zip(old, new, stored.reshape(-1).tolist(), strict=True)
            ]
            if numbers != stored.reshape(-1).tolist():
                array = np.asarray(numbers).reshape(stored.shape)
                set_tensor(self.nodes[node.name].attr["value"].tensor, array)


def without_gradients(graph: Any) -> Any:
    """GraphDef without gradient nodes and all that follows from them."""
    view = GraphView(graph)
    gone: set[str] = set()
    for name in view.sorted_from([node.name for node in graph.node], frozenset(), control=True):
        sources = (split(reference)[0] for reference in view.nodes[name].input)
        if _GRADIENT.search(name) or any(source in gone for source in sources):
            gone.add(name)
    rest = type(graph)()
    rest.CopyFrom(graph)
    del rest.node[:]
    rest.node.extend(node for node in graph.node if node.name not in gone)
    return rest
