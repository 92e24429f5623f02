"""Networks with random weights, and the exporters that write them as ONNX files."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from torch import Tensor, nn
from torch.nn import functional

from prunus_torch.testing.exported import Classifier, conv, networks

SIDE = 16
"""Pixels of the inputs."""


class Recurrent(nn.Module):
    """Columns of a convolution are a sequence (Shi et al., CRNN, TPAMI 2017)."""

    def __init__(self, kind: type[nn.RNNBase]) -> None:
        super().__init__()
        self.layers = nn.Sequential(conv(3, 12), nn.MaxPool2d(2), conv(12, 10), nn.MaxPool2d(2))
        self.memory = kind(40, 12, batch_first=True, bidirectional=True)
        self.head = nn.Linear(24, 5)

    def forward(self, x: Tensor) -> Any:  # noqa: D102
        x = self.layers(x).permute(0, 3, 1, 2).flatten(2)
        return self.head(self.memory(x)[0])


class Hourglass(nn.Module):
    """Down, up by a transposed convolution, joined with what was there (U-Net)."""

    def __init__(self) -> None:
        super().__init__()
        self.enter, self.down, self.up = (
            conv(3, 8),
            conv(8, 16, 3, 2),
            nn.ConvTranspose2d(16, 8, 2, 2),
        )
        self.leave = nn.Sequential(conv(16, 8), nn.Conv2d(8, 2, 1))

    def forward(self, x: Tensor) -> Any:  # noqa: D102
        first = self.enter(x)
        return self.leave(torch.cat([first, self.up(self.down(first))], 1))


class Residual(nn.Module):
    """Two blocks with an addition, the second of half the size."""

    def __init__(self) -> None:
        super().__init__()
        self.enter, self.inner, self.outer = conv(3, 12), conv(12, 12), conv(12, 20, 3, 2)
        self.short, self.deep = nn.Conv2d(12, 20, 1, 2), conv(20, 20)
        self.head = nn.Linear(20, 5)

    def forward(self, x: Tensor) -> Any:  # noqa: D102
        x = self.enter(x)
        x = functional.relu(x + self.inner(x))
        x = functional.relu(self.short(x) + self.deep(self.outer(x)))
        return self.head(functional.adaptive_avg_pool2d(x, 1).flatten(1))


class Excited(nn.Module):
    """Depthwise between expansions, channels weighed (MobileNetV3)."""

    def __init__(self) -> None:
        super().__init__()
        self.enter, self.deep = conv(3, 8), nn.Sequential(conv(8, 24, 1), conv(24, 24, 3, 1, 24))
        self.down, self.up = nn.Conv2d(24, 6, 1), nn.Conv2d(6, 24, 1)
        self.leave, self.head = nn.Conv2d(24, 8, 1), nn.Linear(8, 5)

    def forward(self, x: Tensor) -> Any:  # noqa: D102
        x = self.enter(x)
        deep = self.deep(x)
        share = functional.hardsigmoid(
            self.up(functional.relu(self.down(deep.mean((2, 3), keepdim=True))))
        )
        return self.head((x + self.leave(deep * share)).mean((2, 3)))


class Views(nn.Module):
    """A flattening that names its batch, and fully connected layers."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(conv(3, 8), nn.MaxPool2d(2), conv(8, 12), nn.MaxPool2d(4))
        self.one, self.two = nn.Linear(48, 20), nn.Linear(20, 5)

    def forward(self, x: Tensor) -> Any:  # noqa: D102
        x = self.layers(x)
        return self.two(functional.relu(self.one(x.view(x.size(0), -1))))


def torch_networks() -> dict[str, nn.Module]:
    found = networks()
    own = {
        "residual": Residual(),
        "excited": Excited(),
        "views": Views(),
        "hourglass": Hourglass(),
        "lstm": Recurrent(nn.LSTM),
        "gru": Recurrent(nn.GRU),
        "branches": Classifier(
            14, conv(3, 10), nn.Conv2d(10, 14, 3, padding=1, groups=2), nn.ELU()
        ),
    }
    return {**found, **{name: network.eval() for name, network in own.items()}}


