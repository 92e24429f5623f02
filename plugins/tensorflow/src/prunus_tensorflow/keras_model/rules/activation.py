"""Activations: as layers, as ``activation=`` of another layer, as functions in the graph.

Formulas: keras/src/activations/activations.py, keras/src/backend/tensorflow/nn.py.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from prunus_tensorflow.keras_model.rules.context import Rule, Site
from prunus_tensorflow.lower.tensors import Dynamic, Unlowerable

Function = Callable[[Site, Dynamic], Dynamic]


def _simple(op: str, **attributes: Any) -> Function:
    return lambda site, x: site.same(op, x, **attributes)


def clip(site: Site, x: Dynamic, low: float | None, high: float | None) -> Dynamic:
    """Clip to a range; an absent bound is an absent operand."""
    if low == 0 and high is None:
        return site.same("Relu", x)
    bounds = [site.constant("low", -math.inf if low is None else low)]
    if high is not None:
        bounds.append(site.constant("high", high))
    return site.same("Clip", x, *bounds)


def _silu(site: Site, x: Dynamic) -> Dynamic:
    return site.same("Mul", x, site.same("Sigmoid", x).value)


def _mish(site: Site, x: Dynamic) -> Dynamic:
    return site.same("Mul", x, site.same("Tanh", site.same("Softplus", x)).value)


def _gelu(site: Site, x: Dynamic) -> Dynamic:
    """``x / 2 * (1 + erf(x / sqrt 2))``, Keras' default form."""
    inner = site.same("Mul", x, site.constant("root", math.sqrt(0.5)))
    raised = site.same("Add", site.same("Erf", inner), site.constant("one", 1.0))
    return site.same("Mul", site.same("Mul", x, site.constant("half", 0.5)), raised.value)


def _log_sigmoid(site: Site, x: Dynamic) -> Dynamic:
    return site.same("Neg", site.same("Softplus", site.same("Neg", x)))


def _tanh_shrink(site: Site, x: Dynamic) -> Dynamic:
    return site.same("Sub", x, site.same("Tanh", x).value)


def softmax(site: Site, x: Dynamic, axis: int = -1, op: str = "Softmax") -> Dynamic:
    """Along a native axis."""
    return site.same(op, x, axis=x.axis(axis))


FUNCTIONS: dict[str, Function] = {
    "linear": lambda _, x: x,
    "relu": _simple("Relu"),
    "relu6": lambda site, x: clip(site, x, 0.0, 6.0),
    "hard_tanh": lambda site, x: clip(site, x, -1.0, 1.0),
    "leaky_relu": _simple("LeakyRelu", alpha=0.2),
    "elu": _simple("Elu", alpha=1.0),
    "selu": _simple("Selu"),
    "sigmoid": _simple("Sigmoid"),
    "tanh": _simple("Tanh"),
    "softplus": _simple("Softplus"),
    "softsign": _simple("Softsign"),
    "exponential": _simple("Exp"),
    "hard_sigmoid": _simple("HardSigmoid", alpha=1 / 6, beta=0.5),
    "hard_silu": _simple("HardSwish"),
    "silu": _silu,
    "mish": _mish,
    "gelu": _gelu,
    "log_sigmoid": _log_sigmoid,
    "tanh_shrink": _tanh_shrink,
    "softmax": softmax,
    "log_softmax": lambda site, x: softmax(site, x, op="LogSoftmax"),
}


def check_activation(activation: Any) -> None:
    """Refuse an ``activation=`` that is no known function, before anything is added.

    Raises:
        Unlowerable: it is not known.
    """
    _function(activation)


def activated(site: Site, x: Dynamic, activation: Any) -> Dynamic:
    """Apply the ``activation=`` of a layer."""
    return _function(activation)(site, x)


def _function(activation: Any) -> Function:
    if activation is None:
        return FUNCTIONS["linear"]
    name = getattr(activation, "__name__", type(activation).__name__)
    module = getattr(activation, "__module__", "") or ""
    if module.startswith("keras.") and name in FUNCTIONS:
        return FUNCTIONS[name]
    rule = RULES.get(type(activation).__name__)
    if (
        rule is not None
        and type(activation).__module__.startswith("keras.")
        and (not activation.weights)
    ):
        chosen = rule
        return lambda site, x: chosen(_as_layer(site, activation), x)
    raise Unlowerable(f"its activation '{name}' is not known")


def _as_layer(site: Site, layer: Any) -> Site:
    import attrs

    return attrs.evolve(site, layer=layer)


def activation(site: Site, x: Dynamic) -> Dynamic:
    """``Activation``."""
    return activated(site, x, site.layer.activation)


def relu(site: Site, x: Dynamic) -> Dynamic:
    """``ReLU``: slope below zero and an upper bound; a shifted threshold has no plain form."""
    layer = site.layer
    if layer.threshold:
        raise Unlowerable(f"its threshold is {layer.threshold}, not 0")
    high = None if layer.max_value is None else float(layer.max_value)
    if not layer.negative_slope:
        return clip(site, x, 0.0, high)
    sloped = site.same("LeakyRelu", x, alpha=float(layer.negative_slope))
    return sloped if high is None else site.same("Min", sloped, site.constant("high", high))


def prelu(site: Site, x: Dynamic) -> Dynamic:
    """``PReLU``: the slope has the input's axes but the batch, some of size one."""
    perm = x.perm
    return site.same("PRelu", x, site.weight(site.layer.alpha, "slope", perm, squeeze=1))


def softmax_layer(site: Site, x: Dynamic) -> Dynamic:
    """``Softmax`` along one axis."""
    axis = site.layer.axis
    axes = list(axis) if isinstance(axis, list | tuple) else [axis]
    if len(axes) != 1:
        raise Unlowerable("its softmax runs over several axes")
    return softmax(site, x, int(axes[0]))


RULES: dict[str, Rule] = {
    "Activation": activation,
    "ReLU": relu,
    "PReLU": prelu,
    "Softmax": softmax_layer,
    "LeakyReLU": lambda s, x: s.same("LeakyRelu", x, alpha=float(s.layer.negative_slope)),
    "ELU": lambda s, x: s.same("Elu", x, alpha=float(s.layer.alpha)),
}
