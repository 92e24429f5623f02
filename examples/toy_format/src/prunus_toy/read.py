"""Toy files to the neutral graph."""

from __future__ import annotations

from pathlib import Path

from prunus.plugin import GraphBuilder, ModelError, Network, Source, check_room
from prunus_toy.text import KEYS, Layer, parse
from prunus_toy.weights import read_weights, stored_shapes, turned


def load(source: Source) -> Network:
    """Read both files; the weights are beside the structure unless they are named.

    Raises:
        ModelError: a file is missing or damaged, or the two do not fit.
    """
    text, layers = parse(source.model)
    known = [layer for layer in layers if layer.kind in KEYS]
    shapes = _shapes(source.model, known)
    stored = [
        (layer.name, role, shape)
        for layer in known
        for role, shape in _stored(layer, shapes).items()
    ]
    path = source.weights or source.model.with_suffix(".weights")
    weights = read_weights(path, stored)

    build = GraphBuilder()
    values = {}
    for layer in known:
        roles = _stored(layer, shapes)
        operands = [values[name] for name in layer.sources] + [
            build.weight(layer.name, role, turned(layer, role, weights[layer.name, role]))
            for role in roles
        ]
        values[layer.name] = _nodes(build, layer, operands, shapes[layer.name])
    for layer in layers:
        if layer.kind not in KEYS:
            what = f"layer {layer.name!r} of the unknown kind {layer.kind!r}"
            build.notes.append(f"{what} is left out of the computation")
            for name in layer.sources:
                if name in values:
                    build.freeze(values[name], f"feeds {what}")
    consumed = {name for layer in known for name in layer.sources}
    outputs = [values[layer.name] for layer in known if layer.name not in consumed]
    return build.network("toy", outputs, origin=(text, tuple(known)))


def _stored(layer: Layer, shapes: dict[str, tuple[int, ...]]) -> dict[str, tuple[int, ...]]:
    return stored_shapes(layer, shapes[layer.sources[0]]) if layer.sources else {}


def _nodes(build: GraphBuilder, layer: Layer, operands, shape: tuple[int, ...]):
    """The nodes of one layer; the value it ends in, ``("N", *shape)``."""
    numbers, full = layer.numbers, ("N", *shape)
    match layer.kind:
        case "input":
            return build.input(layer.name, full)
        case "conv":
            attributes = {"pads": [numbers["pad"]] * 4, "strides": [numbers["stride"]] * 2}
            return build.node(layer.name, "Conv", operands, attributes, shape=full)
        case "relu":
            return build.node(layer.name, "Relu", operands, shape=full)
        case "pool":
            size = [numbers["size"]] * 2
            attributes = {"kernel_shape": size, "strides": size}
            return build.node(layer.name, "MaxPool", operands, attributes, shape=full)
        case "add":
            return build.node(layer.name, "Add", operands, shape=full)
        case _:  # dense: of every channel, row and column, in this order
            flat = build.node(
                layer.name, "Flatten", operands[:1], {"axis": 1}, name=f"{layer.name}/flat"
            )
            return build.node(layer.name, "Gemm", [flat, *operands[1:]], {"transB": 1}, shape=full)


def _shapes(path: Path, layers: list[Layer]) -> dict[str, tuple[int, ...]]:
    """Layer -> shape of its output without the batch.

    Raises:
        ModelError: layers do not fit together; the message names the first.
    """
    shapes: dict[str, tuple[int, ...]] = {}
    for layer in layers:
        where = f"{path}, line {layer.line + 1}: layer {layer.name!r}"
        wanted = {"input": 0, "add": 2}.get(layer.kind, 1)
        if len(layer.sources) != wanted:
            raise ModelError(f"{where} takes {wanted} inputs, not {len(layer.sources)}; see from=")
        for name in layer.sources:
            if name not in shapes:
                raise ModelError(f"{where} takes its input from {name!r}, no known layer above it")
        inputs = [shapes[name] for name in layer.sources]
        shapes[layer.name] = _shape(layer, inputs, where)
        check_room(4 * _product(shapes[layer.name]), where, ModelError)
    if not any(layer.kind in ("conv", "dense") for layer in layers):
        raise ModelError(f"{path}: has no conv or dense layer; is it the whole file?")
    return shapes


def _shape(layer: Layer, inputs: list[tuple[int, ...]], where: str) -> tuple[int, ...]:
    numbers = layer.numbers
    if layer.kind == "input":
        return (numbers["channels"], numbers["height"], numbers["width"])
    if layer.kind == "dense":
        return (numbers["outputs"],)
    if layer.kind == "add" and inputs[0] != inputs[1]:
        raise ModelError(f"{where} adds shapes {inputs[0]} and {inputs[1]}; make them equal")
    if layer.kind in ("add", "relu"):
        return inputs[0]
    if len(inputs[0]) != 3:
        raise ModelError(f"{where} needs an image, but its input is flat; move it up")
    channels, *area = inputs[0]
    size, pad = numbers["size"], numbers.get("pad", 0)
    stride = numbers.get("stride", size)
    height, width = ((length + 2 * pad - size) // stride + 1 for length in area)
    if min(height, width) < 1:
        raise ModelError(f"{where} has size={size}, larger than its input; make it smaller")
    return (numbers.get("filters", channels), height, width)


def _product(shape: tuple[int, ...]) -> int:
    product = 1
    for size in shape:
        product *= size
    return product
