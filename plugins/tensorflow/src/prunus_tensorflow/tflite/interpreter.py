"""TFLite's interpreter on the processor."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from prunus.plugin import ModelError, Network, Running, Sample, Written, infer_shapes
from prunus_tensorflow.error_text import first_line
from prunus_tensorflow.runtime import silenced, tensorflow


def load(network: Network, files: Written, threads: int) -> Running:
    """An interpreter that is ready to run.

    Raises:
        ModelError: it refuses the file.
    """
    tf = tensorflow()
    try:
        with silenced(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # another distribution is to offer it one day
            interpreter = tf.lite.Interpreter(str(files.model), num_threads=threads)
            interpreter.allocate_tensors()
    except (RuntimeError, ValueError) as error:
        raise ModelError(f"TFLite refuses the network: {first_line(error)}") from error
    graph = network.model.graph
    inputs = _positions([value.name or "" for value in graph.inputs], interpreter, "inputs")
    outputs = _positions([value.name or "" for value in graph.outputs], interpreter, "outputs")
    shapes = infer_shapes(network.model)

    def run(sample: Sample) -> Mapping[str, NDArray[np.float32]]:
        for name, position in inputs.items():
            interpreter.set_tensor(position, np.asarray(sample[name], np.float32))
        interpreter.invoke()
        return {
            name: _shaped(interpreter.get_tensor(position), shapes.get(name))
            for name, position in outputs.items()
        }

    return Running(run)


def _positions(names: list[str], interpreter: Any, side: str) -> dict[str, int]:
    """Name of the graph -> tensor of the file.

    The signature of a converted model numbers its outputs (``output_0``), and keeps the names of
    inputs where it can; without one the order is that of the graph.
    """
    tell = interpreter.get_input_details if side == "inputs" else interpreter.get_output_details
    positions = [int(found["index"]) for found in tell()]
    signatures = interpreter._get_full_signature_list()
    if len(positions) > 1 and signatures:
        (known, *_) = signatures.values()
        listed = known[side]
        if set(listed) == set(names):
            return {name: int(listed[name]) for name in names}
        ordered = sorted(listed, key=lambda name: (len(name), name))
        positions = [int(listed[name]) for name in ordered]
    return dict(zip(names, positions, strict=True))


def _shaped(array: NDArray[np.float32], shape: tuple[int, ...] | None) -> NDArray[np.float32]:
    """An answer in the shape of the neutral graph's."""
    return array.reshape(shape) if shape is not None and np.prod(shape) == array.size else array
