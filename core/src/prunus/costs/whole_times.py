"""Times of whole networks, fitted to what an engine was seen to take for plans as wholes.

An engine without a profile tells nothing about its layers. Four features of a plan and a constant
explain most of its time: multiply-accumulates of dense and of depthwise layers, which run at
different speeds, numbers of activations, and numbers of weights, which move through memory.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import attrs
import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array, vstack

from prunus.costs.layer_times import MILLISECONDS, outputs_of
from prunus.graph.macs import CostModel, bilinear_cost
from prunus.graph.stored import parameter_cost
from prunus.prunable import Prunable


def fitted_as_wholes(
    subject: Prunable, plans: NDArray[np.int64], shares: Sequence[float]
) -> CostModel:
    """Time of every plan, in hundredths of the whole network's.

    Args:
        subject: The network and its groups.
        plans: ``(P, G)`` units of each group in the plans that were timed.
        shares: Time of each, as a share of the whole network's.
    """
    features = [cost for cost in _features(subject) if cost.total > 0]
    table = np.stack([cost.macs_of(plans) / cost.total for cost in features], axis=1)
    scales = _solved(table, np.asarray(shares))
    parts = [
        attrs.evolve(cost, scale=cost.scale * (100 * scale / cost.total))
        for cost, scale in zip(features, scales, strict=True)
        if scale > 0
    ]
    return _sum(parts)


def _solved(table: NDArray[np.float64], wanted: NDArray[np.float64]) -> NDArray[np.float64]:
    """Coefficients, not negative, with the least sum of absolute errors.

    A plan whose runs were all disturbed by other programs counts little, unlike in least squares.
    """
    from scipy.optimize import linprog  # slow to import

    rows, columns = table.shape
    errors = np.eye(rows)
    price = np.concatenate([np.zeros(columns), np.ones(2 * rows)])
    found = linprog(price, A_eq=np.hstack([table, errors, -errors]), b_eq=wanted)
    return np.asarray(found.x[:columns])


def _features(subject: Prunable) -> list[CostModel]:
    """What a plan's time grows with."""
    cost, depthwise = subject.cost, _depthwise(subject)
    dense = np.array([name not in depthwise for name in cost.layers])
    return [
        attrs.evolve(cost, scale=cost.scale * dense),
        attrs.evolve(cost, scale=cost.scale * ~dense),
        _activations(subject),
        parameter_cost(subject.network, subject.grouping),
        bilinear_cost(subject.grouping, {"": 1.0}, (), MILLISECONDS),
    ]


def _depthwise(subject: Prunable) -> set[str]:
    """Names of layers that read one channel for each that they make."""
    return {
        node.name or ""
        for node in subject.network.model.graph
        if node.op_type == "Conv" and node.attributes.get_int("group", 1) > 1
    }


def _activations(subject: Prunable) -> CostModel:
    """Numbers in all values that layers make."""
    dims = subject.grouping.labelling.dims
    made = {
        value.name or "": outputs_of(subject, value.name or "")
        for node in subject.network.model.graph
        for value in node.outputs
    }
    labels = {name: found for name, found in made.items() if found is not None and name in dims}
    totals = {name: float(math.prod(dims[name])) for name in labels}
    sides = ((name, "outputs", found) for name, found in labels.items())
    return bilinear_cost(subject.grouping, totals, sides, "numbers")


def _sum(parts: Sequence[CostModel]) -> CostModel:
    """The cost model of a sum of costs."""
    return attrs.evolve(
        parts[0],
        layers=tuple(name for part in parts for name in part.layers),
        scale=np.concatenate([part.scale for part in parts]),
        outputs=csr_array(vstack([part.outputs for part in parts])),
        inputs=csr_array(vstack([part.inputs for part in parts])),
        outputs0=np.concatenate([part.outputs0 for part in parts]),
        inputs0=np.concatenate([part.inputs0 for part in parts]),
        counted=MILLISECONDS,
    )
