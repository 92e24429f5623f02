"""Small graphs, and what ONNX Runtime makes of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx_ir as ir
import onnxruntime as ort
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

Array = NDArray[Any]


def model_of(
    nodes: Sequence[Any],
    inputs: Mapping[str, Sequence[int]],
    outputs: Sequence[str],
    constants: Mapping[str, Array],
    opset: int = 17,
) -> ir.Model:
    """A model with a symbolic batch on axis 0 of every input.

    Args:
        nodes: Made by ``onnx.helper.make_node``.
        inputs: Input name -> shape of one batch.
        outputs: Names of float outputs.
        constants: Initializer name -> array.
        opset: Version of the operator set.
    """
    graph = helper.make_graph(
        list(nodes),
        "test",
        [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", *shape[1:]])
            for name, shape in inputs.items()
        ],
        [helper.make_empty_tensor_value_info(name) for name in outputs],
        [numpy_helper.from_array(np.asarray(array), name) for name, array in constants.items()],
    )
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=9)
    model: ir.Model = ir.from_proto(proto)
    return model


def onnxruntime_outputs(
    model: ir.Model, inputs: Mapping[str, Array], names: Sequence[str]
) -> dict[str, Array]:
    """Output name -> array, without any graph optimisation."""
    options = ort.SessionOptions()
    options.log_severity_level = 4
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = ort.InferenceSession(
        ir.to_proto(model).SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    return dict(zip(names, session.run(list(names), dict(inputs)), strict=True))
