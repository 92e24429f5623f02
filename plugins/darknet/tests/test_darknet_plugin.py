from __future__ import annotations

import subprocess
import sys

import pytest

from prunus_darknet import plugin
from prunus_darknet.detect import is_darknet


def test_descriptor_and_foreign_formats():
    descriptor, trainer, engine = plugin.prunus_register()
    assert descriptor.detect is is_darknet
    assert trainer.formats == engine.formats == (descriptor.name,)
    assert plugin.prunus_finetune("caffe", None) is None
    assert plugin.prunus_load("caffe", None) is None
    assert plugin.prunus_compact("caffe", None, None, None) is None


def test_import_is_cheap():
    heavy = "numpy,onnx,onnx_ir,onnxruntime,PIL,torch,cv2"
    code = (
        "import sys; before = set(sys.modules); import prunus_darknet.detect; "
        f"print([m for m in {heavy!r}.split(',') if m in set(sys.modules) - before])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("a.cfg", b"# x\n\n[net]\n", True),
        ("a.cfg", b"\n; x\r\n[network]\r\n", True),
        ("a.cfg", b"[pruning]\n", False),
        ("a.prototxt", b"[net]\n", False),
        ("a.cfg", b"", False),
        ("a.cfg", bytes(range(256)), False),
    ],
)
def test_detection(name, content, expected, tmp_path):
    path = tmp_path / name
    path.write_bytes(content)
    assert is_darknet(path) is expected


def test_detection_never_raises(tmp_path):
    assert not is_darknet(tmp_path / "missing.cfg")
    assert not is_darknet(tmp_path)
