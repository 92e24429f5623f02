"""Requirements of a readable model: sizes, numbers, operators that exist."""

from __future__ import annotations

from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import numpy as np
import onnx
import onnx_ir as ir

from prunus.errors import ModelError
from prunus.evaluation.session import Session
from prunus.formats.onnx_fold import static_shapes
from prunus.graph.reading import reads

_STANDARD = ("", "ai.onnx")

_OF_THE_RUNTIME = ("com.microsoft", "ai.onnx.ml", "com.ms.internal")
"""Further domains whose operators ONNX Runtime brings."""

_WEIGHTED = frozenset(
    "Conv ConvTranspose Gemm MatMul BatchNormalization InstanceNormalization PRelu".split()
)


def check_links(path: Path, model: ir.Model) -> None:
    """Every value is made before it is read; nodes are put in that order.

    Raises:
        ModelError: names the layer that reads what nothing makes, or layers in a circle.
    """
    for node in model.graph.all_nodes():
        for value in node.inputs:
            if value is not None and value.name and not _made(value):
                raise ModelError(
                    f"{path}: layer '{node.name}' ({node.op_type}) reads '{value.name}', which "
                    "nothing makes; is the file damaged? export the model again"
                )
    for value in model.graph.outputs:
        if not _made(value):
            raise ModelError(
                f"{path}: nothing makes the output '{value.name}'; is the file damaged? "
                "export the model again"
            )
    try:
        model.graph.sort()
    except ValueError as error:
        raise ModelError(
            f"{path}: {_circle(model)} feeds itself; is the file damaged? export the model again"
        ) from error


def _made(value: ir.Value) -> bool:
    return value.producer() is not None or value.is_graph_input() or value.is_initializer()


def _circle(model: ir.Model) -> str:
    """A layer of a circle."""
    makers = {
        node.name or "": [maker.name or "" for _, _, v in reads(node) if (maker := v.producer())]
        for node in model.graph
    }
    try:
        TopologicalSorter(makers).prepare()
    except CycleError as error:
        return f"layer '{error.args[1][0]}'"
    return "a layer"


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
    """No number is NaN, no weight of a layer infinite; masks may hold minus infinity.

    Raises:
        ModelError: names the initializer.
    """
    for name, value in model.graph.initializers.items():
        if value.const_value is None or value.dtype is None or not value.dtype.is_floating_point():
            continue
        array = value.const_value.numpy()
        if array.dtype.kind != "f" or np.isfinite(array).all():
            continue
        if np.isnan(array).any() or any(use.node.op_type in _WEIGHTED for use in value.uses()):
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
    for value in model.graph.outputs:
        one, more = (shapes.get(value.name or "") for shapes in (known, other))
        if one and more and one != more and not _grown(one, more, fixed[0]):
            raise ModelError(
                f"{path}: output '{value.name}' does not hold its samples on the first axis; "
                "export the model with a dynamic batch axis"
            )


def check_runs(path: Path, model: ir.Model) -> None:
    """ONNX Runtime takes the graph; nothing is run.

    Raises:
        ModelError: names the layer and what is wrong with it.
    """
    try:
        Session(model, samples=0)
    except ModelError as error:
        raise ModelError(f"{path}: {error}; export the model again") from error


def _grown(one: tuple[int, ...], more: tuple[int, ...], batch: int) -> bool:
    """Whether one more sample makes the first axis longer, and nothing else."""
    return one[1:] == more[1:] and more[0] * batch == one[0] * (batch + 1)
