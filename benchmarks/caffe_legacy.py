"""The legacy tool's published AlexNet (cats and dogs): its counts, true counts, and every rate hit.

The legacy tool counts convolutions alone: H·W·Cout·(2·k²·Cin + 1) operations, and 4·C + 1
parameters for a BatchNorm; its logs give 2,153,918,368 operations and 3,764,995 parameters,
636,272,830 and 425,467 after rate 0.7, and 42.8 % removed for every rate from 0.1 to 0.4.
Here the same structure is pruned at the same rates (allocation uniform, random weights).

Usage: python benchmarks/caffe_legacy.py
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import onnx_ir as ir
from caffe_nets import alexnet_bn
from plans import kept
from results import write_section

import prunus
from prunus.plugin import Network, compact_graph, find_groups, infer_shapes, mask

RATES = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7)
PUBLISHED = {0.1: 42.80, 0.2: 42.80, 0.3: 42.80, 0.4: 42.80, 0.5: 46.78, 0.6: 58.79, 0.7: 70.46}
KEPT = {"conv1": 78, "conv2": 154, "conv3": 40, "conv4": 40, "conv5": 26}
"""Channels of the legacy tool's published final.prototxt at rate 0.7."""


def main() -> None:
    """Count and prune."""
    with tempfile.TemporaryDirectory() as name:
        model = Path(name, "alexnet.prototxt")
        model.write_text(alexnet_bn())
        network = prunus.load(model, options={"weights": "random"})
    baseline = legacy_counts(network.model)
    published = legacy_counts(shrunk(network, fixed(network)))
    convolutions = conv_macs(network.model)
    rows = []
    for rate in RATES:
        plan = prunus.plan(network, rate=rate)
        gone = plan.rate
        small = shrunk(network, kept(plan))
        ops, params = legacy_counts(small)
        rows.append(
            (
                f"{rate}", f"{PUBLISHED[rate]:.2f} %", f"{gone:.2%}",
                f"{1 - conv_macs(small) / convolutions:.2%}", f"{ops:,}", f"{params:,}",
            )
        )  # fmt: skip
        assert abs(gone - rate) <= 0.01 * rate, (rate, gone)
    assert baseline == (2_153_918_368, 3_764_995), baseline
    assert published == (636_272_830, 425_467), published
    parameters = sum(network.weights()[name].size for name in network.bindings)
    text = (
        f"By the legacy tool's formula: {baseline[0]:,} operations and {baseline[1]:,} parameters, "
        f"its final.prototxt of rate 0.7 {published[0]:,} and {published[1]:,}: both as published. "
        f"True counts: {prunus.stat(network).macs:,} MACs and {parameters:,} parameters, fully "
        "connected layers included. benchmarks/caffe_legacy.py."
    )
    header = (
        "rate", "legacy tool removed", "MACs removed here", "of the convolutions alone",
        "operations, its formula", "parameters, its formula",
    )  # fmt: skip
    write_section("The legacy tool's AlexNet", header, rows, text)


def legacy_counts(model: ir.Model) -> tuple[int, int]:
    """Operations and parameters as the legacy tool counts them."""
    shapes = infer_shapes(model)
    operations = parameters = 0
    for node in model.graph:
        if node.op_type == "Conv":
            weight = shapes[node.inputs[1].name]
            space = int(np.prod(shapes[node.outputs[0].name][2:]))
            operations += space * weight[0] * (2 * int(np.prod(weight[1:])) + 1)
            parameters += int(np.prod(weight)) + weight[0]
        elif node.op_type == "BatchNormalization":
            parameters += 4 * shapes[node.outputs[0].name][1] + 1
    return operations, parameters


def conv_macs(model: ir.Model) -> int:
    """True MACs of the convolutions."""
    shapes = infer_shapes(model)
    return sum(
        int(np.prod(shapes[n.outputs[0].name][2:])) * int(np.prod(shapes[n.inputs[1].name]))
        for n in model.graph
        if n.op_type == "Conv"
    )


def fixed(network: Network) -> dict[str, np.ndarray]:
    """The legacy tool's own choice at rate 0.7."""
    return {
        g.name: np.arange(g.size) < KEPT.get(g.name, g.size) for g in find_groups(network).groups
    }


def shrunk(network: Network, keep: dict[str, np.ndarray]) -> ir.Model:
    """The compact graph of a plan."""
    grouping = find_groups(network)
    return compact_graph(mask(network, grouping, keep), grouping, keep).model


if __name__ == "__main__":
    main()
