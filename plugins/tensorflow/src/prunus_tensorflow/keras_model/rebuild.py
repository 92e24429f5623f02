"""The Keras model of a compact network: the original's settings with smaller numbers."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from prunus.plugin import Compact, ModelError, Network, infer_shapes
from prunus_tensorflow.error_text import first_line
from prunus_tensorflow.keras_model.origin import KerasOrigin
from prunus_tensorflow.quiet import quiet
from prunus_tensorflow.runtime import tensorflow

Arrays = Mapping[tuple[str, str], NDArray[Any]]
"""(native layer, variable name) -> native array."""


def model_of(network: Network, compact: Compact | None = None, *, compiled: bool = True) -> Any:
    """The Keras model with the compact network's sizes and weights; same layer names.

    Args:
        network: A network read from a Keras model.
        compact: Its compact form; ``None`` for the full structure with ``network``'s weights.
        compiled: Compile it as the original was compiled (with a fresh optimizer).

    Raises:
        ModelError: Keras cannot build the smaller model (names the layer).
    """
    tensorflow()
    import keras

    origin = network.origin
    assert isinstance(origin, KerasOrigin)
    source = network.model if compact is None else compact.model
    arrays = native_arrays(origin, source)
    aliases = _aliases(origin)
    with quiet():
        config = keras.saving.serialize_keras_object(origin.model)
    edits = {} if compact is None else _edits(origin, source, arrays)
    config = _edited(config, "", edits, aliases)
    if not compiled or origin.uncompiled:
        config.pop("compile_config", None)
    try:
        with quiet(), keras.saving.custom_object_scope(_custom(origin)):
            model = keras.saving.deserialize_keras_object(config, safe_mode=False)
    except Exception as error:
        raise ModelError(
            f"model '{origin.model.name}': Keras cannot build the smaller model: "
            f"{first_line(error)}"
        ) from error
    _assign(origin, model, arrays, aliases)
    return model


def native_arrays(origin: KerasOrigin, model: ir.Model) -> dict[tuple[str, str], NDArray[Any]]:
    """Weights of a neutral graph in Keras' layout; views, no copies, where axes only move."""
    groups = _groups(model)
    found = {}
    for name, position in origin.positions.items():
        value = model.graph.initializers[name].const_value
        assert value is not None
        native = position.to_native(value.numpy(), groups.get(name))
        found[position.holder.node, position.holder.key] = native
    return found


