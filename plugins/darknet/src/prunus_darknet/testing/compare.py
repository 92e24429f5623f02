"""Runs a neutral graph in ONNX Runtime and compares it with real Darknet, layer by layer."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import attrs
import numpy as np
import onnx_ir as ir
import onnxruntime
from numpy.typing import NDArray

from prunus.plugin import Network
from prunus_darknet.lower.network import INPUT_NAME
from prunus_darknet.origin import Origin
from prunus_darknet.records.layers import Shape, Structure
from prunus_darknet.testing.real_darknet import Array, predict

Indices = NDArray[np.int64]


@attrs.frozen
class Difference:
    """The worst disagreement found.

    Attributes:
        error: Largest absolute difference over the largest value of that layer.
        layer: Native layer name.
        compared: Number of layers looked at.
    """

    error: float
    layer: str
    compared: int


def run_graph(
    model: ir.Model, inputs: Mapping[str, Array], names: list[str] | None = None
) -> dict[str, Array]:
    """Values of a graph: its outputs, or ``names``."""
    model = model.clone()
    if names is not None:
        known = {str(value.name): value for node in model.graph for value in node.outputs}
        model.graph.outputs[:] = [known[name] for name in names]
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(
        ir.to_proto(model).SerializeToString(), options, ["CPUExecutionProvider"]
    )
    wanted = [output.name for output in session.get_outputs()]
    return dict(zip(wanted, session.run(wanted, dict(inputs)), strict=True))


def random_input(shape: Shape, seed: int) -> Array:
    """One sample as Darknet's images: values in [0, 1]."""
    return np.random.default_rng(seed).random((shape.c, shape.h, shape.w), np.float32)


def relative(found: Array, wanted: Array) -> float:
    """Largest absolute difference over the largest wanted value; infinite for other sizes."""
    if found.size != wanted.size or not np.isfinite(wanted).all():
        return float("inf")
    scale = float(np.abs(wanted).max()) or 1.0
    return float(np.abs(found.reshape(-1) - wanted.reshape(-1)).max()) / scale


def real_layers(
    structure: Structure, cfg: Path, weights: Path, data: Array, *, fresh: bool = False
) -> dict[int, Array]:
    """Outputs of all layers that give images, and of the last one, in real Darknet."""
    kept = [layer for layer in structure.layers if layer.type != "cost"]
    images = [layer.index for layer in kept if layer.output.image]
    answer = 0 if kept[-1].output.image else kept[-1].output.size
    real = predict(cfg, weights, data, images, answer, fresh=fresh)
    if answer:
        real[kept[-1].index] = real.pop(-1)
    return real


def compare_with_darknet(network: Network, cfg: Path, weights: Path, seed: int = 0) -> Difference:
    """Every lowered layer of ``network`` against the real library on one random sample.

    What an opaque layer gives is taken from Darknet.
    """
    origin = network.origin
    assert isinstance(origin, Origin)
    data = random_input(origin.structure.input, seed)
    return compare_layers(network, real_layers(origin.structure, cfg, weights, data), data)


def compare_layers(
    network: Network,
    real: Mapping[int, Array],
    data: Array,
    kept: Mapping[str, Mapping[int, Indices]] | None = None,
) -> Difference:
    """Every lowered layer of ``network`` against outputs of real layers.

    Args:
        network: The network, masked where ``real`` comes from its compact form.
        real: Layer index -> output.
        data: The sample both saw.
        kept: ``Compact.kept``, to look at the channels that remain.
    """
    origin = network.origin
    assert isinstance(origin, Origin)
    structure = origin.structure
    inputs: dict[str, Array] = {}
    for value in network.model.graph.inputs:
        sides = [side for side in value.shape or () if isinstance(side, int)]
        index = -2 if value.name == INPUT_NAME else int(str(value.name).split(":")[0])
        flat = data if index == -2 else real[index]
        inputs[str(value.name)] = flat.reshape(1, *sides)
    made = {str(value.name) for node in network.model.graph for value in node.outputs}
    names = {layer.name: layer.index for layer in structure.layers if layer.name in made}
    names = {name: index for name, index in names.items() if index in real}
    found = run_graph(network.model, inputs, list(names))
    errors = {
        name: relative(_kept_channels(found[name], (kept or {}).get(name)), real[index])
        for name, index in names.items()
    }
    worst = max(errors, key=lambda name: errors[name])
    return Difference(errors[worst], worst, len(errors))


def _kept_channels(array: Array, kept: Mapping[int, Indices] | None) -> Array:
    return array if not kept or 1 not in kept else np.take(array, kept[1], 1)
