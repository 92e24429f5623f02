"""The built-in plugins, a trainer that is quick, and a network with samples in files."""

from __future__ import annotations

import importlib
from pathlib import Path

import attrs
import numpy as np
import onnx_ir as ir
import pytest

from prunus.descriptors import Trainer
from prunus.evaluation.session import Session
from prunus.hookspecs import hookimpl
from prunus.host import BUILT_IN, Host
from prunus.network import Network
from prunus.settings import Settings


class Quick:
    """Adds 1 % to every weight; remembers its jobs."""

    def __init__(self):
        self.jobs = []
        self.factor = 1.01
        self.options = {"speed": "how quick"}

    @hookimpl
    def prunus_register(self):
        return (Trainer("torch", "not torch at all", options=self.options),)

    @hookimpl
    def prunus_finetune(self, trainer, job):
        self.jobs.append(job)
        graph = job.compact.model.graph
        return {
            name: value.const_value.numpy() * np.float32(self.factor)
            for name, value in graph.initializers.items()
            if name in job.network.bindings
        }


@pytest.fixture
def trainer():
    return Quick()


@pytest.fixture
def host(trainer) -> Host:
    built_in = [(importlib.import_module(name), "prunus") for name in BUILT_IN]
    return Host([*built_in, (trainer, "quick")])


@pytest.fixture
def settings(tmp_path: Path, lenet: Network, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """net.onnx and test.npz in the working directory, a workspace ``ws`` that is not there yet."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(Session, "latency", lambda self, inputs: 1.0)  # half a second each
    ir.save(lenet.model, tmp_path / "net.onnx")
    draw = np.random.default_rng(7)
    samples = draw.standard_normal((40, 1, 12, 12)).astype(np.float32)
    np.savez(tmp_path / "test.npz", x=samples, y=draw.integers(0, 4, 40))
    return Settings(model=Path("net.onnx"), data="test.npz", workspace=Path("ws"))


@pytest.fixture
def other(settings: Settings, lenet: Network) -> Settings:
    """The same structure with other weights, other.onnx."""
    weights = {name: -array for name, array in lenet.weights().items()}
    ir.save(lenet.with_weights(weights).model, "other.onnx")
    return attrs.evolve(settings, model=Path("other.onnx"))
