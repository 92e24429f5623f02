"""All criteria of channels on ResNet-20 at rate 0.5: the same share of every group, no training.

CIFAR-10; scores and compensation by 256 training images without labels, measured on the first 2,000
test images.
"""

from __future__ import annotations

import time

import attrs
import numpy as np
from networks import SHARED, cifar10, normalised, read
from results import write_section

import prunus
from prunus.plugin import Agreement, Evaluator, Top

RATE = 0.5
INPUTS, MEASURED = 256, 2000
CRITERIA = (
    "random l1 l2 fpgm apoz hrank thinet taylor fisher block-obd block-obs"  # no BatchNorm is left
).split()


def main() -> None:
    """One table."""
    network = read(SHARED / "models/onnx/resnet20_cifar10.onnx")
    train, test = (normalised(network, *cifar10(part)) for part in ("train_batch_1", "test"))
    test = attrs.evolve(test, samples=test.samples[:MEASURED], labels=test.labels[:MEASURED])
    inputs = dict(train.read(np.arange(INPUTS), None).inputs)
    judge = Evaluator(network, test, Top(), beside=(Agreement(Top()),))
    rows = []
    for criterion in CRITERIA:
        start = time.process_time()
        plan = prunus.plan(
            network, rate=RATE, data=inputs, criterion=criterion, allocation="uniform"
        )
        seconds = time.process_time() - start
        looks = [
            judge.look(prunus.prune(network, plan, data=data).network.model)
            for data in (None, inputs)
        ]
        values = [*(look.value.value for look in looks), looks[1].beside["agreement"].value]
        cells = (*(f"{value:.2%}" for value in values),)
        rows.append((criterion, f"{plan.rate:.4f}", f"{seconds:.0f}", *cells))
        print(rows[-1], flush=True)
    whole = judge.baseline.value
    write_section(
        "Criteria on ResNet-20, CIFAR-10, rate 0.5, equal shares, no training (criteria.py)",
        ("criterion", "rate", "seconds of scoring", "means folded", "compensated", "agreement"),
        rows,
        f"Top-1 on the first {MEASURED} test images, {whole:.2%} whole. Nothing else reads labels: "
        f"scores and compensation by {INPUTS} training images; derivatives one image "
        "at a time. Agreement with the original's class, of the compensated network. Processor "
        "seconds, one thread.",
    )


if __name__ == "__main__":
    main()
