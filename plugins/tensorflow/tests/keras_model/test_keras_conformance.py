"""The format's promises, checked by the core's own kit on Keras files and a SavedModel."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import pytest

from prunus.plugin import Source
from prunus.testing import Examples, Unknown, format_checks
from prunus_tensorflow.testing.networks import NETWORKS
from prunus_tensorflow.testing.random_weights import randomise

keras = pytest.importorskip("keras", reason="Keras is not installed")
L = keras.layers
pytestmark = pytest.mark.tensorflow

_DIRECTORY = tempfile.TemporaryDirectory(prefix="prunus-keras-")
_ROOT = Path(_DIRECTORY.name)


def _samples() -> list[Source]:
    gated, shared = (randomise(NETWORKS[name]()) for name in ("squeeze_excite", "shared"))
    gated.save(_ROOT / "gated.keras")
    shared.save(_ROOT / "shared.h5")
    gated.export(_ROOT / "exported", verbose=False)
    return [Source(_ROOT / name) for name in ("gated.keras", "shared.h5", "exported")]


def _unknown() -> Unknown:
    inputs = keras.Input((12, 6), name="steps")
    x = L.Conv1D(8, 3, name="conv")(inputs)
    x = L.LSTM(5, return_sequences=True, name="memory")(x)
    x = L.Conv1D(8, 3, name="behind")(x)
    x = L.UnitNormalization(name="unit")(x)
    model = randomise(keras.Model(inputs, L.Conv1D(2, 1, name="last")(x)))
    model.save(_ROOT / "unknown.keras")
    return Unknown(Source(_ROOT / "unknown.keras"), ("memory", "unit"))


def _data(source: Source) -> str:
    """A function of the user's that gives six samples."""
    shape = keras.models.load_model(source.model).input_shape[1:]
    path = _ROOT / "samples.py"
    path.write_text(
        "import numpy as np\n\n\ndef samples():\n"
        f"    draw = np.random.default_rng(0).normal(size=(6, *{shape}))\n"
        "    return draw.astype('float32'), np.arange(6) % 2\n"
    )
    return f"{path}:samples"


SAMPLES = _samples()
DATA = _data(SAMPLES[0])
CHECKS = format_checks(
    "tensorflow",
    SAMPLES,
    _unknown(),
    examples=Examples(
        data=((SAMPLES[0], DATA),),
        models=tuple(
            lambda name=n: randomise(NETWORKS[name]()) for n in ("squeeze_excite", "shared")
        ),
        code=(("data", DATA), ("custom_objects", "classes.py"), ("unsafe", "yes")),
    ),
)


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.name)
def test_conformance(check: Any) -> None:
    check()
