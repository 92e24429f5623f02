"""A narrow VGG-16 with BatchNorm for CIFAR-10, trained here: a network without residual sums.

Thirteen convolutions of 24 to 96 channels, on the 10,000 images of train_batch_1, shifted and
mirrored; SGD with one rise and fall of the rate, towards the labels and what the shared ResNet-20
gives for the image as it is. Minutes on one core. The ONNX file goes to build/cifar_vgg.

Usage: python benchmarks/cifar_vgg.py [--epochs 16]
"""

from __future__ import annotations

import argparse

import numpy as np
import torch
from cifar_resnets import Augmented
from networks import ROOT, SHARED, cifar10, normalised, read
from torch import Tensor, nn
from torch.nn import functional
from torch_pruning_peer import accuracy, as_module

from prunus.plugin import Dataset, Network

FILE = ROOT / "build/cifar_vgg/vgg16_cifar10.onnx"

WIDTHS = (24, 24, 0, 48, 48, 0, 64, 64, 64, 0, 96, 96, 96, 0, 96, 96, 96)
"""Channels of the convolutions; 0 is a maximum over 2 x 2 positions."""

_BATCH = 128
_RATE = 0.1
_SOFT = 4.0
"""Temperature of the outputs that are compared."""


class Vgg(nn.Module):
    """Convolutions, the mean over the image, one linear layer."""

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        inputs = 3
        for width in WIDTHS:
            if not width:
                layers.append(nn.MaxPool2d(2))
                continue
            convolution = nn.Conv2d(inputs, width, 3, padding=1, bias=False)
            nn.init.kaiming_normal_(convolution.weight, mode="fan_out")
            layers += [convolution, nn.BatchNorm2d(width), nn.ReLU()]
            inputs = width
        self.features = nn.Sequential(*layers)
        self.head = nn.Linear(inputs, 10)

    def forward(self, x: Tensor) -> Tensor:
        """Scores ``(N, 10)``."""
        return self.head(self.features(x).mean((2, 3)))


def as_vgg(network: Network) -> Vgg:
    """The module with the weights of the ONNX file, layer by layer in the order of the graph."""
    module = Vgg()
    layers = [one for one in module.features if isinstance(one, nn.Conv2d | nn.BatchNorm2d)]
    nodes = [n for n in network.model.graph if n.op_type in ("Conv", "BatchNormalization", "Gemm")]
    for layer, node in zip([*layers, module.head], nodes, strict=True):
        arrays = [torch.tensor(value.const_value.numpy()) for value in node.inputs[1:]]
        names = ("weight", "bias", "running_mean", "running_var")
        layer.load_state_dict(dict(zip(names, arrays, strict=False)), strict=False)
    return module.eval()


def softened(teacher: nn.Module, data: Dataset) -> Tensor:
    """Probabilities ``(N, 10)`` of a teacher at the temperature."""
    parts = []
    for start in range(0, len(data), _BATCH):
        places = np.arange(start, min(start + _BATCH, len(data)))
        images = next(iter(data.read(places, None).inputs.values()))
        with torch.no_grad():
            parts.append(functional.softmax(teacher(torch.from_numpy(images)) / _SOFT, 1))
    return torch.cat(parts)


def trained(epochs: int) -> Vgg:
    """The network after some epochs."""
    shared = read(SHARED / "models/onnx/resnet20_cifar10.onnx")
    train, test = (normalised(shared, *cifar10(part)) for part in ("train_batch_1", "test"))
    wanted = softened(as_module(shared), train)
    augmented, draw = Augmented(train), np.random.default_rng(0)
    torch.manual_seed(0)
    module = Vgg()
    steps = len(train) // _BATCH
    optimiser = torch.optim.SGD(
        module.parameters(), _RATE, momentum=0.9, nesterov=True, weight_decay=5e-4
    )
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, _RATE, epochs * steps, pct_start=0.25)
    for epoch in range(epochs):
        module.train()
        order, total = draw.permutation(len(train)), 0.0
        for step in range(steps):
            chosen = order[step * _BATCH : (step + 1) * _BATCH]
            batch = augmented.read(chosen, draw)
            found = module(torch.from_numpy(next(iter(batch.inputs.values()))))
            soft = functional.kl_div(
                functional.log_softmax(found / _SOFT, 1), wanted[chosen], reduction="batchmean"
            )
            hard = functional.cross_entropy(found, torch.from_numpy(batch.labels))
            loss = 0.2 * hard + _SOFT**2 * soft
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
            total += loss.item()
        last = epoch == epochs - 1
        value = f", test accuracy {accuracy(module.eval(), test):.2%}" if last else ""
        print(f"epoch {epoch + 1}: loss {total / steps:.3f}{value}", flush=True)
    return module.eval()


def main() -> None:
    """Train and write the file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--epochs", type=int, default=16)
    module = trained(parser.parse_args().epochs)
    FILE.parent.mkdir(parents=True, exist_ok=True)
    torch.onnx.export(
        module,
        (torch.zeros(1, 3, 32, 32),),
        FILE,
        input_names=["input"],
        output_names=["scores"],
        dynamo=False,
        training=torch.onnx.TrainingMode.EVAL,
        do_constant_folding=False,
        dynamic_axes={"input": {0: "batch"}, "scores": {0: "batch"}},
    )


if __name__ == "__main__":
    main()
