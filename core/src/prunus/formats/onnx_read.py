"""Reading ``.onnx``: one file in, a neutral graph out."""

from __future__ import annotations

import logging
from pathlib import Path

import onnx
import onnx_ir as ir
from onnx_ir.passes import PassError
from onnx_ir.passes.common import (
    InlinePass,
    LiftConstantsToInitializersPass,
    NameFixPass,
    RemoveInitializersFromInputsPass,
    RemoveUnusedNodesPass,
)
from onnx_ir.serde import SerdeError

from prunus.errors import ModelError
from prunus.formats.onnx_batch import (
    forget_shapes,
    free_batch,
    measure_resizes,
    state_output_shapes,
)
from prunus.formats.onnx_check import (
    check_batch,
    check_links,
    check_numbers,
    check_operators,
    check_runs,
    check_types,
)
from prunus.formats.onnx_fold import fold_constants, state_split_sizes
from prunus.formats.onnx_inputs import fix_inputs
from prunus.formats.onnx_layers import check_layers, check_sizes, check_windows
from prunus.formats.onnx_open import Origin
from prunus.formats.onnx_proto import parse, upgraded
from prunus.formats.onnx_shared import unshare_vectors
from prunus.formats.onnx_states import free_states
from prunus.graph.macs import COUNTED
from prunus.graph.reading import inside, reads
from prunus.network import Binding, Network

logging.getLogger("onnx_ir").setLevel(logging.ERROR)  # what it warns of is refused here by name

_IR = 10
"""Newest version of the file format that is written: older engines read it too."""

_STRETCH = 2
"""A second size for what is open: pooling and striding divide it as they do the first."""

_ROLES: dict[str, tuple[str | None, ...]] = {
    "Conv": (None, "weight", "bias"),
    "ConvTranspose": (None, "weight", "bias"),
    "Gemm": (None, "weight", "bias"),
    "MatMul": (None, "weight"),
    "BatchNormalization": (None, "scale", "shift", "mean", "variance"),
    "InstanceNormalization": (None, "scale", "shift"),
    "LayerNormalization": (None, "scale", "shift"),
    **dict.fromkeys(("LSTM", "GRU", "RNN"), (None, "weight", "weight", "bias")),
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
        input_shape: ``1x3x224x224`` for a first input without fixed sizes, or
            ``image:1x3x224x224,mask:1x576`` for several.

    Raises:
        ModelError: missing, damaged, without weights, or holding numbers that are none.
    """
    return network_of(parse(path), path, input_shape)


def network_of(proto: onnx.ModelProto, path: Path, input_shape: str | None) -> Network:
    """Express a parsed model as a neutral graph.

    Args:
        proto: The model; it may be changed.
        path: Its file, for messages and for the name of what is written.
        input_shape: As for `read_onnx`.

    Raises:
        ModelError: without weights, or holding numbers that are none.
    """
    model = _graph(proto, path)
    _name_nodes(model)
    check_links(path, model)
    check_operators(path, model)
    check_types(path, model)
    check_windows(path, model)
    check_runs(path, model)
    for step in (
        RemoveInitializersFromInputsPass(),
        LiftConstantsToInitializersPass(lift_all_constants=True),
        NameFixPass(),
    ):
        model = step(model).model
    check_numbers(path, model)
    check_types(path, model)
    unshare_vectors(model)
    forget_shapes(model)
    sizes = {value.name or "": tuple(value.shape or ()) for value in model.graph.inputs}
    fix_inputs(path, model, input_shape)
    free_batch(model)
    measure_resizes(model)
    origin = Origin(path)
    if any(value.meta["open"] for value in model.graph.inputs):
        origin = Origin(path, _open(path, model), sizes)
    fold_constants(model)
    free_batch(model)  # targets that were computed are constant now
    free_states(path, model)
    state_split_sizes(model)
    state_output_shapes(model)
    model = RemoveUnusedNodesPass()(model).model
    check_sizes(path, model)
    check_layers(path, model)
    check_batch(path, model)
    check_runs(path, model)  # sizes that were open are known now
    return Network(
        model,
        "onnx",
        _bindings(model),
        _layers(model),
        _captured(model),
        origin=origin,
        notes=_uncounted(model),
    )


def _open(path: Path, model: ir.Model) -> ir.Model:
    """A graph in which what follows from open sizes stays computed; ``model`` is folded as far."""
    fold_constants(model, _STRETCH)
    free_batch(model)
    free_states(path, model)
    copy = model.clone()
    for value, one in zip(copy.graph.inputs, model.graph.inputs, strict=True):
        value.meta.update(one.meta)
    state_output_shapes(copy, _STRETCH)
    return copy


def _graph(proto: onnx.ModelProto, path: Path) -> ir.Model:
    """The model's graph with functions of its own written out."""
    proto = upgraded(proto)
    try:
        model = ir.from_proto(proto)
        model.ir_version = min(model.ir_version, _IR)
        return InlinePass()(model).model if model.functions else model
    except (SerdeError, PassError, ValueError, TypeError, KeyError) as error:
        raise ModelError(
            f"{path}: a node, value or attribute is not as ONNX defines it; is the file damaged? "
            "export the model again"
        ) from error


def _name_nodes(model: ir.Model) -> None:
    taken: set[str] = set()
    for node in model.graph:
        made = [value.name for value in node.outputs if value.name]
        base = node.name or (made[0] if made else node.op_type) or ""
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


def _uncounted(model: ir.Model) -> tuple[str, ...]:
    """The note on weights inside sub-graphs: the number of their runs is not known."""
    notes = []
    for node in model.graph:
        counted = [inner for inner in inside(node) if inner.op_type in COUNTED]
        if counted:
            notes.append(
                f"'{node.name}' ({node.op_type}) holds {len(counted)} convolutions or fully "
                "connected layers: their MACs are not counted, and they stay as they are"
            )
    return tuple(notes)
