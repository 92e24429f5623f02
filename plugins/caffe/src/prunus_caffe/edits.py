"""Which numbers of the text a compact graph changes, and the edits that change just those."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

import attrs
import numpy as np
import onnx_ir as ir

from prunus.plugin import ModelError, Network, TextBlock, TextDocument, TextEdit, TextScalar
from prunus_caffe.origin import Origin
from prunus_caffe.records.layers import LayerRecord


@attrs.frozen
class Number:
    """One number of a layer's parameters in the compact network.

    Attributes:
        layer: Layer name; every phase's block of that name is meant.
        message: ``convolution_param`` …
        field: ``num_output`` …
        occurrence: Which value of a repeated field.
        value: The number it must be.
    """

    layer: str
    message: str
    field: str
    occurrence: int
    value: int


def compact_numbers(network: Network, compact: ir.Model) -> list[Number]:
    """Every number that depends on channel counts, as the compact graph has it."""
    origin = network.origin
    assert isinstance(origin, Origin)
    graph = _Graph(network, compact, origin)
    found: list[Number] = []
    for layer in origin.net.layers:
        rule = _RULES.get(layer.type)
        if rule is not None and network.layers.get(layer.name):
            found += rule(layer, graph)
    return list(dict.fromkeys(found))


class _Graph:
    """The compact graph by native names."""

    def __init__(self, network: Network, compact: ir.Model, origin: Origin) -> None:
        self.nodes = {node.name: node for node in compact.graph}
        self._layers = network.layers
        self._initializers = compact.graph.initializers
        self._origin = origin

    def layer(self, name: str, op: str) -> ir.Node:
        """Last node of a layer with this operator."""
        nodes = [self.nodes[n] for n in self._layers[name] if self.nodes[n].op_type == op]
        return nodes[-1]

    def blob(self, layer: str) -> tuple[int, ...]:
        """Native shape of a layer's first blob."""
        name = self._origin.net.parameters[layer, 0]
        value, parameter = self._initializers[name], self._origin.parameters[name]
        assert value.shape is not None
        dims = value.shape.numpy()
        return tuple(dims[axis] for axis in parameter.axes)

    def constant(self, node: ir.Node, index: int) -> list[int]:
        """An integer operand."""
        operand = node.inputs[index]
        assert operand is not None
        assert operand.const_value is not None
        return [int(number) for number in operand.const_value.numpy()]


def _convolution(layer: LayerRecord, graph: _Graph) -> Iterator[Number]:
    node = graph.layer(layer.name, "ConvTranspose" if layer.type == "Deconvolution" else "Conv")
    group = node.attributes.get_int("group", 1)
    shape = graph.blob(layer.name)
    outputs = shape[1] * group if layer.type == "Deconvolution" else shape[0]
    yield Number(layer.name, "convolution_param", "num_output", 0, outputs)
    if layer.params.convolution_param.group > 1:
        yield Number(layer.name, "convolution_param", "group", 0, group)


def _inner_product(layer: LayerRecord, graph: _Graph) -> Iterator[Number]:
    param = layer.params.inner_product_param
    outputs = graph.blob(layer.name)[1 if param.transpose else 0]
    yield Number(layer.name, "inner_product_param", "num_output", 0, outputs)


def _embed(layer: LayerRecord, graph: _Graph) -> Iterator[Number]:
    yield Number(layer.name, "embed_param", "num_output", 0, graph.blob(layer.name)[1])


def _slice(layer: LayerRecord, graph: _Graph) -> Iterator[Number]:
    sizes = graph.constant(graph.layer(layer.name, "Split"), 1)
    if not layer.params.slice_param.slice_point and len(set(sizes)) == 1:
        return
    for position, point in enumerate(np.cumsum(sizes)[:-1]):
        yield Number(layer.name, "slice_param", "slice_point", position, int(point))


def _reshape(layer: LayerRecord, graph: _Graph) -> Iterator[Number]:
    param = layer.params.reshape_param
    target = graph.constant(graph.layer(layer.name, "Reshape"), 1)
    asked = list(param.shape.dim)
    tail = len(target) - len(asked)
    start = param.axis if param.axis >= 0 else tail + param.axis + 1
    for position, size in enumerate(asked):
        if size > 0 and start + position > 0:
            yield Number(
                layer.name, "reshape_param", "shape.dim", position, target[start + position]
            )


def _crop(layer: LayerRecord, graph: _Graph) -> Iterator[Number]:
    node = graph.layer(layer.name, "Slice")
    starts, axes = graph.constant(node, 1), graph.constant(node, 3)
    param = layer.params.crop_param
    first = param.axis if param.axis >= 0 else 4 + param.axis
    offsets = list(param.offset)
    for start, axis in zip(starts, axes, strict=True):
        if len(offsets) > 1 or (offsets and len(starts) == 1):
            yield Number(
                layer.name, "crop_param", "offset", min(axis - first, len(offsets) - 1), start
            )
        elif start != (offsets[0] if offsets else 0):
            raise ModelError(
                f"layer '{layer.name}': one crop offset for all axes cannot express "
                "the compact network; write one 'offset' for each axis"
            )


_RULES: Mapping[str, Callable[[LayerRecord, _Graph], Iterator[Number]]] = {
    "Convolution": _convolution,
    "ConvolutionDepthwise": _convolution,
    "DepthwiseConvolution": _convolution,
    "Deconvolution": _convolution,
    "InnerProduct": _inner_product,
    "Embed": _embed,
    "Slice": _slice,
    "Reshape": _reshape,
    "Crop": _crop,
}


def edited_text(
    document: TextDocument, layers: Sequence[LayerRecord], numbers: Sequence[Number]
) -> str:
    """The prototxt with these numbers; what already has them is not touched."""
    edits: list[TextEdit] = []
    for layer in layers:
        mine = [number for number in numbers if number.layer == layer.name]
        for message in dict.fromkeys(number.message for number in mine):
            edits += _edits(layer, [number for number in mine if number.message == message])
    return document.edited(edits)


def _edits(layer: LayerRecord, numbers: list[Number]) -> Iterator[TextEdit]:
    found = layer.block.blocks(numbers[0].message)
    missing = [number for number in numbers if _scalar(found, number) is None]
    for number in numbers:
        scalar = _scalar(found, number)
        if scalar is not None and _differs(scalar, number.value):
            yield TextEdit(scalar.start, scalar.end, str(number.value))
    if missing:
        # equal parts without slice_point have become unequal: the only text that must be added
        text = "".join(f" {number.field}: {number.value}" for number in missing)
        if found:
            end = found[0].end - 1
            yield TextEdit(end, end, text.strip() + " ")
        else:
            end = layer.block.end - 1
            yield TextEdit(end, end, f"{numbers[0].message} {{{text} }} ")


def _scalar(found: Sequence[TextBlock], number: Number) -> TextScalar | None:
    *path, field = number.field.split(".")
    for step in path:
        found = [inner for block in found for inner in block.blocks(step)]
    values = [value for block in found for value in block.scalars(field)]
    return values[number.occurrence] if number.occurrence < len(values) else None


def _differs(scalar: TextScalar, value: int) -> bool:
    try:
        return int(scalar.text, 0) != value
    except ValueError:  # such as 010, which int() does not take
        return int(scalar.text) != value
