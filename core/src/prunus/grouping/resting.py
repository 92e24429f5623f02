"""Values of removed channels at rest: where one is not finite, the channel stays.

A masked channel is zero where it is made, and its consumers' weights are zero. It contributes
nothing as long as a finite number arrives there: zero times infinity is no number. Operators
without a finite answer (1/x, log x, x/|x|) are found by running them: the graph is cut behind the
weights that make channels, every prunable channel is fed as its mask leaves it, and all values are
looked at. Products of two computed values have no weights to be zero: there one of the two numbers
must be (an exponential of a query's channel is not).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import onnx_ir as ir

from prunus.channel_ids.domain import ChannelIds
from prunus.channel_ids.labelling import Labelling
from prunus.errors import ModelError
from prunus.evaluation.session import Array
from prunus.grouping.observed import totals
from prunus.groups import Group
from prunus.masking import vectors_at_rest
from prunus.network import Network

_FINITE = frozenset(
    "Conv ConvTranspose Gemm MatMul Relu LeakyRelu PRelu Clip Sigmoid HardSigmoid HardSwish Tanh "
    "Elu Selu Celu Gelu Mish Softplus Softsign Abs Neg Exp Erf Sign Floor Ceil Round Identity Cast "
    "Dropout Add Sub Mul Max Min Sum Mean Where MaxPool AveragePool GlobalMaxPool "
    "GlobalAveragePool Resize Upsample BatchNormalization LRN Softmax LogSoftmax Concat Split "
    "Slice Gather Pad Reshape Flatten Squeeze Unsqueeze Transpose Expand Tile DepthToSpace "
    "SpaceToDepth ReduceMean ReduceSum ReduceMax ReduceMin Constant ConstantOfShape Shape".split()
)
"""Finite for finite inputs of ordinary size: a graph of these alone need not be run."""


def restless(
    network: Network,
    labelling: Labelling,
    groups: Sequence[Group],
    units: Mapping[str, ChannelIds],
    layers: Mapping[str, str],
) -> dict[int, str]:
    """Representative channel id of a unit -> why it cannot be removed.

    Args:
        network: The network.
        labelling: Its channel ids.
        groups: What may be removed.
        units: Group name -> ``(C,)`` representative channel id of each unit.
        layers: Node name -> native layer name.
    """
    known = all(node.op_type in _FINITE for node in network.model.graph)
    if not groups or (known and not labelling.contractions):
        return {}
    removable = np.zeros(len(labelling.roots), bool)
    removable[np.concatenate([units[group.name] for group in groups])] = True
    removable = removable[labelling.roots]
    resting = network.with_weights(vectors_at_rest(network, groups)).model
    reasons: dict[int, str] = {}
    try:
        found = totals(resting, labelling, removable)
    except ModelError:
        return {}  # it does not run for one sample: the proof of the plan tells
    makers = {value.name: node for node in network.model.graph for value in node.outputs}
    for name, total in found.items():
        bad = np.unique(labelling.roots[labelling.values[name][~np.isfinite(total)]])
        node = makers[name]
        layer = layers.get(node.name or "", node.name)
        for root in bad[removable[bad]].tolist():
            reasons.setdefault(root, f"no finite number at '{layer}' ({node.op_type}) once removed")
    for product, bad in _contributing(network.model, labelling, found):
        layer = layers.get(product, product)
        for root in bad[removable[bad]].tolist():
            reasons.setdefault(root, f"still counts in the product '{layer}' once removed")
    return reasons


def _contributing(
    model: ir.Model, labelling: Labelling, found: Mapping[str, Array]
) -> Iterator[tuple[str, ChannelIds]]:
    """Products that sum over channels, and units that are not zero in both of the operands."""
    summed = {one.node: one.labels for one in labelling.contractions}
    for node in [node for node in model.graph if node.name in summed]:
        moving = [
            labelling.roots[labelling.values[name][found[name] != 0]]
            for name in (value.name or "" for value in node.inputs[:2] if value is not None)
            if name in found
        ]
        if len(moving) == 2:
            both = np.intersect1d(*moving)
            yield node.name or "", np.intersect1d(both, labelling.roots[summed[node.name or ""]])
