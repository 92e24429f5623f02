"""Layer records and weights to the neutral graph."""

from __future__ import annotations

from collections.abc import Mapping

import onnx_ir as ir

from prunus.plugin import ModelError, Network
from prunus_darknet.detect import FORMAT
from prunus_darknet.lower.activation import activate
from prunus_darknet.lower.builder import LayerBuilder
from prunus_darknet.lower.combining import JOINS
from prunus_darknet.lower.local import local
from prunus_darknet.lower.single_input import MAPS
from prunus_darknet.lower.weighted import WEIGHTED, Weighted
from prunus_darknet.records.heads import HEADS
from prunus_darknet.records.layers import NETWORK_INPUT, Layer, Shape, Structure
from prunus_darknet.weights import Array, Slot

INPUT_NAME = "data"


def lower(structure: Structure, arrays: Mapping[Slot, Array], normalization: str) -> Network:
    """Build the network, without what its files tell beside the graph.

    The output of layer i is the value named like the layer (``81:convolutional``); the input of
    the network is ``data``. Each layer that is not lowered has a note.

    Args:
        structure: Layer records.
        arrays: Weights by slot, in the graph's shapes.
        normalization: Convention of batch normalisation.

    Raises:
        ModelError: nothing of the network can be lowered.
    """
    run = _Run(structure, Weighted(arrays, normalization))
    for layer in structure.layers:
        run.add(layer)
    run.close()
    return run.build.network(FORMAT, list(run.outputs.values()), name="darknet")


class _Run:
    """One pass over the layers."""

    def __init__(self, structure: Structure, weighted: Weighted) -> None:
        self.structure = structure
        self.weighted = weighted
        self.build = LayerBuilder()
        self.values: dict[int, ir.Value] = {NETWORK_INPUT: self._input(INPUT_NAME, structure.input)}
        self.outputs: dict[str, ir.Value] = {}
        self.build.notes += structure.notes

    def add(self, layer: Layer) -> None:
        """Lower one layer, or cut it off."""
        self.build.layers[layer.name] = []
        if layer.type in HEADS:
            self.freeze(layer, f"feeds {layer.type} layer {layer.index}")
        elif layer.opaque is not None:
            self.freeze(layer, f"feeds {layer.opaque}")
            self.build.notes.append(
                f"{layer.section.path.name}:{layer.section.line}: {layer.opaque} is not lowered: "
                "what feeds it is kept whole, what it gives is a graph input"
            )
        elif layer.type != "cost":
            self.values[layer.index] = self.build.finish(layer, self.lowered(layer))

    def lowered(self, layer: Layer) -> ir.Value:
        sources = tuple(self.source(layer, position) for position in range(len(layer.sources)))
        if layer.type == "local":
            value = local(self.build, layer, sources[0], self.weighted)
        elif layer.type in WEIGHTED:
            value = WEIGHTED[layer.type](self.build, layer, sources[0], self.weighted)
        elif layer.type in JOINS:
            shapes = tuple(self.structure.output_of(index) for index in layer.sources)
            value = JOINS[layer.type](self.build, layer, sources, shapes)
        else:
            value = MAPS[layer.type](self.build, layer, sources[0])
        return activate(self.build, layer, value)

    def source(self, layer: Layer, position: int) -> ir.Value:
        """A value the layer reads; the output of a cut-off layer becomes a graph input."""
        index = layer.sources[position]
        if index not in self.values:
            owner = self.structure.layers[index]
            self.values[index] = self._input(owner.name, owner.output)
        return self.values[index]

    def _input(self, name: str, shape: Shape) -> ir.Value:
        return self.build.input(name, ("N", *(shape.dims if shape.image else (shape.size,))))

    def freeze(self, layer: Layer, reason: str) -> None:
        """Make what ``layer`` reads graph outputs that keep their channels."""
        for position in range(len(layer.sources)):
            value = self.source(layer, position)
            if value in self.build.inputs:
                continue
            self.outputs[str(value.name)] = value
            self.build.freeze(value, reason)

    def close(self) -> None:
        """Outputs that no layer reads are the network's answers.

        The last one is Darknet's own (``get_network_output_layer``, which passes over costs);
        a program may take any other (``get_network_image_layer``, OpenCV's layer names).
        """
        layers = self.structure.layers
        read = {source for layer in layers if layer.type != "cost" for source in layer.sources}
        for layer in layers:
            value = self.values.get(layer.index)
            if value is not None and layer.index not in read and value not in self.build.inputs:
                self.outputs.setdefault(str(value.name), value)
        if not self.outputs:
            raise ModelError(f"{layers[0].section.path}: no layer of this network can be lowered")
