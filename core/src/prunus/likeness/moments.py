"""How far activations are from the moments that BatchNorm stored while the network was trained."""

from __future__ import annotations

import attrs
import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from prunus.evaluation.session import Session
from prunus.graph.batches import samples_at_once
from prunus.graph.inputs import sample_inputs
from prunus.network import Network
from prunus.task import Array

LAYERS = 4
"""The first layers tell most: they see the samples as they are."""

PARTS = 8
"""Parts of the samples that are judged apart: what holds in nearly all of them is no accident."""

SAMPLES = 32
"""Samples that are looked at; fewer than two a part tell too little."""

_ENOUGH = 40
"""Rows and columns of an image that are looked at."""

_DEAD = 1e-9
"""Of the stored variance: a channel that varies less was removed, or never lived."""


@attrs.frozen(eq=False)
class Distance:
    """How far some samples are.

    Attributes:
        whole: Divergence (Kullback and Leibler, in nats) of the normal distribution with the
            activations' mean and variance from the stored one: mean over layers and channels.
        parts: ``(PARTS,)`` the same of each part of the samples.
        ratio: Variance, in terms of the stored one, at the first layer: median of channels.
        layer: Native name of that layer.
    """

    whole: float
    parts: NDArray[np.float64]
    ratio: float
    layer: str


@attrs.frozen(eq=False)
class StoredMoments:
    """The first normalisation layers of a network.

    Attributes:
        session: Computes what they normalise.
        first: Computes what the first one normalises, in far less time.
        input: Graph input that samples feed.
        nodes: The layers.
        layer: Native name of the first.
        batch: Samples of one run.
    """

    session: Session
    first: Session
    input: str
    nodes: tuple[ir.Node, ...]
    layer: str
    batch: int

    def distance(self, samples: Array) -> Distance:
        """Compare samples ``(N, ...)``, N at least `PARTS`, with what is stored."""
        return self._distance(self.session, self.nodes, samples)

    def quick_distance(self, samples: Array) -> Distance:
        """The same at the first layer alone, of one sample a part."""
        return self._distance(self.first, self.nodes[:1], samples[:: len(samples) // PARTS])

    def _distance(self, session: Session, nodes: tuple[ir.Node, ...], samples: Array) -> Distance:
        size = len(samples) // PARTS
        moments = [
            self._moments(session, nodes, samples[part * size : (part + 1) * size])
            for part in range(PARTS)
        ]
        compared = []
        for number, node in enumerate(nodes):
            mean = np.stack([part[number][0] for part in moments])
            square = np.stack([part[number][1] for part in moments])
            compared.append(_compared(node, mean, square))
        whole = [divergence for divergence, _, _ in compared if np.isfinite(divergence)]
        parts = np.mean([found for _, found, _ in compared], 0)
        far = len(whole) < len(compared)
        total = float("inf") if far else float(np.mean(whole))
        return Distance(total, parts, compared[0][2], self.layer)

    def _moments(
        self, session: Session, nodes: tuple[ir.Node, ...], samples: Array
    ) -> list[tuple[NDArray[np.float64], NDArray[np.float64]]]:
        """Mean and mean square of every channel, a layer each."""
        names = [_normalised(node) for node in nodes]
        parts: dict[str, list[Array]] = {name: [] for name in names}
        for start in range(0, len(samples), self.batch):
            values = session.run({self.input: samples[start : start + self.batch]})
            for name, seen in parts.items():
                # a copy: the whole value lies in the engine's memory
                seen.append(_thinned(values[name]).copy())
        found = []
        for name in names:
            array = np.concatenate(parts[name]).astype(np.float64)
            axes = (0, *range(2, array.ndim))
            found.append((array.mean(axes), np.square(array).mean(axes)))
        return found


def stored_moments(network: Network) -> StoredMoments | None:
    """The normalisation layers of a network of one input; ``None`` if they tell nothing.

    That is where there are none (folded ones left nothing behind), and where they hold what
    every layer begins with: mean 0 and variance 1.
    """
    graph = network.model.graph
    inputs = sample_inputs(network.model)
    nodes = tuple(node for node in graph if _holds_moments(node))[:LAYERS]
    if len(inputs) != 1 or not nodes or all(_is_new(node) for node in nodes):
        return None
    names = list(dict.fromkeys(_normalised(node) for node in nodes))
    session = Session(network.model, outputs=names, arena=False)
    first = Session(network.model, outputs=names[:1], arena=False)
    layer = _layer_of(network, nodes[0])
    batch = samples_at_once(network.model)
    return StoredMoments(session, first, inputs[0].name or "", nodes, layer, batch)


def _thinned(array: Array) -> Array:
    """Every few rows and columns of large images: neighbours tell little more."""
    steps = (slice(None, None, max(1, size // _ENOUGH)) for size in array.shape[2:])
    return array[(slice(None), slice(None), *steps)]


def _normalised(node: ir.Node) -> str:
    value = node.inputs[0]
    assert value is not None
    return value.name or ""


def _constant(node: ir.Node, index: int) -> Array | None:
    value = node.inputs[index] if index < len(node.inputs) else None
    if value is None or value.const_value is None:
        return None
    return value.const_value.numpy().astype(np.float64)


def _holds_moments(node: ir.Node) -> bool:
    value = node.inputs[0] if node.inputs else None
    return (
        node.op_type == "BatchNormalization"
        and value is not None
        and value.producer() is not None
        and _constant(node, 3) is not None
        and _constant(node, 4) is not None
    )


def _is_new(node: ir.Node) -> bool:
    mean, variance = _constant(node, 3), _constant(node, 4)
    assert mean is not None
    assert variance is not None
    return bool((mean == 0).all() and (variance == variance[0]).all())


def _compared(
    node: ir.Node, mean: NDArray[np.float64], square: NDArray[np.float64]
) -> tuple[float, NDArray[np.float64], float]:
    """Divergence of all samples and of each part, and the ratio of variances, of one layer."""
    stored, variance = _constant(node, 3), _constant(node, 4)
    assert stored is not None
    assert variance is not None
    whole = square.mean(0) - mean.mean(0) ** 2
    alive = (whole > _DEAD * variance) & (variance > 1e-3 * np.median(variance))
    if not alive.any():
        return 0.0, np.zeros(len(mean)), 1.0
    stored, variance = stored[alive], variance[alive]
    parts = np.maximum(square - mean**2, 0)[:, alive]
    each = [_divergence(m, v, stored, variance) for m, v in zip(mean[:, alive], parts, strict=True)]
    ratio = float(np.median(whole[alive] / variance))
    total = _divergence(mean.mean(0)[alive], whole[alive], stored, variance)
    return total, np.array(each), ratio


def _divergence(
    mean: NDArray[np.float64], variance: NDArray[np.float64], stored: Array, wanted: Array
) -> float:
    ratio = np.maximum(variance, _DEAD * wanted) / wanted
    with np.errstate(over="ignore"):
        return float(np.mean(0.5 * (ratio + (mean - stored) ** 2 / wanted - 1 - np.log(ratio))))


def _layer_of(network: Network, node: ir.Node) -> str:
    found = (layer for layer, nodes in network.layers.items() if node.name in nodes)
    return next(found, node.name or "")
