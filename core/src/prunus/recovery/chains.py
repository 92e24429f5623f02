"""From a producer of channels to the one consumer that reads them: what lies between.

Between them are steps that treat every channel by itself: rectifiers, normalisations by stored
statistics, maximum pooling, depthwise convolutions. Near a point each is a linear map.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Protocol

import attrs
import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from prunus.evaluation.session import Session
from prunus.folding import owned
from prunus.network import Network
from prunus.recovery.linear_maps import Convolution, LinearMap, convolution_of, linear_map_of
from prunus.recovery.rectifiers import Rectifier, rectifier_of

Array = NDArray[np.float32]
Weights = Mapping[str, NDArray[np.generic]]
Channels = NDArray[np.bool_]


class Tangent(Protocol):
    """A step near a point, as a linear map."""

    def push(self, change: Array) -> Array:
        """Change of the step's output for a change of its input."""

    def pull(self, values: Array) -> Array:
        """The adjoint of `push`."""


class Step(Protocol):
    """What happens to every channel by itself."""

    def at(self, data: Array, weights: Weights, kept: Channels) -> tuple[Array, Tangent]:
        """The output for ``(N, K, ...)`` data of kept channels, and the step near them."""


@attrs.frozen(eq=False)
class Scaled:
    """Numbers times factors of the same shape, or of one that spreads to it."""

    factors: Array

    def push(self, change: Array) -> Array:
        """As `Tangent` says."""
        return change * self.factors

    def pull(self, values: Array) -> Array:
        """As `Tangent` says."""
        return values * self.factors


@attrs.frozen(eq=False)
class Picked:
    """Some of the input's numbers, by their positions in it."""

    positions: NDArray[np.int64]
    shape: tuple[int, ...]

    def push(self, change: Array) -> Array:
        """As `Tangent` says."""
        return np.asarray(change.ravel()[self.positions])

    def pull(self, values: Array) -> Array:
        """As `Tangent` says."""
        size = int(np.prod(self.shape))
        summed = np.bincount(self.positions.ravel(), values.ravel(), size)
        return summed.astype(np.float32).reshape(self.shape)


@attrs.frozen(eq=False)
class Filtered:
    """A depthwise convolution."""

    convolution: Convolution
    weight: Array
    shape: tuple[int, ...]

    def push(self, change: Array) -> Array:
        """As `Tangent` says."""
        return self.convolution.outputs(change, self.weight)

    def pull(self, values: Array) -> Array:
        """As `Tangent` says."""
        return self.convolution.adjoint(values, self.weight, self.shape)


@attrs.frozen
class Rectified:
    """A rectifier."""

    rectifier: Rectifier

    def at(self, data: Array, weights: Weights, kept: Channels) -> tuple[Array, Tangent]:
        """As `Step` says."""
        slopes = self.rectifier.slopes(data)
        return self.rectifier.values(data), Scaled(slopes)


@attrs.frozen(eq=False)
class Normalised:
    """A BatchNormalization with stored statistics."""

    node: ir.Node

    def at(self, data: Array, weights: Weights, kept: Channels) -> tuple[Array, Tangent]:
        """As `Step` says."""
        gamma, beta, mean, variance = (
            np.asarray(weights[value.name or ""], np.float64)[kept]
            for value in self.node.inputs[1:5]
            if value is not None
        )
        scale = gamma / np.sqrt(variance + self.node.attributes.get_float("epsilon", 1e-5))
        factors, shift = (_spread(array, data.ndim) for array in (scale, beta - mean * scale))
        return data * factors + shift, Scaled(factors)


