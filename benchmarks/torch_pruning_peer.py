"""Torch-Pruning on the networks of `no_training.py`: the same weights and test images, no training.

ResNets of He et al. for CIFAR-10, BatchNorm folded as in the ONNX files, with the zero-padded
shortcut as a 1 x 1 convolution of ones and zeros, which gives the same values. Magnitude pruner
with its group magnitude importance and one share for all groups, as its README shows.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn

from prunus.plugin import Dataset, Network

_BATCH = 500


class Block(nn.Module):
    """Two convolutions and a shortcut."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(inputs, outputs, 3, stride, 1)
        self.second = nn.Conv2d(outputs, outputs, 3, 1, 1)
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1:
            self.shortcut = nn.Conv2d(inputs, outputs, 1, stride, bias=False)
            weight = torch.zeros_like(self.shortcut.weight)
            before = (outputs - inputs) // 2
            weight[range(before, before + inputs), range(inputs)] = 1.0
            self.shortcut.weight = nn.Parameter(weight)

    def forward(self, x: Tensor) -> Tensor:
        """Both branches, added."""
        inner = self.second(torch.relu(self.first(x)))
        return torch.relu(inner + self.shortcut(x))


class Resnet(nn.Module):
    """Three stages of blocks, 16, 32 and 64 channels wide."""

    def __init__(self, blocks: int) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 16, 3, 1, 1)
        sizes = [(16, 16, 1), (16, 32, 2), (32, 64, 2)]
        self.blocks = nn.Sequential(
            *(
                Block(inputs if number == 0 else outputs, outputs, stride if number == 0 else 1)
                for inputs, outputs, stride in sizes
                for number in range(blocks)
            )
        )
        self.head = nn.Linear(64, 10)

    def forward(self, x: Tensor) -> Tensor:
        """Scores ``(N, 10)``."""
        return self.head(self.blocks(torch.relu(self.stem(x))).mean((2, 3)))


def as_module(network: Network) -> Resnet:
    """The module with the weights of an ONNX file, layer by layer in the order of the graph."""
    nodes = [node for node in network.model.graph if node.op_type in ("Conv", "Gemm")]
    module = Resnet((len(nodes) - 2) // 6)
    convolutions = [module.stem]
    for block in module.blocks:
        convolutions += [block.first, block.second]
    for layer, node in zip([*convolutions, module.head], nodes, strict=True):
        weight, bias = (torch.tensor(value.const_value.numpy()) for value in node.inputs[1:])
        assert weight.shape == layer.weight.shape
        layer.weight, layer.bias = nn.Parameter(weight), nn.Parameter(bias)
    return module.eval()


def accuracy(module: nn.Module, test: Dataset) -> float:
    """Top-1 of all images."""
    right = 0
    for start in range(0, len(test), _BATCH):
        batch = test.read(np.arange(start, min(start + _BATCH, len(test))), None)
        with torch.no_grad():
            scores = module(torch.from_numpy(next(iter(batch.inputs.values()))))
        right += int((scores.argmax(1).numpy() == batch.labels).sum())
    return right / len(test)


def pruned(whole: Callable[[], nn.Module], rate: float) -> tuple[nn.Module, float, float]:
    """The module nearest to a rate, the share of MACs it lost, and processor seconds of a step.

    Args:
        whole: Makes the module, its classifier named ``head``.
        rate: Share of its MACs to remove.
    """
    import torch_pruning as tp

    example = torch.zeros(1, 3, 32, 32)
    macs = tp.utils.count_ops_and_params(whole(), example)[0]
    found = []
    for ratio in np.arange(0.2, 0.45, 0.01):
        module, start = whole(), time.process_time()
        pruner = tp.pruner.MagnitudePruner(
            module,
            example,
            importance=tp.importance.GroupMagnitudeImportance(p=2),
            pruning_ratio=float(ratio),
            ignored_layers=[module.head],
        )
        pruner.step()
        seconds = time.process_time() - start
        lost = 1 - tp.utils.count_ops_and_params(module, example)[0] / macs
        found.append((abs(lost - rate), module, lost, seconds))
    _, module, lost, seconds = min(found, key=lambda one: one[0])
    return module, lost, seconds
