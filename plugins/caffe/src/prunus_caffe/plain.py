"""The user's text reduced to what an unmodified Caffe can run without data."""

from __future__ import annotations

from collections.abc import Sequence

from prunus.plugin import Network, TextBlock, TextDocument, TextEdit
from prunus_caffe.lower.table import PASSING, RULES
from prunus_caffe.origin import Origin
from prunus_caffe.records.layers import LayerRecord


def plain_text(network: Network, document: TextDocument | None = None) -> str:
    """The text with inputs instead of data, without losses and post-processing, as BVLC spells it.

    Args:
        network: Where the layers and graph inputs come from.
        document: Another text of the same layers, such as a written ``final.prototxt``.
    """
    origin = network.origin
    assert isinstance(origin, Origin)
    document = origin.net.document if document is None else document
    blocks = [block for name in ("layer", "layers") for block in document.root.blocks(name)]
    blocks.sort(key=lambda block: block.start)
    lowered = {id(layer) for layer in _kept(network, origin)}
    edits: list[TextEdit] = []
    removed_tops: set[str] = set()
    for layer, block in zip(origin.net.layers, blocks, strict=True):
        if id(layer) in lowered:
            edits += _spelling(layer, block, document)
        else:
            removed_tops.update(layer.tops)
            start = document.text.rindex("layer", 0, block.start)
            edits.append(TextEdit(start, block.end, ""))
    inputs = [value for value in network.model.graph.inputs if value.name in removed_tops]
    header = "".join(
        f'input: "{value.name}" input_shape {{ dim: 1 {_dims(value.shape)} }}\n' for value in inputs
    )
    return header + document.edited(edits)


def _kept(network: Network, origin: Origin) -> Sequence[LayerRecord]:
    """Layers that compute something, and Input layers."""
    test = origin.net.phase("TEST")
    layers = test if any(network.layers.get(layer.name) for layer in test) else origin.net.layers
    return [
        layer for layer in layers
        if network.layers.get(layer.name)
        or layer.type == "Input"
        or (layer.type in PASSING | RULES.keys() and None not in origin.net.feeds[layer.name])
    ]  # fmt: skip


def _dims(shape: object) -> str:
    assert shape is not None
    return " ".join(f"dim: {size}" for size in list(shape)[1:])  # type: ignore[call-overload]


def _spelling(layer: LayerRecord, block: TextBlock, document: TextDocument) -> list[TextEdit]:
    """Forks' layers as BVLC's: same numbers, same blob names."""
    start = document.text.rindex("layer", 0, block.start)
    if layer.type == "Axpy":
        return [TextEdit(start, block.end, _axpy(layer))]
    if layer.type == "ShuffleChannel":
        return [TextEdit(start, block.end, _shuffle(layer))]
    return [*_depthwise(layer, block), *_rounding(layer, block)]


def _axpy(layer: LayerRecord) -> str:
    name, (factor, x, y) = layer.name, layer.bottoms
    flat, product = f"{name}/flat", f"{name}/product"
    return (
        _text(flat, "Flatten", (factor,), flat)
        + _text(product, "Scale", (x, flat), product, "scale_param { axis: 0 }")
        + _text(name, "Eltwise", (product, y), layer.tops[0])
    )


def _shuffle(layer: LayerRecord) -> str:
    name, group = layer.name, layer.params.shuffle_channel_param.group
    rows, columns = f"{name}/rows", f"{name}/columns"
    parts = f"reshape_param {{ shape {{ dim: {group} dim: -1 }} axis: 1 num_axes: 1 }}"
    order = "permute_param { order: 0 order: 2 order: 1 order: 3 order: 4 }"
    whole = "reshape_param { shape { dim: -1 } axis: 1 num_axes: 2 }"
    return (
        _text(rows, "Reshape", layer.bottoms, rows, parts)
        + _text(columns, "Permute", (rows,), columns, order)
        + _text(name, "Reshape", (columns,), layer.tops[0], whole)
    )


def _text(name: str, kind: str, bottoms: Sequence[str], top: str, param: str = "") -> str:
    read = " ".join(f'bottom: "{bottom}"' for bottom in bottoms)
    return f'layer {{ name: "{name}" type: "{kind}" {read} top: "{top}" {param} }}\n'


def _depthwise(layer: LayerRecord, block: TextBlock) -> list[TextEdit]:
    if layer.type not in ("ConvolutionDepthwise", "DepthwiseConvolution"):
        return []
    kind = block.scalars("type")[0]
    edits = [TextEdit(kind.start, kind.end, '"Convolution"')]
    param = block.blocks("convolution_param")[0]
    if not param.scalars("group"):
        outputs = param.scalars("num_output")[0].text
        edits.append(TextEdit(param.end - 1, param.end - 1, f" group: {outputs} "))
    return edits


def _rounding(layer: LayerRecord, block: TextBlock) -> list[TextEdit]:
    edits = []
    for inner in block.blocks("pooling_param"):
        for field in inner.fields:
            if field.name == "ceil_mode":
                end = inner.scalars("ceil_mode")[0].end
                word = "CEIL" if layer.params.pooling_param.ceil_mode else "FLOOR"
                edits.append(TextEdit(field.start, end, f"round_mode: {word}"))
    return edits
