"""A small trained-like network and its samples as files, for tests of the command line."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from prunus.cli import run


def small_network(path: Path) -> Path:
    """conv - relu - pool - conv - relu - flatten - fc as ``.onnx``, input (1, 12, 12)."""
    draw = np.random.default_rng(0)

    def weight(name: str, *shape: int) -> onnx.TensorProto:
        scale = np.sqrt(2 / max(np.prod(shape[1:]), 1))
        return numpy_helper.from_array(
            (draw.standard_normal(shape) * scale).astype(np.float32), name
        )

    nodes = [
        helper.make_node("Conv", ["data", "w1", "b1"], ["c1"], "conv1", kernel_shape=[3, 3]),
        helper.make_node("Relu", ["c1"], ["r1"], "relu1"),
        helper.make_node("MaxPool", ["r1"], ["p1"], "pool1", kernel_shape=[2, 2], strides=[2, 2]),
        helper.make_node("Conv", ["p1", "w2", "b2"], ["c2"], "conv2", kernel_shape=[2, 2]),
        helper.make_node("Relu", ["c2"], ["r2"], "relu2"),
        helper.make_node("Flatten", ["r2"], ["f"], "flatten"),
        helper.make_node("Gemm", ["f", "w3", "b3"], ["scores"], "fc", transB=1),
    ]
    graph = helper.make_graph(
        nodes,
        "small",
        [helper.make_tensor_value_info("data", TensorProto.FLOAT, ["N", 1, 12, 12])],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["N", 4])],
        [
            weight("w1", 16, 1, 3, 3), weight("b1", 16), weight("w2", 24, 16, 2, 2),
            weight("b2", 24), weight("w3", 4, 24 * 16), weight("b3", 4),
        ],
    )  # fmt: skip
    onnx.save(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), path
    )
    return path


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory with net.onnx, test.npz and train.npz, as working directory."""
    monkeypatch.chdir(tmp_path)
    small_network(tmp_path / "net.onnx")
    draw = np.random.default_rng(1)
    for name, count in (("test.npz", 96), ("train.npz", 256)):
        samples = draw.standard_normal((count, 1, 12, 12)).astype(np.float32)
        labels = (samples[:, 0, :6].mean((1, 2)) > 0) * 2 + (samples[:, 0, :, :6].mean((1, 2)) > 0)
        np.savez(tmp_path / name, x=samples, y=labels)
    return tmp_path


@pytest.fixture
def prunus(capsys: pytest.CaptureFixture[str]) -> Callable[..., Any]:
    """Run a command line; gives its JSON result."""

    def call(*arguments: str) -> Any:
        code = run([*arguments, "--json"])
        captured = capsys.readouterr()
        assert code == 0, captured.err
        return json.loads(captured.out)

    return call
