"""Reading ``.onnx``: one file in, a neutral graph out."""

from __future__ import annotations

from pathlib import Path

import onnx
import onnx_ir as ir
from google.protobuf.message import DecodeError
from onnx import version_converter
from onnx_ir.passes.common import (
    LiftConstantsToInitializersPass,
    NameFixPass,
    RemoveInitializersFromInputsPass,
    RemoveUnusedNodesPass,
    TopologicalSortPass,
)

from prunus.errors import ModelError
from prunus.formats.onnx_batch import FREE, forget_shapes, free_batch, state_output_shapes
from prunus.formats.onnx_check import (
    check_batch,
    check_numbers,
    check_operators,
    check_types,
    checked_shape,
)
from prunus.formats.onnx_fold import fold_constants, state_split_sizes
from prunus.formats.onnx_states import free_states
from prunus.graph.reading import reads
from prunus.network import Binding, Network

OPSET = 17
"""Opset of the neutral graph."""

_ROLES: dict[str, tuple[str | None, ...]] = {
    "Conv": (None, "weight", "bias"),
    "ConvTranspose": (None, "weight", "bias"),
    "Gemm": (None, "weight", "bias"),
    "MatMul": (None, "weight"),
    "BatchNormalization": (None, "scale", "shift", "mean", "variance"),
    "InstanceNormalization": (None, "scale", "shift"),
    "LayerNormalization": (None, "scale", "shift"),
    "PRelu": (None, "slope"),
    "Add": ("shift", "shift"),
    "Sub": ("shift", "shift"),
    "Mul": ("scale", "scale"),
    "Div": ("scale", "scale"),
}


def read_onnx(path: Path, input_shape: str | None) -> Network:
    """Load a model.

    Args:
        path: The file.
        input_shape: ``1x3x224x224`` for a first input without fixed sizes.

    Raises:
        ModelError: missing, damaged, without weights, or holding numbers that are none.
    """
    proto = _upgraded(_parse(path))
    model = ir.from_proto(proto)
    _name_nodes(model)
    check_operators(path, model)
    for step in (
        RemoveInitializersFromInputsPass(),
        LiftConstantsToInitializersPass(lift_all_constants=True),
        TopologicalSortPass(),
        NameFixPass(),
    ):
        model = step(model).model
    forget_shapes(model)
    _fix_inputs(path, model, input_shape)
    free_batch(model)
    fold_constants(model)
    free_batch(model)  # targets that were computed are constant now
    free_states(path, model)
    state_split_sizes(model)
    state_output_shapes(model)
    model = RemoveUnusedNodesPass()(model).model
    check_batch(path, model)
    check_numbers(path, model)
    check_types(path, model)
    return Network(model, "onnx", _bindings(model), _layers(model), _captured(model), origin=path)


def _parse(path: Path) -> onnx.ModelProto:
    if not path.is_file():
        raise ModelError(f"{path}: no such file")
    try:
        proto = onnx.load(path)
    except (DecodeError, ValueError) as error:
        raise ModelError(f"{path}: not a readable ONNX file ({error}); is it complete?") from error
    except (FileNotFoundError, onnx.checker.ValidationError) as error:
        raise ModelError(
            f"{path}: weights stored beside the model are missing ({error})"
        ) from error
    except OSError as error:
        raise ModelError(f"{path}: cannot be read ({error.strerror})") from error
    if not proto.graph.node:
        raise ModelError(f"{path}: holds no graph; is it an ONNX model and complete?")
    return proto


def _upgraded(proto: onnx.ModelProto) -> onnx.ModelProto:
    """Bring old operator versions up; what the converter cannot is left as it is."""
    version = next((o.version for o in proto.opset_import if o.domain in ("", "ai.onnx")), OPSET)
    if version >= OPSET:
        return proto
    try:
        return version_converter.convert_version(proto, OPSET)
    except Exception:  # noqa: BLE001  the converter raises its own untyped errors
        return proto


def _fix_inputs(path: Path, model: ir.Model, text: str | None) -> None:
    for number, value in enumerate(model.graph.inputs):
        if value.shape is None:
            raise ModelError(
                f"{path}: input '{value.name}' has no shape; export it with fixed sizes"
            )
        dims = list(value.shape)
        if text is not None and number == 0:
            dims[1:] = checked_shape(path, text, value)[1:]
        unknown = [
            axis
            for axis, size in enumerate(dims)
            if axis and (not isinstance(size, int) or size < 1)
        ]
        if unknown:
            sizes = [str(size) if isinstance(size, int) else "224" for size in dims[1:]]
            example = "x".join(["1", *sizes])
            raise ModelError(
                f"{path}: input '{value.name}' has no fixed size on axis {unknown[0]}; "
                f"give one with --option input-shape={example}"
            )
        # the size before, for reshapes that baked it in
        value.meta["batch"] = dims[0] if isinstance(dims[0], int) else None
        value.shape = ir.Shape([FREE, *dims[1:]])


def _name_nodes(model: ir.Model) -> None:
    taken: set[str] = set()
    for node in model.graph:
        base = node.name or (node.outputs[0].name or node.op_type)
        name, number = base, 2
        while name in taken:
            name, number = f"{base}#{number}", number + 1
        taken.add(name)
        node.name = name


def _bindings(model: ir.Model) -> dict[str, Binding]:
    bindings: dict[str, Binding] = {}
    for node in model.graph:
        for index, (value, role) in enumerate(
            zip(node.inputs, _ROLES.get(node.op_type, ()), strict=False)
        ):
            if (
                role is not None
                and value is not None
                and value.is_initializer()
                and _is_float(value)
                and not _is_number(node, value)
            ):
                bindings.setdefault(value.name or "", Binding(node.name or "", role, index))
    return bindings


def _is_float(value: ir.Value) -> bool:
    return value.const_value is not None and value.const_value.dtype in (
        ir.DataType.FLOAT,
        ir.DataType.DOUBLE,
        ir.DataType.FLOAT16,
    )


def _is_number(node: ir.Node, value: ir.Value) -> bool:
    """A number of a formula (the halves of a GELU, say), not something that was learned."""
    assert value.const_value is not None
    return node.op_type in ("Add", "Sub", "Mul", "Div") and value.const_value.size == 1


def _layers(model: ir.Model) -> dict[str, tuple[str, ...]]:
    return {node.name or "": (node.name or "",) for node in model.graph}


def _captured(model: ir.Model) -> dict[str, str]:
    """Values and weights that sub-graphs (If, Loop, Scan) use from outside stay as they are."""
    return {
        value.name or "": f"feeds a sub-graph of '{node.name}' of type '{node.op_type}'"
        for node in model.graph
        for user, _, value in reads(node)
        if user is not node
    }
