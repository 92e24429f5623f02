from __future__ import annotations

import importlib
import json
from pathlib import Path

import attrs
import numpy as np
import pytest

from prunus.cli import run
from prunus.descriptors import Trainer
from prunus.errors import PluginError, StaleError, UsageError
from prunus.hookspecs import hookimpl
from prunus.host import BUILT_IN, Host
from prunus.steps.compress import compress, decompress
from prunus.steps.continued import smallest
from prunus.steps.history import history
from prunus.steps.page import page_of
from prunus.steps.prune import prune
from prunus.steps.transform import transform
from prunus.steps.workspace import Workspace
from prunus.training.tuning import Tuning


def test_numbers_of_the_compressed_network(host, settings):
    found = compress(host, settings, None, bits=6)
    given, small = found.report.stages
    assert found.report.files == (Path("ws/compressed.prunus"),)
    assert small.bytes == found.file.stat().st_size == len(found.compressed.contents)
    assert given.bytes == Path("net.onnx").stat().st_size
    assert (given.macs, given.params) == (small.macs, small.params)
    assert given.metric.value > 0
    assert small.metric.value == pytest.approx(given.metric.value, abs=0.1)
    assert [row.bits for row in found.report.storage] == [6] * 4
    json.dumps(found.report.to_json())


def test_the_transformed_network_of_the_workspace(host, settings):
    prune(host, attrs.evolve(settings, rate=0.4))
    small = transform(host, smallest(settings), None)
    chosen = smallest(settings)
    assert chosen.model.resolve() == small.written.model.resolve()
    found = compress(host, chosen, None)
    assert found.report.stages[0].params == small.report.stages[-1].params
    steps = history(Path("ws"))
    assert [step.step for step in steps] == ["prune", "transform", "compress"]
    page = page_of(host, Workspace(Path("ws")), settings)
    assert [row.name for row in page.rows] == ["original", "pruned", "transformed", "compressed"]
    # a later prune is newer than what was transformed before
    prune(host, attrs.evolve(settings, rate=0.2))
    assert smallest(settings).model.resolve() != small.written.model.resolve()


def test_a_transformed_network_that_is_gone(host, settings):
    prune(host, attrs.evolve(settings, rate=0.4))
    written = transform(host, smallest(settings), None).written
    written.model.unlink()
    with pytest.raises(StaleError, match="is gone; run 'prunus transform' again"):
        smallest(settings)


def test_outputs_in_the_way(host, settings):
    Path("folder").mkdir()
    with pytest.raises(UsageError) as caught:
        compress(host, settings, Path("folder"))
    assert str(caught.value) == ("--output folder: is a directory; name a file, folder/net.prunus")
    with pytest.raises(UsageError) as caught:
        compress(host, settings, settings.model)
    assert str(caught.value).endswith(
        "would be replaced by what is made from it; choose another --output"
    )
    found = compress(host, settings, Path("net.prunus"))
    Path("net").write_text("a file")
    with pytest.raises(UsageError) as caught:
        decompress(found.file, None)
    assert str(caught.value) == "--output net: is a file; name a directory"


def test_from_the_command_line(settings, capsys):
    line = ["compress", "--model", "net.onnx", "--data", "test.npz", "--output", "net.prunus"]
    assert run([*line, "--bits", "conv=4", "--bits", "fc=3"]) == 0
    said = capsys.readouterr()
    assert "ip1/weight" in said.out
    assert "bytes of native files" in said.out
    assert "wrote net.prunus" in said.err
    assert run(["decompress", "net.prunus", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["files"] == ["net/net.onnx"]
    Path("net.prunus").write_bytes(Path("net.prunus").read_bytes()[:-1])
    assert run(["decompress", "net.prunus"]) == 3
    assert capsys.readouterr().err == (
        "error: net.prunus: damaged: its digest is not that of its contents; use a sound copy\n"
    )


@pytest.mark.parametrize(
    ("bits", "said"),
    [
        (["x"], "--bits x: write a whole number, or NAME=NUMBER"),
        (["fc="], "--bits fc=: write a whole number, or NAME=NUMBER"),
        (["5", "fc=3"], "--bits: one number means all layers; name the others: conv=8 fc=5"),
        (["9"], "bits: 9: a whole number from 1 to 8"),
    ],
)
def test_bits_that_are_wrong(settings, capsys, bits, said):
    options = [word for text in bits for word in ("--bits", text)]
    assert run(["compress", "--model", "net.onnx", *options]) == 2
    assert capsys.readouterr().err == f"error: {said}\n"


class Sharing:
    """Adds 1 % to every weight, or tears apart weights that share a value."""

    def __init__(self, tear=0.0):
        self.tear, self.jobs = tear, []

    @hookimpl
    def prunus_register(self):
        return (Trainer("shifting", "adds 1 %", shares_weights=True),)

    @hookimpl
    def prunus_finetune(self, trainer, job):
        self.jobs.append(job)
        found = {}
        for name in job.shared:
            array = job.network.weights()[name] * np.float32(1.01)
            array.reshape(-1)[0] += self.tear
            found[name] = array
        return found


def host_with(plugin):
    built_in = [(importlib.import_module(name), "prunus") for name in BUILT_IN]
    return Host([*built_in, (plugin, "acme 1.0")])


def trained(plugin, settings, host=None, **tuning):
    settings = attrs.evolve(settings, trainer="shifting", train_data="test.npz")
    return compress(host or host_with(plugin), settings, None, bits=3, tuning=Tuning(**tuning))


def test_trained_values(settings):
    plugin = Sharing()
    before = compress(host_with(plugin), settings, None, bits=3).compressed.network.weights()
    after = trained(plugin, settings, iterations=1).compressed
    (job,) = plugin.jobs
    for name, numbers in job.shared.items():
        assert numbers.shape == before[name].shape
        assert set(numbers.flat) == set(range(8))
        np.testing.assert_allclose(after.network.weights()[name], before[name] * 1.01, rtol=2e-3)
    assert all(row.codes is not None for row in after.layers)
    assert job.teacher is None


def test_a_trainer_that_tears_weights_apart(settings):
    with pytest.raises(PluginError) as caught:
        trained(Sharing(tear=1), settings, iterations=1)
    assert str(caught.value) == (
        "trainer 'shifting' of acme 1.0 did not keep the shared weights of 'conv1/weight' equal; "
        "leave --epochs and --iterations out, and report it to its authors"
    )
    assert not Path("ws/compressed.prunus").exists()


def test_a_trainer_that_cannot(host, settings):
    training = attrs.evolve(settings, train_data="test.npz")
    with pytest.raises(UsageError) as caught:
        compress(host, training, None, tuning=Tuning(iterations=1))
    assert str(caught.value) == (
        "trainer torch cannot train shared values; leave --epochs and --iterations out"
    )
    plugins = {id(one.plugin): one.plugin for one in host.registered}.values()
    host = Host([*((plugin, "test") for plugin in plugins), (Sharing(), "acme 1.0")])
    with pytest.raises(UsageError, match="; use --trainer shifting, or leave --epochs"):
        compress(host, training, None, tuning=Tuning(iterations=1))


def test_resume_needs_a_workspace(settings):
    settings = attrs.evolve(settings, workspace=None)
    with pytest.raises(UsageError) as caught:
        trained(Sharing(), settings, iterations=1, resume=True)
    assert str(caught.value) == (
        "--resume: snapshots are kept in a workspace; give --workspace DIR"
    )
