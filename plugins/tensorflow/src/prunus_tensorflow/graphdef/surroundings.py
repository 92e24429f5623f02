"""What else in the graph knows a shape: initial values of variables and gradient code.

Nothing here is needed for inference, but TensorFlow checks it when it imports the graph
(``Assign`` must fit its variable) or runs it (a gradient reshapes to a stored shape).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import attrs
import numpy as np

from prunus.errors import ModelError
from prunus_tensorflow.graphdef.cuts import Cut
from prunus_tensorflow.graphdef.edits import set_shape, set_tensor
from prunus_tensorflow.graphdef.names import split
from prunus_tensorflow.graphdef.targets import TargetEditor
from prunus_tensorflow.graphdef.tensors import BATCH
from prunus_tensorflow.graphdef.view import GraphView, const_value

_ELEMENTWISE = ("Add", "AddV2", "Sub", "Mul", "Identity", "Cast", "Minimum", "Maximum", "RealDiv")
# Random and filling ops take the shape as their first input.
_SHAPED = re.compile(r"^(Stateless)?(Random|Truncated|Parameterized)|^Fill$")
# The gradient of op `x` keeps the static shapes of x's inputs in `x_grad/Shape`, `x_grad/Shape_1`
# (tensorflow/python/ops/math_grad.py: array_ops.shape under the scope `<x>_grad`).
_GRADIENT_SHAPE = re.compile(r"(?:^|/)gradients(?:_\d+)?/(.+)_grad/Shape(?:_(\d+))?$")


@attrs.frozen(eq=False)
class Surroundings:
    """Edits everything around the lowered part.

    Attributes:
        view: The old graph.
        nodes: Nodes of the new graph by name; edited in place.
        editor: Shape operands, with the shapes before and after.
    """

    view: GraphView
    nodes: Mapping[str, Any]
    editor: TargetEditor
    _sliced: dict[str, Cut] = attrs.field(factory=dict)

    def variable(self, name: str, cut: Cut) -> None:
        """Give a variable and its initial value the new shape."""
        set_shape(self.nodes[name].attr["shape"].shape, cut.shape)
        for reader in self.view.readers[name]:
            node = self.view.nodes[reader]
            inputs = self.view.inputs(node)
            writes = node.op in ("Assign", "AssignVariableOp") and split(inputs[0])[0] == name
            if writes and len(inputs) > 1:
                self._initial(inputs[1], cut, name, set())

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
        if old.shape != cut.before or cut.positions is None:
            return
        earlier = self._sliced.get(node.name)
        if earlier is not None and earlier.shape != cut.shape:
            raise ModelError(
                f"node '{node.name}' is the initial value of '{owner}' and of another variable "
                "whose shape now differs: exclude one of their layers"
            )
        self._sliced[node.name] = cut
        set_tensor(proto, cut.of(old))

    def gradients(self) -> None:
        """Rewrite the shapes that gradient code stores as constants."""
        for node in self.view.graph.node:
            match = _GRADIENT_SHAPE.search(node.name)
            if match is None or node.op != "Const" or match.group(1) not in self.view.nodes:
                continue
            inputs = self.view.inputs(self.view.nodes[match.group(1)])
            place = int(match.group(2) or 0)
            if place >= len(inputs):
                continue
            before, after = self._shapes(inputs[place])
            old = const_value(node)
            if before is None or after is None or before == after or old.size != len(before):
                continue
            batch = np.asarray(before) % BATCH == 0
            if np.array_equal(old[~batch], np.asarray(before)[~batch]):
                new = np.where(batch, old, np.asarray(after))
                set_tensor(self.nodes[node.name].attr["value"].tensor, new)

    def _shapes(self, reference: str) -> tuple[tuple[int, ...] | None, tuple[int, ...] | None]:
        change = self.editor.change
        if reference in change.before:
            return change.before[reference], change.after[reference]
        source = split(self.view.source(reference))[0]
        old, new = self.view.nodes[source], self.nodes[source]
        if old.op == "Const":
            sizes = (one.attr["value"].tensor.tensor_shape for one in (old, new))
        else:
            sizes = (one.attr["shape"].shape for one in (old, new))
        before, after = (tuple(int(dim.size) for dim in one.dim) for one in sizes)
        return before, after
