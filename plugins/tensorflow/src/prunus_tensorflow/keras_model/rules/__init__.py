"""One rule a layer class: how it is expressed in neutral operators. Unknown classes refuse."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from prunus_tensorflow.keras_model.rules import (
    activation,
    applications,
    attention,
    convolution,
    dense,
    functions,
    merging,
    normalization,
    passing,
    pooling,
    reshaping,
    resizing,
    transposed,
)
from prunus_tensorflow.keras_model.rules.context import Join, Rule, Site
from prunus_tensorflow.lower.tensors import Dynamic, Unlowerable

RULES: dict[str, Rule] = {
    **activation.RULES,
    **applications.RULES,
    **convolution.RULES,
    **dense.RULES,
    **normalization.RULES,
    **passing.RULES,
    **pooling.RULES,
    **reshaping.RULES,
    **resizing.RULES,
    **transposed.RULES,
}
JOINS: dict[str, Join] = {**applications.JOINS, **attention.JOINS, **merging.JOINS}


def lower_call(site: Site) -> Dynamic:
    """Express one call of a layer.

    Raises:
        Unlowerable: the class is not known, or this use of it has no neutral form.
    """
    kind = type(site.layer)
    name = kind.__name__
    if not kind.__module__.startswith("keras."):
        raise Unlowerable(f"its class is '{name}' of {kind.__module__}, not one of Keras")
    if site.keywords.get("mask") is not None:
        raise Unlowerable("it is called with a mask")
    if ".layers." not in kind.__module__ and ".applications." not in kind.__module__:
        if name not in functions.FUNCTION_RULES:
            raise Unlowerable("no rule for it")
        return functions.FUNCTION_RULES[name](site)  # type: ignore[no-any-return]
    inputs = _tensors(site.arguments)
    if name in JOINS:
        return JOINS[name](site, inputs)
    if name not in RULES:
        raise Unlowerable("no rule for it")
    if len(inputs) != 1:
        raise Unlowerable(f"it is called with {len(inputs)} inputs")
    return RULES[name](site, inputs[0])


def _tensors(arguments: Sequence[Any]) -> list[Dynamic]:
    return [one for one in arguments if isinstance(one, Dynamic)]
