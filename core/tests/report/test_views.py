from __future__ import annotations

import attrs

import prunus
from prunus.network import Network
from prunus.steps.report import Report, Stage
from prunus.task import Measurement


def test_a_network_is_drawn(lenet):
    found = lenet._repr_html_()
    for name in lenet.layers:
        assert name in found
    assert "<script" not in found
    assert 'class="details"' not in found


def test_a_plan_lists_its_groups(lenet):
    plan = prunus.plan(lenet, rate=0.4)
    found = plan._repr_html_()
    for name, group in plan.groups.items():
        assert f">{name}</td>" in found
        assert f"{len(group.kept)} of {group.channels}" in found


def test_names_are_text(lenet):
    layers = {"<b>conv</b>": lenet.layers["conv1"], **lenet.layers}
    found = Network._repr_html_(attrs.evolve(lenet, layers=layers))
    assert "<b>" not in found


def test_a_report_shows_its_stages():
    stages = (
        Stage("original", Measurement(0.9, 0.01), 2000, 100, 400),
        Stage("pruned", None, 1000, 50),
    )
    found = Report("prune", "top-1", stages, collapse="it gives <one> answer")._repr_html_()
    assert "0.9000 ± 0.0100" in found
    assert "--share:0.500" in found
    assert "it gives &lt;one&gt; answer" in found
