from __future__ import annotations

import re
from pathlib import Path

import attrs
import onnx_ir as ir
import pytest

from prunus.errors import PlanError, PluginError, ProofError, UsageError
from prunus.hookspecs import hookimpl
from prunus.host import Host
from prunus.network import Compact
from prunus.steps.compress import compress
from prunus.steps.continued import newest
from prunus.steps.finetune import finetune
from prunus.steps.prune import prune
from prunus.steps.transform import transform
from prunus.training.tuning import Tuning


def pruned(host, settings, rate=0.4):
    return prune(host, attrs.evolve(settings, rate=rate))


def test_numbers_of_the_transformed_network(host, settings):
    first = pruned(host, settings)
    found = transform(host, newest(settings), Path("small"))
    original, masked, small = found.report.stages
    assert found.proof.error <= 1e-5
    assert found.proof.samples == 1 + 3 + 4
    assert found.proof.batches == (1, 3)
    # one definition of MACs and parameters in all steps: the mask counts
    assert (original.macs, original.params) == (
        first.report.stages[0].macs,
        first.report.stages[0].params,
    )
    assert (masked.macs, masked.params) == (small.macs, small.params)
    assert small.macs == first.report.stages[1].macs
    assert small.params == first.report.stages[1].params
    assert small.bytes == Path("small/net.onnx").stat().st_size
    assert small.metric.value == masked.metric.value == first.report.stages[1].metric.value
    assert found.report.files == (Path("small/net.onnx"),)


def test_without_proof_and_measurement(host, settings):
    pruned(host, settings)
    report = transform(host, newest(settings), None, proof=False, measure=False).report
    assert report.facts == {"proof": None, "exact": True, "granularity": "channel"}
    assert [stage.milliseconds for stage in report.stages] == [None] * 3
    assert Path("ws/transformed/net.onnx").exists()


def test_dense_weights(host, settings):
    with pytest.raises(PlanError) as caught:
        transform(host, settings, Path("small"))
    assert str(caught.value) == (
        "net.onnx: no channel is masked, so nothing can be removed; give the weights that "
        "'prunus prune' or 'prunus finetune' wrote"
    )


class Spoiler:
    """A plugin that breaks what the format writes."""

    @hookimpl(wrapper=True)
    def prunus_compact(self, destination):
        written = yield
        if destination.stage == "compact":
            model = ir.load(written.model)
            bias = model.graph.initializers["ip2/bias"]
            bias.const_value = ir.tensor(bias.const_value.numpy() + 1, name="ip2/bias")
            ir.save(model, written.model)
        return written


def test_a_failed_proof_leaves_nothing(host, settings):
    pruned(host, settings)
    plugins = [(entry.plugin, entry.distribution) for entry in host.registered]
    spoiled = Host([*dict.fromkeys(plugins), (Spoiler(), "spoiler")])
    Path("small").mkdir()
    Path("small/net.onnx").write_text("of an earlier run")
    with pytest.raises(ProofError) as caught:
        transform(spoiled, newest(settings), Path("small"))
    assert str(caught.value).startswith(
        "the compact network differs from the masked one at output 'ip2', first at layer 'ip2': "
        "relative error "
    )
    assert str(caught.value).endswith(", allowed 1e-05; nothing was written")
    assert [path.name for path in Path("small").iterdir()] == ["net.onnx"]
    assert Path("small/net.onnx").read_text() == "of an earlier run"


class Illegible:
    """A plugin that makes files of the format illegible."""

    @hookimpl(wrapper=True)
    def prunus_compact(self, destination):
        written = yield
        if destination.stage == "compact":
            written.model.write_bytes(b"not a model")
        return written


def test_written_files_that_do_not_load_are_the_format_s_fault(host, settings):
    pruned(host, settings)
    plugins = [(entry.plugin, entry.distribution) for entry in host.registered]
    spoiled = Host([*dict.fromkeys(plugins), (Illegible(), "spoiler")])
    for step in (transform, compress):
        with pytest.raises(PluginError) as caught:
            step(spoiled, newest(settings), Path("small") if step is transform else None)
        assert re.fullmatch(
            r"format 'onnx' of prunus wrote files that do not load: \S*net\.onnx: not a readable ONNX "
            r"file \(.*\); is it complete\?",
            str(caught.value),
        )
    assert not Path("small").exists() or not any(Path("small").iterdir())


def test_no_original_is_replaced(host, settings):
    pruned(host, settings)
    before = Path("net.onnx").read_bytes()
    with pytest.raises(UsageError) as caught:
        transform(host, newest(settings), Path("."))
    assert str(caught.value) == (
        f"{Path('net.onnx').absolute()}: would be replaced by what is made from it; choose another "
        "--output"
    )
    assert Path("net.onnx").read_bytes() == before
    masked = newest(settings).model
    with pytest.raises(UsageError) as caught:
        transform(host, newest(settings), masked.parent)
    assert str(caught.value) == (
        f"{masked}: would be replaced by what is made from it; choose another --output"
    )


class Recorder:
    """A plugin that remembers where formats were asked to write."""

    def __init__(self):
        self.destinations = []

    @hookimpl(wrapper=True)
    def prunus_compact(self, destination):
        self.destinations.append(destination)
        return (yield)


def test_the_format_is_told_the_name_of_the_original(host, settings):
    first = pruned(host, settings)
    finetune(host, attrs.evolve(settings, train_data="test.npz"), Tuning(iterations=1))
    Path("mine.onnx").write_bytes(first.written.model.read_bytes())
    recorder = Recorder()
    plugins = [(entry.plugin, entry.distribution) for entry in host.registered]
    watched = Host([*dict.fromkeys(plugins), (recorder, "recorder")])
    for named in (newest(settings), attrs.evolve(settings, model=Path("mine.onnx"))):
        transform(watched, named, Path("small"), proof=False, measure=False)
    alone = attrs.evolve(settings, model=Path("mine.onnx"), workspace=None)
    transform(watched, alone, Path("small"), proof=False, measure=False)
    assert [found.original for found in recorder.destinations] == [
        "net.onnx", "net.onnx", "mine.onnx"
    ]  # fmt: skip


def test_a_file_of_the_users_name(host, settings):
    pruned(host, settings)
    found = transform(host, newest(settings), Path("deep/small.onnx"))
    assert found.written.model == Path("deep/small.onnx")
    assert found.written.model.is_file()
    again = transform(host, newest(settings), Path("deep/small"))
    assert again.written.model == Path("deep/small/net.onnx")


def test_files_that_still_hold_removed_channels(host, settings, monkeypatch):
    """A format that writes the masked network for the compact one computes the same."""
    import prunus.steps.transform as step

    pruned = prune(host, attrs.evolve(settings, rate=0.4))
    named = attrs.evolve(settings, model=pruned.written.model)
    whole = step.write_into

    def wrong(host, network, compact, destination):
        return whole(host, network, Compact(network.model, {}), destination)

    monkeypatch.setattr(step, "write_into", wrong)
    with pytest.raises(ProofError) as caught:
        transform(host, named, Path("out"), measure=False)
    assert "format onnx wrote channels that were removed; nothing was written" in str(caught.value)
    assert not any(Path("out").iterdir())
