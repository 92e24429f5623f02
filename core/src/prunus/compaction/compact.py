"""Build the compact neutral graph from the kept channel ids."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from prunus.channel_ids.shrinking import shrink
from prunus.network import Compact, Network

if TYPE_CHECKING:
    from prunus.grouping.find import Grouping

Keep = Mapping[str, NDArray[np.bool_]]


def compact(network: Network, grouping: Grouping, keep: Keep) -> Compact:
    """Remove channels physically.

    Args:
        network: The network; its weights are taken as they are (mask first).
        grouping: Its groups.
        keep: Group name -> ``(C,)`` bool; groups left out stay whole.

    Returns:
        The smaller graph with the names of the original one.
    """
    model = network.model.clone()
    shrinker = shrink(model, grouping.labelling, grouping.kept_channel_ids(keep), grouping.layers)
    for name, axes in shrinker.kept.items():
        value = model.graph.initializers[name]
        assert value.const_value is not None
        array = value.const_value.numpy()
        if any(index.size < array.shape[axis] or index.ndim > 1 for axis, index in axes.items()):
            _replace(value, take(array, axes))
    _rewrite_operands(model, shrinker.operands)
    _rewrite_groups(model, network.model)
    for node in model.graph:
        for value in node.outputs:
            if not value.is_graph_output():
                value.shape = None
    kept = {name: axes for name, axes in shrinker.kept.items() if _removes(network, name, axes)}
    return Compact(model, {**shrinker.kept_values(), **kept})


def identity(network: Network) -> Compact:
    """The compact form that removes nothing."""
    return Compact(network.model, {})


def take(array: NDArray[Any], axes: Mapping[int, NDArray[np.int64]]) -> NDArray[Any]:
    """Kept positions of an initializer; ``(group, n)`` rows for a grouped input axis."""
    plain = {axis: index for axis, index in axes.items() if index.ndim == 1}
    if plain:  # all axes at once: no copy in between
        sizes = array.shape[: max(plain) + 1]
        array = array[np.ix_(*(plain.get(a, np.arange(size)) for a, size in enumerate(sizes)))]
    for index in axes.values():
        if index.ndim > 1:
            rows = np.repeat(index, len(array) // len(index), axis=0)
            array = np.take_along_axis(
                array, rows.reshape(*rows.shape, *(1,) * (array.ndim - 2)), 1
            )
    return np.asarray(array, order="C")


def _removes(network: Network, name: str, axes: Mapping[int, NDArray[np.int64]]) -> bool:
    shape = network.model.graph.initializers[name].shape
    assert shape is not None
    return any(index.shape[-1] < int(str(shape[axis])) for axis, index in axes.items())


def _replace(value: ir.Value, array: NDArray[Any]) -> None:
    value.const_value = ir.Tensor(array, name=value.name)
    value.shape = ir.Shape(array.shape)


def _rewrite_operands(model: ir.Model, operands: Mapping[tuple[str, int], NDArray[Any]]) -> None:
    """Give every changed operand an initializer of its own: others may share the old one."""
    nodes = {node.name: node for node in model.graph}
    for (node_name, index), array in operands.items():
        node = nodes[node_name]
        old = node.inputs[index]
        assert old is not None
        if len(old.uses()) == 1 and old.name in model.graph.initializers:
            _replace(old, array)
            continue
        name = f"{node_name}/operand{index}"
        value = ir.Value(
            name=name,
            const_value=ir.Tensor(array, name=name),
            shape=ir.Shape(array.shape),
            type=ir.TensorType(ir.DataType.from_numpy(array.dtype)),
        )
        model.graph.register_initializer(value)
        node.replace_input_with(index, value)


def _rewrite_groups(model: ir.Model, original: ir.Model) -> None:
    """Depthwise convolutions have as many groups as channels are left."""
    for node, before in zip(model.graph, original.graph, strict=True):
        groups = before.attributes.get_int("group", 1)
        if before.op_type not in ("Conv", "ConvTranspose") or groups == 1:
            continue
        old, new = before.inputs[1], node.inputs[1]
        assert old is not None
        assert new is not None
        assert old.shape is not None
        assert new.shape is not None
        channels = int(str(old.shape[0]))
        depthwise = int(str(old.shape[1])) == 1 if before.op_type == "Conv" else channels == groups
        if depthwise:
            group = int(str(new.shape[0])) * groups // channels
            node.attributes["group"] = ir.AttrInt64("group", group)
