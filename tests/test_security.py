"""SECURITY.md: live exploits in files that are handed in; none runs, none leaves its directory."""

from __future__ import annotations

import pickle
import re
import zipfile
from pathlib import Path

import numpy as np
import onnx
import pytest

from prunus.cli import run
from prunus.testing.command_line import refused

ROOT = Path(__file__).parents[1]
RAN = Path("ran")


class Exploit:
    """Unpickled, it writes a file."""

    def __reduce__(self):
        return (open, (str(RAN), "w"))


@pytest.fixture
def inside(files, monkeypatch):
    """A directory in the working directory of a user, with a secret beside it."""
    (files / "secret").write_bytes(bytes(8 << 10))
    (files / "project").mkdir()
    (files / "net.onnx").rename(files / "project/net.onnx")
    monkeypatch.chdir(files / "project")
    return files / "project"


def test_a_pickled_array_in_npz(inside):
    payload = pickle.dumps(Exploit())
    array = np.lib.format.magic(1, 0)
    header = b"{'descr': '|O', 'fortran_order': False, 'shape': (4,), }"
    header += b" " * (64 - (len(array) + 2 + len(header) + 1) % 64) + b"\n"
    with zipfile.ZipFile("d.npz", "w") as archive:
        for name in ("x.npy", "y.npy"):
            archive.writestr(name, array + len(header).to_bytes(2, "little") + header + payload)
    code, message = refused("eval", "--model", "net.onnx", "--data", "d.npz")
    assert code == 4
    assert "d.npz" in message
    assert not RAN.exists()


@pytest.mark.parametrize("location", ["../secret", "{absolute}", "a/../../secret"])
def test_external_data_outside_of_the_models_directory(inside, location):
    model = onnx.load("net.onnx")
    tensor = model.graph.initializer[0]
    size = len(tensor.raw_data)
    tensor.ClearField("raw_data")
    tensor.data_location = onnx.TensorProto.EXTERNAL
    where = location.format(absolute=inside.parent / "secret")
    for key, value in (("location", where), ("offset", "0"), ("length", str(size))):
        entry = tensor.external_data.add()
        entry.key, entry.value = key, value
    Path("net.onnx").write_bytes(model.SerializeToString())
    for words in (["stat"], ["export", "--output", "out.onnx"]):
        code, message = refused(*words, "--model", "net.onnx")
        assert code == 3
        assert message.startswith("error: net.onnx: ")


def lambda_model(path: str) -> None:
    import keras

    layers = keras.layers
    inputs = keras.Input((8, 8, 3))
    x = layers.Lambda(
        lambda x: (__import__("pathlib").Path("ran").touch(), x)[1], output_shape=(8, 8, 3)
    )(inputs)
    keras.Model(inputs, layers.Conv2D(4, 3)(layers.Conv2D(8, 3)(x))).save(path)
    RAN.unlink(missing_ok=True)


@pytest.mark.tensorflow
@pytest.mark.parametrize("name", ["net.keras", "net.h5"])
def test_a_lambda_layer(inside, name):
    keras = pytest.importorskip("keras")
    lambda_model(name)
    code, message = refused("stat", "--model", name)
    assert code == 3
    assert message.startswith(f"error: {name}: ")
    assert "unsafe=yes" in message
    assert not RAN.exists()
    keras.models.load_model(name, safe_mode=False)(np.zeros((1, 8, 8, 3), np.float32))
    assert RAN.exists()  # the exploit is live


@pytest.mark.tensorflow
def test_a_class_of_another_module_and_a_member_outside(inside, monkeypatch):
    keras = pytest.importorskip("keras")
    monkeypatch.syspath_prepend(inside)
    Path("exploit_layer.py").write_text("open('ran', 'w')\nclass Conv2D:\n    pass\n")
    inputs = keras.Input((8, 8, 3))
    x = keras.layers.Conv2D(8, 3)(inputs)
    keras.Model(inputs, keras.layers.Conv2D(4, 3)(x)).save("sound.keras")
    with zipfile.ZipFile("sound.keras") as old:
        parts = {name: old.read(name) for name in old.namelist()}
    config = parts["config.json"].replace(b'"keras.layers"', b'"exploit_layer"')
    for name, changes in (
        ("module.keras", {"config.json": config}),
        ("member.keras", {"../../escaped": b"x"}),
        ("absolute.keras", {str(inside.parent / "escaped"): b"x"}),
    ):
        with zipfile.ZipFile(name, "w") as new:
            for member, data in {**parts, **changes}.items():
                new.writestr(member, data)
    code, message = refused("stat", "--model", "module.keras")
    assert (code, message.startswith("error: module.keras: ")) == (3, True)
    for name in ("member.keras", "absolute.keras"):
        run(["stat", "--model", name])
    assert not RAN.exists()
    assert not list(inside.parent.rglob("escaped"))


def test_every_claim_names_tests_that_exist():
    text = (ROOT / "SECURITY.md").read_text(encoding="utf-8")
    named = re.findall(r"`([\w/]+\.py)::(\w+)`", text)
    assert len(named) > 15
    for file, test in named:
        assert f"def {test}(" in (ROOT / file).read_text(encoding="utf-8"), f"{file}::{test}"
