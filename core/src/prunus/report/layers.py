"""Counts of every layer of a network, before and after a plan."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from prunus.granularity import CHANNELS
from prunus.graph.macs import layer_macs
from prunus.graph.parameters import learned_by
from prunus.groups import Group
from prunus.prunable import Prunable
from prunus.report.facts import LayerFacts

Keep = Mapping[str, NDArray[np.bool_]]
"""Group name -> ``(C,)`` bool, True for kept."""


def layer_facts(subject: Prunable, keep: Keep, smaller: ir.Model) -> dict[str, LayerFacts]:
    """Node name -> counts, for every node with learned numbers, in the network's order.

    Args:
        subject: The network and its groups.
        keep: The plan; groups left out stay whole.
        smaller: The compact graph of the plan; the network's own where nothing is removed.
    """
    network, grouping = subject.network, subject.grouping
    labelling = grouping.labelling
    macs = layer_macs(network.model, labelling.dims)
    kept_macs = _kept_macs(subject, keep, macs)
    after = {node.name: node for node in smaller.graph}
    stays = grouping.kept_channel_ids(keep)
    groups = {layer: group for group in grouping.groups for layer in group.layers}
    found = {}
    for node in network.model.graph:
        params = learned_by(node, network.bindings)
        if not params:
            continue
        name, value = node.name or "", node.outputs[0].name or ""
        layer = grouping.layers.get(name, name)
        group = groups.get(layer)
        size, kept, units = _units(subject, keep, group, labelling.values.get(value), stays)
        left = learned_by(after[name], network.bindings) if name in after else 0
        if subject.granularity != CHANNELS:
            left = params - (size - kept)
        reasons = tuple(one.reason for one in grouping.protected if one.layer == layer)
        found[name] = LayerFacts(
            layer,
            node.op_type,
            tuple(labelling.dims.get(value, ())[1:]),
            units,
            size,
            kept,
            params,
            left,
            macs.get(name, 0),
            kept_macs.get(name, 0),
            () if group is None else tuple(one for one in group.layers if one != layer),
            reasons,
        )
    return found


def _units(
    subject: Prunable,
    keep: Keep,
    group: Group | None,
    labels: NDArray[np.int64] | None,
    stays: NDArray[np.bool_],
) -> tuple[int, int, str]:
    """Units of a layer, how many of them stay, and their name."""
    if subject.granularity != CHANNELS:
        if group is None:
            return 0, 0, subject.granularity.units
        units = keep.get(group.name)
        return group.size, group.size if units is None else int(units.sum()), "weights"
    if labels is None:
        return 0, 0, "channels"
    return labels.size, int(stays[labels].sum()), "channels"


def _kept_macs(subject: Prunable, keep: Keep, macs: Mapping[str, int]) -> Mapping[str, int]:
    """Node name -> MACs that are left; engines do those of single zero weights too."""
    if subject.granularity != CHANNELS:
        return macs
    cost = subject.cost
    counted = cost.layer_macs(cost.kept(keep))
    return {name: round(one) for name, one in zip(cost.layers, counted.tolist(), strict=True)}
