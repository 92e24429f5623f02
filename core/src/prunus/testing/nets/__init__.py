"""Small networks of every common form, with random weights, that run in milliseconds."""

from __future__ import annotations

from collections.abc import Callable

import onnx_ir as ir

from prunus.network import Binding, Network
from prunus.testing.nets import attention, branched, mobile, plain, residual

NETS: dict[str, Callable[[int], ir.Model]] = {
    function.__name__: function
    for function in (
        plain.vgg,
        plain.vgg_bn,
        plain.lenet,
        plain.alexnet_lrn,
        plain.activations,
        residual.resnet_identity,
        residual.resnet_projection,
        residual.resnet_padded,
        residual.resnet_preact,
        residual.resnet_bottleneck,
        residual.resnext,
        residual.se_conv,
        residual.se_gemm,
        residual.densenet,
        mobile.mobilenet_v1,
        mobile.mobilenet_v2,
        mobile.shufflenet_v1,
        mobile.shufflenet_v2,
        mobile.squeezenet,
        branched.googlenet,
        branched.selective_kernel,
        branched.unet,
        branched.yolov2,
        branched.yolov2_reshape,
        branched.yolov3,
        branched.yolov4_tiny,
        attention.vit,
        attention.bert,
    )
}
"""Name -> function of a seed: opset 17, batch ``N``, one input."""

ROLES = ("weight", "bias", "scale", "shift", "mean", "variance", "slope")


def as_network(model: ir.Model) -> Network:
    """The network of a graph that follows the naming rules: ``<layer>/<role>``."""
    bindings = {}
    for name in model.graph.initializers:
        layer, _, role = name.rpartition("/")
        if role in ROLES:
            bindings[name] = Binding(layer, role)
    layers = {node.name or "": (node.name or "",) for node in model.graph}
    return Network(model, "onnx", bindings, layers)
