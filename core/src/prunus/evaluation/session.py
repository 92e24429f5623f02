"""ONNX Runtime, the engine behind every number of the core."""

from __future__ import annotations

import time
from collections.abc import Container, Iterable, Mapping, Sequence
from copy import copy
from pathlib import Path
from typing import TypeAlias

import numpy as np
import onnx_ir as ir
import onnxruntime as ort
from numpy.typing import NDArray
from onnx_ir.passes.common import RemoveUnusedNodesPass

from prunus.errors import ModelError
from prunus.evaluation.refusal import refusal
from prunus.graph.reading import inside

Array = NDArray[np.float32]

Held: TypeAlias = ort.OrtValue
"""A value in the engine's memory."""

_LARGE = 1 << 16
"""Bytes of a weight."""

_LONG = 4096
"""Nodes of a graph for which finding the best memory layouts is no longer quick: the time grows
with the square of the nodes, 0.6 s for 4,000 and 12 s for 20,000."""

_HUGE = 1 << 26
"""Bytes of a weight that is given with every run: the engine copies the others while it prepares,
though it drops these copies at once where memory is spared. A matrix product of one row by 411 MB
takes 32 ms either way."""

_HEAVY = 1 << 25
"""Bytes of weights from which a known number of samples runs in little memory: the engine would
hold a second layout of the weights, and keep activations from run to run. Less than a large
network has, since parts of it run on their own; ResNet-50 takes an eighth more time a run."""

_SPARED = 1 << 20
"""Bytes of a weight that is given with every run where memory is spared. Convolutions then have no
layout of their own: a detector of 248 MB takes a tenth more time, and 0.5 GB less memory of its
0.7."""

_FEW = 16
"""Samples that run sooner without those layouts than these are found in a long graph."""


_KINDS: Mapping[str, type[np.generic]] = {
    "tensor(int64)": np.int64,
    "tensor(int32)": np.int32,
    "tensor(bool)": np.bool_,
}
"""Types of inputs that are no float32, as samples are."""


class Structure:
    """A graph as the engine reads it, made once to run it with other weights.

    Most of the time before a small graph runs goes into taking it apart.
    """

    def __init__(
        self, model: ir.Model, names: Iterable[str] = (), samples: int | None = None
    ) -> None:
        """Take a graph apart.

        Args:
            model: The neutral graph.
            names: Its initializers that others may stand for (`replaced`).
            samples: How many a session of it will run in all, where that is known: memory is
                spared where weights are large.
        """
        structure = model.clone()
        self.weights = _large(structure, frozenset(names))
        heavy = sum(array.nbytes for array in self.weights.values()) > _HEAVY
        self.sparing = samples is not None and heavy
        least = _SPARED if self.sparing else _HUGE
        self.fed = tuple(name for name, array in self.weights.items() if array.nbytes >= least)
        _put_outside(structure, self.weights, self.fed)
        self.operators = {node.name: node.op_type for node in model.graph if node.name}
        self.nodes = len(model.graph)
        self.text = _text(structure)

    def replaced(self, weights: Mapping[str, NDArray[np.generic]]) -> Structure:
        """The same graph with other arrays for some of `weights`, of the same shapes."""
        changed = copy(self)
        new = {name: np.asarray(array, np.float32, order="C") for name, array in weights.items()}
        changed.weights = self.weights | new
        return changed


def _text(model: ir.Model) -> bytes:
    """The graph as ONNX Runtime reads it.

    Raises:
        ModelError: a damaged file gave it an attribute that has no type.
    """
    try:
        return bytes(ir.to_proto(model).SerializeToString())
    except ir.serde.SerdeError as error:
        cause: BaseException = error
        while cause.__cause__ is not None:
            cause = cause.__cause__
        raise ModelError(f"the graph cannot be given to ONNX Runtime: {cause}") from error


