"""Train the network of `prunus demo` and write its files: `python examples/demo/train.py`.

Data: Optical Recognition of Handwritten Digits (E. Alpaydin, C. Kaynak, 1998; UCI Machine Learning
Repository, CC BY 4.0), 1,797 images of 8 x 8 as scikit-learn holds them. 1,197 train, 600 are held
out.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import torch
from sklearn.datasets import load_digits
from torch import nn

PLACE = Path(__file__).parents[2] / "core/src/prunus/cli/demo_files"
HELD_OUT = 600


def network() -> nn.Sequential:
    """Two convolutions, two fully connected layers: 55,754 parameters."""
    return nn.Sequential(
        nn.Conv2d(1, 24, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(24, 32, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(512, 92),
        nn.ReLU(),
        nn.Linear(92, 10),
    )


def samples() -> tuple[np.ndarray, np.ndarray]:
    """Images (1797, 1, 8, 8) from 0 to 1, classes (1797,), in a drawn order."""
    found = load_digits()
    order = np.random.default_rng(0).permutation(len(found.target))
    images = (found.images[order, None] / 16).astype(np.float32)
    return images, found.target[order].astype(np.int64)


def main() -> None:
    """Train for 30 epochs, write network and samples."""
    torch.manual_seed(0)
    x, y = samples()
    inputs, classes = torch.from_numpy(x[HELD_OUT:]), torch.from_numpy(y[HELD_OUT:])
    model = network()
    optimizer = torch.optim.Adam(model.parameters(), 1e-3, weight_decay=1e-4)
    draw = torch.Generator().manual_seed(0)
    for _ in range(30):
        for chosen in torch.randperm(len(inputs), generator=draw).split(64):
            loss = nn.functional.cross_entropy(model(inputs[chosen]), classes[chosen])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    model.eval()
    with torch.no_grad():
        right = model(torch.from_numpy(x[:HELD_OUT])).argmax(1).numpy() == y[:HELD_OUT]
    print(f"held out: {right.mean():.4f}")
    write(model)
    np.savez_compressed(PLACE / "test.npz", x=x[:HELD_OUT], y=y[:HELD_OUT])
    np.savez_compressed(PLACE / "train.npz", x=x[HELD_OUT:], y=y[HELD_OUT:])


def write(model: nn.Sequential) -> None:
    """As ONNX, with layer names that people can read."""
    weights = {name: value.numpy() for name, value in model.state_dict().items()}
    names = {"0": "conv1", "2": "conv2", "6": "fc1", "8": "fc2"}
    tensors = [
        onnx.numpy_helper.from_array(array, f"{names[name.split('.')[0]]}.{name.split('.')[1]}")
        for name, array in weights.items()
    ]
    node = onnx.helper.make_node
    dense = {"transB": 1}
    nodes = [
        node("Conv", ["image", "conv1.weight", "conv1.bias"], ["c1"], "conv1", pads=[1] * 4),
        node("Relu", ["c1"], ["r1"], "relu1"),
        node("Conv", ["r1", "conv2.weight", "conv2.bias"], ["c2"], "conv2", pads=[1] * 4),
        node("Relu", ["c2"], ["r2"], "relu2"),
        node("MaxPool", ["r2"], ["p"], "pool", kernel_shape=[2, 2], strides=[2, 2]),
        node("Flatten", ["p"], ["f"], "flatten"),
        node("Gemm", ["f", "fc1.weight", "fc1.bias"], ["d1"], "fc1", **dense),
        node("Relu", ["d1"], ["r3"], "relu3"),
        node("Gemm", ["r3", "fc2.weight", "fc2.bias"], ["digit"], "fc2", **dense),
    ]
    info = onnx.helper.make_tensor_value_info
    graph = onnx.helper.make_graph(
        nodes,
        "digits",
        [info("image", onnx.TensorProto.FLOAT, ["N", 1, 8, 8])],
        [info("digit", onnx.TensorProto.FLOAT, ["N", 10])],
        tensors,
    )
    opset = onnx.helper.make_opsetid("", 17)
    found = onnx.helper.make_model(graph, opset_imports=[opset], ir_version=8)
    onnx.checker.check_model(found, full_check=True)
    onnx.save(found, PLACE / "digits.onnx")


if __name__ == "__main__":
    main()
