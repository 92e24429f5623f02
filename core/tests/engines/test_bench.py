from __future__ import annotations

import types
from importlib.metadata import PackageNotFoundError

import attrs
import pytest

import prunus
from prunus.descriptors import Engine
from prunus.engines.bench import bench
from prunus.engines.hold import Runnable
from prunus.engines.known import engine_named, lack_of
from prunus.engines.running import Running
from prunus.errors import ModelError, UsageError
from prunus.hookspecs import hookimpl
from prunus.host import Host
from prunus.testing.nets import NETS, as_network

NETWORK = as_network(NETS["lenet"](0))
HALF = as_network(NETS["vgg"](0))


def engine(name, milliseconds=None, lack=None, **fields):
    """An engine by whose clock a network takes a time for each of its nodes."""
    plugin = types.ModuleType(f"engine_{name}")
    opened = []

    def version():
        if lack is not None:
            raise lack
        return "1.0"

    @hookimpl
    def prunus_register():
        return (Engine(name, "of a test", version, **fields),)

    @hookimpl
    def prunus_convert(engine, network, files, directory):
        if milliseconds is None:
            raise ModelError(f"{name} knows no Conv")
        return files

    @hookimpl
    def prunus_open(engine, network, files, threads):
        opened.append(threads)
        time = milliseconds * len(network.model.graph)
        return Running(
            lambda sample: {},
            milliseconds=lambda sample: time,
            close=lambda: opened.remove(threads),
        )

    for hook in (prunus_register, prunus_convert, prunus_open):
        setattr(plugin, hook.__name__, hook)
    plugin.opened = opened
    return plugin


def hosted(*plugins):
    return Host([(plugin, "test 1.0") for plugin in plugins])


def runnables(*networks):
    return [(str(n), Runnable.whole(one)) for n, one in enumerate(networks)]


def test_networks_are_compared_with_the_first_in_every_engine():
    slow, fast = engine("slow", 3.0), engine("fast", 1.0)
    found = bench(hosted(slow, fast), runnables(NETWORK, HALF), ("slow", "fast"), 2, 1e-6)
    rows = [(row.engine, row.network, row.timing.milliseconds) for row in found.times]
    nodes = len(NETWORK.model.graph), len(HALF.model.graph)
    assert rows == [("slow", "0", 3.0 * nodes[0]), ("slow", "1", 3.0 * nodes[1]), ("fast", "0", 1.0 * nodes[0]), ("fast", "1", 1.0 * nodes[1])]  # fmt: skip
    assert found.times[1].timing.share == nodes[1] / nodes[0]
    assert slow.opened == fast.opened == []  # all were closed


def test_engines_that_nobody_named_may_refuse():
    absent = engine("absent", 1.0, PackageNotFoundError("absent-engine"))
    host = hosted(engine("picky"), engine("able", 1.0), absent)
    found = bench(host, runnables(NETWORK), None, 1, 1e-6)
    assert [row.engine for row in found.times] == ["able"]
    assert found.refused == {"picky": "picky knows no Conv"}
    with pytest.raises(ModelError, match=r"^picky knows no Conv$"):
        bench(host, runnables(NETWORK), ("picky",), 1)


@pytest.mark.parametrize(
    ("lack", "said"),
    [
        (PackageNotFoundError("absent-engine"), "pip install absent-engine"),
        (UsageError("name its program with --program"), "name its program with --program"),
    ],
)
def test_an_engine_that_is_missing_says_how_to_get_it(lack, said):
    host = hosted(engine("absent", 1.0, lack))
    (descriptor,) = host.all(Engine)
    assert lack_of(descriptor) == said
    with pytest.raises(UsageError) as caught:
        engine_named(host, "absent")
    assert str(caught.value) == f"engine 'absent' cannot run here: {said}"


def test_an_engine_of_another_format():
    host = hosted(engine("native", 1.0, formats=("clay",)))
    with pytest.raises(UsageError) as caught:
        bench(host, runnables(NETWORK), ("native",), 1)
    assert str(caught.value) == (
        "engine 'native' runs clay networks, and this one is of the format onnx"
    )


def test_from_python():
    network = attrs.evolve(NETWORK)
    found = prunus.bench(network, network, engines="onnxruntime", seconds=0.05)
    assert [row.network for row in found.times] == ["1", "2"]
    assert 0.2 < found.times[1].timing.share < 5
