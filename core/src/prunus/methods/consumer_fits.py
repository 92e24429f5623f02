"""The consumers of groups as least squares problems, from activations of the network itself.

All groups share one pass over the samples, or as many as memory asks for.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

import attrs
import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from prunus.evaluation.session import Session
from prunus.graph.macs import layer_macs
from prunus.graph.shapes import infer_shapes
from prunus.groups import Group, Member
from prunus.methods.elimination import LeastSquares
from prunus.methods.read_values import plain_consumer
from prunus.network import Network
from prunus.recovery.importance import Importance, answers_for, importance_by
from prunus.recovery.positions import Window, draw_positions, points, window_of, windows
from prunus.recovery.sample_counts import spread

_FEATURES = 1152
"""Most features with a whole window each; a convolution with more is seen channel by channel."""

_CHANNELS = 2304
"""Most channels of a consumer: memory grows with their square, work with their cube."""

_ROWS = 2**15
"""Most positions, over all samples."""

_WORK = 2 * 10**10
"""Bound on the MACs of the products of one consumer."""

_BATCH = 32

_BYTES = 2**28
"""Bound on the sums and on the activations of one pass."""

_MACS = 2 * 10**12
"""Bound on the work of a pass over the whole network: a minute on two cores."""

_FEWEST = 16
"""Samples that are taken whatever they cost."""

_IMAGES = 64
"""Samples that are taken, where there are as many, however many positions each has."""

Samples = Mapping[str, NDArray[np.float32]]
Shapes = Mapping[str, tuple[int, ...]]


def consumer_fits(
    network: Network, groups: Sequence[Group], samples: Samples, seed: int
) -> Iterator[tuple[Group, list[LeastSquares]]]:
    """Every group with one problem a consumer.

    There is none for what is no convolution in one group or matrix product, and none for
    consumers of more than 2,304 channels.

    Args:
        network: The network.
        groups: The groups.
        samples: Graph input name -> ``(N, ...)``.
        seed: Chooses positions of the activations.
    """
    shapes = infer_shapes(network.model)
    macs = max(1, sum(layer_macs(network.model, shapes).values()))
    consumers = {group.name: _consumers(network, group, shapes) for group in groups}
    positions = [math.prod(one.output[2:]) for found in consumers.values() for one in found]
    available = len(next(iter(samples.values())))
    wanted = max(_IMAGES, *(-(-_ROWS // number) for number in positions)) if positions else 0
    chosen = spread(samples, min(available, wanted, max(_FEWEST, _MACS // macs)))
    for part in _passes(groups, consumers):
        sums = _sums(network, [one for g in part for one in consumers[g.name]], chosen, seed)
        for group in part:
            yield group, [next(sums) for _ in consumers[group.name]]


@attrs.frozen(eq=False)
class _Consumer:
    """A weight that reads a group, and the form of its rows.

    Attributes:
        member: Its slices.
        node: Its node.
        held: Numbers of one sample at its input.
        output: Shape of the output for one sample, channels on axis 1.
        window: Of a row; ``None`` where a row holds the channels of one position.
        stored: The weight as it is stored, channels first: ``(channels, outputs, ...)``.
        blocks: ``(C, b)`` features of every unit.
    """

    member: Member
    node: ir.Node
    held: int
    output: tuple[int, ...]
    window: Window | None
    stored: NDArray[np.generic]
    blocks: NDArray[np.int64]

    @property
    def data(self) -> str:
        """Name of the value it reads."""
        return _ends(self.node)[0]

    @property
    def features(self) -> int:
        """Features of a row."""
        places = 1 if self.window is None else math.prod(self.window.kernel)
        return len(self.stored) * places

    @property
    def bytes(self) -> int:
        """Of the sums, and of one sample at the input."""
        return 8 * self.features**2 + 4 * self.held

    def problem(self, products: NDArray[np.float64]) -> LeastSquares:
        """The least squares problem; all problems at once would hold a second network."""
        flat = self.stored.reshape(*self.stored.shape[:2], -1).astype(np.float64)
        if self.window is not None:
            flat = flat.transpose(0, 2, 1)
        return LeastSquares(products, flat.reshape(self.features, -1), self.blocks)

    def rows(
        self,
        data: NDArray[np.float32],
        count: int,
        draw: np.random.Generator,
        importance: Importance | None,
    ) -> tuple[_Rows, _Rows | None]:
        """Features ``(n, K)`` at about ``count`` positions of some samples, and their weights."""
        if self.node.op_type != "Conv":
            data = np.moveaxis(data, -1, 1)
        if self.window is None:
            positions = draw_positions(data, count, draw)
            weights = None if importance is None else importance.at(positions, data.shape)
            return points(data, positions), weights
        # only the sizes of the output matter here: a view of one number has them
        output = np.broadcast_to(np.float32(0), (len(data), *self.output[1:]))
        positions = draw_positions(output, count, draw)
        weights = None if importance is None else importance.at(positions, output.shape)
        return windows(data, positions, self.window), weights


_Rows = NDArray[np.float32]


def _consumers(network: Network, group: Group, shapes: Shapes) -> list[_Consumer]:
    pairs = ((member, _node(network, member)) for member in group.members)
    return [
        _consumer(network, member, node, shapes)
        for member, node in pairs
        if node is not None and set(_ends(node)) <= shapes.keys()
    ]


def _node(network: Network, member: Member) -> ir.Node | None:
    """The node that reads a weight of not too many channels (`plain_consumer`)."""
    node = plain_consumer(network, member)
    wide = node is not None and member.array(network).shape[member.axes[0]] > _CHANNELS
    return None if wide else node


def _ends(node: ir.Node) -> tuple[str, str]:
    """Names of a node's data and of its output."""
    data = node.inputs[0]
    assert data is not None
    return data.name or "", node.outputs[0].name or ""


