"""Which function lowers which layer type, and what the other types are."""

from __future__ import annotations

from collections.abc import Callable

from prunus_caffe.lower import activation, combining, convolution, normalization, pooling, shaping
from prunus_caffe.lower.builder import Builder
from prunus_caffe.records.layers import LayerRecord

Rule = Callable[[LayerRecord, Builder], None]

RULES: dict[str, Rule] = {
    "AbsVal": activation.absval,
    "Axpy": combining.axpy,
    "BNLL": activation.bnll,
    "BatchNorm": normalization.batch_norm,
    "Bias": normalization.bias,
    "Concat": combining.concat,
    "Convolution": convolution.convolution,
    "ConvolutionDepthwise": convolution.depthwise,
    "Crop": combining.crop,
    "Deconvolution": convolution.deconvolution,
    "DepthwiseConvolution": convolution.depthwise,
    "ELU": activation.elu,
    "Eltwise": combining.eltwise,
    "Embed": shaping.embed,
    "Exp": activation.exp,
    "Flatten": shaping.flatten,
    "InnerProduct": convolution.inner_product,
    "Interp": shaping.interp,
    "LRN": normalization.lrn,
    "Log": activation.log,
    "MVN": normalization.mvn,
    "Normalize": normalization.normalize,
    "PReLU": activation.prelu,
    "Permute": shaping.permute,
    "Pooling": pooling.pooling,
    "Power": activation.power,
    "ReLU": activation.relu,
    "ReLU6": activation.relu6,
    "Reduction": shaping.reduction,
    "Reshape": shaping.reshape,
    "Scale": normalization.scale,
    "ShuffleChannel": shaping.shuffle_channel,
    "Sigmoid": activation.sigmoid,
    "Slice": combining.slice_,
    "Softmax": activation.softmax,
    "Swish": activation.swish,
    "TanH": activation.tanh,
    "Tile": shaping.tile,
    "Upsample": shaping.upsample,
}
"""Layer type -> what adds it to the graph; Dropout and Split pass their bottom on."""

PASSING = frozenset(("Dropout", "Split"))
SILENT = frozenset(("Silence", "HDF5Output"))
METRICS = frozenset(("Accuracy", "DetectionEvaluate"))
POST_PROCESSING = frozenset(("DetectionOutput",))
PRIORS = frozenset(("PriorBox",))
SOURCES = frozenset(
    "AnnotatedData Data DummyData HDF5Data ImageData Input MemoryData VideoData WindowData".split()
)
LEARNING = frozenset(
    "BatchNorm Bias Convolution ConvolutionDepthwise Deconvolution DepthwiseConvolution Embed "
    "InnerProduct Normalize PReLU Scale".split()
)


def is_loss(type_: str) -> bool:
    """True for SoftmaxWithLoss, EuclideanLoss, MultiBoxLoss and every fork's loss."""
    return type_.endswith("Loss")


def is_known(type_: str) -> bool:
    """True for every type with a meaning here; others are opaque."""
    return (
        type_ in RULES
        or type_ in PASSING | SILENT | METRICS | POST_PROCESSING | PRIORS | SOURCES
        or is_loss(type_)
    )
