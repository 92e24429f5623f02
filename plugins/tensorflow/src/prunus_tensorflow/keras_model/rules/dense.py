"""Fully connected layers."""

from __future__ import annotations

from prunus_tensorflow.keras_model.rules.activation import activated, check_activation
from prunus_tensorflow.keras_model.rules.context import Rule, Site
from prunus_tensorflow.lower.tensors import Dynamic, Unlowerable


def dense(site: Site, x: Dynamic) -> Dynamic:
    """``Dense`` reads the last native axis; on more than two axes it is a matrix product."""
    layer = site.layer
    check_activation(layer.activation)
    if getattr(layer, "lora_enabled", False) or getattr(layer, "quantization_mode", None):
        raise Unlowerable("it has LoRA or quantised weights")
    rows = site.native(x)
    shape = (*x.shape[:-1], layer.units)
    perm = tuple(range(len(shape)))
    if len(shape) == 2:
        operands = [rows.value, site.weight(layer.kernel, "weight", (1, 0))]
        if layer.use_bias:
            operands.append(site.weight(layer.bias, "bias", (0,)))
        result = site.emit("Gemm", operands, shape, perm, transB=1)
    else:
        kernel = site.weight(layer.kernel, "weight", (0, 1))
        result = site.emit("MatMul", [rows.value, kernel], shape, perm)
        if layer.use_bias:
            result = site.same("Add", result, site.weight(layer.bias, "bias", (0,)))
    return activated(site, result, layer.activation)


RULES: dict[str, Rule] = {"Dense": dense}
