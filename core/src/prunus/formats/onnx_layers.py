"""Sizes that ONNX Runtime finds wrong only when it runs: of values, weights and vectors."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import onnx_ir as ir

from prunus.errors import ModelError
from prunus.formats.onnx_fold import static_shapes

_STANDARD = ("", "ai.onnx")

_MOST = 1 << 30
"""Numbers that one value may hold for one sample: 4 GiB of float32."""


def check_sizes(path: Path, model: ir.Model) -> None:
    """No value is larger than a network's could be, before anything is allocated.

    Raises:
        ModelError: names the layer.
    """
    shapes = static_shapes(model, 1)
    makers = [(f"input '{value.name}'", value) for value in model.graph.inputs]
    makers += [(f"layer '{node.name}'", v) for node in model.graph for v in node.outputs]
    for where, value in makers:
        shape = shapes.get(value.name or "", ())
        if min(shape, default=0) < 0:
            raise ModelError(
                f"{path}: {where} makes {_sizes(shape)}, which is no size; export the model again"
            )
        count = math.prod(shape)
        if count > _MOST:
            raise ModelError(
                f"{path}: {where} holds {count:,} numbers for one sample, more than any machine "
                "should try; is the file damaged? export the model again, or with a smaller input"
            )


def check_windows(path: Path, model: ir.Model) -> None:
    """No window is empty or stands still: ONNX Runtime 1.23 divides by zero and ends Python.

    Raises:
        ModelError: names the layer.
    """
    for node in model.graph.all_nodes():
        for name in ("kernel_shape", "strides", "dilations"):
            given = node.attributes.get(name)
            if given is None or given.type != ir.AttributeType.INTS or node.domain not in _STANDARD:
                continue
            sizes = list(given.as_ints())
            if min(sizes, default=1) < 1:
                raise ModelError(
                    f"{path}: layer '{node.name}' ({node.op_type}): {name} is {sizes}, each must "
                    "be 1 or more; export the model again"
                )


def check_layers(path: Path, model: ir.Model) -> None:
    """Weights and vectors have the sizes of the channels they act on.

    ONNX Runtime finds out when it runs.

    Raises:
        ModelError: names the layer.
    """
    shapes = static_shapes(model, 1)
    for node in model.graph:
        known = [shapes.get(v.name or "") if v else None for v in node.inputs]
        fault = _fault(node, known) or _moving_fault(node, known, shapes)
        if fault:
            raise ModelError(
                f"{path}: layer '{node.name}' ({node.op_type}): {fault}; export the model again"
            )


def _fault(node: ir.Node, shapes: Sequence[tuple[int, ...] | None]) -> str | None:
    if node.domain not in _STANDARD or len(shapes) < 2 or shapes[0] is None or shapes[1] is None:
        return None
    data, weight = shapes[0], shapes[1]
    bias = shapes[2] if len(shapes) > 2 else None
    if node.op_type in ("Conv", "ConvTranspose"):
        return _convolution_fault(node, data, weight, bias)
    if node.op_type == "Gemm":
        flags = {name: node.attributes.get_int(name, 0) for name in ("transA", "transB")}
        for name, flag in flags.items():
            if flag not in (0, 1):
                return f"{name} is {flag}, not 0 or 1"
        if (len(data), len(weight)) != (2, 2):
            return f"data of {len(data)} axes and a weight of {len(weight)}, not 2 and 2"
        made, read = weight if flags["transB"] else weight[::-1]
        given = data[0 if flags["transA"] else 1]
        if read != given:
            return f"a weight for {read} inputs, the data has {given}"
        wrong = [size for size in (bias or ())[-1:] if size not in (1, made)]
        return f"a bias of {wrong[0]} for {made} outputs" if wrong else None
    if node.op_type in ("BatchNormalization", "InstanceNormalization"):
        odd = [shape for shape in shapes[1:] if shape is not None and shape != data[1:2]]
        return f"a vector of {_sizes(odd[0])} for {data[1]} channels" if odd else None
    return None


def _moving_fault(
    node: ir.Node,
    shapes: Sequence[tuple[int, ...] | None],
    known: Mapping[str, tuple[int, ...]],
) -> str | None:
    data, after = (*shapes, None)[0], known.get(node.outputs[0].name or "")
    if node.domain not in _STANDARD or data is None:
        return None
    if node.op_type == "Reshape" and after is not None and math.prod(data) != math.prod(after):
        return f"{_sizes(data)} cannot become {_sizes(after)}"
    order = node.attributes.get_ints("perm", range(len(data)))
    if node.op_type == "Transpose" and sorted(order) != list(range(len(data))):
        return f"the order {list(order)} for {len(data)} axes"
    return None


def _convolution_fault(
    node: ir.Node, data: tuple[int, ...], weight: tuple[int, ...], bias: tuple[int, ...] | None
) -> str | None:
    groups = node.attributes.get_int("group", 1)
    forward = node.op_type == "Conv"
    if len(data) != len(weight):
        return f"a weight of {len(weight)} axes for data of {len(data)}"
    if groups < 1 or weight[0] % groups:
        return f"{groups} groups for {weight[0]} filters"
    read, made = (weight[1] * groups, weight[0]) if forward else (weight[0], weight[1] * groups)
    if data[1] != read:
        return f"a weight for {read} channels, the data has {data[1]}"
    if bias is not None and bias != (made,):
        return f"a bias of {_sizes(bias)} for {made} channels"
    return None


def _sizes(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape)) or "one number"
