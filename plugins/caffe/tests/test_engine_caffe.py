"""The engine Caffe passes the kit, on a net with data layers too."""

from __future__ import annotations

from pathlib import Path

import pytest

import prunus
from prunus.testing import engine_checks
from prunus_caffe.testing import caffe_python

pytestmark = [
    pytest.mark.caffe,
    pytest.mark.skipif(
        caffe_python() is None, reason="PRUNUS_CAFFE_PYTHON does not name an interpreter with Caffe"
    ),
]
LENET = Path(__file__).parents[3] / "examples/lenet"


def networks():
    files = LENET / "train_val.prototxt", LENET / "lenet.caffemodel"
    return {"lenet": prunus.load(*files, options={"input-shape": "data:1x28x28"})}


@pytest.mark.parametrize("check", engine_checks("caffe", networks=networks()), ids=str)
def test_conformance(check):
    check()


def test_a_python_without_caffe_is_no_engine(monkeypatch):
    monkeypatch.setenv("PRUNUS_CAFFE_PYTHON", "no-such-python")
    with pytest.raises(prunus.PrunusError) as caught:
        prunus.bench(networks()["lenet"], engines="caffe")
    assert str(caught.value) == (
        "engine 'caffe' cannot run here: name the Python of your Caffe with PRUNUS_CAFFE_PYTHON"
    )
