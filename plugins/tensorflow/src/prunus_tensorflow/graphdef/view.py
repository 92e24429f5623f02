"""A GraphDef seen as a graph: nodes by name, who reads what, which variable is which."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from typing import Any

import attrs
import numpy as np
from numpy.typing import NDArray

from prunus_tensorflow.graphdef.attributes import attr
from prunus_tensorflow.graphdef.names import is_control, split, tensor

VARIABLES = frozenset({"Variable", "VariableV2", "VarHandleOp"})
PLACEHOLDERS = frozenset({"Placeholder", "PlaceholderV2", "PlaceholderWithDefault"})
# Ops that hand a value on unchanged at inference.
PASSING = frozenset(
    {
        "Identity",
        "ReadVariableOp",
        "StopGradient",
        "PreventGradient",
        "Snapshot",
        "CheckNumerics",
        "EnsureShape",
        "PlaceholderWithDefault",
    }
)


@attrs.frozen(eq=False, slots=False)
class GraphView:
    """Read access to one GraphDef.

    Attributes:
        graph: The protobuf.
    """

    graph: Any

    @cached_property
    def nodes(self) -> Mapping[str, Any]:
        """Node name -> NodeDef."""
        return {node.name: node for node in self.graph.node}

    @cached_property
    def readers(self) -> Mapping[str, tuple[str, ...]]:
        """Node name -> names of the nodes that read any of its outputs as data."""
        found: dict[str, dict[str, None]] = {name: {} for name in self.nodes}
        for node in self.graph.node:
            for reference in node.input:
                if not is_control(reference):
                    found[split(reference)[0]][node.name] = None
        return {name: tuple(names) for name, names in found.items()}

    @cached_property
    def variables(self) -> Mapping[str, str]:
        """Variable node -> its name in the checkpoint.

        The Saver names a tensor after the variable's op unless the user gave another map;
        then the graph's own restore ops say it (tensorflow/python/training/saver.py).
        """
        keys = {}
        for node in self.graph.node:
            if node.op in VARIABLES:
                shared = attr(node, "shared_name").s.decode(errors="replace")
                keys[node.name] = shared if node.op == "VarHandleOp" and shared else node.name
        keys.update(self._restored())
        return keys

    def inputs(self, node: Any) -> list[str]:
        """Canonical names of the tensors a node reads, control inputs left out."""
        return [tensor(reference) for reference in node.input if not is_control(reference)]

    def producer(self, reference: str) -> Any:
        """Node that makes a tensor."""
        return self.nodes[split(reference)[0]]

    def source(self, reference: str) -> str:
        """Tensor a chain of Identity and ReadVariableOp begins with."""
        node = self.producer(reference)
        while node.op in PASSING and self.inputs(node):
            reference = self.inputs(node)[0]
            node = self.producer(reference)
        return reference

    def sorted_from(
        self, outputs: Iterable[str], cut: frozenset[str], control: bool = False
    ) -> Iterator[str]:
        """Names of the nodes the tensors ``outputs`` need, each after what it reads.

        Args:
            outputs: Tensor names.
            cut: Tensors not to go beyond.
            control: Follow control inputs as well.

        A loop (tf.while_loop) is entered once; its back edge is not followed.
        """
        seen: set[str] = set()
        stack = [(split(output)[0], False) for output in reversed(list(outputs))]
        while stack:
            name, done = stack.pop()
            if done:
                yield name
                continue
            if name in seen or name not in self.nodes:
                continue
            seen.add(name)
            stack.append((name, True))
            for reference in reversed(self.nodes[name].input):
                if (control or not is_control(reference)) and tensor(reference) not in cut:
                    stack.append((split(reference)[0], False))

    def _restored(self) -> dict[str, str]:
        keys: dict[str, str] = {}
        for node in self.graph.node:
            if node.op not in ("Assign", "AssignVariableOp"):
                continue
            target, value = self.inputs(node)[:2]
            restore, index = split(self.source(value))
            if self.nodes[restore].op not in ("RestoreV2", "Restore", "RestoreSlice"):
                continue
            names = self.constant(self.inputs(self.nodes[restore])[1])
            if names is not None and index < names.size:
                key = names.reshape(-1)[index]
                keys[split(target)[0]] = key.decode() if isinstance(key, bytes) else str(key)
        return keys

    def constant(self, reference: str) -> NDArray[Any] | None:
        """Value of a Const, also behind Identity; ``None`` for anything else."""
        node = self.producer(self.source(reference))
        return const_value(node) if node.op == "Const" else None


def const_value(node: Any) -> NDArray[Any]:
    """Array in a Const node, in the node's own type."""
    from tensorflow.python.framework.tensor_util import MakeNdarray

    return np.asarray(MakeNdarray(attr(node, "value").tensor))


def shape_attr(proto: Any) -> tuple[int, ...] | None:
    """Shape of a TensorShapeProto, -1 for unknown dimensions; ``None`` if the rank is unknown."""
    return None if proto.unknown_rank else tuple(int(dim.size) for dim in proto.dim)
