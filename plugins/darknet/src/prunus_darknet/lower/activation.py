"""Darknet activations in standard operators (``src/activations.h`` of both forks)."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx_ir as ir

from prunus_darknet.lower.builder import Attributes, LayerBuilder, sides
from prunus_darknet.records.layers import Layer

OPAQUE_ACTIVATIONS = frozenset(
    {
        "stair",
        "revleaky",
        "normalize_channels",
        "normalize_channels_softmax",
        "normalize_channels_softmax_maxval",
    }
)
"""Known to Darknet, not expressible: steps, train-time only, or across channels."""

_GELU_LINEAR, _GELU_CUBIC = 0.797885, 0.035677


class _Steps:
    """Elementwise nodes on one value."""

    def __init__(self, build: LayerBuilder, layer: Layer, value: ir.Value) -> None:
        self.build, self.layer, self.value = build, layer, value
        self.dims = sides(value)[1:]
        self.count = 0

    def op(self, name: str, *inputs: ir.Value, attributes: Attributes | None = None) -> ir.Value:
        self.count += 1
        step = f"activation{self.count if self.count > 1 else ''}"
        return self.build.emit(self.layer, step, name, inputs, self.dims, attributes)

    def scalar(self, number: float) -> ir.Value:
        name = f"constant{len(self.build.initializers)}"
        return self.build.constant(f"{self.layer.name}/{name}", np.array(number, np.float32))

    def times(self, value: ir.Value, factor: float) -> ir.Value:
        return self.op("Mul", value, self.scalar(factor))

    def clip(self, value: ir.Value, low: float, high: float) -> ir.Value:
        return self.op("Clip", value, self.scalar(low), self.scalar(high))


def _leaky(steps: _Steps) -> ir.Value:
    return steps.op("LeakyRelu", steps.value, attributes={"alpha": 0.1})


def _relie(steps: _Steps) -> ir.Value:
    return steps.op("LeakyRelu", steps.value, attributes={"alpha": 0.01})


def _ramp(steps: _Steps) -> ir.Value:
    """``x * (x > 0) + 0.1 x``."""
    return steps.op("Add", steps.op("Relu", steps.value), steps.times(steps.value, 0.1))


def _loggy(steps: _Steps) -> ir.Value:
    """``2 / (1 + exp(-x)) - 1``."""
    doubled = steps.times(steps.op("Sigmoid", steps.value), 2.0)
    return steps.op("Sub", doubled, steps.scalar(1.0))


def _selu(steps: _Steps) -> ir.Value:
    return steps.op("Selu", steps.value, attributes={"alpha": 1.6732, "gamma": 1.0507})


def _beyond(steps: _Steps, low: float, high: float, slope: float) -> ir.Value:
    """``slope`` times how far x lies outside [low, high]."""
    inside = steps.clip(steps.value, low, high)
    return steps.times(steps.op("Sub", steps.value, inside), slope)


def _plse(steps: _Steps) -> ir.Value:
    """``0.125 x + 0.5`` inside [-4, 4], slope 0.01 outside."""
    lifted = steps.op("Add", steps.times(steps.value, 0.125), steps.scalar(0.5))
    return steps.op("Add", steps.clip(lifted, 0.0, 1.0), _beyond(steps, -4.0, 4.0, 0.01))


def _lhtan(steps: _Steps) -> ir.Value:
    """``x`` inside [0, 1], slope 0.001 outside."""
    inside = steps.clip(steps.value, 0.0, 1.0)
    return steps.op("Add", inside, _beyond(steps, 0.0, 1.0, 0.001))


def _swish(steps: _Steps) -> ir.Value:
    return steps.op("Mul", steps.value, steps.op("Sigmoid", steps.value))


def _mish(steps: _Steps) -> ir.Value:
    """``x tanh(softplus(x))``; the Mish operator itself came after opset 17."""
    return steps.op("Mul", steps.value, steps.op("Tanh", steps.op("Softplus", steps.value)))


def _hard_mish(steps: _Steps) -> ir.Value:
    """``x`` above 0, ``x x / 2 + x`` down to -2, then 0."""
    low = steps.clip(steps.value, -2.0, 0.0)
    curve = steps.op("Add", steps.times(steps.op("Mul", low, low), 0.5), low)
    return steps.op("Add", steps.op("Relu", steps.value), curve)


def _gelu(steps: _Steps) -> ir.Value:
    """``0.5 x (1 + tanh(0.797885 x + 0.035677 x^3))``."""
    square = steps.op("Mul", steps.value, steps.value)
    slope = steps.op("Add", steps.times(square, _GELU_CUBIC), steps.scalar(_GELU_LINEAR))
    gate = steps.op("Tanh", steps.op("Mul", steps.value, slope))
    half = steps.times(steps.value, 0.5)
    return steps.op("Mul", half, steps.op("Add", gate, steps.scalar(1.0)))


_ACTIVATIONS: dict[str, Callable[[_Steps], ir.Value]] = {
    "relu": lambda steps: steps.op("Relu", steps.value),
    "leaky": _leaky,
    "relie": _relie,
    "ramp": _ramp,
    "logistic": lambda steps: steps.op("Sigmoid", steps.value),
    "loggy": _loggy,
    "tanh": lambda steps: steps.op("Tanh", steps.value),
    "elu": lambda steps: steps.op("Elu", steps.value, attributes={"alpha": 1.0}),
    "selu": _selu,
    "relu6": lambda steps: steps.clip(steps.value, 0.0, 6.0),
    "hardtan": lambda steps: steps.clip(steps.value, -1.0, 1.0),
    "lhtan": _lhtan,
    "plse": _plse,
    "swish": _swish,
    "mish": _mish,
    "hard_mish": _hard_mish,
    "gelu": _gelu,
}
KNOWN_ACTIVATIONS = frozenset(_ACTIVATIONS) | {"linear"} | OPAQUE_ACTIVATIONS


def activate(build: LayerBuilder, layer: Layer, value: ir.Value) -> ir.Value:
    """``value`` after the layer's activation.

    An unknown name is relu, as in ``get_activation``.
    """
    if layer.activation == "linear":
        return value
    return _ACTIVATIONS.get(layer.activation, _ACTIVATIONS["relu"])(_Steps(build, layer, value))
