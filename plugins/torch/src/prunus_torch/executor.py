"""Runs the neutral graph in torch, differentiable in everything but its constants."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import attrs
import numpy as np
import onnx_ir as ir
import torch
from numpy.typing import NDArray
from torch import Tensor

from prunus.plugin import DataError, ModelError
from prunus_torch.constants import Constants, constants_of
from prunus_torch.operators import TABLE, Node, Operation


@attrs.frozen(eq=False)
class Step:
    """One node: what to call, slots to read (-1 for an absent operand), to write, to clear."""

    run: Operation
    reads: tuple[int, ...]
    writes: tuple[int, ...]
    clears: tuple[int, ...]
    name: str


class Program:
    """A graph prepared for many runs.

    The tensors of variable initializers belong to the caller, so the same class serves
    training, a frozen teacher and tests.
    """

    def __init__(
        self,
        model: ir.Model,
        values: Sequence[str],
        *,
        variables: Iterable[str] = (),
        statistics: float | None = None,
        dropout: Mapping[str, float] | None = None,
    ) -> None:
        """Prepare a graph.

        Args:
            model: The neutral graph.
            values: Names of the values wanted; nodes none of them depends on are left out.
            variables: Initializers that are not constant: every run gives their tensors.
            statistics: Share of batch statistics in the running ones (training mode of
                BatchNormalization); ``None`` for inference.
            dropout: Value name -> share of elements dropped, the others scaled up.

        Raises:
            ModelError: an operator or one of its settings is not supported, or a
                wanted value is not in the graph.
        """
        self.values = tuple(values)
        self.inputs = {
            str(value.name): value
            for value in model.graph.inputs
            if value.name not in model.graph.initializers
        }
        self._variables = frozenset(variables)
        self._dropout = dict(dropout or {})
        constants = constants_of(model, self._variables)
        nodes = _needed(model, self.values, constants)
        self._slots = _slots(nodes, self.values)
        self._steps = self._prepare(nodes, constants, statistics)
        self._constants = {
            self._slots[name]: _constant(array)
            for name, array in constants.items()
            if name in self._slots
        }

    @property
    def reads(self) -> frozenset[str]:
        """The variables that a run reads."""
        return self._variables & self._slots.keys()

    def to(self, device: torch.device) -> Program:
        """Move the constants to a device; gives the program itself."""
        self._constants = {slot: tensor.to(device) for slot, tensor in self._constants.items()}
        return self

    def run(
        self, inputs: Mapping[str, Tensor], variables: Mapping[str, Tensor]
    ) -> dict[str, Tensor]:
        """Value name -> tensor.

        Args:
            inputs: Graph input name -> ``(N, ...)``.
            variables: Initializer name -> tensor, at least the program's variables.

        Raises:
            DataError: an input is missing or has another shape.
            ModelError: a node failed.
        """
        slots = self._filled(inputs, variables)
        for step in self._steps:
            try:
                result = step.run(*[slots[slot] for slot in step.reads])
            except (RuntimeError, ValueError, IndexError) as error:
                raise ModelError(f"node '{step.name}': torch failed: {_line(error)}") from error
            if isinstance(result, Tensor):
                slots[step.writes[0]] = result
            else:
                for slot, tensor in zip(step.writes, result, strict=False):
                    slots[slot] = tensor
            for slot in step.clears:
                slots[slot] = None
        return {name: slots[self._slots[name]] for name in self.values}

    def _filled(self, inputs: Mapping[str, Tensor], variables: Mapping[str, Tensor]) -> list[Any]:
        slots: list[Any] = [None] * (len(self._slots) + 1)  # the last stays None: slot -1
        for slot, tensor in self._constants.items():
            slots[slot] = tensor
        for name in self._variables:
            if name in self._slots:
                slots[self._slots[name]] = variables[name]
        for name, value in self.inputs.items():
            if name in self._slots:
                if name not in inputs:
                    raise DataError(f"the samples hold no input '{name}', only {sorted(inputs)}")
                _check(value, inputs[name])
                slots[self._slots[name]] = inputs[name]
        return slots

    def _prepare(
        self, nodes: Sequence[ir.Node], constants: Constants, statistics: float | None
    ) -> list[Step]:
        last = {name: index for index, node in enumerate(nodes) for name in _names(node.inputs)}
        keep = {*self.values, *constants, *self._variables}
        steps = []
        for index, node in enumerate(nodes):
            name = node.name or str(node.outputs[0].name)
            reads = tuple(
                -1 if v is None or not v.name else self._slots[v.name] for v in node.inputs
            )
            writes = tuple(self._slots[str(v.name)] for v in node.outputs)
            done = {n for n in _names(node.inputs) if last[n] == index and n not in keep}
            clears = tuple(self._slots[n] for n in sorted(done))
            run = _operation(node, name, constants, self._share(node, statistics))
            steps.append(Step(run, reads, writes, clears, name))
            steps.extend(self._dropped(node))
        return steps

    def _share(self, node: ir.Node, statistics: float | None) -> float | None:
        """Batch statistics only where the running ones are variables that can follow them."""
        follows = set(_names(node.inputs)[3:5]) <= self._variables
        return statistics if node.op_type == "BatchNormalization" and follows else None

    def _dropped(self, node: ir.Node) -> list[Step]:
        """Inverted dropout right behind the node that makes the value."""
        steps = []
        for value in node.outputs:
            ratio = self._dropout.get(str(value.name), 0.0)
            if ratio > 0:
                slot = (self._slots[str(value.name)],)
                steps.append(Step(_dropout(ratio), slot, slot, (), f"dropout of {value.name}"))
        return steps


def evaluate(
    model: ir.Model, inputs: Mapping[str, NDArray[np.float32]], values: Sequence[str] | None = None
) -> dict[str, NDArray[np.float32]]:
    """Run a graph once in inference mode with its own weights; arrays in, arrays out."""
    program = Program(model, values or [str(value.name) for value in model.graph.outputs])
    with torch.no_grad():
        tensors = {n: torch.from_numpy(np.asarray(x, order="C")) for n, x in inputs.items()}
        return {name: tensor.numpy() for name, tensor in program.run(tensors, {}).items()}


def _constant(array: NDArray[np.generic]) -> Tensor:
    """In the array's own memory, which no run writes to: a teacher's are all its weights."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # torch's, where the memory is read-only
        return torch.from_numpy(np.asarray(array, order="C"))


