"""The kit of engines fails where an engine breaks its contract."""

from __future__ import annotations

import types
from importlib.metadata import PackageNotFoundError

import numpy as np
import onnx_ir as ir
import pytest

from prunus.descriptors import Engine
from prunus.engines.running import Running
from prunus.evaluation.session import Session
from prunus.hookspecs import hookimpl
from prunus.host import Host
from prunus.testing import engine_checks
from prunus.testing.nets import NETS, as_network

NETWORK = {"lenet": as_network(NETS["lenet"](0))}


def host_of(run=lambda session, sample: session.run(sample), version=lambda: "1.0", **running):
    plugin = types.ModuleType("json")  # any module that imports cheaply

    @hookimpl
    def prunus_register():
        return (Engine("bad", "a summary", version),)

    @hookimpl
    def prunus_convert(engine, network, files, directory):
        return files

    @hookimpl
    def prunus_open(engine, network, files, threads):
        session = Session(ir.load(files.model), threads=threads)
        return Running(lambda sample: run(session, sample), **running)

    for function in (prunus_register, prunus_convert, prunus_open):
        setattr(plugin, function.__name__, function)
    return Host([(plugin, "test 1.0")])


def failing(host):
    names = []
    for check in engine_checks("bad", host, NETWORK):
        try:
            check()
        except AssertionError:
            names.append(check.name.removeprefix("bad-"))
    return names


def test_a_good_one_passes():
    assert failing(host_of()) == []


def inexact(session, sample):
    return {name: array * np.float32(1.01) for name, array in session.run(sample).items()}


def without_batch(session, sample):
    return {name: array[0] for name, array in session.run(sample).items()}


def forgetful(session, sample):
    return {}


def careless(session, sample):
    found = session.run(sample)
    next(iter(sample.values()))[:] = 0
    return found


@pytest.mark.parametrize(
    ("run", "check"),
    [
        (inexact, "computes-the-networks-numbers"),
        (without_batch, "computes-the-networks-numbers"),
        (forgetful, "computes-the-networks-numbers"),
        (careless, "leaves-its-input-alone"),
    ],
)
def test_wrong_answers(run, check):
    assert check in failing(host_of(run))


def test_an_engine_that_is_not_there():
    def version():
        raise PackageNotFoundError("fast-engine")

    assert "is-here" in failing(host_of(version=version))


@pytest.mark.parametrize(
    "running", [{"milliseconds": lambda sample: 0.0}, {"steps": lambda sample: {"no value": 1.0}}]
)
def test_strange_times(running):
    assert failing(host_of(**running)) == ["tells-positive-times"]
