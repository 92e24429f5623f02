"""Inputs of a network: those of its files, and outputs of opaque preprocessing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import attrs
import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from prunus.plugin import Batch, Dataset, Network
from prunus_tensorflow.graphdef.origin import GraphOrigin
from prunus_tensorflow.graphdef.preprocessing import computed as graph_preprocessing
from prunus_tensorflow.keras_model.origin import KerasOrigin
from prunus_tensorflow.keras_model.preprocessing import computed as keras_preprocessing
from prunus_tensorflow.saved_model.origin import SavedModelOrigin

Compute = Callable[[Mapping[str, NDArray[Any]]], Mapping[str, NDArray[Any]]]


@attrs.frozen(eq=False)
class NetworkInputs:
    """The inputs of a network as its files state them.

    Attributes:
        shapes: Input -> native shape without the batch.
        opaque: True if the graph has others, made by opaque layers.
        compute: Samples by input -> graph inputs that follow from them without any weight, or
            ``None`` if there are none.
    """

    shapes: Mapping[str, tuple[int, ...]]
    opaque: bool
    compute: Compute | None = None

    def values(self) -> list[ir.Value]:
        """The inputs as graph inputs."""
        return [
            ir.Value(name=name, shape=ir.Shape(["N", *shape]))
            for name, shape in self.shapes.items()
        ]

    def around(self, samples: Dataset) -> Dataset:
        """Samples of the inputs with the graph inputs that follow from them."""
        return samples if self.compute is None else _Prepared(samples, self.compute)


@attrs.frozen(eq=False)
class _Prepared:
    """Samples with the outputs of opaque preprocessing layers."""

    samples: Dataset
    compute: Compute

    def __len__(self) -> int:
        return len(self.samples)

    def read(self, positions: NDArray[np.int64], rng: np.random.Generator | None) -> Batch:
        """Samples ``positions`` (N,)."""
        batch = self.samples.read(positions, rng)
        made = self.compute(batch.inputs)
        return attrs.evolve(batch, inputs={**batch.inputs, **made})

    def digest(self) -> str:
        """Digest of the samples; the layers are the network's."""
        return self.samples.digest()


def network_inputs(network: Network) -> NetworkInputs:
    """The inputs of a network that was read from TensorFlow's files."""
    origin = network.origin
    if isinstance(origin, KerasOrigin):
        opaque = _opaque(network, origin.inputs)
        compute = (
            keras_preprocessing(list(origin.inputs), origin.preprocessing)
            if origin.preprocessing
            else None
        )
        return NetworkInputs(origin.inputs, bool(opaque), compute)
    graph = origin.graph if isinstance(origin, SavedModelOrigin) else origin
    assert isinstance(graph, GraphOrigin)
    shapes = {name: shape[1:] for name, shape in graph.inputs.items()}
    opaque = _opaque(network, shapes)
    return NetworkInputs(
        shapes, bool(opaque), graph_preprocessing(graph, opaque) if opaque else None
    )


def _opaque(network: Network, shapes: Mapping[str, Any]) -> list[str]:
    """Graph inputs that the files do not state."""
    names = [value.name or "" for value in network.model.graph.inputs]
    return [name for name in names if name not in shapes]