def _operation(
    node: ir.Node, name: str, constants: Constants, statistics: float | None
) -> Operation:
    if node.op_type not in TABLE or node.domain not in ("", "ai.onnx"):
        raise ModelError(
            f"node '{name}': the torch trainer has no operator '{node.op_type}'; "
            "use the trainer of the model's own framework (prunus methods lists them)"
        )
    return TABLE[node.op_type](Node(node, constants, statistics))


def _dropout(ratio: float) -> Operation:
    return lambda x: torch.dropout(x, ratio, train=True)


def _check(value: ir.Value, tensor: Tensor) -> None:
    """Every axis but the batch."""
    if value.shape is None:
        return
    wanted, given = list(value.shape)[1:], list(tensor.shape)[1:]
    pairs = list(zip(wanted, given, strict=False))
    if len(wanted) != len(given) or any(isinstance(w, int) and w != g for w, g in pairs):
        raise DataError(
            f"samples of shape {given} do not fit input '{value.name}' of shape {wanted}"
        )


def _needed(model: ir.Model, values: Sequence[str], constants: Constants) -> list[ir.Node]:
    """Nodes the wanted values depend on, in the graph's order."""
    known = {str(value.name) for node in model.graph for value in node.outputs}
    known |= {str(value.name) for value in model.graph.inputs} | set(model.graph.initializers)
    for name in values:
        if name not in known:
            raise ModelError(f"the graph has no value '{name}'")
    needed = set(values)
    chosen = []
    for node in reversed(list(model.graph)):
        names = {str(value.name) for value in node.outputs}
        if names & needed and not names <= set(constants):
            chosen.append(node)
            needed |= set(_names(node.inputs))
    return chosen[::-1]


def _slots(nodes: Sequence[ir.Node], values: Sequence[str]) -> dict[str, int]:
    """A position for every value the nodes touch."""
    names = dict.fromkeys(values)
    for node in nodes:
        names |= dict.fromkeys(_names(node.inputs))
        names |= dict.fromkeys(str(value.name) for value in node.outputs)
    return {name: index for index, name in enumerate(names)}


def _names(values: Iterable[ir.Value | None]) -> list[str]:
    return [value.name for value in values if value is not None and value.name]


def _line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
