"""What the executor costs: one training step of the neutral graph beside plain nn.Module.

The same CIFAR-size network (a ResNet-20 form with BatchNorm), the same weights, batch and
update rule; steps of both alternate, so that noise of the machine hits both alike.

Run: python benchmarks/torch_step.py [--batch 32] [--rounds 40] [--threads 1]
"""

from __future__ import annotations

import argparse
import copy
import time
from collections.abc import Callable

import numpy as np
import onnx_ir as ir
import torch
from onnx import helper
from torch import Tensor, nn

from prunus.plugin import Recipe
from prunus_torch import solvers
from prunus_torch.executor import Program
from prunus_torch.parameters import variables_of
from prunus_torch.state import first_state
from prunus_torch.testing.graphs import model_of

WIDTHS = (16, 32, 64)
BLOCKS = 3


class Block(nn.Module):
    """Two convolutions and a shortcut."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.shortcut = nn.Conv2d(inputs, outputs, 1, stride, bias=False) if stride > 1 else None

    def forward(self, x: Tensor) -> Tensor:
        """Scores of a batch."""
        y = self.bn2(self.conv2(torch.relu(self.bn1(self.conv1(x)))))
        return torch.relu(y + (x if self.shortcut is None else self.shortcut(x)))


class Residual(nn.Module):
    """The network by hand."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, WIDTHS[0], 3, 1, 1, bias=False)
        self.bn = nn.BatchNorm2d(WIDTHS[0])
        blocks, inputs = [], WIDTHS[0]
        for width in WIDTHS:
            for position in range(BLOCKS):
                blocks.append(Block(inputs, width, 2 if position == 0 and width != inputs else 1))
                inputs = width
        self.blocks = nn.ModuleList(blocks)
        self.fc = nn.Linear(inputs, 10)

    def forward(self, x: Tensor) -> Tensor:
        """Scores of a batch."""
        x = torch.relu(self.bn(self.conv(x)))
        for block in self.blocks:
            x = block(x)
        return self.fc(x.mean((2, 3)))


def neutral(net: Residual) -> ir.Model:
    """The same network and weights as a neutral graph."""
    nodes: list[object] = []
    constants: dict[str, np.ndarray] = {}

    def conv(layer: nn.Conv2d, name: str, x: str) -> str:
        constants[f"{name}/weight"] = layer.weight.detach().numpy().copy()
        pads = [int(layer.padding[0])] * 4
        strides = list(layer.stride)
        nodes.append(
            helper.make_node("Conv", [x, f"{name}/weight"], [name], pads=pads, strides=strides)
        )
        return name

    def norm(layer: nn.BatchNorm2d, name: str, x: str) -> str:
        tensors = (layer.weight, layer.bias, layer.running_mean, layer.running_var)
        operands = [f"{name}/{role}" for role in ("scale", "shift", "mean", "variance")]
        for operand, tensor in zip(operands, tensors, strict=True):
            assert tensor is not None
            constants[operand] = tensor.detach().numpy().copy()
        nodes.append(helper.make_node("BatchNormalization", [x, *operands], [name]))
        return name

    def relu(name: str, x: str) -> str:
        nodes.append(helper.make_node("Relu", [x], [name]))
        return name

    x = relu("r", norm(net.bn, "bn", conv(net.conv, "conv", "x")))
    for index, block in enumerate(net.blocks):
        assert isinstance(block, Block)
        n = f"b{index}"
        y = relu(f"{n}/r", norm(block.bn1, f"{n}/bn1", conv(block.conv1, f"{n}/conv1", x)))
        y = norm(block.bn2, f"{n}/bn2", conv(block.conv2, f"{n}/conv2", y))
        short = x if block.shortcut is None else conv(block.shortcut, f"{n}/shortcut", x)
        nodes.append(helper.make_node("Add", [y, short], [f"{n}/add"]))
        x = relu(f"{n}/out", f"{n}/add")
    nodes.append(helper.make_node("GlobalAveragePool", [x], ["pool"]))
    nodes.append(helper.make_node("Flatten", ["pool"], ["flat"]))
    constants["fc/weight"] = net.fc.weight.detach().numpy().copy()
    constants["fc/bias"] = net.fc.bias.detach().numpy().copy()
    nodes.append(helper.make_node("Gemm", ["flat", "fc/weight", "fc/bias"], ["y"], transB=1))
    return model_of(nodes, {"x": (1, 3, 32, 32)}, ["y"], constants)


def module_step(net: Residual, x: Tensor, labels: Tensor) -> Callable[[], float]:
    """A step as everybody writes it."""
    optimizer = torch.optim.SGD(net.parameters(), 0.01, 0.9, weight_decay=1e-4)

    def step() -> float:
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(net(x), labels)
        loss.backward()
        optimizer.step()
        return float(loss.detach())

    return step


def neutral_step(model: ir.Model, x: Tensor, labels: Tensor) -> Callable[[], float]:
    """The same step of the trainer."""
    variables, recipe = variables_of(model, {}), Recipe(weight_decay=1e-4)
    program = Program(model, ["y"], variables=variables.names, statistics=0.1)
    state = first_state(model, variables, recipe, torch.device("cpu"))

    def step() -> float:
        loss = nn.functional.cross_entropy(program.run({"x": x}, state.weights)["y"], labels)
        loss.backward()
        solvers.update(recipe, state.parameters, state.history, 0.01, 0)
        return float(loss.detach())

    return step


def timed(step: Callable[[], float]) -> float:
    start = time.perf_counter()
    step()
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    torch.manual_seed(0)
    net = Residual()
    model = neutral(net)
    x, labels = torch.randn(given.batch, 3, 32, 32), torch.randint(0, 10, (given.batch,))
    last = copy.deepcopy(net).to(memory_format=torch.channels_last)
    plain = module_step(net, x, labels)
    moved = module_step(last, x.to(memory_format=torch.channels_last), labels)
    ours = neutral_step(model, x.to(memory_format=torch.channels_last), labels)
    first = [(plain(), ours()) for _ in range(3)]
    worst = max(abs(a - b) / abs(a) for a, b in first)
    rounds = [(timed(plain), timed(moved), timed(ours)) for _ in range(given.rounds)]
    a, b, c = (min(times[i] for times in rounds) for i in range(3))  # noise only ever adds
    print(
        f"batch {given.batch}, {torch.get_num_threads()} threads, best of {given.rounds} steps each"
    )
    print(f"| nn.Module + torch.optim.SGD                | {a * 1e3:7.1f} ms |")
    print(f"| nn.Module + torch.optim.SGD, channels last | {b * 1e3:7.1f} ms |")
    print(f"| neutral graph + prunus_torch               | {c * 1e3:7.1f} ms |")
    print(f"ratio {c / b:.3f} at equal layout (target 1.15), {c / a:.3f} to the first")
    print(f"losses of the first steps differ by {worst:.1e}")


if __name__ == "__main__":
    main()
