"""Matrix products."""

from __future__ import annotations

from collections.abc import Sequence

from prunus.plugin import ModelError
from prunus_tensorflow.graphdef.attributes import attr
from prunus_tensorflow.graphdef.rules.context import Context, Rule, dynamic
from prunus_tensorflow.graphdef.steps import Step
from prunus_tensorflow.lower.tensors import Dynamic, Lowered, Static, Unlowerable


def matmul(context: Context, step: Step, inputs: Sequence[Lowered]) -> list[Lowered]:
    """``MatMul`` and ``BatchMatMul…``; a stored right side makes a fully connected layer."""
    left, right = dynamic(inputs[0]), inputs[1]
    node = step.node
    turn_left = attr(node, "transpose_a").b or attr(node, "adj_x").b
    turn_right = attr(node, "transpose_b").b or attr(node, "adj_y").b
    if isinstance(right, Static):
        if turn_left or right.array.ndim != 2:
            raise Unlowerable("it multiplies by a stored array in an unusual form")
        return [_dense(context, step, left, right, turn_right)]
    return [_product(context, step, left, dynamic(right), turn_left, turn_right)]


def _dense(context: Context, step: Step, x: Dynamic, weight: Static, turned: bool) -> Dynamic:
    outer, inner = weight.array.shape if turned else weight.array.shape[::-1]
    if x.shape[-1] != inner:
        raise ModelError(
            f"node '{step.name}': its weight reads {inner} values, its input has {x.shape[-1]}: is "
            "the input's shape right (input_node_shapes)?"
        )
    data = context.builder.native(x, step.name)
    shape = (*x.shape[:-1], outer)
    flat = len(x.shape) == 2
    stored = (0, 1) if turned == flat else (1, 0)
    value, plain = context.weight(step, "weight", weight, stored)
    operands = [data.value, value]
    if flat:
        (out,) = context.builder.add("Gemm", operands, step.name, [shape], transB=1)
    else:
        (out,) = context.builder.add("MatMul", operands, step.name, [shape])
    if not plain:
        reason = f"weights of '{step.name}' are computed by the graph, not stored"
        context.freeze(reason, x.value, out)
    return Dynamic(out, shape, tuple(range(len(shape))))


def _product(
    context: Context, step: Step, left: Dynamic, right: Dynamic, turn_left: bool, turn_right: bool
) -> Dynamic:
    operands, shapes = [], []
    for tensor, turn in ((left, turn_left), (right, turn_right)):
        rank = len(tensor.shape)
        if rank < 3:
            raise Unlowerable("it multiplies two computed matrices over the batch")
        order = (*range(rank - 2), rank - 1, rank - 2) if turn else tuple(range(rank))
        operands.append(context.builder.arrange(tensor, order, step.name).value)
        shapes.append(tuple(tensor.shape[axis] for axis in order))
    shape = (*shapes[0][:-1], shapes[1][-1])
    (out,) = context.builder.add("MatMul", operands, step.name, [shape])
    return Dynamic(out, shape, tuple(range(len(shape))))


RULES: dict[str, Rule] = {
    "MatMul": matmul,
    "BatchMatMul": matmul,
    "BatchMatMulV2": matmul,
    "BatchMatMulV3": matmul,
}