class Session:
    """One executable graph."""

    def __init__(
        self,
        model: ir.Model | Structure,
        outputs: Sequence[str] | None = None,
        *,
        arena: bool = True,
        samples: int | None = None,
        profile: Path | None = None,
        threads: int | None = None,
    ) -> None:
        """Prepare a graph.

        Args:
            model: The neutral graph.
            outputs: Values to return instead of the graph's outputs; not of a `Structure`.
            arena: Keep the memory of a run for the next one. Where many sessions live at
                once, each would hold its own.
            samples: How many will be run in all, where that is known. The engine rewrites the
                graph as far as is worth it for them, and spares memory where weights are large;
                a `Structure` spares it if it was told so itself.
            profile: Start of the name of a file for the times of every step (`profiled`).
            threads: Threads of one run; as many as there are processors without it.

        Raises:
            ModelError: ONNX Runtime refuses the graph.
        """
        if outputs is not None:
            assert isinstance(model, ir.Model)
            model = with_outputs(model, outputs)
        structure = model if isinstance(model, Structure) else Structure(model, samples=samples)
        options = ort.SessionOptions()
        options.log_severity_level = 4
        if profile is not None:
            options.enable_profiling, options.profile_file_prefix = True, str(profile)
        if threads is not None:
            options.intra_op_num_threads = threads
        options.graph_optimization_level = _level(structure.nodes, samples)
        # threads that wait for more work by spinning take the cores from the session run next:
        # of several sessions in turn, each ran up to five times slower (benchmarks/ana_exact.py)
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self._operators, weights = structure.operators, structure.weights
        self._fed = {name: _held(weights[name], None) for name in structure.fed}
        weights = {name: array for name, array in weights.items() if name not in self._fed}
        options.enable_cpu_mem_arena = arena and not structure.sparing
        if samples == 0 or structure.sparing:
            options.add_session_config_entry("session.disable_prepacking", "1")
        self._weights = [ort.OrtValue.ortvalue_from_numpy(array) for array in weights.values()]
        options.add_external_initializers(list(weights), self._weights)
        # what is also given like this is read in place, without a copy in the session
        if structure.sparing:
            for name, value in zip(weights, self._weights, strict=True):
                options.add_initializer(name, value)
        try:
            self._session = ort.InferenceSession(
                structure.text,
                options,
                providers=["CPUExecutionProvider"],
            )
        except Exception as error:
            raise ModelError(
                f"ONNX Runtime refuses the network: {refusal(error, self._operators)}"
            ) from error
        self.outputs = tuple(value.name for value in self._session.get_outputs())
        self._read = {value.name: _KINDS.get(value.type) for value in self._session.get_inputs()}

    def run(self, inputs: Mapping[str, Array | Held]) -> dict[str, Array]:
        """Output name -> array; what the graph does not read is left aside.

        Samples are float32; an input of integers or truth values gets them in its own type.

        Raises:
            ModelError: the inputs do not fit the graph.
        """
        return {name: value.numpy() for name, value in self.hold(inputs).items()}

    def hold(self, inputs: Mapping[str, Array | Held]) -> dict[str, Held]:
        """Output name -> value left in the engine, which another session takes without a copy.

        What the graph does not read is left aside.

        Raises:
            ModelError: the inputs do not fit the graph.
        """
        try:
            feed = {n: _held(v, self._read[n]) for n, v in inputs.items() if n in self._read}
            results = self._session.run_with_ort_values(list(self.outputs), feed | self._fed)
        except Exception as error:
            raise ModelError(f"ONNX Runtime stopped: {refusal(error, self._operators)}") from error
        return dict(zip(self.outputs, results, strict=True))

    def profiled(self) -> Path:
        """The file with the times of every step so far, where a profile was asked for."""
        return Path(self._session.end_profiling())

    def latency(self, inputs: Mapping[str, Array], seconds: float = 0.5) -> float:
        """Milliseconds of one run: the best of as many as fit into ``seconds``."""
        self.run(inputs)
        feed = {**inputs, **{name: value.numpy() for name, value in self._fed.items()}}
        best = np.inf
        end = time.perf_counter() + seconds
        while time.perf_counter() < end:
            start = time.perf_counter()
            self._session.run(None, feed)
            best = min(best, time.perf_counter() - start)
        return float(best * 1e3)


def _level(nodes: int, samples: int | None) -> ort.GraphOptimizationLevel:
    """How far the engine rewrites a graph of so many nodes to run so many samples."""
    if samples == 0:
        return ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    if samples is not None and samples <= _FEW and nodes > _LONG:
        return ort.GraphOptimizationLevel.ORT_ENABLE_EXTENDED  # all but the layouts
    return ort.GraphOptimizationLevel.ORT_ENABLE_ALL


def _held(value: Array | Held, kind: type[np.generic] | None) -> Held:
    if isinstance(value, ort.OrtValue):
        return value
    return ort.OrtValue.ortvalue_from_numpy(np.asarray(value, kind, order="C"))


def with_outputs(model: ir.Model, outputs: Sequence[str]) -> ir.Model:
    """The same graph returning other values; nodes that nothing needs are dropped."""
    changed = model.clone()
    values = {v.name: v for node in changed.graph for v in node.outputs}
    values |= {v.name: v for v in changed.graph.inputs}
    changed.graph.outputs.clear()
    for name in outputs:
        value = values[name]
        value.type = value.type or ir.TensorType(ir.DataType.FLOAT)
        changed.graph.outputs.append(value)
    drop_unused(changed)
    return changed


def with_fed_weights(model: ir.Model) -> tuple[ir.Model, dict[str, Array]]:
    """The same graph with large weights as inputs, and the arrays to feed.

    A session of it holds no copy of them: it runs slower and needs the least memory.
    """
    changed = model.clone()
    weights = _large(changed)
    for name in weights:
        _feed(changed, name)
    return changed, weights


def _feed(model: ir.Model, name: str) -> None:
    """Make an initializer an input of the graph, in place."""
    value = model.graph.initializers.pop(name)
    value.const_value = None
    if not value.is_graph_input():
        model.graph.inputs.append(value)


def _put_outside(model: ir.Model, weights: Mapping[str, Array], fed: Container[str]) -> None:
    """Make weights inputs of a graph, or refer to them outside of it, in place."""
    for name, array in weights.items():
        if name in fed:
            _feed(model, name)
            continue
        value = model.graph.initializers[name]
        value.const_value = ir.ExternalTensor(
            "memory", 0, array.nbytes, ir.DataType.FLOAT, shape=ir.Shape(array.shape), name=name
        )


def _large(model: ir.Model, names: frozenset[str] = frozenset()) -> dict[str, Array]:
    """Weights to keep out of a serialised graph: large ones, and the named ones.

    Not those that nothing reads: the engine drops them before it looks for what stands outside.
    """
    return {
        name: np.asarray(value.const_value.numpy(), order="C")
        for name, value in model.graph.initializers.items()
        if value.const_value is not None
        and (value.uses() or value.is_graph_output() or name in names)
        and value.const_value.dtype == ir.DataType.FLOAT
        and (value.const_value.nbytes >= _LARGE or name in names)
    }


def drop_unused(model: ir.Model) -> None:
    """Remove nodes and initializers no output depends on, in place."""
    found = [(node, inner) for node in model.graph for inner in inside(node)]
    RemoveUnusedNodesPass()(model)
    gone = [inner for node, inner in found if node.graph is None]
    if gone:
        # what the sub-graphs of removed nodes read from outside may be unused now
        for inner in gone:
            for index in range(len(inner.inputs)):
                inner.replace_input_with(index, None)
        drop_unused(model)
