"""OpenCV and OpenVINO pass the kit, and refuse in one line what they cannot run."""

from __future__ import annotations

from importlib.util import find_spec

import numpy as np
import pytest

import prunus
from prunus.plugin import Session, random_inputs
from prunus.testing import engine_checks
from prunus.testing.nets import NETS, as_network

ENGINES = {"opencv": "cv2", "openvino": "openvino"}


def _here(engine, check):
    marks = [getattr(pytest.mark, engine)]
    if find_spec(ENGINES[engine]) is None:
        marks.append(pytest.mark.skip(reason=f"{ENGINES[engine]} is not installed"))
    elif str(check).endswith("quantises") and find_spec("nncf") is None:
        marks.append(pytest.mark.skip(reason="nncf is not installed"))
    return pytest.param(check, marks=marks, id=str(check))


pytest.importorskip("prunus_engines", reason="prunus-engines is not installed")

CHECKS = [_here(engine, check) for engine in ENGINES for check in engine_checks(engine)]


@pytest.mark.parametrize("check", CHECKS)
def test_conformance(check):
    check()


@pytest.mark.opencv
def test_opencv_reads_what_export_writes(tmp_path):
    """Its importer refuses a file that lists a value without a shape."""
    cv2 = pytest.importorskip("cv2", reason="OpenCV is not installed")
    network = as_network(NETS["squeezenet"](0))
    sample = random_inputs(network.model, 1, 0)
    prunus.export(network, tmp_path / "net.onnx")
    net = cv2.dnn.readNetFromONNX(str(tmp_path / "net.onnx"))
    for name, array in sample.items():
        net.setInput(array, name)
    (wanted,) = Session(network.model).run(sample).values()
    assert np.abs(net.forward() - wanted).max() <= 1e-5 * np.abs(wanted).max()
