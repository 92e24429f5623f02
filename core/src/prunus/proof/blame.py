"""The first layer where something is wrong, for the message of a proof that failed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import onnx_ir as ir

from prunus.compaction.compact import take
from prunus.errors import ModelError
from prunus.evaluation.session import Array, Session
from prunus.graph.shapes import typed
from prunus.network import Compact, Network
from prunus.proof.batches import Inputs
from prunus.proof.difference import finite, relative_error

_AT_ONCE = 16
"""Values returned by one run of a graph of ordinary length."""

_RUNS = 32
"""Runs of a long graph: each prepares the whole graph up to its values again."""


def first_without_numbers(network: Network, batch: Inputs) -> str | None:
    """Layer that first gives something not finite; ``None`` where none is found."""
    for name, array in _values(network.model, batch, _floats(network.model)):
        if not finite(array):
            return _layer(network, name)
    return None


def first_difference(
    masked: Network, compact: Compact, batch: Inputs, tolerance: float
) -> str | None:
    """Layer after which kept channels first differ; ``None`` where none is found."""
    known = set(_floats(compact.model))
    shared = [name for name in _floats(masked.model) if name in known]
    both = zip(
        _values(masked.model, batch, shared), _values(compact.model, batch, shared), strict=True
    )
    for (name, whole), (_, small) in both:
        part = take(whole, compact.kept.get(name, {}))
        if part.shape == small.shape and relative_error(part, small) > tolerance:
            return _layer(masked, name)
    return None


def _floats(model: ir.Model) -> list[str]:
    """Names of the float32 values that nodes make, in order."""
    values = [value for node in typed(model).graph for value in node.outputs]
    return [value.name or "" for value in values if value.dtype == ir.DataType.FLOAT]


def _values(model: ir.Model, batch: Inputs, names: Sequence[str]) -> Iterator[tuple[str, Array]]:
    """Values one by one, some computed in each run; ends where the graph does not run."""
    at_once = max(_AT_ONCE, -(-len(names) // _RUNS))
    samples = len(next(iter(batch.values())))
    for start in range(0, len(names), at_once):
        wanted = names[start : start + at_once]
        try:
            found = Session(model, wanted, samples=samples).run(batch)
        except ModelError:
            return
        yield from ((name, found[name]) for name in wanted)


def _layer(network: Network, value: str) -> str | None:
    """Native layer that makes a value."""
    node = next(node.name for node in network.model.graph for v in node.outputs if v.name == value)
    return next((layer for layer, nodes in network.layers.items() if node in nodes), node)
