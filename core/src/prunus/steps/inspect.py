"""``prunus stat``, ``eval`` and ``export``: looking at a network without changing it."""

from __future__ import annotations

from pathlib import Path

import attrs
import onnx_ir as ir

from prunus.errors import DataError, UsageError
from prunus.graph.macs import layer_macs, vendor_operations
from prunus.groups import Protected
from prunus.host import Host
from prunus.settings import Settings
from prunus.steps.files import make_directory
from prunus.steps.loaded import evaluator_for, load
from prunus.steps.native import keep_apart
from prunus.steps.report import LEARNED, Report, Stage, latency, parameters
from prunus.steps.stage import staged


@attrs.frozen
class LayerRow:
    """One counted layer."""

    layer: str
    operator: str
    output: tuple[int, ...]
    params: int
    macs: int


@attrs.frozen
class GroupLine:
    """One prunable group."""

    group: str
    layers: tuple[str, ...]
    channels: int
    exact: bool


@attrs.frozen(eq=False)
class Statistics:
    """What ``stat`` tells.

    Attributes:
        layers: Layers with learned parameters.
        groups: Prunable groups.
        protected: Channels that stay, with reasons.
        macs, params: Totals.
        notes: Sentences for the user.
        operations: The vendor's own count, where its configuration file was read.
    """

    layers: tuple[LayerRow, ...]
    groups: tuple[GroupLine, ...]
    protected: tuple[Protected, ...]
    macs: int
    params: int
    notes: tuple[str, ...]
    operations: int | None = None

    def to_json(self) -> dict[str, object]:
        """Plain JSON values."""
        return attrs.asdict(self)


def statistics(host: Host, settings: Settings) -> Statistics:
    """Count a network, list its groups and what is protected."""
    loaded = load(host, settings)
    dims = loaded.grouping.labelling.dims
    macs = layer_macs(loaded.network.model, dims)
    names = loaded.grouping.layers
    rows = []
    for node in loaded.network.model.graph:
        params = _learned(node, loaded.network.bindings)
        if params:
            shape = dims.get(node.outputs[0].name or "", ())[1:]
            layer = names.get(node.name or "", node.name or "")
            rows.append(LayerRow(layer, node.op_type, shape, params, macs.get(node.name or "", 0)))
    groups = tuple(GroupLine(g.name, g.layers, g.size, g.exact) for g in loaded.grouping.groups)
    total = parameters(loaded.network, loaded.network.model)
    return Statistics(
        tuple(rows),
        groups,
        loaded.grouping.protected,
        sum(macs.values()),
        total,
        loaded.network.notes,
        vendor_operations(loaded.network.model, dims) if settings.vendor else None,
    )


def _learned(node: ir.Node, bindings: object) -> int:
    total = 0
    for value in node.inputs:
        if value is None or value.const_value is None:
            continue
        binding = bindings.get(value.name) if hasattr(bindings, "get") else None
        if binding is not None and binding.role in LEARNED:
            total += value.const_value.size
    return total


def evaluate(host: Host, settings: Settings) -> Report:
    """Measure a network on its samples.

    Raises:
        DataError: there are none.
    """
    loaded = load(host, settings)
    evaluator = evaluator_for(loaded, settings, loaded.network)
    if evaluator is None:
        raise DataError("no samples to evaluate on: give --data")
    stage = Stage(
        "network",
        evaluator.baseline,
        round(loaded.cost.total),
        parameters(loaded.network, loaded.network.model),
        None,
        latency(loaded.network.model),
    )
    facts = {"samples": evaluator.count}
    return Report(
        "eval", evaluator.metric.name, (stage,), (), loaded.network.notes, (), None, facts
    )


def export(host: Host, settings: Settings, output: Path) -> Report:
    """Write the neutral graph of any loaded network as ONNX.

    Raises:
        UsageError: the file would replace the network, or is a directory.
    """
    if output.is_dir():
        raise UsageError(f"--output {output}: is a directory; name a file, {output / 'net.onnx'}")
    loaded = load(host, settings)
    make_directory(output.parent)
    with staged(output.parent) as stage:
        ir.save(loaded.network.model, stage / output.name)
        keep_apart(stage, output.parent, loaded.source)
    return Report("export", notes=loaded.network.notes, files=(output,))
