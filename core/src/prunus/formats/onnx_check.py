"""What a model must hold so that it can be read: sizes, numbers, operators that exist."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnx_ir as ir

from prunus.errors import ModelError
from prunus.formats.onnx_fold import static_shapes

_STANDARD = ("", "ai.onnx")

_OF_THE_RUNTIME = ("com.microsoft", "ai.onnx.ml", "com.ms.internal")
"""Further domains whose operators ONNX Runtime brings."""


def check_operators(path: Path, model: ir.Model) -> None:
    """Every operator is one ONNX Runtime has, or a function of the model itself.

    Raises:
        ModelError: names all others.
    """
    own = {(function.domain, function.name) for function in model.functions.values()}
    strange = [
        f"'{node.name}' of type '{node.domain}{'::' if node.domain else ''}{node.op_type}'"
        for node in model.graph
        if (node.domain, node.op_type) not in own and not _known(node)
    ]
    if strange:
        raise ModelError(
            f"{path}: ONNX Runtime has no operator for {', '.join(strange)}; "
            "cut the model before them, or export it with standard operators"
        )


def _known(node: ir.Node) -> bool:
    if node.domain in _STANDARD:
        return bool(onnx.defs.has(node.op_type))
    return node.domain.startswith(_OF_THE_RUNTIME)


def check_numbers(path: Path, model: ir.Model) -> None:
    """No weight is NaN or infinite.

    Raises:
        ModelError: names the initializer.
    """
    for name, value in model.graph.initializers.items():
        if value.const_value is None or value.dtype is None or not value.dtype.is_floating_point():
            continue
        array = value.const_value.numpy()
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            raise ModelError(f"{path}: initializer '{name}' holds NaN or infinite numbers")


def check_types(path: Path, model: ir.Model) -> None:
    """Inputs and weights are float32, which the folded numbers and every sample are.

    Raises:
        ModelError: names what is of half or double precision.
    """
    found = [("input", value) for value in model.graph.inputs]
    found += [
        ("initializer", value) for value in model.graph.initializers.values() if _large(value)
    ]
    for what, value in found:
        kind = value.dtype
        if kind is not None and kind.is_floating_point() and kind != ir.DataType.FLOAT:
            raise ModelError(
                f"{path}: {what} '{value.name}' is {kind.name.lower()}; "
                "convert the model to float32"
            )


def _large(value: ir.Value) -> bool:
    """Weights of layers; single numbers of other types are operands."""
    return value.shape is not None and len(value.shape) > 1


def checked_shape(path: Path, text: str, value: ir.Value) -> list[int]:
    """Sizes given by the user for an input: as many axes, no fixed size contradicted.

    Raises:
        ModelError: says which axis does not fit.
    """
    try:
        given = [int(size) for size in text.split("x")]
    except ValueError:
        raise ModelError(f"input-shape={text}: write sizes as 1x3x224x224") from None
    assert value.shape is not None
    if len(given) != len(value.shape):
        raise ModelError(
            f"input-shape={text}: input '{value.name}' of {path} has {len(value.shape)} axes"
        )
    for axis, (size, new) in enumerate(zip(value.shape, given, strict=True)):
        if axis and isinstance(size, int) and size > 0 and size != new:
            raise ModelError(
                f"input-shape={text}: axis {axis} of input '{value.name}' of {path} has size {size}"
            )
    return given


def check_batch(path: Path, model: ir.Model) -> None:
    """Refuse a graph that holds the batch size it was exported with where it cannot be freed.

    Raises:
        ModelError: a layer fits no other number of samples.
    """
    fixed = [value.meta["batch"] for value in model.graph.inputs if value.meta.get("batch")]
    if not fixed:
        return
    known, other = (static_shapes(model, batch) for batch in (fixed[0], fixed[0] + 1))
    for node in model.graph:
        for value in node.outputs:
            if value.name in known and value.name not in other:
                raise ModelError(
                    f"{path}: layer '{node.name}' fits the exported batch size only; "
                    "export the model with a dynamic batch axis"
                )
