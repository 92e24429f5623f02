"""A consumer as a regression problem, one a group of a grouped convolution."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import attrs
import numpy as np
from numpy.typing import NDArray

from prunus.folding import (
    Consumer,
    channel_axis,
    constant_place,
    contribution,
    moved_constant,
    owned,
)
from prunus.grouping.find import Grouping
from prunus.network import Network
from prunus.recovery.positions import Window, draw_places, points, window_of, windows
from prunus.recovery.regression import Problem, Solution

_FEATURES = 2304
"""Most inputs of an output, and most channels: the work grows with their cube."""

_ROWS = 8192
"""Positions in the fit, over all samples."""

_INPUT_AXIS = {"Conv": 1, "ConvTranspose": 0, "MatMul": 0, "Gemm": 0}

Matrix = NDArray[np.float64]


@attrs.frozen(eq=False)
class Design:
    """One consumer: the values it is fitted to, and the method.

    With a window, a row holds all inputs of one output and the fit is to the original output.
    Without (too many inputs, or a transposed convolution) a row holds the channels of one position
    and the fit is to the original channels there.

    Attributes:
        consumer: The consumer.
        target: Value of the original network to come close to.
        axis: Axis of the data that runs over channels.
        input_axis: Axis of the weight that runs over (a group's) channels.
        blocks: Groups of the convolution; 1 for other consumers.
        window: The window of a row, or ``None``.
        weight: The weight as stored.
        bias: Bias of the consumer ``(O,)``, or 0.
        centred: Whether a constant can be added to the output.
    """

    consumer: Consumer
    target: str
    axis: int
    input_axis: int
    blocks: int
    window: Window | None
    weight: NDArray[np.generic]
    bias: NDArray[np.generic] | float
    centred: bool

    def problems(
        self,
        data: NDArray[np.float32],
        target: NDArray[np.float32],
        samples: int,
        draw: np.random.Generator,
    ) -> Iterable[Problem]:
        """One regression a block.

        Args:
            data: Input of the consumer in the pruned network.
            target: What to come close to, of the original network.
            samples: Number of samples both hold; their first axes may hold more.
            draw: Chooses positions.
        """
        data, target = np.moveaxis(data, self.axis, 1), np.moveaxis(target, self.axis, 1)
        places = draw_places(target, _ROWS, draw)
        wanted = points(target, places)
        if self.window is None:
            given = points(data, places)
        else:
            given = windows(data, places, self.window)
            wanted = wanted - np.asarray(self.bias, np.float32)
        owners = places[0] * samples // len(target)
        matrix = self._matrix()
        for block, kept in enumerate(self._kept()):
            features = np.split(given, self.blocks, 1)[block][:, kept]
            targets = np.split(wanted, self.blocks, 1)[block]
            if self.window is None:
                start, read = np.eye(len(kept))[kept], matrix[block]
            else:
                start, read = matrix[block][kept], None
            yield Problem(features, targets, owners, start, read, self.centred)

    def changes(self, network: Network, solutions: Iterable[Solution]) -> dict[str, NDArray[Any]]:
        """Weight (masked) and bias of the solutions, one a block: initializer -> array."""
        old, constants = self._matrix(), []
        matrix = np.zeros_like(old)
        for block, (kept, found) in enumerate(zip(self._kept(), solutions, strict=True)):
            constants.append(found.constant)
            fitted = found.weights
            matrix[block][kept] = fitted @ old[block] if self.window is None else fitted
        constant = np.concatenate(constants)
        if self.window is None:
            constant = contribution(self.consumer.node, self.weight, constant)
        return {
            self.consumer.weight: self._stored(matrix),
            **moved_constant(self.consumer.node, network, constant),
        }

    def _kept(self) -> NDArray[np.bool_]:
        """``(blocks, F)`` features of channels that stay."""
        places = 1 if self.window is None else math.prod(self.window.kernel)
        return np.repeat(~self.consumer.removed.reshape(self.blocks, -1), places, axis=1)

    def _matrix(self) -> Matrix:
        """The weight as ``(blocks, F, P)``: features, and what they are read with."""
        shape, order = self._layout()
        ordered = self.weight.astype(np.float64).reshape(shape).transpose(order)
        channels = shape[order[1]]
        features = channels if self.window is None else channels * shape[order[2]]
        return ordered.reshape(self.blocks, features, -1)

    def _stored(self, matrix: Matrix) -> NDArray[np.generic]:
        """A weight as it is stored: inverse of `_matrix`."""
        shape, order = self._layout()
        ordered = matrix.reshape([shape[axis] for axis in order])
        restored = ordered.transpose(np.argsort(order)).reshape(self.weight.shape)
        return restored.astype(self.weight.dtype)

    def _layout(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """A reshape and a transposition to (blocks, channels, positions, outputs)."""
        first, second, *kernel = self.weight.shape
        places, own = math.prod(kernel), first // self.blocks
        if self.input_axis == 1:
            return (self.blocks, own, second, places), (0, 2, 3, 1)
        return (self.blocks, own, second, places), (0, 1, 3, 2)


def design_of(consumer: Consumer, network: Network, grouping: Grouping) -> Design | None:
    """The regression that compensates a consumer; ``None`` where there is none."""
    node, labels = consumer.node, grouping.labelling.values[consumer.data]
    weight = node.inputs[1]
    if weight is None or weight.name != consumer.weight or not owned(weight, network):
        return None
    if sum(size > 1 for size in labels.shape) > 1 or node.op_type not in _INPUT_AXIS:
        return None
    assert weight.const_value is not None
    stored = weight.const_value.numpy()
    transposed = node.op_type == "Gemm" and node.attributes.get_int("transB", 0) == 1
    blocks = node.attributes.get_int("group", 1)
    channels, kernel = len(consumer.removed) // blocks, stored.shape[2:]
    window = window_of(node, kernel) if channels * math.prod(kernel) <= _FEATURES else None
    if channels > _FEATURES:
        return None
    bias = node.inputs[2] if len(node.inputs) > 2 else None
    return Design(
        consumer,
        consumer.data if window is None else node.outputs[0].name or "",
        channel_axis(grouping, consumer.data),
        1 if transposed else _INPUT_AXIS[node.op_type],
        blocks,
        window,
        stored,
        0.0 if bias is None or bias.const_value is None else bias.const_value.numpy(),
        constant_place(node, network) is not None,
    )
