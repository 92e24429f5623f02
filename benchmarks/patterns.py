"""Pattern 2:4 on ResNet-20: accuracy by criterion, before and after a short finetune.

Compensation uses 1,024 training images without labels; finetuning one pass over the 10,000 images
of train_batch_1, shifted and mirrored. Accuracy is that of all 10,000 test images. The pattern is
counted in the ONNX files that are written, by numpy alone.
Usage: OMP_NUM_THREADS=1 python benchmarks/patterns.py
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import attrs
import numpy as np
import onnx
from cifar_resnets import Augmented, recipe
from networks import SHARED, cifar10, normalised, read
from onnx import numpy_helper
from results import write_section

import prunus
from prunus import MaskedNetwork

KEPT, OF = 2, 4

TEXT = " ".join(
    """`benchmarks/patterns.py`: 10,000 test images. "Exact": every 4 neighbouring input weights of
all eligible layers of the written ONNX file hold at most 2 numbers other than zero; a layer is
eligible if its number of inputs is a multiple of 4. Compensated: on 1,024 images without labels;
finetuned: 79 updates.""".split()
)


def exact_layers(file: Path) -> tuple[int, int, int, float]:
    """Of a written file: exact layers, eligible ones, all, and the share of zeros in eligible."""
    exact = eligible = every = zeros = size = 0
    for tensor in onnx.load(file).graph.initializer:
        weights = numpy_helper.to_array(tensor)
        if weights.ndim not in (2, 4):
            continue
        every += 1
        if weights.shape[1] % OF:
            continue
        eligible += 1
        # (outputs, blocks, OF, rest): neighbours on the input axis
        blocks = weights.reshape(len(weights), -1, OF, weights[0, 0].size)
        exact += bool((np.count_nonzero(blocks, axis=2) <= KEPT).all())
        zeros += int((weights == 0).sum())
        size += weights.size
    return exact, eligible, every, zeros / size


def row(state: str, masked: MaskedNetwork, test: object) -> tuple[str, ...]:
    """Accuracy, and the pattern of the written file."""
    value = prunus.evaluate(masked, test, metric="top-1").value
    with tempfile.TemporaryDirectory() as folder:
        written = prunus.compact(masked).save(folder)
        exact, eligible, every, zeros = exact_layers(written.model)
    found = (state, f"{value:.2%}", f"{exact} of {eligible} ({every} in all)", f"{zeros:.2%}")
    print(found, flush=True)
    return found


def main() -> None:
    """Prune, measure, finetune, measure."""
    network = read(SHARED / "models/onnx/resnet20_cifar10.onnx")
    network = attrs.evolve(network, task=attrs.evolve(network.task, recipe=recipe(network)))
    train = normalised(network, *cifar10("train_batch_1"))
    test = normalised(network, *cifar10())
    inputs = train.read(np.arange(1024), None).inputs
    rows = [("original", f"{prunus.evaluate(network, test, metric='top-1').value:.2%}", "", "")]
    for criterion, data, name in (
        ("magnitude", None, "magnitude"),
        ("magnitude", inputs, "magnitude, compensated"),
        ("obs", inputs, "obs, compensated"),
    ):
        plan = prunus.plan(network, granularity=f"{KEPT}:{OF}", criterion=criterion, data=data)
        masked = prunus.prune(network, plan, data=data)
        rows.append(row(name, masked, test))
        tuned = prunus.finetune(masked, Augmented(train), epochs=1, options={"threads": "1"})
        rows.append(row(f"{name}; finetuned", tuned, test))
    write_section(
        "2:4 on ResNet-20", ("state", "test accuracy", "exact layers", "zeros"), rows, TEXT
    )


if __name__ == "__main__":
    main()
