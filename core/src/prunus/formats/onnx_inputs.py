"""Inputs of a model: fixed sizes for one sample, a free number of samples."""

from __future__ import annotations

from pathlib import Path

import onnx_ir as ir

from prunus.errors import ModelError
from prunus.formats.onnx_batch import FREE


def fix_inputs(path: Path, model: ir.Model, text: str | None) -> None:
    """Give every input the sizes of one sample behind a free batch axis, in place.

    Args:
        path: The file, for messages.
        model: Its graph.
        text: ``1x3x224x224`` for the first input, ``image:1x3x224x224,mask:1x576`` for several.

    Raises:
        ModelError: an input has no axis for samples, or a size that nobody gave.
    """
    given = _given(path, model, text)
    for value in model.graph.inputs:
        if value.shape is None:
            raise ModelError(
                f"{path}: input '{value.name}' has no shape; export it with fixed sizes"
            )
        if not len(value.shape):
            raise ModelError(
                f"{path}: input '{value.name}' is one number for all samples; "
                "export the model with it as a constant"
            )
        dims = list(value.shape)
        if value.name in given:
            dims[1:] = _checked(path, given[value.name], value)[1:]
        _check_known(path, model, value, dims)
        # the size before, for operands that baked it in
        value.meta["batch"] = dims[0] if isinstance(dims[0], int) else None
        value.meta["open"] = tuple(
            axis for axis, size in enumerate(value.shape) if axis and not isinstance(size, int)
        )
        value.shape = ir.Shape([FREE, *dims[1:]])


def _given(path: Path, model: ir.Model, text: str | None) -> dict[str, str]:
    """Input name -> sizes as text."""
    names = [value.name or "" for value in model.graph.inputs]
    found: dict[str, str] = {}
    for part in (text or "").split(","):
        name, named, sizes = part.rpartition(":")
        if named and name not in names:
            raise ModelError(
                f"input-shape={part}: {path} has no input '{name}'; it has {', '.join(names)}"
            )
        if part:
            found[name if named else names[0]] = sizes
    return found


def _check_known(
    path: Path, model: ir.Model, value: ir.Value, dims: list[int | ir.SymbolicDim]
) -> None:
    for axis, size in enumerate(dims):
        if axis and (not isinstance(size, int) or size < 1):
            sizes = [str(size) if isinstance(size, int) else "224" for size in dims[1:]]
            example = "x".join(["1", *sizes])
            name = f"{value.name}:" if len(model.graph.inputs) > 1 else ""
            raise ModelError(
                f"{path}: input '{value.name}' has no fixed size on axis {axis}; "
                f"give one with --option input-shape={name}{example}"
            )


def _checked(path: Path, text: str, value: ir.Value) -> list[int]:
    """Sizes given by the user for an input: as many axes, no fixed size contradicted."""
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