def by_torch(network: str, opset: int, free: bool, path: Path, dynamo: bool) -> None:
    sample = (torch.zeros(1, 3, SIDE, SIDE),)
    how: dict[str, Any] = {"dynamic_axes": {"x": {0: "n"}}} if free else {}
    if dynamo:
        # the exporter takes a size of one as fixed
        sample = (torch.zeros(2 if free else 1, 3, SIDE, SIDE),)
        how = {"dynamic_shapes": ({0: torch.export.Dim("n")},)} if free else {}
    torch.onnx.export(
        torch_networks()[network],
        sample,
        path,
        dynamo=dynamo,
        input_names=["x"],
        opset_version=opset,
        external_data=False,
        **({"verbose": False} if dynamo else {}),
        **how,
    )


def keras_networks() -> dict[str, Callable[[], Any]]:
    from keras import Input, Model, Sequential, layers

    def plain() -> Any:
        return Sequential(
            [
                Input((SIDE, SIDE, 3)),
                layers.Conv2D(10, 3, padding="same", activation="relu"),
                layers.MaxPooling2D(),
                layers.Conv2D(12, 3, activation="relu"),
                layers.Flatten(),
                layers.Dense(20, activation="relu"),
                layers.Dense(5),
            ]
        )

    def separable() -> Any:
        return Sequential(
            [
                Input((SIDE, SIDE, 3)),
                layers.Conv2D(8, 3, 2, padding="same", use_bias=False),
                layers.BatchNormalization(),
                layers.ReLU(6),
                layers.DepthwiseConv2D(3, padding="same"),
                layers.BatchNormalization(),
                layers.ReLU(6),
                layers.Conv2D(12, 1),
                layers.GlobalAveragePooling2D(),
                layers.Dense(5),
            ]
        )

    def residual() -> Any:
        x = Input((SIDE, SIDE, 3))
        first = layers.Conv2D(12, 3, padding="same", activation="swish")(x)
        deep = layers.Conv2D(12, 3, padding="same")(layers.Conv2D(8, 3, padding="same")(first))
        up = layers.Conv2DTranspose(6, 2, 2)(layers.Add()([first, deep]))
        return Model(
            x, layers.Conv2D(2, 1)(layers.Concatenate()([up, layers.UpSampling2D()(first)]))
        )

    return {"plain": plain, "separable": separable, "residual": residual}


def by_tf2onnx(network: str, opset: int, free: bool, path: Path) -> None:
    import tensorflow as tf
    import tf2onnx

    model = keras_networks()[network]()
    size = None if free else 1
    call = tf.function(lambda x: model(x, training=False))
    signature = [tf.TensorSpec((size, SIDE, SIDE, 3), tf.float32, "x")]
    tf2onnx.convert.from_function(call, signature, opset=opset, output_path=str(path))


def by_keras(network: str, opset: int, free: bool, path: Path) -> None:
    model = keras_networks()[network]()
    model(np.zeros((1, SIDE, SIDE, 3), np.float32))  # a Sequential one wants to have been called
    model.export(path, format="onnx", verbose=False, opset_version=opset)


def simplified(path: Path) -> None:
    import onnxsim

    model, right = onnxsim.simplify(onnx.load(path))
    assert right
    onnx.save(model, path)


def slimmed(path: Path) -> None:
    import onnxslim

    onnx.save(onnxslim.slim(onnx.load(path)), path)


def with_shapes(path: Path) -> None:
    onnx.save(onnx.shape_inference.infer_shapes(onnx.load(path), data_prop=True), path)


@contextlib.contextmanager
def quiet() -> Any:
    """Exporters talk on both streams, below Python too."""
    kept = [os.dup(1), os.dup(2)]
    nothing = os.open(os.devnull, os.O_WRONLY)
    try:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        os.dup2(nothing, 1)
        os.dup2(nothing, 2)
        yield
    finally:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        for number, copy in zip((1, 2), kept, strict=True):
            os.dup2(copy, number)
            os.close(copy)
        os.close(nothing)
