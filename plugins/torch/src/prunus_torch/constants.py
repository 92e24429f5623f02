"""Values of the graph that no run changes: initializers and what follows from them alone."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import onnx_ir as ir
import torch
from numpy.typing import NDArray
from torch import Tensor

from prunus_torch.operators import TABLE, Node

Constants = Mapping[str, NDArray[np.generic]]


def constants_of(model: ir.Model, variables: frozenset[str]) -> dict[str, NDArray[np.generic]]:
    """Value name -> array, without the initializers training changes."""
    constants = {
        name: value.const_value.numpy()
        for name, value in model.graph.initializers.items()
        if value.const_value is not None and name not in variables
    }
    for node in model.graph:
        names = [value.name for value in node.inputs if value is not None and value.name]
        if node.op_type == "Constant":
            constants[str(node.outputs[0].name)] = _held(node)
        elif names and node.op_type in TABLE and all(name in constants for name in names):
            constants |= _computed(node, constants)
    return constants


def _held(node: ir.Node) -> NDArray[np.generic]:
    name, attribute = next(iter(node.attributes.items()))
    if name == "value":
        return np.asarray(attribute.as_tensor().numpy())
    return np.array(attribute.value, np.float32 if name.startswith("value_float") else np.int64)


def _computed(node: ir.Node, constants: Constants) -> dict[str, NDArray[np.generic]]:
    operands = [
        torch.from_numpy(np.array(constants[value.name]))
        if value is not None and value.name
        else None
        for value in node.inputs
    ]
    with torch.no_grad():
        result = TABLE[node.op_type](Node(node, constants))(*operands)
    parts = (result,) if isinstance(result, Tensor) else result
    named = zip(node.outputs, parts, strict=False)
    return {str(value.name): part.numpy() for value, part in named}