@attrs.frozen(eq=False, slots=False)
class Pooled:
    """Maximum pooling."""

    node: ir.Node

    def at(self, data: Array, weights: Weights, kept: Channels) -> tuple[Array, Tangent]:
        """As `Step` says."""
        found = self._session.run({"x": data})
        return found["y"], Picked(found["positions"].astype(np.int64), data.shape)

    @cached_property
    def _session(self) -> Session:
        """The same pooling, with the positions of what it takes."""
        x, y = (ir.Value(name=name, type=ir.TensorType(ir.DataType.FLOAT)) for name in "xy")
        positions = ir.Value(name="positions", type=ir.TensorType(ir.DataType.INT64))
        attributes = list(self.node.attributes.values())
        pooling = ir.Node("", "MaxPool", [x], attributes, outputs=[y, positions])
        graph = ir.Graph([x], [y, positions], nodes=[pooling], opset_imports={"": 17}, name="pool")
        return Session(ir.Model(graph, ir_version=8), arena=False)


@attrs.frozen(eq=False)
class Depthwise:
    """A depthwise convolution; no other node has its weights."""

    node: ir.Node
    weight: str
    bias: str | None

    def at(self, data: Array, weights: Weights, kept: Channels) -> tuple[Array, Tangent]:
        """As `Step` says."""
        weight = np.asarray(weights[self.weight], np.float32)[kept]
        convolution = convolution_of(self.node, weights[self.weight], len(kept))
        assert convolution is not None
        convolution = attrs.evolve(convolution, groups=len(weight))
        tangent = Filtered(convolution, weight, data.shape)
        found = tangent.push(data)
        if self.bias is not None:
            found = found + _spread(np.asarray(weights[self.bias])[kept], data.ndim)
        return found, tangent


@attrs.frozen(eq=False)
class Chain:
    """A producer, the steps behind it, and nothing else that reads what they give.

    Attributes:
        node: The producer.
        weight: Its weight.
        linear: The producer as a linear map.
        steps: In order.
    """

    node: ir.Node
    weight: str
    linear: LinearMap
    steps: tuple[Step, ...]

    @property
    def source(self) -> str:
        """The value that the producer reads."""
        value = self.node.inputs[0]
        assert value is not None
        return value.name or ""


def chain_before(value: ir.Value, network: Network, weights: Weights) -> Chain | None:
    """The chain that ends in a value; ``None`` where there is none.

    Args:
        value: What a consumer reads.
        network: The network.
        weights: Its weights: initializer -> array.
    """
    steps: list[Step] = []
    while len(value.uses()) == 1 and not value.is_graph_output():
        node = value.producer()
        if node is None:
            return None
        weight = node.inputs[1] if len(node.inputs) > 1 else None
        if node.op_type in ("Conv", "Gemm"):
            if weight is None or not owned(weight, network):
                return None
            stored = weights[weight.name or ""]
            linear = linear_map_of(node, stored)
            if linear is not None:
                return Chain(node, weight.name or "", linear, tuple(reversed(steps)))
        if node.inputs[0] is None:
            return None
        if node.op_type != "Identity":
            step = _step(node, weights)
            if step is None:
                return None
            steps.append(step)
        value = node.inputs[0]
    return None


def _step(node: ir.Node, weights: Weights) -> Step | None:
    rectifier = rectifier_of(node)
    if rectifier is not None:
        return Rectified(rectifier)
    if node.op_type == "BatchNormalization":
        names = {value.name for value in node.inputs[1:5] if value is not None}
        return Normalised(node) if len(node.outputs) == 1 and names <= weights.keys() else None
    if node.op_type == "MaxPool" and len(node.outputs) == 1:
        return Pooled(node)
    return _depthwise(node, weights)


def _depthwise(node: ir.Node, weights: Weights) -> Depthwise | None:
    weight = node.inputs[1] if node.op_type == "Conv" else None
    stored = None if weight is None else weights.get(weight.name or "")
    if weight is None or stored is None or stored.shape[1] != 1:
        return None
    if convolution_of(node, stored, len(stored)) is None:
        return None
    bias = node.inputs[2] if len(node.inputs) > 2 else None
    if bias is not None and bias.name not in weights:
        return None
    return Depthwise(node, weight.name or "", None if bias is None else bias.name)


def _spread(array: NDArray[np.generic], rank: int) -> Array:
    """Numbers of the channels, beside values ``(N, C, ...)``."""
    return np.asarray(array, np.float32).reshape(-1, *[1] * (rank - 2))
