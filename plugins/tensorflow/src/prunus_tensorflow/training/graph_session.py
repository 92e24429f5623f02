"""The compact graph, open in a session of plain TensorFlow."""

from __future__ import annotations

import tempfile
from collections.abc import Collection, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import attrs
import numpy as np
from numpy.typing import NDArray

from prunus.plugin import Destination, ModelError, TrainingJob, Weights
from prunus_tensorflow import graphdef
from prunus_tensorflow.graphdef.checkpoint import open_checkpoint
from prunus_tensorflow.graphdef.cuts import native_shapes
from prunus_tensorflow.graphdef.executed import refuse_effects
from prunus_tensorflow.graphdef.folding import refuse_folded_effects
from prunus_tensorflow.graphdef.names import split
from prunus_tensorflow.graphdef.origin import GraphOrigin
from prunus_tensorflow.graphdef.read import read_structure
from prunus_tensorflow.graphdef.trainable import handle_of, listed_variables, trainable
from prunus_tensorflow.graphdef.view import GraphView, const_value
from prunus_tensorflow.quiet import quiet
from prunus_tensorflow.runtime import tensorflow


@attrs.frozen(eq=False)
class CompactGraph:
    """The compact graph in a session.

    Attributes:
        tf: TensorFlow.
        graph: The whole graph of the file, smaller; names as in the file.
        session: A session on it.
        view: The same as a GraphDef.
        origin: How the network lies in it.
        shapes: Initializer -> native shape it is used in.
        holders: Initializer -> name of its variable.
        stored: Variable -> its value in the compact checkpoint (slots and counters too).
    """

    tf: Any
    graph: Any
    session: Any
    view: GraphView
    origin: GraphOrigin
    shapes: Mapping[str, tuple[int, ...]]
    holders: Mapping[str, str]
    stored: Mapping[str, NDArray[Any]]
    _held: dict[str, Any] = attrs.field(factory=dict, init=False)

    def variables(self) -> dict[str, Any]:
        """Every variable by name, those of the file and those added since."""
        with self.graph.as_default():
            return {one.op.name: one for one in self.tf.compat.v1.global_variables()}

    def start(self) -> None:
        """Give every variable its value: the compact checkpoint's, else its initial one."""
        variables = self.variables()
        fresh = [one.initializer for name, one in variables.items() if name not in self.stored]
        self.session.run(fresh)
        self.assign(self.stored)

    def assign(self, values: Mapping[str, NDArray[Any]]) -> None:
        """Set variables."""
        variables = self.variables()
        feed = {variables[name].initializer.inputs[1]: array for name, array in values.items()}
        self.session.run([variables[name].initializer for name in values], feed)

    def hold(self, masks: Mapping[str, NDArray[np.bool_]]) -> None:
        """Set masked single weights to zero: initializer name -> mask of the neutral shape."""
        variables = self.variables()
        for name in masks.keys() & self.holders.keys():
            holder = self.holders[name]
            if holder not in self._held:
                self._held[holder] = self._holding(name, variables[holder], masks[name])
        self.session.run(list(self._held.values()))

    def _holding(self, name: str, variable: Any, mask: NDArray[np.bool_]) -> Any:
        """An operation; made once, as every one stays in the graph."""
        kept = self.origin.positions[name].native_mask(mask).astype(variable.dtype.as_numpy_dtype)
        with self.graph.as_default():
            held = variable * kept.reshape(variable.shape.as_list())
            return self.tf.compat.v1.assign(variable, held)

    def values(self) -> dict[str, NDArray[Any]]:
        """Value of every variable."""
        found: dict[str, NDArray[Any]] = self.session.run(self.variables())
        return found

    def weights(self) -> Weights:
        """Initializer name -> array of the compact shape."""
        variables = self.variables()
        names = set(self.holders.values())
        values = self.session.run({name: variables[name] for name in names})
        return {
            name: np.ascontiguousarray(
                self.origin.positions[name].to_neutral(values[holder].reshape(self.shapes[name])),
                np.float32,
            )
            for name, holder in self.holders.items()
        }


@contextmanager
def opened(job: TrainingJob, origin: GraphOrigin) -> Iterator[CompactGraph]:
    """Write the compact graph, import it with trainable variables and give them its weights.

    Raises:
        ModelError: the graph cannot express the compact network.
    """
    tf = tensorflow()
    v1 = tf.compat.v1
    learned = _learned(job, origin)
    constants = {node for node in learned if node not in origin.variables}
    with tempfile.TemporaryDirectory(dir=job.workspace, prefix=".compact-") as text:
        written = graphdef.write(job.network, job.compact, Destination(Path(text), "compact"))
        structure = read_structure(written.model)
        stored = {handle_of(node): _constant(structure.graph, node) for node in constants}
        if written.weights is not None:
            checkpoint = open_checkpoint(written.weights)
            for node, key in GraphView(structure.graph).variables.items():
                if key in checkpoint.shapes:
                    stored[node] = checkpoint.array(key)
    holders = {
        name: position.holder.node
        if position.holder.node in origin.variables
        else handle_of(position.holder.node)
        for name, position in origin.positions.items()
        if position.holder.node in origin.variables or position.holder.node in constants
    }
    graph = tf.Graph()
    with graph.as_default(), quiet():
        v1.set_random_seed(job.seed)
        meta = trainable(structure.message, constants, learned)
        _refuse_effects(meta, origin, stored)
        v1.train.import_meta_graph(meta, clear_devices=True)
    settings = v1.ConfigProto(allow_soft_placement=True)
    # not the default session: a second graph may be opened beside it
    with closing(v1.Session(graph=graph, config=settings)) as session:
        opened_graph = CompactGraph(
            tf,
            graph,
            session,
            GraphView(structure.graph),
            origin,
            native_shapes(job.compact, origin),
            holders,
            stored,
        )
        opened_graph.start()
        yield opened_graph


def _refuse_effects(meta: Any, origin: GraphOrigin, stored: Collection[str]) -> None:
    """Let nothing of the file run but computations: its outputs, and its variables' values.

    Raises:
        ModelError: names the file and the node.
    """
    results, fed = [*origin.ends], [*origin.inputs]
    for variable in listed_variables(meta):
        results += [variable.initializer_name, variable.snapshot_name]
        if split(variable.variable_name)[0] in stored:
            fed.append(variable.initial_value_name)
    try:
        refuse_folded_effects(meta.graph_def)
        refuse_effects(GraphView(meta.graph_def), results, fed)
    except ModelError as error:
        raise ModelError(f"{origin.model}: {error}") from error


def _learned(job: TrainingJob, origin: GraphOrigin) -> set[str]:
    """Native nodes an update may change: weights, not moments, not numbers of the graph."""
    factors = job.recipe.lr_mult
    return {
        position.holder.node
        for name, position in origin.positions.items()
        if job.network.bindings[name].role not in ("mean", "variance")
        and factors.get(name, 1.0) != 0
    }


def _constant(graph: Any, name: str) -> NDArray[Any]:
    (node,) = (node for node in graph.node if node.name == name)
    return const_value(node)
