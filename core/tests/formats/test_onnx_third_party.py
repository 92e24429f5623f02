"""Trained models of PyTorch, Keras and Paddle give their own numbers after reading."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from prunus.evaluation.session import Session
from prunus.formats.onnx_read import read_onnx
from prunus.proof import relative_error

SHARED = Path(os.environ.get("PRUNUS_SHARED", Path(__file__).parents[4] / "shared"))
MODELS = SHARED / "data/models/onnx"

SIZES = {
    "resnet20_cifar10.onnx": None,
    "resnet32_cifar10.onnx": None,
    "slim-320_simplified.onnx": None,
    "mtcnn/pnet.onnx": "1x24x24x3",
    "mtcnn/rnet.onnx": None,
    "rapidocr/ch_ppocr_mobile_v2.0_cls_infer.onnx": "1x3x48x192",
}


@pytest.mark.shared
@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("file", SIZES)
def test_numbers_of_the_file_itself(file, batch):
    path = MODELS / file
    if not path.is_file():
        pytest.skip(f"no shared model {file} (PRUNUS_SHARED)")
    network = read_onnx(path, SIZES[file])
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    data = network.model.graph.inputs[0]
    shape = [int(size) for size in data.shape[1:]]
    inputs = np.random.default_rng(batch).standard_normal((batch, *shape)).astype(np.float32)
    found = Session(network.model).run({data.name: inputs})
    # sample by sample: some of these files hold a batch of one
    parts = [session.run(list(found), {data.name: sample[None]}) for sample in inputs]
    for name, *arrays in zip(found, *parts, strict=True):
        assert relative_error(np.concatenate(arrays), found[name]) <= 1e-5
