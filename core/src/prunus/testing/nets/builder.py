"""A few lines a layer: building small graphs by the naming rules of the neutral graph."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from prunus.graph.builder import GraphBuilder
from prunus.graph.inputs import sample_shape

Array = NDArray[Any]


class Builder:
    """One graph in the making; every method adds a layer and gives its output.

    Layer names are given or counted (``conv1``, ``conv2``, …). Weights are He-scaled
    (He et al., ICCV 2015) and BatchNorm statistics near 0 and 1, so that numbers stay
    of order one however deep the graph.
    """

    def __init__(self, seed: int) -> None:
        self._draw = np.random.default_rng(seed)
        self._graph = GraphBuilder()
        self._count: dict[str, int] = {}

    def input(self, channels: int = 3, size: int = 16, name: str = "data") -> ir.Value:
        """A graph input ``(N, channels, size, size)``."""
        return self._graph.input(name, ("N", channels, size, size))

    def conv(
        self,
        x: ir.Value,
        out: int,
        kernel: int = 3,
        stride: int = 1,
        pad: int | None = None,
        group: int = 1,
        bias: bool = True,
        dilation: int = 1,
        name: str | None = None,
    ) -> ir.Value:
        """Convolution; padded to keep the size unless ``pad`` is given."""
        name = self._named(name, "conv")
        channels, height, width = sample_shape(x)
        pad = dilation * (kernel // 2) if pad is None else pad
        weight = self.he((out, channels // group, kernel, kernel))
        inputs = [x, self.weight(f"{name}/weight", weight)]
        if bias:
            inputs.append(self.weight(f"{name}/bias", self.normal((out,), 0.2)))
        extent = dilation * (kernel - 1) + 1
        sizes = [(side + 2 * pad - extent) // stride + 1 for side in (height, width)]
        attributes: dict[str, Any] = {
            "kernel_shape": [kernel] * 2,
            "strides": [stride] * 2,
            "pads": [pad] * 4,
            "dilations": [dilation] * 2,
            "group": group,
        }
        return self.node("Conv", name, inputs, (out, *sizes), attributes)

    def depthwise(self, x: ir.Value, stride: int = 1, name: str | None = None) -> ir.Value:
        """3×3 depthwise convolution."""
        channels = sample_shape(x)[0]
        name = self._named(name, "dw")
        return self.conv(x, channels, 3, stride, group=channels, bias=False, name=name)

    def deconv(self, x: ir.Value, out: int, name: str | None = None) -> ir.Value:
        """Transposed convolution 2×2, stride 2."""
        name = self._named(name, "deconv")
        channels, height, width = sample_shape(x)
        weight = self.normal((channels, out, 2, 2), float(np.sqrt(2 / channels)))
        bias = self.weight(f"{name}/bias", self.normal((out,), 0.2))
        inputs = [x, self.weight(f"{name}/weight", weight), bias]
        attributes = {"kernel_shape": [2, 2], "strides": [2, 2]}
        return self.node("ConvTranspose", name, inputs, (out, 2 * height, 2 * width), attributes)

    def gemm(self, x: ir.Value, out: int, bias: bool = True, name: str | None = None) -> ir.Value:
        """Fully connected layer on ``(N, C)``."""
        name = self._named(name, "fc")
        inputs = [x, self.weight(f"{name}/weight", self.he((out, sample_shape(x)[0])))]
        if bias:
            inputs.append(self.weight(f"{name}/bias", self.normal((out,), 0.2)))
        return self.node("Gemm", name, inputs, (out,), {"transB": 1})

    def bn(self, x: ir.Value, name: str | None = None) -> ir.Value:
        """BatchNormalization with offsets that are not zero."""
        name = self._named(name, "bn")
        channels = sample_shape(x)[0]
        inputs = [
            x,
            self.weight(f"{name}/scale", self.uniform(channels)),
            self.weight(f"{name}/shift", self.normal((channels,), 0.3)),
            self.weight(f"{name}/mean", self.normal((channels,), 0.3)),
            self.weight(f"{name}/variance", self.uniform(channels)),
        ]
        return self.node("BatchNormalization", name, inputs, sample_shape(x), {"epsilon": 1e-5})

    def group_norm(self, x: ir.Value, groups: int) -> ir.Value:
        """Group normalisation (Wu and He, ECCV 2018) as exporters write it: between reshapes."""
        name = self.named("gn")
        channels, height, width = sample_shape(x)
        parts = self.reshape(x, groups, channels // groups * height * width)
        same = [self.weight(f"{name}/one", np.ones(groups, np.float32))]
        same.append(self.weight(f"{name}/zero", np.zeros(groups, np.float32)))
        normal = self.node("InstanceNormalization", name, [parts, *same], sample_shape(parts))
        return self.reshape(normal, channels, height, width)

    def act(self, x: ir.Value, kind: str = "Relu", **attributes: Any) -> ir.Value:
        """An operator that acts on each number alone."""
        return self.node(kind, self.named(kind.lower()), [x], sample_shape(x), attributes)

    def relu6(self, x: ir.Value) -> ir.Value:
        """Clip to [0, 6]."""
        name = self.named("relu6")
        low, high = np.array(0, np.float32), np.array(6, np.float32)
        inputs = [x, self.weight(f"{name}/min", low), self.weight(f"{name}/max", high)]
        return self.node("Clip", name, inputs, sample_shape(x))

    def prelu(self, x: ir.Value) -> ir.Value:
        """Leaky rectifier with a slope for each channel."""
        name = self.named("prelu")
        channels, *space = sample_shape(x)
        slope = self.normal((channels, *[1] * len(space)), 0.3)
        return self.node("PRelu", name, [x, self.weight(f"{name}/slope", slope)], sample_shape(x))

    def pool(
        self, x: ir.Value, kind: str = "MaxPool", kernel: int = 2, stride: int = 2, pad: int = 0
    ) -> ir.Value:
        """MaxPool or AveragePool."""
        channels, *space = sample_shape(x)
        sizes = [(side + 2 * pad - kernel) // stride + 1 for side in space]
        attributes = {"kernel_shape": [kernel] * 2, "strides": [stride] * 2, "pads": [pad] * 4}
        return self.node(kind, self.named("pool"), [x], (channels, *sizes), attributes)

    def global_pool(self, x: ir.Value, kind: str = "GlobalAveragePool") -> ir.Value:
        """``(N, C, 1, 1)``."""
        return self.node(kind, self.named("gap"), [x], (sample_shape(x)[0], 1, 1))

    def flatten(self, x: ir.Value) -> ir.Value:
        """``(N, C·H·W)``."""
        name = self.named("flatten")
        return self.node("Flatten", name, [x], (int(np.prod(sample_shape(x))),), {"axis": 1})

    def add(self, *values: ir.Value) -> ir.Value:
        """Sum of values of one shape."""
        kind = "Add" if len(values) == 2 else "Sum"
        return self.node(kind, self.named("add"), values, sample_shape(values[0]))

    def mul(self, x: ir.Value, gate: ir.Value) -> ir.Value:
        """Product; the gate may be ``(N, C, 1, 1)``."""
        return self.node("Mul", self.named("mul"), [x, gate], sample_shape(x))

    def concat(self, *values: ir.Value) -> ir.Value:
        """Concatenation along channels."""
        channels = sum(sample_shape(value)[0] for value in values)
        shape = (channels, *sample_shape(values[0])[1:])
        return self.node("Concat", self.named("concat"), values, shape, {"axis": 1})

    def split(self, x: ir.Value, *sizes: int, axis: int = 1) -> tuple[ir.Value, ...]:
        """Channels (or places on another axis) in consecutive parts."""
        name = self.named("split")
        outputs = [f"{name}:{part}" for part in range(len(sizes))]
        before, behind = sample_shape(x)[: axis - 1], sample_shape(x)[axis:]
        shapes: list[Sequence[int | str]] = [("N", *before, size, *behind) for size in sizes]
        operand = self.operand(name, "split", sizes)
        return self._graph.nodes(
            name, "Split", [x, operand], {"axis": axis}, shapes=shapes, name=name, outputs=outputs
        )

    def slice(
        self,
        x: ir.Value,
        axes: Sequence[int],
        starts: Sequence[int],
        ends: Sequence[int],
        step: int = 1,
    ) -> ir.Value:
        """Ranges of axes (1 is the channel axis)."""
        name = self.named("slice")
        shape = [0, *sample_shape(x)]
        for axis, start, end in zip(axes, starts, ends, strict=True):
            shape[axis] = len(range(shape[axis])[start:end:step])
        operands = [
            self.operand(name, role, numbers)
            for role, numbers in (
                ("starts", starts),
                ("ends", ends),
                ("axes", axes),
                ("steps", [step] * len(axes)),
            )
        ]
        return self.node("Slice", name, [x, *operands], shape[1:])

    def pad_channels(self, x: ir.Value, before: int, after: int) -> ir.Value:
        """Zero channels before and after."""
        name = self.named("pad")
        channels, *space = sample_shape(x)
        pads = self.operand(name, "pads", [0, before, 0, 0, 0, after, 0, 0])
        return self.node("Pad", name, [x, pads], (channels + before + after, *space))

    def reshape(self, x: ir.Value, *target: int) -> ir.Value:
        """Reshape everything but the batch; a leading 0 copies the batch."""
        name = self.named("reshape")
        return self.node("Reshape", name, [x, self.operand(name, "shape", [0, *target])], target)

    def transpose(self, x: ir.Value, *order: int) -> ir.Value:
        """Permute axes, the batch first."""
        shape = [0, *sample_shape(x)]
        name = self.named("transpose")
        return self.node(
            "Transpose", name, [x], [shape[axis] for axis in order[1:]], {"perm": list(order)}
        )

    def shuffle(self, x: ir.Value, groups: int) -> ir.Value:
        """Channel shuffle (Zhang et al., ShuffleNet, CVPR 2018)."""
        channels, height, width = sample_shape(x)
        parts = self.reshape(x, groups, channels // groups, height, width)
        return self.reshape(self.transpose(parts, 0, 2, 1, 3, 4), channels, height, width)

    def upsample(self, x: ir.Value) -> ir.Value:
        """Twice the size, nearest neighbour."""
        name = self.named("upsample")
        channels, height, width = sample_shape(x)
        scales = self.weight(f"{name}/scales", np.array([1, 1, 2, 2], np.float32))
        roi = self.weight(f"{name}/roi", np.zeros(0, np.float32))
        attributes = {
            "mode": "nearest",
            "coordinate_transformation_mode": "asymmetric",
            "nearest_mode": "floor",
        }
        shape = (channels, 2 * height, 2 * width)
        return self.node("Resize", name, [x, roi, scales], shape, attributes)

    def space_to_depth(self, x: ir.Value) -> ir.Value:
        """2×2 positions become channels."""
        channels, height, width = sample_shape(x)
        shape = (4 * channels, height // 2, width // 2)
        return self.node("SpaceToDepth", self.named("reorg"), [x], shape, {"blocksize": 2})

    def lrn(self, x: ir.Value) -> ir.Value:
        """Local response normalisation across 5 channels."""
        attributes = {"size": 5, "alpha": 0.1, "beta": 0.75, "bias": 1.0}
        return self.node("LRN", self.named("norm"), [x], sample_shape(x), attributes)

    def node(
        self,
        kind: str,
        name: str,
        inputs: Sequence[ir.Value],
        shape: Sequence[int],
        attributes: dict[str, Any] | None = None,
    ) -> ir.Value:
        """Any operator with one output ``(N, *shape)``, named like its layer."""
        return self._graph.node(name, kind, inputs, attributes, shape=("N", *shape))

    def weight(self, name: str, array: Array) -> ir.Value:
        """An initializer."""
        return self._graph.constant(name, array)

    def operand(self, layer: str, role: str, numbers: int | Sequence[int]) -> ir.Value:
        """An integer operand of a layer, or several."""
        return self.weight(f"{layer}/{role}", np.array(numbers, np.int64))

    def he(self, shape: tuple[int, ...]) -> Array:
        """He-scaled weights ``(O, I, …)``."""
        return self.normal(shape, float(np.sqrt(2 / np.prod(shape[1:]))))

    def normal(self, shape: tuple[int, ...], scale: float) -> Array:
        """Normal numbers."""
        return (self._draw.standard_normal(shape) * scale).astype(np.float32)

    def uniform(self, count: int) -> Array:
        """Positive numbers near one."""
        return self._draw.uniform(0.6, 1.4, count).astype(np.float32)

    def model(self, *outputs: ir.Value, name: str = "net") -> ir.Model:
        """The finished graph: opset 17, symbolic batch."""
        return self._graph.model(outputs, name)

    def _named(self, name: str | None, kind: str) -> str:
        return self.named(kind) if name is None else name

    def named(self, kind: str) -> str:
        """The next name of a kind of layer (``conv1``, ``conv2``, …)."""
        self._count[kind] = self._count.get(kind, 0) + 1
        return f"{kind}{self._count[kind]}"
