"""Small ONNX files as exporters write them, and the check that reading keeps their numbers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from prunus.evaluation.session import Session
from prunus.formats.onnx_read import read_onnx
from prunus.network import Network

_DRAW = np.random.default_rng(0)

Array = NDArray[np.float32]


def weight(name: str, *shape: int) -> Any:
    """A float32 initializer of random numbers."""
    return numpy_helper.from_array(_DRAW.standard_normal(shape).astype(np.float32), name)


def whole(name: str, numbers: int | Sequence[int]) -> Any:
    """An int64 initializer."""
    return numpy_helper.from_array(np.array(numbers, np.int64), name)


def conv(data: str, weights: str, out: str, **attributes: Any) -> Any:
    """A convolution without bias."""
    return helper.make_node("Conv", [data, weights], [out], **attributes)


FIRST, LAST = weight("w", 4, 3, 1, 1), weight("w2", 2, 4, 1, 1)
"""Weights of a first and a last convolution of 1 × 1: three channels, four, two."""


def save(
    path: Path,
    nodes: Sequence[Any],
    weights: Sequence[Any],
    shape: Sequence[int | str],
    opset: int = 17,
    domains: Sequence[str] = (),
    output: Sequence[int | str] | None = None,
    inner: Sequence[Any] = (),
    **how: Any,
) -> Path:
    """Write a model from ``x`` to ``y``.

    Args:
        path: The file.
        nodes: Its nodes.
        weights: Its initializers.
        shape: Sizes of ``x``.
        opset: Version of the standard operators.
        domains: Further domains, of version 1.
        output: Sizes of ``y``, where the file states them.
        inner: Stated shapes of values in between (``value_info``).
        how: Options of ``onnx.save``.
    """

    def info(name: str, dims: Sequence[int | str] | None) -> Any:
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, dims)

    graph = helper.make_graph(
        nodes,
        "exported",
        [info("x", shape)],
        [info("y", output)],
        weights,
        doc_string="a graph",
        value_info=inner,
    )
    opsets = [helper.make_opsetid("", opset), *(helper.make_opsetid(d, 1) for d in domains)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=8, producer_name="exporter")
    model.doc_string = "a model"
    helper.set_model_props(model, {"author": "somebody"})
    onnx.save(model, path, **how)
    return path


def original(path: Path, inputs: Array, batch: int) -> Array:
    """Numbers of the file itself, as many samples at once as it takes (0: any number)."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    parts = np.split(inputs, len(inputs) // batch) if batch else [inputs]
    return np.concatenate([session.run(None, {"x": part})[0] for part in parts])


def check(path: Path, batch: int, option: str | None = None) -> Network:
    """Read a file and compare its numbers with ONNX Runtime's own.

    Args:
        path: The file, from ``x`` to ``y``.
        batch: Samples it takes at once, 0 for any number.
        option: ``input-shape`` of the format.
    """
    network = read_onnx(path, option)
    shape = network.model.graph.inputs[0].shape
    assert shape is not None
    sizes = [int(str(size)) for size in shape[1:]]
    for count in (batch or 1, 3 * max(batch, 1)):
        inputs = _DRAW.standard_normal((count, *sizes)).astype(np.float32)
        found = Session(network.model).run({"x": inputs})["y"]
        wanted = original(path, inputs, batch)
        assert found.shape == wanted.shape
        assert np.abs(found - wanted).max() <= 1e-5 * max(1, np.abs(wanted).max())
    return network


def kinds(network: Network) -> list[str]:
    """Operators of a network, in order."""
    return [node.op_type for node in network.model.graph]
