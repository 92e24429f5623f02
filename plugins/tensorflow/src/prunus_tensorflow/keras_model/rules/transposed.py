"""Transposed convolutions."""

from __future__ import annotations

from prunus_tensorflow.keras_model.rules.activation import activated, check_activation
from prunus_tensorflow.keras_model.rules.context import Rule, Site, images, last, shape_of, spatial
from prunus_tensorflow.lower.tensors import Dynamic


def transposed(site: Site, x: Dynamic) -> Dynamic:
    """Kernel (k…, O, I) -> (I, O, k…).

    TensorFlow defines the layer as the gradient of a forward convolution from its output to
    its input, so the padding follows from the output size
    (tensorflow/core/kernels/conv_grad_shape_utils.cc); what the output is larger than the
    windows reach is ONNX's ``output_padding``.
    """
    layer = site.layer
    check_activation(layer.activation)
    moved = images(site, x)
    rank = len(layer.kernel_size)
    batch_free = layer.compute_output_shape((None, *x.shape[1:]))
    shape = shape_of(
        x.shape[0],
        layer.filters,
        batch_free[1:-1] if last(layer) else batch_free[2:],
        last(layer),
    )
    sizes = [shape[axis] for axis in moved.perm[2:]]
    begins, ends, extra = [], [], []
    for position, (before, after) in enumerate(zip(spatial(moved), sizes, strict=True)):
        reach = (layer.kernel_size[position] - 1) * layer.dilation_rate[position] + 1
        natural = (before - 1) * layer.strides[position] + reach
        total = max(natural - after, 0) if layer.padding == "same" else 0
        begins.append(total // 2)
        ends.append(total - total // 2)
        extra.append(after - natural + total)
    kernel = site.weight(layer.kernel, "weight", (rank + 1, rank, *range(rank)))
    operands = [moved.value, kernel]
    if layer.use_bias:
        operands.append(site.weight(layer.bias, "bias", (0,)))
    result = site.emit(
        "ConvTranspose",
        operands,
        shape,
        moved.perm,
        kernel_shape=list(layer.kernel_size),
        strides=list(layer.strides),
        dilations=list(layer.dilation_rate),
        pads=[*begins, *ends],
        output_padding=extra,
        group=1,
    )
    return activated(site, result, layer.activation)


RULES: dict[str, Rule] = dict.fromkeys(
    ("Conv1DTranspose", "Conv2DTranspose", "Conv3DTranspose"), transposed
)
