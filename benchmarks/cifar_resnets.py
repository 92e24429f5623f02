"""ResNet-20 and ResNet-32 (zero-padded shortcuts) through the four steps at rate 0.5.

Analysis and calibration use 1,000 training images; accuracy is that of all 10,000 test
images: right after pruning (without compensation, with means folded, and as `prune` does it,
compensated on 256 training images without labels), and after 1 and 3 epochs on the 10,000 images of
train_batch_1, with labels and with `--distill`. Also lists how near every rate from 0.1 to
0.8 is hit. Everything runs through the public functions.
"""

from __future__ import annotations

import sys

import attrs
import numpy as np
from networks import SHARED, cifar10, normalised, read
from numpy.typing import NDArray
from plans import kept
from results import write_section

import prunus
from prunus import MaskedNetwork, Network
from prunus.plugin import ArrayDataset, Batch, LearningRate, Loss, Recipe, find_groups, fold, mask

RATE = 0.5


@attrs.frozen(eq=False)
class Augmented:
    """Training images shifted by up to four pixels and mirrored, as these networks were trained."""

    inner: ArrayDataset

    def __len__(self) -> int:
        return len(self.inner)

    def read(self, positions: NDArray[np.int64], rng: np.random.Generator | None) -> Batch:
        """Shift and mirror where ``rng`` asks for training."""
        batch = self.inner.read(positions, None)
        if rng is None:
            return batch
        name, images = next(iter(batch.inputs.items()))
        padded = np.pad(images, ((0, 0), (0, 0), (4, 4), (4, 4)))
        moved = np.empty_like(images)
        for index, (top, left) in enumerate(rng.integers(0, 9, (len(images), 2))):
            moved[index] = padded[index, :, top : top + 32, left : left + 32]
        flip = rng.random(len(images)) < 0.5
        moved[flip] = moved[flip, :, :, ::-1]
        return Batch({name: moved}, batch.labels)

    def digest(self) -> str:
        """As the data set's own."""
        return "augmented-" + self.inner.digest()


def recipe(network: Network) -> Recipe:
    """SGD with a linearly falling rate; `prunus.finetune` is given its epochs."""
    output = network.model.graph.outputs[0].name or ""
    return Recipe(
        learning_rate=LearningRate("poly", 0.005, power=1.0),
        clip_gradients=2.0,  # BatchNorm is folded in these files: large steps diverge
        weight_decay=1e-4,
        batch_size=128,
        losses=(Loss("softmax_cross_entropy", (output,)),),
    )


Rows = list[tuple[str, ...]]


def rates_hit(name: str, network: Network, curves: prunus.Sensitivity) -> Rows:
    """Rates 0.1 to 0.8, asked and hit."""
    rows = []
    for tenth in range(1, 9):
        hit = prunus.plan(network, rate=tenth / 10, sensitivity=curves).rate
        rows.append((name, f"{tenth / 10:.1f}", f"{hit:.4f}", f"{abs(hit * 10 / tenth - 1):.2%}"))
    return rows


def four_steps(name: str) -> tuple[Rows, Rows]:
    """Rows of both tables for one network."""
    network = read(SHARED / f"models/onnx/{name}_cifar10.onnx")
    network = attrs.evolve(network, task=attrs.evolve(network.task, recipe=recipe(network)))
    train = normalised(network, *cifar10("train_batch_1"))
    test = normalised(network, *cifar10())
    curves = prunus.analyze(network, train, metric="top-1", samples=1000)
    plan = prunus.plan(network, rate=RATE, sensitivity=curves)

    def row(state: str, measured: Network | MaskedNetwork, epochs: str = "") -> tuple[str, ...]:
        value = prunus.evaluate(measured, test, metric="top-1").value
        error = f"{measured.proof.error:.1e}" if isinstance(measured, MaskedNetwork) else ""
        return (name, state, f"{value:.2%}", epochs, error)

    inputs = train.read(np.arange(256), None).inputs
    masked = prunus.prune(network, plan, data=inputs)
    grouping, keep = find_groups(network), kept(plan)
    rows = [
        row("original", network),
        row("pruned 0.5, not compensated", mask(network, grouping, keep)),
        row(
            "pruned 0.5, means folded",
            mask(fold(network, grouping, keep, inputs), grouping, keep),
        ),
        row("pruned 0.5, compensated", masked),
    ]
    print(rows, flush=True)
    for distill in (False, True):
        for epochs in (1, 3):
            tuned = prunus.finetune(masked, Augmented(train), epochs=epochs, distill=distill)
            how = "distilled, no labels" if distill else "supervised"
            rows.append(row(f"finetuned {how}", tuned, str(epochs)))
            print(rows[-1], flush=True)
    return rows, rates_hit(name, network, curves)


def main() -> None:
    """Both networks, or the ones named on the command line."""
    for name in sys.argv[1:] or ["resnet20", "resnet32"]:
        accuracy, hits = four_steps(name)
        header = ("network", "state", "test accuracy", "epochs", "masked against compact")
        write_section(f"{name} on CIFAR-10 at rate 0.5 (cifar_resnets.py)", header, accuracy)
        header = ("network", "asked", "hit", "off by")
        write_section(f"{name}: rates asked and hit (cifar_resnets.py)", header, hits)


if __name__ == "__main__":
    main()
