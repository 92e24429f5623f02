"""Vectors that an exporter stores once because they hold the same numbers.

It keeps one of all zero biases and one of all scales of one, of layers that have nothing to do
with each other. Each gets its own again: what they share would tie their channels.
Weights, and vectors of different numbers, are shared because the network shares them.
"""

from __future__ import annotations

import onnx_ir as ir

from prunus.formats.onnx_fold import add_initializer

_VECTORS = {
    "Conv": (2,),
    "ConvTranspose": (2,),
    "Gemm": (2,),
    "BatchNormalization": (1, 2, 3, 4),
    "InstanceNormalization": (1, 2),
    "LayerNormalization": (1, 2),
    "Add": (0, 1),
    "Mul": (0, 1),
}
"""Operator -> its operands that may be a vector of channels."""


def unshare_vectors(model: ir.Model) -> None:
    """Give each consumer a vector of its own where all its numbers are equal, in place."""
    for value in list(model.graph.initializers.values()):
        tensor = value.const_value
        if tensor is None or len(value.uses()) < 2 or len(tensor.shape) != 1 or tensor.size < 2:
            continue
        array = tensor.numpy()
        if tensor.dtype not in (ir.DataType.FLOAT, ir.DataType.DOUBLE) or (array != array[0]).any():
            continue
        for use in sorted(value.uses(), key=lambda use: (use.node.name or "", use.idx))[1:]:
            if use.idx in _VECTORS.get(use.node.op_type, ()):
                own = add_initializer(model, f"{use.node.name}/vector{use.idx}", array)
                use.node.replace_input_with(use.idx, own)
