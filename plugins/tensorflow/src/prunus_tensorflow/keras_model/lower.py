"""Keras model -> Network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs
import onnx_ir as ir

from prunus.plugin import ModelError, Network, UsageError
from prunus_tensorflow.keras_model.call_lowering import CallLowerer, functional
from prunus_tensorflow.keras_model.origin import KerasOrigin
from prunus_tensorflow.keras_model.recipe import task_of
from prunus_tensorflow.lower.builder import Builder
from prunus_tensorflow.lower.record import TensorRecord
from prunus_tensorflow.lower.tensors import Dynamic


def lower_model(
    model: Any,
    path: Path | None = None,
    shapes: Sequence[tuple[int, ...]] = (),
    custom: Mapping[str, Any] | None = None,
    uncompiled: str | None = None,
) -> Network:
    """Express a Functional or Sequential model as a neutral graph.

    Args:
        model: The Keras model.
        path: Where it came from.
        shapes: Native shapes of the inputs without the batch; the model's own without them.
        custom: Classes and functions it needs besides Keras' own.
        uncompiled: Why its compile settings could not be restored.

    Raises:
        ModelError: no call graph, unknown input sizes, or nothing that can be lowered.
    """
    graph = functional(model)
    lowerer = CallLowerer()
    symbols = list(graph.inputs)
    fed = {
        symbol._keras_history.operation.name: shape
        for symbol, shape in zip(symbols, _shapes(symbols, shapes), strict=True)
    }
    inputs = [lowerer.input(name, shape) for name, shape in fed.items()]
    results = lowerer.run(model, inputs)
    outputs = _outputs(lowerer, results, graph.outputs)
    builder = lowerer.builder
    builder.notes += [f"{text}; it stays as it is" for text in lowerer.barriers.values()]
    if uncompiled:
        builder.notes.append(f"the compile settings could not be restored: {uncompiled}")
    network = builder.finished(outputs)
    nodes = {name: found for name, found in network.layers.items() if found}
    origin = KerasOrigin(
        model,
        fed,
        dict(lowerer.preprocessing),
        path,
        dict(lowerer.layers),
        builder.positions,
        _current(lowerer),
        nodes,
        dict(custom or {}),
        uncompiled,
    )
    dropout = {value.name or "": ratio for value, ratio in builder.dropout}
    task = task_of(model, dropout, [value.name or "" for value in outputs])
    return attrs.evolve(network, layers=nodes, origin=origin, task=task)


def _current(lowerer: CallLowerer) -> dict[str, TensorRecord]:
    """Records under the names the values have now."""
    return {
        name: TensorRecord(x.value.name or "", x.perm, x.shape)
        for name, x in lowerer.tensors.items()
    }


def _shapes(symbols: Sequence[Any], given: Sequence[tuple[int, ...]]) -> list[tuple[int, ...]]:
    if given and len(given) != len(symbols):
        names = ", ".join(symbol.name for symbol in symbols)
        raise UsageError(
            f"input_node_shapes has {len(given)} shapes for {len(symbols)} inputs ({names})"
        )
    shapes = []
    for position, symbol in enumerate(symbols):
        own = symbol.shape[1:]
        shape = given[position] if given else own
        fits = len(shape) == len(own) and all(
            o is None or o == s for o, s in zip(own, shape, strict=True)
        )
        if None in shape:
            raise ModelError(
                f"input '{symbol.name}' has no full shape {['N', *own]}: give input_node_shapes, "
                "such as 1,224,224,3"
            )
        if not fits:
            raise UsageError(
                f"input_node_shapes says {list(shape)} for input '{symbol.name}' of {list(own)}"
            )
        shapes.append(tuple(int(size) for size in shape))
    return shapes


def _outputs(
    lowerer: CallLowerer, results: Sequence[Any], symbols: Sequence[Any]
) -> list[ir.Value]:
    """Graph outputs: the model's own, then what feeds barriers."""
    outputs: dict[str, ir.Value] = {}
    entries = {id(value) for value in lowerer.builder.inputs}
    for symbol, result in zip(symbols, results, strict=True):
        if isinstance(result, Dynamic) and id(result.value) not in entries:
            name = symbol._keras_history.operation.name
            value = _named(lowerer.builder, name, result, outputs)
            outputs[value.name or ""] = value
    for result, reason in lowerer.fed:
        if id(result.value) not in entries:
            outputs.setdefault(result.value.name or "", result.value)
            lowerer.builder.freeze(result.value, reason)
    if not outputs:
        reasons = "; ".join(lowerer.barriers.values())
        raise ModelError(f"nothing in the model can be pruned ({reasons or 'it has no layers'})")
    return list(outputs.values())


def _named(
    builder: Builder, name: str, result: Dynamic, outputs: Mapping[str, ir.Value]
) -> ir.Value:
    """The output in native layout under its layer's name."""
    value = result.value
    if not result.moved:
        if (value.name or "") in outputs:
            (value,) = builder.add("Identity", [value], name, [result.shape])
        elif value.name != name:
            holder = builder.values.get(name)
            if holder is not None and holder.producer() is not None and name not in outputs:
                builder.rename(holder, f"{name}@inner")
                builder.rename(value, name)
        return value
    moved = builder.native(result, name).value
    if value.name == name:
        builder.rename(value, f"{name}@nchw")
    builder.rename(moved, name)
    return moved
