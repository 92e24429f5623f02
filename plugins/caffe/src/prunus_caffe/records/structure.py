"""Prototxt to records: both layer formats, every way to declare inputs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import attrs

from prunus.plugin import ModelError, TextBlock, TextDocument, read_protobuf_text
from prunus_caffe.bind import bind
from prunus_caffe.lower.table import LEARNING, is_known
from prunus_caffe.records.layers import LayerRecord, NetInput, NetRecord
from prunus_caffe.schema import descriptor

# V1 enum name -> type name of today's format (Caffe's UpgradeV1LayerType).
V1_TYPES = {
    "ABSVAL": "AbsVal", "ACCURACY": "Accuracy", "ARGMAX": "ArgMax", "BNLL": "BNLL",
    "CONCAT": "Concat", "CONTRASTIVE_LOSS": "ContrastiveLoss", "CONVOLUTION": "Convolution",
    "DATA": "Data", "DECONVOLUTION": "Deconvolution", "DROPOUT": "Dropout",
    "DUMMY_DATA": "DummyData", "EUCLIDEAN_LOSS": "EuclideanLoss", "ELTWISE": "Eltwise",
    "EXP": "Exp", "FLATTEN": "Flatten", "HDF5_DATA": "HDF5Data", "HDF5_OUTPUT": "HDF5Output",
    "HINGE_LOSS": "HingeLoss", "IM2COL": "Im2col", "IMAGE_DATA": "ImageData",
    "INFOGAIN_LOSS": "InfogainLoss", "INNER_PRODUCT": "InnerProduct", "LRN": "LRN",
    "MEMORY_DATA": "MemoryData", "MULTINOMIAL_LOGISTIC_LOSS": "MultinomialLogisticLoss",
    "MVN": "MVN", "POOLING": "Pooling", "POWER": "Power", "RELU": "ReLU", "SIGMOID": "Sigmoid",
    "SIGMOID_CROSS_ENTROPY_LOSS": "SigmoidCrossEntropyLoss", "SILENCE": "Silence",
    "SOFTMAX": "Softmax", "SOFTMAX_LOSS": "SoftmaxWithLoss", "SPLIT": "Split", "SLICE": "Slice",
    "TANH": "TanH", "WINDOW_DATA": "WindowData", "THRESHOLD": "Threshold",
}  # fmt: skip


def read_structure(path: Path) -> NetRecord:
    """Read a network's prototxt.

    Raises:
        ModelError: the file is missing, broken, or holds no network.
    """
    return structure(read_protobuf_text(path))


def structure(document: TextDocument) -> NetRecord:
    """Records of a parsed network text.

    Raises:
        ModelError: as `read_structure`.
    """
    path, root = document.path, document.root
    layers = [
        _layer(value, path, field.name == "layers")
        for field in root.fields
        if field.name in ("layer", "layers")
        for value in _blocks(field.values, field.name, path)
    ]
    rest = TextBlock(
        tuple(f for f in root.fields if f.name not in ("layer", "layers")), root.start, root.end, 1
    )
    bound = bind(rest, "NetParameter", path)
    params = bound.message
    for unknown in bound.unknown:
        if unknown.near is not None:  # a whole layer may be meant
            raise ModelError(f"{path}:{unknown.line}: {unknown}")
    if not layers:
        if root.scalars("net") or root.scalars("base_lr") or root.scalars("train_net"):
            raise ModelError(
                f"{path}: expected a network, found a solver; give the file its 'net' names"
            )
        raise ModelError(f"{path}: expected at least one 'layer {{ }}', found none")
    net = NetRecord(params.name, tuple(layers), _inputs(params, path), document, params)
    return attrs.evolve(net, layers=_distinct(net))


def _distinct(net: NetRecord) -> tuple[LayerRecord, ...]:
    """Layers of one phase under names of their own, as Caffe takes equal ones.

    Caffe finds trained weights by name and gives them all to the first layer of that name
    (``Net::CopyTrainedLayersFrom``): only layers without weights can share one.
    """
    names: dict[int, str] = {}
    for phase in ("TRAIN", "TEST"):
        seen: dict[str, list[LayerRecord]] = {}
        for layer in net.phase(phase):
            others = seen.setdefault(layer.name, [])
            others.append(layer)
            if len(others) == 1:
                continue
            if any(one.type in LEARNING or not is_known(one.type) for one in others):
                raise ModelError(
                    f"{net.path}:{layer.line}: layer name '{layer.name}' is taken by line "
                    f"{others[0].line}, and Caffe gives the weights of both to that one; "
                    "rename one of them, in its caffemodel too"
                )
            names[id(layer)] = f"{layer.name}#{len(others)}"
    return tuple(attrs.evolve(layer, name=names.get(id(layer), layer.name)) for layer in net.layers)


def _blocks(values: tuple[Any, ...], name: str, path: Path) -> list[TextBlock]:
    for value in values:
        if not isinstance(value, TextBlock):
            raise ModelError(f"{path}:{value.line}: expected '{{' after '{name}'")
    return list(values)


def _layer(block: TextBlock, path: Path, v1: bool) -> LayerRecord:
    if v1 and block.blocks("layer"):
        raise ModelError(
            f"{path}:{block.line}: this is the layer format of 2013 (V0); "
            "upgrade the file with Caffe's upgrade_net_proto_text"
        )
    bound = bind(block, "V1LayerParameter" if v1 else "LayerParameter", path)
    params = bound.message
    if not params.name:
        raise ModelError(f"{path}:{block.line}: expected a 'name' in the layer, found none")
    return LayerRecord(
        params.name, _type(block, params, path, v1), tuple(params.bottom), tuple(params.top),
        params, block, v1, tuple(field.path for field in bound.unknown), bound.foreign,
    )  # fmt: skip


def _type(block: TextBlock, params: Any, path: Path, v1: bool) -> str:
    given = block.scalars("type")
    if not given:
        raise ModelError(
            f"{path}:{block.line}: expected a 'type' in layer '{params.name}', found none"
        )
    if not v1:
        return str(params.type)
    name = given[0].string()
    if name.isdigit():
        values = descriptor("V1LayerParameter").enum_types_by_name["LayerType"].values_by_number
        name = values[int(name)].name if int(name) in values else name
    return V1_TYPES.get(name, name)


def _inputs(params: Any, path: Path) -> tuple[NetInput, ...]:
    """Caffe's UpgradeNetInput: one shape (or four ``input_dim``) for each input, or for all."""
    names = list(params.input)
    shapes = [tuple(shape.dim) for shape in params.input_shape]
    flat = list(params.input_dim)
    if not shapes:
        shapes = [tuple(flat[at : at + 4]) for at in range(0, len(flat), 4)]
    if names and len(shapes) == 1:
        shapes *= len(names)
    if len(shapes) != len(names) or len(flat) % 4:
        raise ModelError(
            f"{path}: expected four 'input_dim' (or one 'input_shape') for each of {len(names)} "
            f"'input', found {len(flat)} 'input_dim' and {len(params.input_shape)} 'input_shape'"
        )
    return tuple(NetInput(name, dims) for name, dims in zip(names, shapes, strict=True))
