"""ResNet-20 and ResNet-32 (zero-padded shortcuts) through the four steps at rate 0.5.

Analysis and calibration use 1,000 training images; accuracy is that of all 10,000 test
images: right after pruning (without compensation, with means folded, and as `prune` does it,
refitted on 256 training images without labels), and after 1 and 3 epochs on the 10,000 images of
train_batch_1, with labels and with `--distill`. Also lists how near every rate from 0.1 to
0.8 is hit. Everything runs through the functions behind the command line.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import attrs
import numpy as np
from networks import SHARED, cifar10, normalised, read
from numpy.typing import NDArray
from plans import l1_scores, planning_of, removed
from results import write_section

from prunus.analysis import exact
from prunus.analysis.analysis import Analysis
from prunus.analysis.journal import Journal
from prunus.analysis.measure import DEFAULT_RATIOS
from prunus.compaction import compact
from prunus.descriptors import Trainer
from prunus.evaluation.data import ArrayDataset
from prunus.evaluation.evaluator import Evaluator
from prunus.evaluation.metrics import Top
from prunus.folding import fold
from prunus.grouping import Grouping, find_groups
from prunus.host import start
from prunus.masking import mask
from prunus.methods import sensitivity_
from prunus.network import Compact, Network
from prunus.planning.budget import Budget, Planning
from prunus.proof import compare
from prunus.recovery import recover
from prunus.sensitivity import Sensitivity
from prunus.task import Batch, LearningRate, Loss, Recipe
from prunus.training import TrainingJob
from prunus.training.scatter import with_weights

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


def recipe(network: Network, epochs: int) -> Recipe:
    """SGD with a linearly falling rate."""
    output = network.model.graph.outputs[0].name or ""
    return Recipe(
        learning_rate=LearningRate("poly", 0.005, power=1.0),
        clip_gradients=2.0,  # BatchNorm is folded in these files: large steps diverge
        weight_decay=1e-4,
        iterations=epochs * 10_000 // 128,
        batch_size=128,
        losses=(Loss("softmax_cross_entropy", (output,)),),
    )


Rows = list[tuple[str, ...]]


def curves_of(network: Network, grouping: Grouping, evaluator: Evaluator) -> Sensitivity:
    """Sensitivity of every group, measured exactly."""
    scores, journal = l1_scores(network, grouping), Journal(None, {})
    asked = Analysis(grouping, evaluator, scores, DEFAULT_RATIOS, journal, {}, lambda *_: None)
    return exact.analyze(network, asked)


def rates_hit(name: str, planning: Planning) -> Rows:
    """Rates 0.1 to 0.8, asked and hit."""
    rows = []
    for tenth in range(1, 9):
        hit = removed(planning, sensitivity_.prunus_mask("", planning, Budget(rate=tenth / 10)))
        rows.append((name, f"{tenth / 10:.1f}", f"{hit:.4f}", f"{abs(hit * 10 / tenth - 1):.2%}"))
    return rows


def four_steps(name: str) -> tuple[Rows, Rows]:
    """Rows of both tables for one network."""
    network = read(SHARED / f"models/onnx/{name}_cifar10.onnx")
    train = normalised(network, *cifar10("train_batch_1"))
    test = Evaluator(network, normalised(network, *cifar10()), Top(1), None, 256)
    grouping = find_groups(network)
    analysed = Evaluator(network, train, Top(1), 1000, 100)
    planning = planning_of(network, grouping, curves_of(network, grouping, analysed))
    hits = rates_hit(name, planning)
    keep = sensitivity_.prunus_mask("", planning, Budget(rate=RATE))
    inputs = analysed.calibration()
    masked = mask(recover(network, grouping, keep, inputs), grouping, keep)
    smaller = compact(masked, grouping, keep)
    error = compare(masked.model, smaller.model).error
    states = {
        "pruned 0.5, nothing made good": network,
        "pruned 0.5, means folded": fold(network, grouping, keep, inputs),
    }
    rows = [(name, "original", f"{test.baseline.value:.2%}", "", "")]
    for state, whole in states.items():
        value = test.measure(compact(mask(whole, grouping, keep), grouping, keep).model).value
        rows.append((name, state, f"{value:.2%}", "", ""))
    value = test.measure(smaller.model).value
    rows.append((name, "pruned 0.5, refitted", f"{value:.2%}", "", f"{error:.1e}"))
    print(rows, flush=True)
    for teacher in (None, network):
        for epochs in (1, 3):
            tuned = finetuned(masked, smaller, recipe(network, epochs), Augmented(train), teacher)
            value = test.measure(tuned.model).value
            how = "supervised" if teacher is None else "distilled, no labels"
            rows.append((name, f"finetuned {how}", f"{value:.2%}", str(epochs), ""))
            print(rows[-1], flush=True)
    return rows, hits


def finetuned(
    masked: Network, smaller: Compact, recipe: Recipe, train: Augmented, teacher: Network | None
) -> Compact:
    """The compact network after a training by prunus-torch, imitating a teacher if there is one."""
    with tempfile.TemporaryDirectory() as folder:
        job = TrainingJob(
            network=masked,
            compact=smaller,
            recipe=recipe,
            training=train,
            evaluate=None,
            teacher=teacher,
            workspace=Path(folder),
            resume=False,
            seed=0,
            report=lambda _: None,
        )
        return with_weights(smaller, start().call(Trainer, "torch", "prunus_finetune", job=job))


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
