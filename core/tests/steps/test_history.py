from __future__ import annotations

import attrs
import pytest

from prunus.errors import StaleError
from prunus.steps.analyze import analyze
from prunus.steps.continued import newest
from prunus.steps.history import history
from prunus.steps.prune import prune
from prunus.steps.transform import transform


def test_every_step_is_remembered_with_command_and_versions(host, settings):
    typed = attrs.evolve(settings, command=("prunus", "ana", "--model", "my net.onnx"))
    analyze(host, typed, ratios=(0.5,))
    first = prune(host, attrs.evolve(settings, rate=0.4))
    last = transform(host, newest(settings), None)
    ana, pruned, transformed = history(settings.workspace)
    assert (ana.step, ana.round, ana.metric) == ("ana", None, "top-1")
    assert ana.command == "prunus ana --model 'my net.onnx'"
    assert (pruned.step, pruned.round, pruned.command) == ("prune", "rate_0.4", "")
    assert [stage.macs for stage in pruned.stages] == [one.macs for one in first.report.stages]
    assert pruned.groups == first.report.groups
    assert transformed.facts["proof"]["error"] == last.proof.error
    assert pruned.versions.keys() >= {"Python", "prunus", "numpy", "onnxruntime"}


def test_a_step_done_again_replaces_itself(host, settings):
    for rate in (0.4, 0.5, 0.4):
        prune(host, attrs.evolve(settings, rate=rate))
    assert [entry.round for entry in history(settings.workspace)] == ["rate_0.5", "rate_0.4"]


def test_another_network_begins_anew(host, settings, tokens):
    import onnx_ir as ir

    prune(host, attrs.evolve(settings, rate=0.4))
    ir.save(tokens.model, "tokens.onnx")
    settings = attrs.evolve(settings, model=settings.model.with_name("tokens.onnx"))
    prune(host, attrs.evolve(settings, rate=0.3, best_effort=True))
    assert [entry.round for entry in history(settings.workspace)] == ["rate_0.3"]


def test_a_damaged_file(tmp_path):
    (tmp_path / "history.json").write_text("[{")
    with pytest.raises(StaleError) as caught:
        history(tmp_path)
    assert str(caught.value).startswith(f"{tmp_path / 'history.json'}: damaged (")
    assert history(tmp_path / "none") == ()
