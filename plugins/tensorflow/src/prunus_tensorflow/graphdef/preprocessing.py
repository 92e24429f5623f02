"""Opaque preprocessing: ops before all weights of a graph, computed by TensorFlow.

Where inputs were named (a SavedModel's are), unknown ops may stand between them and the first
layer: decoding, spectra, look-ups. What they make follows from the samples alone, whatever is
pruned or trained behind them, so it can be fed like a sample.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

import attrs
import numpy as np
from numpy.typing import NDArray

from prunus.plugin import ModelError
from prunus_tensorflow.graphdef.checkpoint import open_checkpoint
from prunus_tensorflow.graphdef.executed import refuse_effects
from prunus_tensorflow.graphdef.folding import refuse_folded_effects
from prunus_tensorflow.graphdef.freeze import freeze
from prunus_tensorflow.graphdef.names import full, split
from prunus_tensorflow.graphdef.origin import GraphOrigin
from prunus_tensorflow.graphdef.read import graph_of
from prunus_tensorflow.graphdef.view import PLACEHOLDERS, GraphView
from prunus_tensorflow.quiet import quiet
from prunus_tensorflow.runtime import tensorflow

Arrays = Mapping[str, NDArray[Any]]


def computed(origin: GraphOrigin, opaque: Collection[str]) -> Callable[[Arrays], Arrays] | None:
    """A function that computes what opaque ops make.

    Args:
        origin: The graph.
        opaque: Native tensors that opaque ops make.

    Returns:
        Samples by input -> float32 arrays by tensor, of those that follow from the inputs without
        any weight; ``None`` if none does.
    """
    whole = graph_of(origin)
    view = GraphView(whole)
    names = [name for name in opaque if _before_weights(view, origin, name)]
    if not names:
        return None
    try:
        refuse_effects(view, names, origin.inputs)
        refuse_folded_effects(whole)
    except ModelError as error:
        raise ModelError(f"{origin.model}: {error}") from error
    tf = tensorflow()
    message = freeze(whole, _values(view, origin), attrs.evolve(origin, ends=tuple(names)))
    graph = tf.Graph()
    with graph.as_default(), quiet():
        tf.graph_util.import_graph_def(message, name="")
    session = tf.compat.v1.Session(graph=graph)
    present = GraphView(message).nodes
    inputs = {name: full(name) for name in origin.inputs if split(name)[0] in present}
    kinds = {
        name: graph.get_tensor_by_name(one).dtype.as_numpy_dtype for name, one in inputs.items()
    }
    wanted = {name: full(name) for name in names}

    def compute(samples: Arrays) -> Arrays:
        feed = {inputs[name]: np.asarray(samples[name], kinds[name]) for name in inputs}
        found = session.run(wanted, feed)
        return {name: np.asarray(array, np.float32) for name, array in found.items()}

    return compute


def _before_weights(view: GraphView, origin: GraphOrigin, name: str) -> bool:
    weights = {position.holder.node for position in origin.positions.values()}
    inputs = frozenset(origin.inputs)
    nodes = [view.nodes[one] for one in view.sorted_from([name], inputs)]
    return not any(
        node.name in weights or (node.op in PLACEHOLDERS and node.name not in inputs)
        for node in nodes
    )


def _values(view: GraphView, origin: GraphOrigin) -> dict[str, NDArray[Any]]:
    if origin.checkpoint is None:
        return {}
    stored = open_checkpoint(Path(origin.checkpoint))
    return {node: stored.array(key) for node, key in view.variables.items() if key in stored.shapes}
