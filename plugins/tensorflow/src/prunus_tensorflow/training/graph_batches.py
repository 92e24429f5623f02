"""Inputs of a graph: samples, and the placeholders that switch training behaviour off."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import attrs
import numpy as np

from prunus.plugin import Batch, DataError, ModelError, Session, TrainingJob, UsageError
from prunus_tensorflow.graphdef.attributes import attr
from prunus_tensorflow.graphdef.names import full
from prunus_tensorflow.graphdef.view import shape_attr
from prunus_tensorflow.training.graph_session import CompactGraph
from prunus_tensorflow.training.samples import Batches

Feed = dict[str, Any]

_CLOSE = 1e-2
"""Relative difference up to which TensorFlow and ONNX Runtime compute the same network."""


@attrs.frozen(eq=False)
class GraphBatches:
    """Feeds and targets, each a pure function of seed and number.

    Attributes:
        compact: The graph.
        batches: Samples and targets.
        settings: Placeholder -> value that stays.
    """

    compact: CompactGraph
    batches: Batches
    settings: Mapping[str, Any]

    def stream(self, start: int, end: int) -> Iterator[tuple[Feed, Any]]:
        """``(feed, targets)`` of updates ``start`` to ``end``."""
        for number in range(start, end):
            one = self.batches.batch(number)
            yield {**self.settings, **feed_of(self.compact, one)}, self.batches.targets(one)


def feed_of(compact: CompactGraph, batch: Batch) -> Feed:
    """Inputs of a batch by tensor name, in the graph's own types.

    Raises:
        UsageError: the graph takes batches of another size.
    """
    feed = {}
    for name in compact.origin.inputs:
        tensor = compact.graph.as_graph_element(full(name))
        array = np.asarray(batch.inputs[name], tensor.dtype.as_numpy_dtype)
        if not tensor.shape.is_compatible_with(array.shape):
            raise UsageError(
                f"input '{name}' takes batches of shape {tensor.shape.as_list()}: give "
                f"--batch-size {tensor.shape[0]}"
            )
        feed[full(name)] = array
    return feed


def settings_of(job: TrainingJob, compact: CompactGraph, first: Batch) -> Feed:
    """Values of the placeholders besides the inputs, with which the graph is the network.

    Booleans (``is_training``) are False; a number (``keep_prob``, ``rate``) is the one of 1
    and 0 with which TensorFlow gives the compact network's own outputs (from what it computes
    itself in opaque ops).

    Raises:
        ModelError: with neither it does, so something else would be trained.
        DataError: a placeholder is neither input nor switch.
    """
    origin = compact.origin
    inputs = frozenset(origin.inputs)
    nodes = compact.view.nodes
    needed = [nodes[name] for name in compact.view.sorted_from(origin.ends, inputs)]
    open_ones = [
        node
        for node in needed
        if node.op in ("Placeholder", "PlaceholderV2") and node.name not in inputs
    ]
    choices = [{full(node.name): _value(node, number) for node in open_ones} for number in (1, 0)]
    own = Session(job.compact.model)
    opaque = [v.name or "" for v in job.compact.model.graph.inputs if v.name not in inputs]
    wanted = {name: full(name) for name in (*origin.outputs, *opaque)}
    feed = feed_of(compact, first)
    for choice in choices:
        found = compact.session.run(wanted, {**choice, **feed})
        made = {name: found[name].astype(np.float32) for name in opaque}
        expected = own.run({**first.inputs, **made})
        if all(_error(found[name], expected[name]) < _CLOSE for name in origin.outputs):
            return choice
    if any("Random" in node.op for node in needed):
        return choices[0]  # dropout of a fixed rate: TensorFlow's outputs are drawn
    raise ModelError(
        f"{compact.origin.model}: TensorFlow's outputs are not those of the compact network"
        + (f" with {', '.join(choices[0])} at 1 or 0" if open_ones else "")
        + ": use --trainer torch"
    )


def _value(node: Any, number: int) -> Any:
    from tensorflow.python.framework.dtypes import as_dtype

    kind = as_dtype(attr(node, "dtype").type)
    shape = shape_attr(attr(node, "shape").shape) or ()
    if kind.is_bool:
        return np.zeros([max(size, 1) for size in shape], bool)
    if any(size != 1 for size in shape) or not kind.is_numeric:
        raise DataError(
            f"placeholder '{node.name}' is no input of the network and no switch, so nobody knows "
            "its value: name it in input_nodes, or use --trainer torch"
        )
    return np.full(shape, number, kind.as_numpy_dtype)


def _error(found: Any, expected: Any) -> float:
    if found.shape != expected.shape:
        return np.inf
    return float(np.abs(found - expected).max() / max(np.abs(expected).max(), 1e-12))