def leaves(model: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Native name and layer of everything that is no model, nested ones included."""
    for layer in model.layers:
        if hasattr(layer, "layers") and hasattr(layer, "get_layer"):
            yield from leaves(layer, f"{path}{layer.name}/")
        else:
            yield f"{path}{layer.name}", layer


def _groups(model: ir.Model) -> dict[str, int]:
    """Initializer name -> ``group`` of the convolution that reads it."""
    return {
        node.inputs[1].name or "": node.attributes.get_int("group", 1)
        for node in model.graph
        if node.op_type == "Conv" and node.inputs[1] is not None
    }


def _aliases(origin: KerasOrigin) -> dict[str, str]:
    """Every way to a lowered layer -> the name its weights go by."""
    names = {id(layer): name for name, layer in origin.layers.items()}
    return {path: names[id(layer)] for path, layer in leaves(origin.model) if id(layer) in names}


def _custom(origin: KerasOrigin) -> dict[str, Any]:
    own = {
        type(layer).__name__: type(layer)
        for layer in [origin.model, *origin.layers.values()]
        if not type(layer).__module__.startswith("keras.")
    }
    return {**own, **origin.custom}


def _edits(origin: KerasOrigin, model: ir.Model, arrays: Arrays) -> dict[str, dict[str, Any]]:
    """Native layer name -> settings that follow from the new sizes."""
    groups = {
        position.holder.node: count
        for name, count in _groups(model).items()
        if (position := origin.positions.get(name)) is not None and not position.depthwise
    }
    edits: dict[str, dict[str, Any]] = {}
    for name, layer in origin.layers.items():
        kernel = arrays.get((name, "kernel"))
        pointwise = arrays.get((name, "pointwise_kernel"))
        kind = type(layer).__name__
        if pointwise is not None:
            edits[name] = {"filters": int(pointwise.shape[-1])}
        elif kernel is not None and kind == "Dense":
            edits[name] = {"units": int(kernel.shape[-1])}
        elif kernel is not None and kind.endswith("Transpose"):
            edits[name] = {"filters": int(kernel.shape[-2])}
        elif kernel is not None and kind.startswith("Conv"):
            edits[name] = {"filters": int(kernel.shape[-1]), "groups": groups[name]}
        elif kind == "LayerScale":
            edits[name] = {"projection_dim": len(arrays[name, layer.gamma.name])}
    edits.update(_shape_edits(origin, model))
    return edits


def _shape_edits(origin: KerasOrigin, model: ir.Model) -> dict[str, dict[str, Any]]:
    """``target_shape`` of Reshape layers and ``batch_shape`` of nested input layers."""
    if not origin.tensors:
        return {}
    dims = infer_shapes(model)
    edits: dict[str, dict[str, Any]] = {}
    for name, record in origin.tensors.items():
        new = dims.get(record.value)
        if new is None:
            continue
        shape = [new[record.perm.index(axis)] for axis in range(len(record.perm))]
        layer = origin.layers.get(name)
        if layer is None:
            edits[name] = {"batch_shape": shape}
        elif hasattr(layer, "newshape"):  # keras.ops.reshape
            edits[name] = {"newshape": [-1, *_sizes(layer.newshape[1:], shape[1:])]}
        else:
            edits[name] = {"target_shape": _sizes(layer.target_shape, shape[1:])}
    return edits


def _sizes(old: Sequence[int], new: Sequence[Any]) -> list[Any]:
    """New sizes; -1 where the old ones leave it open."""
    return [-1 if before == -1 else size for before, size in zip(old, new, strict=True)]


def _edited(
    config: Mapping[str, Any],
    path: str,
    edits: Mapping[str, Mapping[str, Any]],
    aliases: Mapping[str, str],
) -> dict[str, Any]:
    """The serialised model with new numbers.

    ``build_config`` holds shapes of the original; Keras rebuilds it from the calls.
    """
    result = copy.deepcopy(dict(config))
    result.pop("build_config", None)
    inner = result["config"]
    first: list[Any] | None = None
    for position, entry in enumerate(inner["layers"]):
        name = f"{path}{entry['config']['name']}"
        if "layers" in entry["config"]:
            inner["layers"][position] = _edited(entry, f"{name}/", edits, aliases)
            continue
        change = edits.get(aliases.get(name, name), {})
        if "batch_shape" in change:
            change = {"batch_shape": _batch_shape(entry["config"]["batch_shape"], change)}
            first = list(change["batch_shape"])
        entry["config"].update(change)
        if name in aliases:
            entry.pop("build_config", None)
    if first is not None and inner.get("build_input_shape"):
        inner["build_input_shape"] = first
    return result


def _batch_shape(old: Any, change: Mapping[str, Any]) -> list[Any]:
    """New sizes where the old ones were stated."""
    return [
        None if size is None else new for size, new in zip(old, change["batch_shape"], strict=True)
    ]


def _assign(origin: KerasOrigin, model: Any, arrays: Arrays, aliases: Mapping[str, str]) -> None:
    """Set every weight: from the compact network, or as it was where nothing was lowered."""
    before = dict(leaves(origin.model))
    for path, layer in leaves(model):
        name = aliases.get(path, path)
        for own, old in zip(layer.weights, before[path].weights, strict=True):
            array = arrays.get((name, old.name))  # automatic names differ in the new model
            if array is None:
                array = np.asarray(old.numpy())
            if tuple(own.shape) != array.shape:
                raise ModelError(
                    f"layer '{path}': Keras wants {own.name} {list(own.shape)}, the smaller "
                    f"network has {list(array.shape)}; exclude the layer with --exclude {path}"
                )
            own.assign(array)
