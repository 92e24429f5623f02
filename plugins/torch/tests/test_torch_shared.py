"""The executor on a real exported network: zero-padded channel shortcuts, folded shapes."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import onnx_ir as ir
import pytest

from prunus_torch.executor import evaluate
from prunus_torch.testing.graphs import onnxruntime_outputs

SHARED = Path(os.environ.get("PRUNUS_SHARED") or Path(__file__).parents[4] / "shared")
MEAN = np.array([0.485, 0.456, 0.406], np.float32)
DEVIATION = np.array([0.229, 0.224, 0.225], np.float32)


@pytest.mark.shared
@pytest.mark.parametrize("name", ["resnet20", "resnet32"])
def test_equals_onnxruntime(name: str) -> None:
    path = SHARED / f"data/models/onnx/{name}_cifar10.onnx"
    samples = SHARED / "data/datasets/cifar10/test.npz"
    if not path.exists() or not samples.exists():
        pytest.skip(f"{path} and {samples} are needed")
    with np.load(samples) as stored:
        x, labels = stored["x"][:256].astype(np.float32), stored["y"][:256]
    x = np.ascontiguousarray(((x / 255 - MEAN) / DEVIATION).transpose(0, 3, 1, 2))
    model = ir.load(path)
    wanted = onnxruntime_outputs(model, {"image": x}, ["logits"])["logits"]
    found = evaluate(model, {"image": x})["logits"]
    assert np.abs(found - wanted).max() <= 1e-5 * np.abs(wanted).max()
    assert (found.argmax(1) == labels).mean() > 0.88