def _consumer(network: Network, member: Member, node: ir.Node, shapes: Shapes) -> _Consumer:
    data, output = (shapes[name] for name in _ends(node))
    weight = np.moveaxis(member.array(network), member.axes[0], 0)  # (channels, outputs, ...)
    channels, kernel = len(weight), weight.shape[2:]
    window = window_of(node, kernel) if channels * math.prod(kernel) <= _FEATURES else None
    if node.op_type != "Conv":
        output, window = (output[0], output[-1], *output[1:-1]), Window()
    blocks = member.positions
    if window is not None:
        places = math.prod(window.kernel)
        blocks = (blocks[:, :, None] * places + np.arange(places)).reshape(len(blocks), -1)
    return _Consumer(member, node, math.prod(data), output, window, weight, blocks)


def _passes(
    groups: Sequence[Group], consumers: Mapping[str, Sequence[_Consumer]]
) -> Iterator[list[Group]]:
    """Groups that share a pass: as many as memory holds."""
    part: list[Group] = []
    held = 0
    for group in groups:
        size = sum(one.bytes for one in consumers[group.name])
        if part and held + size > _BYTES:
            yield part
            part, held = [], 0
        part.append(group)
        held += size
    yield part


def _sums(
    network: Network, consumers: Sequence[_Consumer], samples: Samples, seed: int
) -> Iterator[LeastSquares]:
    """Means and products of every consumer's features, in order."""
    if not consumers:
        return
    count = len(next(iter(samples.values())))
    wanted = dict.fromkeys((*(one.data for one in consumers), *answers_for(network)))
    session = Session(network.model, list(wanted), samples=count)
    size = int(np.clip(_BYTES // sum(one.bytes for one in consumers), 1, _BATCH))
    # a weight that reads several groups is a consumer of each: the same rows, and the same sums
    weights = {one.node: one for one in consumers}
    draws = {node: np.random.default_rng(seed) for node in weights}
    sums = {node: _Sums(one.features) for node, one in weights.items()}
    for start in range(0, count, size):
        batch = {name: array[start : start + size] for name, array in samples.items()}
        values = session.run(batch)
        here = importance_by(network, values)
        share = len(next(iter(batch.values()))) / count
        for node, one in weights.items():
            rows = math.ceil(min(_ROWS, _WORK // one.features**2) * share)
            sums[node].add(*one.rows(values[one.data], rows, draws[node], here))
    for one in consumers:
        yield one.problem(sums[one.node].covariance())


class _Sums:
    """Sums over rows, which count from the mean of the first ones: float32 so keeps its digits."""

    def __init__(self, features: int) -> None:
        self._count = 0.0
        self._origin = np.zeros(features, np.float32)
        self._total = np.zeros(features)
        self._products = np.zeros((features, features))

    def add(self, rows: _Rows, weights: _Rows | None) -> None:
        if not self._count:
            self._origin = rows.mean(0)
        rows = rows - self._origin
        counted = rows if weights is None else rows * weights[:, None]
        self._count += len(rows) if weights is None else float(weights.sum(dtype=np.float64))
        self._total += counted.sum(0, np.float64)
        self._products += counted.T @ rows

    def covariance(self) -> NDArray[np.float64]:
        mean = self._total / self._count
        return np.asarray(self._products / self._count - np.outer(mean, mean))
