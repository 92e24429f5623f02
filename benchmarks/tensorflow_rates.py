"""Are rates 0.1 to 0.7 hit on TensorFlow networks, and what ties EfficientNet's SE blocks?

Uniform allocation with l1 scores, kept channels in multiples of 2 (the default), no samples.
A rate out of reach is listed with the planner's own message; one that is missed by more than
1 % of itself with the nearest of all plans, searched one by one where that is possible.
"""

from __future__ import annotations

import math
import sys
import tempfile
from pathlib import Path

import numpy as np
from keras_zoo import models
from networks import SHARED, read
from results import write_section

import prunus
from prunus.graph.macs import cost_model
from prunus.planning.target import TOLERANCE, all_levels
from prunus.plugin import Budget, Network, PlanError, Planning, find_groups

RATES = tuple(round(0.1 * tenth, 1) for tenth in range(1, 8))
CHOSEN = (
    "ResNet50 MobileNetV2 EfficientNetB0 DenseNet121 InceptionV3 VGG16 nested shared unet".split()
)


def networks(folder: Path) -> dict[str, Network]:
    """Shared graphs and Keras models of the zoo."""
    shared = SHARED / "models/tensorflow"
    found = {
        "lenet-mnist-tf1": read(
            shared / "lenet-mnist-tf1/lenet_graph.pbtxt", shared / "lenet-mnist-tf1/lenet",
            {
                "input_nodes": "Placeholder",
                "output_nodes": "add_9",
                "input_node_shapes": "1,32,32,1",
            },
        ),
        "mtcnn_rnet": read(shared / "mtcnn_rnet/RNet-14.meta"),
        "kws_ds_cnn": read(shared / "kws_ds_cnn/DS_CNN_S.pb"),
        "pretrainedResnet": read(shared / "resnet8_cifar10/pretrainedResnet.h5"),
        "cifar10_cnn": read(shared / "cifar10_keras/cifar10_cnn.keras"),
    }  # fmt: skip
    makers = models()
    for name in CHOSEN:
        found[name] = read(makers[name](folder))
    return found


def hits(network: Network) -> list[str]:
    """Rate hit for every rate asked."""
    found = []
    for rate in RATES:
        try:
            hit = prunus.plan(network, rate=rate).rate
        except PlanError as error:
            found.append(str(error).split(";")[0])
            continue
        missed = abs(hit - rate) > TOLERANCE * rate
        found.append(f"{hit:.4f}" + (f" ({nearest(network, rate)})" if missed else ""))
    return found


def nearest(network: Network, rate: float) -> str:
    """The nearest rate of all plans; says so where they are too many to try."""
    grouping = find_groups(network)
    whole = {group.name: np.ones(group.size, bool) for group in grouping.groups}
    cost = cost_model(network.model, grouping)
    levels = all_levels(Planning(grouping.groups, {}, whole, cost, None), Budget(rate=rate))
    plans = math.prod(map(len, levels))
    if plans > 1_000_000:
        return f"{plans:.0e} plans"
    grid = np.stack([part.ravel() for part in np.meshgrid(*levels, indexing="ij")], 1)
    rates = 1 - cost.macs_of(grid) / cost.total
    return f"nearest of {plans} plans: {rates[np.abs(rates - rate).argmin()]:.4f}"


def main() -> None:
    """Both tables."""
    rows, gates = [], []
    with tempfile.TemporaryDirectory() as folder:
        for name, network in networks(Path(folder)).items():
            grouping = find_groups(network)
            rows.append((name, str(len(grouping.groups)), *hits(network)))
            sys.stderr.write(f"{rows[-1]}\n")
            if name == "EfficientNetB0":
                gates = [
                    (g.name, str(g.size), ", ".join(sorted({m.initializer for m in g.members})[:8]))
                    for g in grouping.groups
                    if any("se_" in layer for m in g.members for layer in (m.initializer,))
                ]
    write_section(
        "TensorFlow rates asked and hit (tensorflow_rates.py)",
        ("network", "groups", *(f"{rate:g}" for rate in RATES)),
        rows,
    )
    write_section(
        "Groups of EfficientNetB0's squeeze-and-excite blocks (tensorflow_rates.py)",
        ("group", "channels", "initializers (first eight)"),
        gates,
    )


if __name__ == "__main__":
    main()
