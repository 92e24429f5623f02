"""SavedModel -> Network: one signature, inlined and read as a low-level graph."""

from __future__ import annotations

import re
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs

from prunus.plugin import ModelError, Network, Source, UsageError
from prunus_tensorflow import graphdef
from prunus_tensorflow.graphdef.executed import called
from prunus_tensorflow.graphdef.folding import refuse_folded_effects, with_folding
from prunus_tensorflow.graphdef.names import tensor
from prunus_tensorflow.graphdef.origin import GraphOrigin
from prunus_tensorflow.graphdef.view import VARIABLES
from prunus_tensorflow.runtime import tensorflow
from prunus_tensorflow.saved_model.inlining import frozen
from prunus_tensorflow.saved_model.origin import SavedModelOrigin
from prunus_tensorflow.saved_model.signature import SCOPE, signature_of, specs_of
from prunus_tensorflow.saved_model.stored import StoredModel, open_stored


def load(source: Source) -> Network:
    """Read one signature; option ``signature`` (default ``serving_default``), or the only one.

    Raises:
        ModelError: the directory is no readable SavedModel, or has no signature.
        UsageError: there is no signature of that name.
    """
    tensorflow()
    path = source.model.parent if source.model.is_file() else source.model
    if source.weights is not None:
        raise ModelError(f"{path}: a SavedModel holds its weights: leave out --weights")
    stored = open_stored(path)
    name = _chosen(path, list(stored.signatures), source.options.get("signature"))
    signature = signature_of(stored, name)
    flat = frozen(path, signature.function)
    message = flat.graph.as_graph_def()
    with_folding(message)
    try:
        refuse_folded_effects(message)
    except ModelError as error:
        raise ModelError(f"{path}: {error}") from error
    names = _shorten(message)

    def short(name: str) -> str:
        return tensor(_renamed(name, names))

    inputs = {argument: short(f"{argument}:0") for argument in signature.specs}
    outputs = {
        key: short(value.name) for key, value in zip(signature.outputs, flat.outputs, strict=True)
    }
    handles = {id(variable.handle): variable.name for variable in signature.variables}
    variables = {
        short(inner.op.name): handles[id(outer)].split(":")[0]
        for outer, inner in signature.function.graph.captures
        if id(outer) in handles
    }
    network = _lower(path, message, inputs, outputs, source)
    assert isinstance(network.origin, GraphOrigin)
    aliases, others = _aliases(stored, name)
    endpoint = stored.has_endpoint("serve") and len(outputs) == 1
    specs = signature.specs
    origin = SavedModelOrigin(
        path, name, aliases, endpoint, network.origin, inputs, specs, outputs, variables
    )
    notes = tuple(f"signature '{other}' is not written: it is another function" for other in others)
    return attrs.evolve(network, origin=origin, notes=(*network.notes, *notes))


def _chosen(path: Path, names: Sequence[str], wanted: str | None) -> str:
    if not names:
        raise ModelError(f"{path}: the SavedModel has no signature: export it with one")
    if wanted is not None:
        if wanted not in names:
            raise UsageError(f"{path}: no signature '{wanted}', only {', '.join(names)}")
        return wanted
    if "serving_default" in names:
        return "serving_default"
    if len(names) > 1:
        raise UsageError(
            f"{path}: it has signatures {', '.join(names)}: say which with --option signature=NAME"
        )
    return names[0]


def _lower(
    path: Path, message: Any, inputs: Mapping[str, str], outputs: Mapping[str, str], source: Source
) -> Network:
    options = {
        **source.options,
        "input_nodes": ",".join(inputs.values()),
        "output_nodes": ",".join(outputs.values()),
    }
    with tempfile.TemporaryDirectory() as text:
        graph_file = Path(text) / f"{path.name}.pb"
        content = message.SerializeToString()
        graph_file.write_bytes(content)
        try:
            network = graphdef.load(Source(graph_file, None, options))
        except ModelError as error:
            raise ModelError(str(error).replace(str(graph_file), str(path))) from error
    assert isinstance(network.origin, GraphOrigin)
    return attrs.evolve(network, origin=attrs.evolve(network.origin, model=path, content=content))


def _aliases(stored: StoredModel, chosen: str) -> tuple[tuple[str, ...], list[str]]:
    """Signatures like the chosen one, and signatures unlike it."""
    function = _wording(stored, chosen)
    others = [name for name in stored.signatures if name != chosen]
    same = tuple(name for name in others if _wording(stored, name) == function)
    return same, [name for name in others if name not in same]


def _wording(stored: StoredModel, name: str) -> tuple[object, ...]:
    """A signature's arguments, results, and operations with the variables they read."""
    definition = stored.signatures[name]
    results = {key: info.name for key, info in definition.outputs.items()}
    fed = frozenset(tensor(info.name) for info in definition.inputs.values())
    view = stored.view
    nodes = [view.nodes[one] for one in view.sorted_from([*results.values()], fed)]
    return (
        specs_of(definition),
        {key: definition.outputs[key].dtype for key in results},
        sorted(node.name for node in nodes if node.op in VARIABLES),
        Counter(node.op for node in called(nodes, view.graph.library)),
    )


def _shorten(message: Any) -> dict[str, str]:
    """Drop the names of calls and of prunus' own scope, so that a written model reads as before.

    Returns:
        Old node name -> new one.
    """
    plain = {node.name: _WRAPPING.sub("", node.name) for node in message.node}
    # of several that would get one name the last has it: the results of calls come behind them
    last = {new: old for old, new in plain.items()}
    names = {
        old: new if last[new] == old and new not in plain else old for old, new in plain.items()
    }
    for node in message.node:
        node.name = names[node.name]
        node.input[:] = [_renamed(one, names) for one in node.input]
    return names


_WRAPPING = re.compile(rf"^((Stateful)?PartitionedCall(_\d+)?/|{SCOPE}/)*")


def _renamed(reference: str, names: Mapping[str, str]) -> str:
    caret = "^" if reference.startswith("^") else ""
    node, colon, index = reference.removeprefix("^").partition(":")
    return f"{caret}{names.get(node, node)}{colon}{index}"
