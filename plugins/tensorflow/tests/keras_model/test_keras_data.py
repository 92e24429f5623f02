"""A Keras file is data: code in it does not run, and it reaches no other file."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from prunus.errors import ModelError
from prunus.network import Source
from prunus_tensorflow import keras_model

keras = pytest.importorskip("keras", reason="Keras is not installed")
pytestmark = pytest.mark.tensorflow


def small() -> Any:
    layers = keras.layers
    return keras.Sequential([keras.Input((4,)), layers.Dense(3, name="first"), layers.Dense(2)])


def with_config(path: Path, change: Any) -> Path:
    """A sound file with another configuration."""
    small().save(path)
    if path.suffix == ".h5":
        with h5py.File(path, "r+") as stored:
            config = json.loads(stored.attrs["model_config"])
            change(config["config"]["layers"])
            stored.attrs["model_config"] = json.dumps(config)
        return path
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    config = json.loads(parts["config.json"])
    change(config["config"]["layers"])
    parts["config.json"] = json.dumps(config).encode()
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return path


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
def test_stored_code_of_a_lambda(suffix: str, tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    text = f"lambda x: (open({str(mark)!r}, 'w').close(), x)[1]"
    model = keras.Sequential(
        [keras.Input((4,)), keras.layers.Dense(3), keras.layers.Lambda(eval(text))]
    )
    path = tmp_path / f"net{suffix}"
    model.save(path)
    mark.unlink()
    with pytest.raises(ModelError, match="holds a Lambda layer with stored code: --option unsafe"):
        keras_model.load(Source(path))
    assert not mark.exists()
    keras_model.load(Source(path, None, {"unsafe": "yes"}))  # the danger is real
    assert mark.exists()


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
@pytest.mark.parametrize(
    ("module", "name"), [("os", "system"), ("subprocess", "Popen"), ("builtins", "eval")]
)
def test_functions_of_other_modules(suffix: str, module: str, name: str, tmp_path: Path) -> None:
    mark = tmp_path / "mark"

    def change(layers: list[Any]) -> None:
        layers[1].update(
            module=module, class_name=name, registered_name=name, config={"name": f"touch {mark}"}
        )

    path = with_config(tmp_path / f"net{suffix}", change)
    with pytest.raises(ModelError) as caught:
        keras_model.load(Source(path))
    assert str(caught.value).startswith(f"{path}: ")
    assert not mark.exists()


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
def test_a_layer_that_loads_another_model(suffix: str, tmp_path: Path) -> None:
    small().export(tmp_path / "other", verbose=False)

    def change(layers: list[Any]) -> None:
        layers[1]["class_name"] = "TFSMLayer"
        layers[1]["config"] = {"name": "x", "filepath": str(tmp_path / "other")}

    with pytest.raises(ModelError):
        keras_model.load(Source(with_config(tmp_path / f"net{suffix}", change)))


def test_a_zip_that_leaves_its_folder(tmp_path: Path) -> None:
    path = tmp_path / "deep/er/net.keras"
    path.parent.mkdir(parents=True)
    small().save(path)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("../../escaped", b"owned")
        archive.writestr(f"{tmp_path}/absolute", b"owned")
    keras_model.load(Source(path))
    assert not (tmp_path / "escaped").exists()
    assert not (tmp_path / "absolute").exists()


@pytest.mark.parametrize("kind", ["external", "link"])
def test_weights_in_another_file(kind: str, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(np.arange(12, dtype="f4").tobytes())
    with h5py.File(tmp_path / "secret.h5", "w") as stored:
        stored["kernel"] = np.ones((4, 3), "f4")
    path = tmp_path / "net.h5"
    small().save(path)
    with h5py.File(path, "r+") as stored:
        names: list[str] = []
        stored.visit(names.append)
        kernel = next(one for one in names if "first" in one and one.endswith("kernel"))
        del stored[kernel]
        if kind == "link":
            stored[kernel] = h5py.ExternalLink(str(tmp_path / "secret.h5"), "/kernel")
        else:
            stored.create_dataset(kernel, (4, 3), "f4", external=[(str(secret), 0, 48)])
    with pytest.raises(ModelError) as caught:
        keras_model.load(Source(path))
    assert str(caught.value).startswith(f"{path}: not a readable HDF5 file (")
