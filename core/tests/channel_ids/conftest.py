"""ChannelIds of small graphs, made readable."""

from __future__ import annotations

from collections.abc import Callable

import attrs
import numpy as np
import pytest

from prunus.channel_ids.labelling import Labelling, label_graph
from prunus.graph.shapes import infer_shapes


@attrs.frozen(eq=False)
class ChannelIds:
    """What a labelling says, by value name."""

    found: Labelling

    def of(self, value: str) -> np.ndarray:
        """Full tensor of units of a value: equal numbers go together."""
        labels = self.found.roots[self.found.values[value]]
        return np.broadcast_to(labels, self.found.dims[value])

    def channels(self, value: str, axis: int = 1) -> list[int]:
        """Units along one axis, numbered by first appearance; other axes must agree."""
        full = np.moveaxis(self.of(value), axis, 0).reshape(self.found.dims[value][axis], -1)
        assert (full == full[:, :1]).all()
        return full[:, 0].tolist()

    def frozen(self, value: str) -> set[str]:
        """Reasons of the frozen units of a value; '' for free ones."""
        roots = np.unique(self.of(value)).tolist()
        return {self.found.frozen.get(root, "") for root in roots}


@pytest.fixture
def label() -> Callable[..., ChannelIds]:
    def run(network, **options):
        layers = {node: layer for layer, nodes in network.layers.items() for node in nodes}
        shapes = infer_shapes(network.model)
        levels = options.get("levels", {})
        return ChannelIds(label_graph(network.model, shapes, network.frozen, levels, layers))

    return run


@pytest.fixture
def after_conv(build) -> Callable[..., object]:
    """A network of a convolution ``c`` (6 channels of 4 × 4) and what is put behind it."""

    def make(nodes, outputs, weights=None, channels=6):
        first = ("Conv", ["x", "c/weight"], ["c"], {"kernel_shape": [1, 1]})
        arrays = {"c/weight": np.ones((channels, 2, 1, 1), np.float32), **(weights or {})}
        return build([first, *nodes], arrays, {"x": (2, 4, 4)}, outputs)

    return make
