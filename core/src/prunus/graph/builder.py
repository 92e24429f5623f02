"""A neutral graph under construction, with the facts about it that a format knows."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from typing import Any

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray
from onnx_ir.passes.common import RemoveUnusedNodesPass

from prunus.network import Binding, Network
from prunus.task import Task

OPSET = 17
IR_VERSION = 9

Shape = Sequence[int | str]


class GraphBuilder:
    """Adds inputs, weights and nodes one by one, and gives the network at the end.

    A format lowers its files with it; ``"N"`` is the batch::

        build = GraphBuilder()
        image = build.input("data", ("N", 3, 32, 32))
        weight = build.weight("conv1", "weight", array)  # (16, 3, 3, 3)
        value = build.node(
            "conv1", "Conv", [image, weight], {"pads": [1, 1, 1, 1]}, shape=("N", 16, 32, 32)
        )
        network = build.network("my-format", [value], origin=files)

    Names are unique: a name that is taken gets ``#2``, ``#3``, … behind it. Values are float32
    unless they are initializers of another type. Facts are kept for values, not for names, so
    that a value may be renamed at any time.

    Attributes:
        inputs: Graph inputs in order.
        initializers: Name -> weight or constant.
        bindings, layers, notes: As in ``Network``.
        values: Inputs, initializers and outputs of nodes by the names they have now.
    """

    def __init__(self) -> None:
        self.inputs: list[ir.Value] = []
        self.initializers: dict[str, ir.Value] = {}
        self.bindings: dict[str, Binding] = {}
        self.layers: dict[str, list[str]] = {}
        self.notes: list[str] = []
        self._nodes: list[ir.Node] = []
        self._node_names: set[str] = set()
        self.values: dict[str, ir.Value] = {}
        self._frozen: list[tuple[ir.Value, str]] = []
        self._multiples: list[tuple[ir.Value, int]] = []
        self._stored: dict[str, str] = {}

    def input(self, name: str, shape: Shape) -> ir.Value:
        """A graph input ``(N, C, …)``; it is left out of the network if no node consumes it."""
        value = self._value(name, shape)
        self.inputs.append(value)
        return value

    def weight(
        self, layer: str, role: str, array: NDArray[Any], index: int | str = 0,
        stored: str | None = None,
    ) -> ir.Value:  # fmt: skip
        """An initializer ``<layer>/<role>`` that the native files hold.

        Args:
            layer: Native layer name.
            role: ``weight``, ``bias``, ``mean``, ``variance``, ``scale``, ``shift`` or ``slope``.
            array: Its numbers in the layout of the ONNX operator, such as ``(O, I, kH, kW)``:
                float32, unless the operator takes another type, such as the int8 of a
                ``DequantizeLinear``. Nothing is converted.
            index: Position within the layer, for the format's own use (see ``Binding``).
            stored: NumPy type that the files hold it in, such as ``float16``, where ``array`` is
                wider: new weights are rounded to it (see ``Network``).
        """
        value = self.constant(f"{layer}/{role}", array)
        if stored is not None:
            self._stored[value.name or ""] = stored
        self.bindings[value.name or ""] = Binding(layer, role, index)
        return value

    def constant(self, name: str, numbers: NDArray[Any] | Sequence[int]) -> ir.Value:
        """An initializer that no native file holds; Python integers become int64."""
        array = np.asarray(numbers, None if isinstance(numbers, np.ndarray) else np.int64)
        name = _unique(name, self.values)
        value = ir.Value(
            name=name,
            shape=ir.Shape(array.shape),
            type=ir.TensorType(ir.DataType.from_numpy(array.dtype)),
            const_value=ir.Tensor(array, name=name),
        )
        self.values[name] = self.initializers[name] = value
        return value

    def node(
        self, layer: str, op: str, inputs: Sequence[ir.Value | None],
        attributes: Mapping[str, Any] | None = None, *,
        shape: Shape | None = None, name: str | None = None, output: str | None = None,
    ) -> ir.Value:  # fmt: skip
        """Add an ONNX operator with one output.

        Args:
            layer: Native layer that the node belongs to.
            op: Operator of the ONNX standard, opset 17.
            inputs: Its operands in order; ``None`` for an optional one that is not given.
            attributes: Its attributes by name.
            shape: Shape of the output, where it is known.
            name: Name of the node [the layer's].
            output: Name of the output [the node's].
        """
        name = layer if name is None else name
        (value,) = self.nodes(
            layer, op, inputs, attributes,
            shapes=(shape,), name=name, outputs=(name if output is None else output,),
        )  # fmt: skip
        return value

    def nodes(
        self, layer: str, op: str, inputs: Sequence[ir.Value | None],
        attributes: Mapping[str, Any] | None = None, *,
        shapes: Sequence[Shape | None], name: str, outputs: Sequence[str],
    ) -> tuple[ir.Value, ...]:  # fmt: skip
        """Add an ONNX operator with several outputs, such as ``Split``; see `node`."""
        name = _unique(name, self._node_names)
        self._node_names.add(name)
        values = [self._value(o, shape) for o, shape in zip(outputs, shapes, strict=True)]
        given = [_attribute(key, value) for key, value in (attributes or {}).items()]
        self._nodes.append(ir.Node("", op, inputs, given, outputs=values, name=name))
        self.layers.setdefault(layer, []).append(name)
        return tuple(values)

    def rename(self, value: ir.Value, name: str) -> None:
        """Give a value that is not an initializer another name; the old name is free again."""
        del self.values[value.name or ""]
        value.name = _unique(name, self.values)
        self.values[value.name] = value

    def freeze(self, value: ir.Value, reason: str) -> None:
        """Keep all channels of a value, for a reason such as "feeds opaque layer 'x'"."""
        self._frozen.append((value, reason))

    def restrict(self, value: ir.Value, multiple: int) -> None:
        """Let only whole multiples of a value's channels be removed."""
        self._multiples.append((value, multiple))

    def model(self, outputs: Sequence[ir.Value], name: str = "net") -> ir.Model:
        """The graph alone, without nodes, initializers and inputs that no output needs."""
        graph = ir.Graph(
            self.inputs, outputs, nodes=self._nodes, initializers=tuple(self.initializers.values()),
            opset_imports={"": OPSET}, name=name,
        )  # fmt: skip
        model = ir.Model(graph, ir_version=IR_VERSION, producer_name="prunus")
        RemoveUnusedNodesPass()(model)
        for value in [v for v in graph.inputs if not (v.uses() or v.is_graph_output())]:
            graph.inputs.remove(value)
        return model

    def network(
        self, format: str, outputs: Sequence[ir.Value], *,
        origin: object = None, task: Task | None = None, name: str = "net",
    ) -> Network:  # fmt: skip
        """The finished network; nothing may be added afterwards.

        Args:
            format: Name of the format.
            outputs: Graph outputs in order.
            origin: The format's own data for write-back.
            task: Metric, samples and recipe of the native files, where they tell them.
            name: Name of the graph.
        """
        model = self.model(outputs, name)
        graph = model.graph
        alive = {node.name for node in graph}
        values = {id(value) for node in graph for value in (*node.inputs, *node.outputs)}
        frozen: dict[str, list[str]] = {}
        for value, reason in self._frozen:
            if id(value) in values:
                frozen.setdefault(value.name or "", []).append(reason)
        return Network(
            model=model,
            format=format,
            bindings={n: b for n, b in self.bindings.items() if n in graph.initializers},
            layers={n: tuple(x for x in own if x in alive) for n, own in self.layers.items()},
            frozen={name: "; ".join(dict.fromkeys(reasons)) for name, reasons in frozen.items()},
            multiples={v.name or "": n for v, n in self._multiples if id(v) in values},
            origin=origin,
            task=task or Task(),
            notes=tuple(dict.fromkeys(self.notes)),
            stored={n: s for n, s in self._stored.items() if n in graph.initializers},
        )

    def _value(self, name: str, shape: Shape | None) -> ir.Value:
        name = _unique(name, self.values)
        value = self.values[name] = ir.Value(
            name=name,
            shape=None if shape is None else ir.Shape(shape),
            type=ir.TensorType(ir.DataType.FLOAT),
        )
        return value


def _unique(name: str, taken: Container[str]) -> str:
    """``name``, with ``#2``, ``#3``, … behind it if it is taken."""
    chosen, count = name, 1
    while chosen in taken:
        count += 1
        chosen = f"{name}#{count}"
    return chosen


def _attribute(name: str, value: Any) -> ir.Attr:
    """An attribute of the common types; `ir.convenience` looks for many more, at some cost."""
    if isinstance(value, bool | int):
        return ir.AttrInt64(name, int(value))
    if isinstance(value, float):
        return ir.AttrFloat32(name, value)
    if isinstance(value, list | tuple) and value and all(isinstance(v, int) for v in value):
        return ir.AttrInt64s(name, [int(v) for v in value])
    return ir.convenience.convert_attribute(name, value)
