"""A small vision transformer, trained here on MNIST, through prune and finetune.

Patches of 7 × 7, a class token, learned positions, four blocks normalised before, four heads of 16,
one layer for queries, keys and values. 64 channels, 128 within the blocks. Trained in PyTorch for
four epochs (AdamW), exported by its newer exporter, kept in build/vit_mnist. Accuracy is that of
all 10,000 test images; inputs of criteria and compensation are 1,024 training images without
labels. Finetuned by the torch trainer for one epoch, with labels.

Usage: python benchmarks/vit_mnist.py [--rates 0.3 0.5]
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import torch
from networks import ROOT, mnist, read
from results import write_section
from torch import Tensor, nn
from torch.nn import functional

import prunus
from prunus import MaskedNetwork, Network
from prunus.plugin import ArrayDataset, LearningRate, Loss, Recipe

FILE = ROOT / "build/vit_mnist/vit.onnx"
WIDTH, HEADS, INNER, DEPTH = 64, 4, 128, 4
EPOCHS, BATCH = 4, 128
SETTINGS: Mapping[str, Mapping[str, Any]] = {
    "defaults": {},
    "l1, equal shares": {"criterion": "l1", "allocation": "uniform"},
}


class Block(nn.Module):
    """Attention and a perceptron, each normalised before and added."""

    def __init__(self) -> None:
        super().__init__()
        self.norms = nn.ModuleList(nn.LayerNorm(WIDTH) for _ in range(2))
        self.three, self.out = nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(WIDTH, WIDTH)
        self.inner = nn.Sequential(nn.Linear(WIDTH, INNER), nn.GELU(), nn.Linear(INNER, WIDTH))

    def forward(self, x: Tensor) -> Tensor:
        """``(N, T, C)`` to the same."""
        batch, places, width = x.shape
        parts = self.three(self.norms[0](x)).reshape(batch, places, 3, HEADS, width // HEADS)
        mixed = functional.scaled_dot_product_attention(*parts.permute(2, 0, 3, 1, 4).unbind(0))
        x = x + self.out(mixed.transpose(1, 2).reshape(batch, places, width))
        added: Tensor = x + self.inner(self.norms[1](x))
        return added


class Transformer(nn.Module):
    """Ten classes of images ``(N, 1, 28, 28)``."""

    def __init__(self) -> None:
        super().__init__()
        self.patches = nn.Conv2d(1, WIDTH, 7, 7)
        self.token = nn.Parameter(0.02 * torch.randn(1, 1, WIDTH))
        self.places = nn.Parameter(0.02 * torch.randn(1, 17, WIDTH))
        self.blocks = nn.Sequential(*(Block() for _ in range(DEPTH)))
        self.norm, self.head = nn.LayerNorm(WIDTH), nn.Linear(WIDTH, 10)

    def forward(self, x: Tensor) -> Tensor:
        """Class scores."""
        rows = self.patches(x).flatten(2).transpose(1, 2)
        rows = torch.cat([self.token.expand(x.shape[0], -1, -1), rows], 1) + self.places
        scores: Tensor = self.head(self.norm(self.blocks(rows))[:, 0])
        return scores


def trained() -> Path:
    """The file of the trained network; training takes a few minutes."""
    if FILE.exists():
        return FILE
    torch.manual_seed(0)
    network = Transformer()
    images, labels = mnist("train")
    inputs, answers = torch.from_numpy(images.astype(np.float32) / 255), torch.from_numpy(labels)
    steps = EPOCHS * len(inputs) // BATCH
    optimizer = torch.optim.AdamW(network.parameters(), 1e-3, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 2e-3, total_steps=steps)
    for step in range(steps):
        chosen = torch.randint(0, len(inputs), (BATCH,))
        loss = functional.cross_entropy(network(inputs[chosen]), answers[chosen])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        if step % 200 == 0:
            print(f"step {step} of {steps}, loss {loss.item():.3f}", flush=True)
    network.eval()
    FILE.parent.mkdir(parents=True, exist_ok=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            network,
            (torch.zeros(2, 1, 28, 28),),
            FILE,
            input_names=["x"],
            dynamic_shapes=({0: torch.export.Dim("n")},),
            external_data=False,
        )
    return FILE


def samples(part: str) -> ArrayDataset:
    """Digits scaled to [0, 1], with their labels."""
    images, labels = mnist(part)
    return ArrayDataset("x", images, labels, np.zeros((1, 1, 1), np.float32), np.float32(1 / 255))


def recipe(network: Network) -> Recipe:
    """Adam with a linearly falling rate; `prunus.finetune` is given its epochs."""
    output = network.model.graph.outputs[0].name or ""
    return Recipe(
        solver="Adam",
        learning_rate=LearningRate("poly", 5e-4, power=1.0),
        batch_size=BATCH,
        losses=(Loss("softmax_cross_entropy", (output,)),),
    )


def main() -> None:
    """Train where there is no file, then one row for each rate and setting."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rates", type=float, nargs="+", default=[0.3, 0.5])
    network = read(trained())
    network = attrs.evolve(network, task=attrs.evolve(network.task, recipe=recipe(network)))
    train, test = samples("train"), samples("t10k")
    inputs = dict(train.read(np.arange(1024), None).inputs)

    def accuracy(measured: Network | MaskedNetwork) -> str:
        return f"{prunus.evaluate(measured, test, metric='top-1').value:.2%}"

    rows = [("whole", "", accuracy(network), "", "", "", "")]
    for rate in parser.parse_args().rates:
        for name, options in SETTINGS.items():
            start = time.process_time()
            plan = prunus.plan(network, rate=rate, data=inputs, **options)
            masked = prunus.prune(network, plan, data=inputs)
            seconds = time.process_time() - start
            tuned = prunus.finetune(masked, train, epochs=1)
            error = prunus.compact(tuned).proof.error
            rows.append(
                (
                    f"{rate:g}",
                    name,
                    accuracy(masked),
                    f"{seconds:.0f}",
                    accuracy(tuned),
                    f"{error:.1e}",
                    f"{plan.rate:.4f}",
                )
            )
            print(rows[-1], flush=True)
    header = ["rate", "plan", "accuracy", "seconds", "finetuned", "masked against compact", "hit"]
    write_section(
        "A vision transformer on MNIST (vit_mnist.py)",
        header,
        rows,
        __doc__.split("\n\n")[1].replace("\n", " "),
    )


if __name__ == "__main__":
    main()
