"""Layers that join or part blobs: Eltwise, Axpy, Concat, Slice, Crop."""

from __future__ import annotations

import functools
import itertools

import onnx_ir as ir

from prunus_caffe.lower.builder import BarrierError, Builder
from prunus_caffe.records.layers import LayerRecord

_PROD, _SUM = 0, 1


def eltwise(layer: LayerRecord, build: Builder) -> None:
    """``EltwiseLayer``: product, sum with coefficients, or maximum."""
    param = layer.params.eltwise_param
    operands = [build.value(layer, index) for index in range(max(len(layer.bottoms), 2))]
    dims = operands[0][1]
    for _, other in operands[1:]:
        if other[1:] != dims[1:]:
            raise build.error(layer, f"expected bottoms of one shape, found {dims} and {other}")
    values = [value for value, _ in operands]
    coefficients = [float(number) for number in param.coeff]
    if coefficients and (len(coefficients) != len(values) or param.operation != _SUM):
        raise build.error(
            layer, f"expected one 'coeff' for each bottom of a SUM, found {len(coefficients)}"
        )
    if param.operation == _SUM:
        result = _sum(layer, build, values, coefficients)
    elif param.operation == _PROD:
        result = _chain(layer, build, "Mul", values)
    else:
        result = build.emit(layer, "Max", values)
    build.top(layer, result, dims)


def _sum(
    layer: LayerRecord, build: Builder, values: list[ir.Value], coefficients: list[float]
) -> ir.Value:
    if coefficients == [1.0, -1.0]:
        return build.emit(layer, "Sub", values)
    for index, number in enumerate(coefficients):
        if number != 1:
            factor = build.scalar(f"{layer.name}/coeff{index}", number)
            values[index] = build.emit(layer, "Mul", [values[index], factor], part=f"coeff{index}")
    if len(values) == 2:
        return build.emit(layer, "Add", values)
    return build.emit(layer, "Sum", values)


def _chain(layer: LayerRecord, build: Builder, op: str, values: list[ir.Value]) -> ir.Value:
    *inner, last = values[1:]
    first = functools.reduce(
        lambda a, b: build.emit(layer, op, [a, b], part="part"), inner, values[0]
    )
    return build.emit(layer, op, [first, last])


def axpy(layer: LayerRecord, build: Builder) -> None:
    """Axpy of SENet: a (one number a channel) · x + y."""
    (factor, small), (x, dims), (y, other) = (build.value(layer, index) for index in range(3))
    if small[1] != dims[1] or other[1:] != dims[1:]:
        raise build.error(
            layer, f"expected shapes (N, C), (N, C, …), (N, C, …), found {small}, {dims}, {other}"
        )
    if len(small) != len(dims):
        target = build.constant(f"{layer.name}/shape", [0, small[1], *(1,) * (len(dims) - 2)])
        factor = build.emit(layer, "Reshape", [factor, target], part="reshape")
    product = build.emit(layer, "Mul", [factor, x], part="product")
    build.top(layer, build.emit(layer, "Add", [product, y]), dims)


def concat(layer: LayerRecord, build: Builder) -> None:
    """``ConcatLayer``; prior boxes stay outside the graph."""
    param = layer.params.concat_param
    operands = [build.value(layer, index) for index in range(len(layer.bottoms))]
    dims = operands[0][1]
    axis = (param.concat_dim if param.HasField("concat_dim") else param.axis) % len(dims)
    if axis == 0:
        raise BarrierError("it joins the samples of batches (axis 0)")
    for _, other in operands[1:]:
        if len(other) != len(dims) or any(
            a != b for i, (a, b) in enumerate(zip(dims, other, strict=True)) if i not in (0, axis)
        ):
            raise build.error(
                layer, f"expected bottoms that differ on axis {axis} only, found {dims} and {other}"
            )
    total = sum(other[axis] for _, other in operands)
    if len(operands) == 1:
        build.skip(layer)
        return
    result = build.emit(layer, "Concat", [value for value, _ in operands], {"axis": axis})
    build.top(layer, result, (*dims[:axis], total, *dims[axis + 1 :]))


def slice_(layer: LayerRecord, build: Builder) -> None:
    """``SliceLayer``: at ``slice_point``, or into equal parts."""
    param = layer.params.slice_param
    value, dims = build.value(layer)
    axis = (param.slice_dim if param.HasField("slice_dim") else param.axis) % len(dims)
    if axis == 0:
        raise BarrierError("it parts the samples of a batch (axis 0)")
    count = len(layer.tops)
    points = [int(point) for point in param.slice_point]
    if not points:
        if not count or dims[axis] % count:
            raise build.error(
                layer, f"expected axis {axis} of size {dims[axis]} to part into {count} equal tops"
            )
        points = [dims[axis] // count * part for part in range(1, count)]
    ends = [0, *points, dims[axis]]
    sizes = [after - before for before, after in itertools.pairwise(ends)]
    if len(sizes) != count or min(sizes) < 1:
        raise build.error(
            layer, f"expected {count - 1} rising 'slice_point' below {dims[axis]}, found {points}"
        )
    if count == 1:
        build.skip(layer)
        return
    split = build.constant(f"{layer.name}/split", sizes)
    first = build.emit(layer, "Split", [value, split], {"axis": axis}, outputs=count)
    node = first.producer()
    assert node is not None
    for index, (output, size) in enumerate(zip(node.outputs, sizes, strict=True)):
        build.top(layer, output, (*dims[:axis], size, *dims[axis + 1 :]), index)


def crop(layer: LayerRecord, build: Builder) -> None:
    """``CropLayer``: to the size of the second bottom, from ``axis`` on, at ``offset``."""
    param = layer.params.crop_param
    value, dims = build.value(layer)
    reference = build.bottom(layer, 1).dims
    axis = param.axis % len(dims)
    offsets = [int(offset) for offset in param.offset] or [0]
    if len(offsets) == 1:
        offsets *= len(dims) - axis
    if axis == 0 or len(reference) != len(dims):
        raise BarrierError("it crops the batch axis or a blob of another rank")
    if len(offsets) != len(dims) - axis:
        raise build.error(
            layer, f"expected one 'offset' or {len(dims) - axis}, found {len(offsets)}"
        )
    cuts = [
        (at, offset, offset + reference[at])
        for at, offset in zip(range(axis, len(dims)), offsets, strict=True)
    ]
    if any(end > dims[at] for at, _, end in cuts):
        raise build.error(
            layer, f"expected a crop inside {dims}, found {reference} at offset {offsets}"
        )
    cuts = [cut for cut in cuts if (cut[1], cut[2]) != (0, dims[cut[0]])]
    if not cuts:
        build.skip(layer)
        return
    axes, starts, ends = zip(*cuts, strict=True)
    operands = [
        build.constant(f"{layer.name}/{name}", list(numbers))
        for name, numbers in (("starts", starts), ("ends", ends), ("axes", axes))
    ]
    result = build.emit(layer, "Slice", [value, *operands])
    build.top(layer, result, (*dims[:axis], *reference[axis:]))
