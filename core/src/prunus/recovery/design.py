"""A consumer as a regression, one a group of a grouped convolution: features, target, weights."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import attrs
import numpy as np
from numpy.typing import NDArray

from prunus.folding import Consumer, contribution, moved_constant
from prunus.network import Network
from prunus.recovery.positions import Positions, Window, points, windows
from prunus.recovery.regression import Solution
from prunus.recovery.targets import Target

Matrix = NDArray[np.float64]


@attrs.frozen(eq=False)
class Design:
    """One consumer: the values it is fitted to, and the method.

    With a window, a row holds all inputs of one output and the fit is to the target behind the
    original output. Without (too many inputs, or a transposed convolution) a row holds the channels
    of one position and the fit is to the original channels there.

    Attributes:
        consumer: The consumer.
        axis: Axis of the data that runs over channels.
        input_axis: Axis of the weight that runs over (a group's) channels.
        blocks: Groups of the convolution; 1 for other consumers.
        window: The window of a row, or ``None``.
        target: Value of the original network to come close to.
        weight: The weight as stored.
        bias: Bias of the consumer ``(O,)``, or 0.
        centred: Whether a constant can be added to the output.
        mask: Of masked single weights: shape of the weight, True for those that stay.
    """

    consumer: Consumer
    axis: int
    input_axis: int
    blocks: int
    window: Window | None
    target: Target
    weight: NDArray[np.generic]
    bias: NDArray[np.generic] | float
    centred: bool
    mask: NDArray[np.bool_] | None = None

    @property
    def inputs(self) -> tuple[str, ...]:
        """Values of the pruned network it is fitted on."""
        return (self.consumer.data, *(() if self.target.other is None else (self.target.other,)))

    @property
    def features(self) -> int:
        """Number of features of a row, of all blocks."""
        return self.kept().size

    def rows(self, data: NDArray[np.float32], positions: Positions) -> NDArray[np.float32]:
        """All features ``(n, F)`` at some positions, of removed channels too.

        Args:
            data: Input of the consumer, channels on axis 1.
            positions: Of the target.
        """
        if self.window is None:
            return points(data, positions)
        return windows(data, positions, self.window)

    def parts(self) -> tuple[NDArray[np.bool_], Matrix, Matrix]:
        """Of one block: kept features ``(F,)``, their weights, and the lost weights ``(F, M)``."""
        kept = self.kept()[0]
        whole = self._known(self.outputs())
        return kept, whole[kept], np.where(kept[:, None], 0, whole)

    def outputs(self) -> Matrix:
        """Weights ``(F, P)`` of one block that give the outputs from all features."""
        return np.asarray(self._matrix(self.weight)[0])

    def starts(self) -> list[Matrix]:
        """Known weights ``(K, M)`` of the kept features, one array a block."""
        matrix = self._matrix(self.weight if self.mask is None else self.weight * self.mask)
        return [self._known(block)[left] for block, left in zip(matrix, self.kept(), strict=True)]

    def masks(self) -> list[NDArray[np.bool_] | None]:
        """Of masked single weights ``(K, M)``, True for those that stay; one a block."""
        if self.mask is None:
            return [None] * self.blocks
        return list(self._matrix(self.mask) > 0)

    def readers(self) -> list[Matrix | None]:
        """Of every block: the weights that read the fitted channels, where there is no window."""
        return [None] * self.blocks if self.window is not None else list(self._matrix(self.weight))

    def kept_rows(
        self, data: NDArray[np.float32], positions: Positions
    ) -> list[NDArray[np.float32]]:
        """Rows of kept features ``(n, K)``, one array a block.

        Args:
            data: Input of the consumer, channels on axis 1.
            positions: Of the target.
        """
        if self.blocks == 1:
            return [self.rows(data[:, ~self.consumer.removed], positions)]
        parts = np.split(self.rows(data, positions), self.blocks, 1)
        return [part[:, chosen] for part, chosen in zip(parts, self.kept(), strict=True)]

    def _known(self, block: Matrix) -> Matrix:
        """Weights ``(F, M)`` that give a block's targets from whole data."""
        return np.eye(len(block)) if self.window is None else block

    def changes(self, network: Network, solutions: Iterable[Solution]) -> dict[str, NDArray[Any]]:
        """Weight (masked) and bias of the solutions, one a block: initializer -> array."""
        old, constants = self._matrix(self.weight), []
        matrix = np.zeros_like(old)
        for block, (kept, found) in enumerate(zip(self.kept(), solutions, strict=True)):
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

    def kept(self) -> NDArray[np.bool_]:
        """``(blocks, F)`` features of channels that stay."""
        places = 1 if self.window is None else math.prod(self.window.kernel)
        return np.repeat(~self.consumer.removed.reshape(self.blocks, -1), places, axis=1)

    def _matrix(self, weight: NDArray[np.generic]) -> Matrix:
        """An array of the weight's shape as ``(blocks, F, P)``: features, what reads them."""
        shape, order = self._layout()
        ordered = weight.astype(np.float64).reshape(shape).transpose(order)
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
