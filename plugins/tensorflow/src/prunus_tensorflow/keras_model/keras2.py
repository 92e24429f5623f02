"""Configurations as Keras 2 wrote them, told in the words of Keras 3.

Keras 3 refuses settings it does not know, also those that Keras 2 wrote into every file at the
value that changes nothing (``groups: 1``, ``time_major: False``). They are dropped; any other
value is refused by its name. Compared with configurations written by tf_keras 2.21
(tf_keras/src/layers) and read by keras/src/layers.
"""

from __future__ import annotations

import inspect
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from prunus.plugin import ModelError
from prunus_tensorflow.error_text import shortened

# Settings that say nothing about what a trained layer computes: how weights began, which kernel
# or source of numbers is used, shapes that follow from the call.
_SILENT = frozenset(
    "implementation rng_type input_shape batch_input_shape input_dim input_length input_dtype "
    "query_shape key_shape value_shape trainable".split()
)
_SHAPES = frozenset({"input_shape", "batch_input_shape", "input_dim"})
"""Keras 3 takes them with a warning; the input layer in front says them."""
# Values that change nothing, besides None and False.
_NEUTRAL: Mapping[str, Any] = {"groups": 1, "fused": True, "virtual_batch_size": 0}
_MODELS = {"Functional": "keras.src.models.functional", "Sequential": "keras"}
_POLICIES = ("Policy", "PolicyV1", "DTypePolicy")
_INPUT = "InputLayer"


def modern(stored: Any, custom: Mapping[str, Any]) -> Any:
    """A serialised model, its layers and whatever lies in them, as Keras 3 takes it.

    Args:
        stored: The configuration, from JSON; it stays as it is.
        custom: Classes besides Keras' own.

    Raises:
        ModelError: a setting has a value that Keras 3 has no word for; names the layer.
    """
    if isinstance(stored, list):
        return [modern(one, custom) for one in stored]
    if not isinstance(stored, dict):
        return stored
    name, config = stored.get("class_name"), stored.get("config")
    if name in _POLICIES and isinstance(config, dict) and isinstance(config.get("name"), str):
        return config["name"]
    if name == "Sequential":
        config = _with_input(config)
    result = {key: modern(value, custom) for key, value in {**stored, "config": config}.items()}
    if "config" not in stored:
        del result["config"]
    if name in _MODELS and "module" in stored:
        result["module"] = _MODELS[name]
    if isinstance(name, str) and isinstance(result.get("config"), dict):
        inner = result["config"]
        if isinstance(inner.get("layers"), list) and name != "Sequential":
            result["config"] = _renumbered(_single(inner))
        elif name != _INPUT:
            result["config"] = _known(name, inner, custom)
    return result


def _with_input(config: Any) -> Any:
    """Settings of a Sequential model that begin with an input layer.

    Old ones are a list of layers, whose first one states the shape.
    """
    layers = config.get("layers") if isinstance(config, dict) else config
    if not isinstance(layers, list) or not layers:
        return config
    result = {"layers": layers} if isinstance(config, list) else dict(config)
    first = layers[0].get("config") if isinstance(layers[0], dict) else None
    if not isinstance(first, dict) or layers[0].get("class_name") == _INPUT:
        return result
    shape = first.get("batch_input_shape")
    if shape:
        entry = {"batch_input_shape": shape, "name": f"{first.get('name', 'first')}_input"}
        result["layers"] = [{"class_name": _INPUT, "config": entry}, *layers]
    return result


def _known(kind: str, config: Mapping[str, Any], custom: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of a layer that its class takes."""
    taken = _taken(kind, custom)
    if taken is None:
        return dict(config)
    result = {}
    for key, value in config.items():
        if key in taken:
            one_axis = key == "axis" and isinstance(value, list) and len(value) == 1
            result[key] = value[0] if one_axis else value
        elif not _says_nothing(key, value):
            raise ModelError(
                f"layer '{shortened(str(config.get('name', kind)))}' of type '{kind}': Keras 3 "
                f"has no '{shortened(key)}', which is {shortened(repr(value))} here and changes "
                "what the layer computes: build the model again without it"
            )
    return result


def _says_nothing(key: str, value: Any) -> bool:
    if key in _SILENT or key.endswith("_initializer"):
        return True
    return value is None or value is False or value == _NEUTRAL.get(key, value is None)


def _taken(kind: str, custom: Mapping[str, Any]) -> Collection[str] | None:
    """Names of the arguments a layer class takes; ``None`` if nobody knows it, or it takes any."""
    import keras

    found: Any = custom.get(kind, getattr(keras.layers, kind, None))
    if not inspect.isclass(found) or found is keras.layers.Layer:
        return None
    names = _mentioned(getattr(found, "from_config", None))
    for one in found.__mro__:
        if "__init__" not in vars(one):
            continue
        parameters = inspect.signature(vars(one)["__init__"]).parameters.values()
        names |= {p.name for p in parameters if p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL)}
        names |= _mentioned(vars(one)["__init__"])
        if one is keras.layers.Layer or not any(p.kind is p.VAR_KEYWORD for p in parameters):
            return names - _SHAPES
    return None


def _mentioned(function: Any) -> set[str]:
    """Texts in a function: a class that still takes an old name looks for it there."""
    code = getattr(inspect.unwrap(function), "__code__", None)
    return {one for one in getattr(code, "co_consts", ()) if isinstance(one, str)}


def _single(config: dict[str, Any]) -> dict[str, Any]:
    """A Functional model of one output gives a tensor, not a list of one, as in Keras 2."""
    for key in ("input_layers", "output_layers"):
        ends = config.get(key)
        if isinstance(ends, list) and len(ends) == 1 and isinstance(ends[0], list):
            config[key] = ends[0]
    return config


def _renumbered(config: dict[str, Any]) -> dict[str, Any]:
    """Calls of nested models counted from the first one in this model; edits it in place.

    Keras 2 counts the call that built a nested model, too. Keras 3 expects that only where an
    output is a Functional model's (keras/src/models/functional.py, ``functional_from_config``).
    """
    layers = [one for one in config["layers"] if isinstance(one, dict)]
    calls = {str(one.get("name")): len(one.get("inbound_nodes") or ()) for one in layers}
    nested = {str(one.get("name")): one.get("class_name") for one in layers if _is_model(one)}
    inside = list(_references([one.get("inbound_nodes") for one in layers]))
    ends = list(_references([config.get("input_layers"), config.get("output_layers")]))
    last: dict[str, int] = {}
    for name, index, *_ in (*inside, *ends):
        last[name] = max(index, last.get(name, 0))
    ends = [one for one in ends if nested.get(one[0]) == "Sequential"]
    for reference in (*inside, *ends):
        name = reference[0]
        if name in nested:
            reference[1] -= max(0, last[name] + 1 - calls[name])
    return config


def _is_model(entry: Mapping[str, Any]) -> bool:
    config = entry.get("config")
    return isinstance(config, dict) and isinstance(config.get("layers"), list)


def _references(value: Any) -> Iterator[list[Any]]:
    """Every ``[layer, call, output, …]`` in a configuration."""
    if isinstance(value, list):
        if len(value) >= 3 and isinstance(value[0], str) and isinstance(value[1], int):
            yield value
        for one in value:
            yield from _references(one)
    elif isinstance(value, dict):
        for one in value.values():
            yield from _references(one)
