"""Values that do not depend on the network's input, computed with numpy.

These are the shape arithmetic and the weight preparation that a graph carries: reading
``Shape``, packing a reshape target, scaling a weight.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from prunus_tensorflow.graphdef.attributes import attr

Arrays = Sequence[NDArray[Any]]
Evaluate = Callable[[Any, Arrays], Any]


def _unary(function: Callable[[Any], Any]) -> Evaluate:
    return lambda node, arrays: function(arrays[0])


def _binary(function: Callable[[Any, Any], Any]) -> Evaluate:
    return lambda node, arrays: function(arrays[0], arrays[1])


def _axes(array: NDArray[Any], default_rank: int) -> tuple[int, ...]:
    return tuple(int(axis) for axis in np.atleast_1d(array)) if default_rank else ()


def _reduce(function: Callable[..., Any]) -> Evaluate:
    def evaluate(node: Any, arrays: Arrays) -> Any:
        keep = attr(node, "keep_dims").b
        return function(arrays[0], axis=_axes(arrays[1], arrays[0].ndim), keepdims=keep)

    return evaluate


def _squeeze(node: Any, arrays: Arrays) -> Any:
    axes = tuple(attr(node, "squeeze_dims").list.i)
    return np.squeeze(arrays[0], axis=axes or None)


def _cast(node: Any, arrays: Arrays) -> Any:
    from tensorflow.python.framework.dtypes import as_dtype

    target = as_dtype(attr(node, "DstT").type).as_numpy_dtype
    return arrays[0].astype(np.int64 if np.dtype(target).kind in "iu" else target)


def _split(node: Any, arrays: Arrays) -> Any:
    return np.split(arrays[1], int(attr(node, "num_split").i), axis=int(arrays[0]))


def _unpack(node: Any, arrays: Arrays) -> Any:
    axis = int(attr(node, "axis").i)
    return [np.take(arrays[0], index, axis=axis) for index in range(arrays[0].shape[axis])]


def _matmul(node: Any, arrays: Arrays) -> Any:
    left, right = arrays
    left = left.T if attr(node, "transpose_a").b else left
    return left @ (right.T if attr(node, "transpose_b").b else right)


def _slice(node: Any, arrays: Arrays) -> Any:
    array, begin, size = arrays
    ends = [
        None if count == -1 else int(start + count)
        for start, count in zip(begin, size, strict=True)
    ]
    return array[tuple(slice(int(b), e) for b, e in zip(begin, ends, strict=True))]


def strided_index(node: Any, begin: Any, end: Any, strides: Any) -> tuple[Any, ...]:
    """Numpy index of a StridedSlice (tensorflow/core/util/strided_slice_op.cc: the masks)."""
    index: list[Any] = []
    for position in range(len(begin)):
        bit = 1 << position
        if attr(node, "ellipsis_mask").i & bit:
            index.append(Ellipsis)
        elif attr(node, "new_axis_mask").i & bit:
            index.append(None)
        elif attr(node, "shrink_axis_mask").i & bit:
            index.append(int(begin[position]))
        else:
            start = None if attr(node, "begin_mask").i & bit else int(begin[position])
            stop = None if attr(node, "end_mask").i & bit else int(end[position])
            index.append(slice(start, stop, int(strides[position])))
    return tuple(index)


def _divide(left: Any, right: Any) -> Any:
    whole = left.dtype.kind == "i" and right.dtype.kind == "i"
    return left // right if whole else left / right


EVALUATORS: dict[str, Evaluate] = {
    "Identity": _unary(lambda x: x),
    "IdentityN": lambda node, a: list(a),
    "StopGradient": _unary(lambda x: x),
    "Snapshot": _unary(lambda x: x),
    "PreventGradient": _unary(lambda x: x),
    "EnsureShape": _unary(lambda x: x),
    "CheckNumerics": _unary(lambda x: x),
    "PlaceholderWithDefault": _unary(lambda x: x),
    "ReadVariableOp": _unary(lambda x: x),
    "LogicalNot": _unary(np.logical_not),
    "LogicalAnd": _binary(np.logical_and),
    "LogicalOr": _binary(np.logical_or),
    "Neg": _unary(np.negative),
    "Abs": _unary(np.abs),
    "Sign": _unary(np.sign),
    "Square": _unary(np.square),
    "Sqrt": _unary(np.sqrt),
    "Rsqrt": _unary(lambda x: (1 / np.sqrt(x)).astype(x.dtype)),
    "Exp": _unary(np.exp),
    "Log": _unary(np.log),
    "Tanh": _unary(np.tanh),
    "Relu": _unary(lambda x: np.maximum(x, x.dtype.type(0))),
    "Reciprocal": _unary(lambda x: (1 / x).astype(x.dtype)),
    "Floor": _unary(np.floor),
    "Ceil": _unary(np.ceil),
    "Add": _binary(np.add),
    "AddV2": _binary(np.add),
    "Sub": _binary(np.subtract),
    "Mul": _binary(np.multiply),
    "Div": _binary(_divide),
    "RealDiv": _binary(np.divide),
    "FloorDiv": _binary(np.floor_divide),
    "FloorMod": _binary(np.mod),
    "Maximum": _binary(np.maximum),
    "Minimum": _binary(np.minimum),
    "Pow": _binary(np.power),
    "Greater": _binary(np.greater),
    "GreaterEqual": _binary(np.greater_equal),
    "Less": _binary(np.less),
    "LessEqual": _binary(np.less_equal),
    "Equal": _binary(np.equal),
    "NotEqual": _binary(np.not_equal),
    "Select": lambda node, a: np.where(a[0], a[1], a[2]),
    "SelectV2": lambda node, a: np.where(a[0], a[1], a[2]),
    "AddN": lambda node, a: sum(a[1:], start=a[0]),
    "MatMul": _matmul,
    "Cast": _cast,
    "Shape": lambda node, a: np.array(a[0].shape, np.int64),
    "Rank": lambda node, a: np.int64(a[0].ndim),
    "Size": lambda node, a: np.int64(a[0].size),
    "Reshape": lambda node, a: a[0].reshape([int(n) for n in a[1]]),
    "ExpandDims": lambda node, a: np.expand_dims(a[0], int(a[1])),
    "Squeeze": _squeeze,
    "Transpose": lambda node, a: a[0].transpose([int(n) for n in a[1]]),
    "Pack": lambda node, a: np.stack(a, axis=int(attr(node, "axis").i)),
    "Unpack": _unpack,
    "ConcatV2": lambda node, a: np.concatenate(a[:-1], axis=int(a[-1])),
    "Concat": lambda node, a: np.concatenate(a[1:], axis=int(a[0])),
    "Split": _split,
    "Slice": _slice,
    "StridedSlice": lambda node, a: a[0][strided_index(node, a[1], a[2], a[3])],
    "GatherV2": lambda node, a: np.take(a[0], a[1].astype(np.int64), axis=int(a[2])),
    "Gather": lambda node, a: np.take(a[0], a[1].astype(np.int64), axis=0),
    "Fill": lambda node, a: np.full([int(n) for n in a[0]], a[1]),
    "ZerosLike": _unary(np.zeros_like),
    "OnesLike": _unary(np.ones_like),
    "Range": lambda node, a: np.arange(a[0].item(), a[1].item(), a[2].item()),
    "Tile": lambda node, a: np.tile(a[0], [int(n) for n in a[1]]),
    "Prod": _reduce(np.prod),
    "Sum": _reduce(np.sum),
    "Mean": _reduce(np.mean),
    "Max": _reduce(np.max),
    "Min": _reduce(np.min),
}
