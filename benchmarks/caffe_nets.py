"""Caffe networks that are written here because no file of them lies around."""

from __future__ import annotations

VGG16 = (64, 64, 0, 128, 128, 0, 256, 256, 256, 0, 512, 512, 512, 0, 512, 512, 512, 0)


def vgg16(size: int = 224, classes: int = 1000) -> str:
    """VGG-16 (configuration D): 138,357,544 parameters at 224 pixels."""
    text = f'name: "VGG16"\n{_input(3, size)}'
    bottom, block, index = "data", 1, 1
    for channels in VGG16:
        if channels:
            name = f"conv{block}_{index}"
            text += _layer(name, "Convolution", bottom, name, _conv(channels, 3, 1))
            text += _layer(f"relu{block}_{index}", "ReLU", name, name)
            bottom, index = name, index + 1
        else:
            pool = "pooling_param { pool: MAX kernel_size: 2 stride: 2 }"
            text += _layer(f"pool{block}", "Pooling", bottom, f"pool{block}", pool)
            bottom, block, index = f"pool{block}", block + 1, 1
    for name, outputs in (("fc6", 4096), ("fc7", 4096), ("fc8", classes)):
        text += _layer(name, "InnerProduct", bottom, name, _fc(outputs))
        if name != "fc8":
            text += _layer(f"relu_{name}", "ReLU", name, name)
            text += _layer(f"drop_{name}", "Dropout", name, name)
        bottom = name
    return text + _layer("prob", "Softmax", "fc8", "prob")


def cifar10_full() -> str:
    """CIFAR-10 full: average pooling, LRN within channels."""
    lrn = "lrn_param { local_size: 3 alpha: 5e-05 beta: 0.75 norm_region: WITHIN_CHANNEL }"
    pool = "pooling_param {{ pool: {} kernel_size: 3 stride: 2 }}"
    return (
        f'name: "CIFAR10_full"\n{_input(3, 32)}'
        + _layer("conv1", "Convolution", "data", "conv1", _conv(32, 5, 2))
        + _layer("pool1", "Pooling", "conv1", "pool1", pool.format("MAX"))
        + _layer("relu1", "ReLU", "pool1", "pool1")
        + _layer("norm1", "LRN", "pool1", "norm1", lrn)
        + _layer("conv2", "Convolution", "norm1", "conv2", _conv(32, 5, 2))
        + _layer("relu2", "ReLU", "conv2", "conv2")
        + _layer("pool2", "Pooling", "conv2", "pool2", pool.format("AVE"))
        + _layer("norm2", "LRN", "pool2", "norm2", lrn)
        + _layer("conv3", "Convolution", "norm2", "conv3", _conv(64, 5, 2))
        + _layer("relu3", "ReLU", "conv3", "conv3")
        + _layer("pool3", "Pooling", "conv3", "pool3", pool.format("AVE"))
        + _layer("ip1", "InnerProduct", "pool3", "ip1", _fc(10))
        + _layer("prob", "Softmax", "ip1", "prob")
    )


def alexnet_bn(classes: int = 2) -> str:
    """AlexNet with BatchNorm and without groups: the legacy tool's published case.

    227 pixels, 96-256-384-384-256 channels, BatchNorm behind conv1, conv2 and fc6: the one
    placement that gives the published counts of the legacy tool (which leaves fc layers out),
    2,153,918,368 operations and 3,764,995 parameters.
    """
    text = f'name: "alexnetBNnoLRN"\n{_input(3, 227)}'
    bottom = "data"
    plan = ((96, 11, 0, 4), (256, 5, 2, 1), (384, 3, 1, 1), (384, 3, 1, 1), (256, 3, 1, 1))
    for index, (channels, kernel, pad, stride) in enumerate(plan, 1):
        name = f"conv{index}"
        text += _layer(name, "Convolution", bottom, name, _conv(channels, kernel, pad, stride))
        if index < 3:
            text += _norm(f"{index}", name)
        text += _layer(f"relu{index}", "ReLU", name, name)
        bottom = name
        if index in (1, 2, 5):
            pool = "pooling_param { pool: MAX kernel_size: 3 stride: 2 }"
            bottom = f"pool{index}"
            text += _layer(bottom, "Pooling", name, bottom, pool)
    for name, outputs in (("fc6", 4096), ("fc7", 4096), ("fc8", classes)):
        text += _layer(name, "InnerProduct", bottom, name, _fc(outputs))
        if name == "fc6":
            text += _norm("6", name)
        if name != "fc8":
            text += _layer(f"relu_{name}", "ReLU", name, name)
        bottom = name
    return text + _layer("prob", "Softmax", "fc8", "prob")


def _norm(suffix: str, blob: str) -> str:
    scale = "scale_param { bias_term: true }"
    return _layer(f"bn{suffix}", "BatchNorm", blob, blob) + _layer(
        f"scale{suffix}", "Scale", blob, blob, scale
    )


def _input(channels: int, size: int) -> str:
    return (
        f'input: "data"\ninput_dim: 1\ninput_dim: {channels}\n'
        f"input_dim: {size}\ninput_dim: {size}\n"
    )


def _layer(name: str, kind: str, bottom: str, top: str, param: str = "") -> str:
    body = f'  name: "{name}"\n  type: "{kind}"\n  bottom: "{bottom}"\n  top: "{top}"\n'
    return f"layer {{\n{body}" + (f"  {param}\n" if param else "") + "}\n"


def _conv(outputs: int, kernel: int, pad: int, stride: int = 1) -> str:
    return (
        f"convolution_param {{ num_output: {outputs} kernel_size: {kernel} "
        f"pad: {pad} stride: {stride} }}"
    )


def _fc(outputs: int) -> str:
    return f"inner_product_param {{ num_output: {outputs} }}"
