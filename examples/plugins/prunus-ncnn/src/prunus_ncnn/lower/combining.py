"""Layers of several inputs: Eltwise, BinaryOp, Scale by a blob, Concat."""

from __future__ import annotations

from collections.abc import Callable

from prunus.plugin import ModelError
from prunus_ncnn.lower.builder import Blob, Dims, LayerBuilder, UnsupportedError, shown
from prunus_ncnn.param import Layer


def _eltwise(build: LayerBuilder, layer: Layer, blobs: list[Blob]) -> Blob:
    """src/layer/eltwise.cpp: product, sum with coefficients, or maximum."""
    kind, dims = layer.integer(0), blobs[0].dims
    ops = ("Mul", "Add", "Max")
    if not 0 <= kind < len(ops):
        raise UnsupportedError(f"which computes the operation {kind}")
    for blob in blobs:
        if blob.dims != dims:
            raise ModelError(f"{layer.where}: takes {shown(dims)} and {shown(blob.dims)}")
    factors = layer.reals(1) if kind == 1 else ()
    if factors and len(factors) != len(blobs):
        raise layer.error(1, f"{len(blobs)} coefficients")
    for number, factor in enumerate(factors):
        if factor != 1:
            operand = build.scalar(layer, f"coeff{number}", factor)
            blobs[number] = build.emit(
                layer, "Mul", [blobs[number], operand], dims, part=f"coeff{number}"
            )
    result = blobs[0]
    for number, blob in enumerate(blobs[1:], 1):
        part = "" if number == len(blobs) - 1 else f"step{number}"
        result = build.emit(layer, ops[kind], [result, blob], dims, part=part)
    return result


_BINARY = "Add Sub Mul Div Max Min Pow Sub Div Pow".split()
_TURNED = 7
"""From this operation on the operands change places: RSUB, RDIV and RPOW (src/layer/binaryop.h)."""


def _binary(build: LayerBuilder, layer: Layer, blobs: list[Blob]) -> Blob:
    """src/layer/binaryop.cpp."""
    kind = layer.integer(0)
    if not 0 <= kind < len(_BINARY):
        raise UnsupportedError(f"which computes the operation {kind}")
    if layer.integer(1):
        dims, operands = blobs[0].dims, [blobs[0], build.scalar(layer, "b", layer.real(2))]
    else:
        dims, operands = _fitted(build, layer, blobs)
    if kind >= _TURNED:
        operands = operands[::-1]
    return build.emit(layer, _BINARY[kind], operands, dims)


def _fitted(build: LayerBuilder, layer: Layer, blobs: list[Blob]) -> tuple[Dims, list[Blob]]:
    """Two blobs with as many axes; one with fewer begins at the first axis of the other.

    So ``(C,)`` meets ``(C, H, W)`` at C (docs/developer-guide/binaryop-broadcasting.md); where
    that does not fit, the axes meet at the last one.
    """
    if len(blobs) != 2:
        raise ModelError(f"{layer.where}: takes {len(blobs)} blobs; give it two, or key 1=1")
    rank = max(len(blob.dims) for blob in blobs)
    longest = next(blob.dims for blob in blobs if len(blob.dims) == rank)
    fitted = []
    for number, blob in enumerate(blobs):
        missing = (1,) * (rank - len(blob.dims))
        ways = ((*blob.dims, *missing), (*missing, *blob.dims))
        dims = next((way for way in ways if _meets(way, longest)), ways[0])
        fitted.append(build.reshape(layer, blob, dims, f"axes{number}"))
    first, second = (blob.dims for blob in fitted)
    if not _meets(first, second):
        raise ModelError(f"{layer.where}: takes {shown(blobs[0].dims)} and {shown(blobs[1].dims)}")
    return tuple(map(max, first, second)), fitted


def _meets(first: Dims, second: Dims) -> bool:
    return all(a == b or 1 in (a, b) for a, b in zip(first, second, strict=True))


def _scale(build: LayerBuilder, layer: Layer, blobs: list[Blob]) -> Blob:
    """src/layer/scale.cpp with key 0 of -233: the second blob has a factor a channel."""
    blob, factor = blobs
    if factor.dims not in ((blob.dims[0],), (blob.dims[0], *(1,) * (len(blob.dims) - 1))):
        raise ModelError(f"{layer.where}: takes {shown(blob.dims)} and {shown(factor.dims)}")
    dims = (blob.dims[0], *(1,) * (len(blob.dims) - 1))
    factor = build.reshape(layer, factor, dims, "axes")
    return build.emit(layer, "Mul", [blob, factor], blob.dims)


def _concat(build: LayerBuilder, layer: Layer, blobs: list[Blob]) -> Blob:
    """src/layer/concat.cpp."""
    axis = axis_of(layer, 0, blobs[0])
    dims = list(blobs[0].dims)
    for blob in blobs[1:]:
        others = [one.dims[:axis] + one.dims[axis + 1 :] for one in (blob, blobs[0])]
        if len(blob.dims) != len(dims) or others[0] != others[1]:
            raise ModelError(f"{layer.where}: takes {shown(blobs[0].dims)} and {shown(blob.dims)}")
        dims[axis] += blob.dims[axis]
    if len(blobs) == 1:
        return blobs[0]
    return build.emit(layer, "Concat", blobs, tuple(dims), {"axis": axis + 1})


def axis_of(layer: Layer, key: int, blob: Blob) -> int:
    """The axis that a key names, from 0 without the batch."""
    axis, rank = layer.integer(key), len(blob.dims)
    if not -rank <= axis < rank:
        raise layer.error(key, f"an axis from {-rank} to {rank - 1}")
    return axis % rank


COMBINING: dict[str, Callable[[LayerBuilder, Layer, list[Blob]], Blob]] = {
    "BinaryOp": _binary,
    "Concat": _concat,
    "Eltwise": _eltwise,
    "Scale": _scale,
}
"""Type -> lowering; Scale with two inputs."""
