from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest

import prunus
from prunus.compaction import compact
from prunus.costs.file_size import file_cost
from prunus.prunable import prunable
from prunus.results import host
from prunus.selection import choose_units, feasible_counts
from prunus.testing.nets import NETS, as_network


@pytest.mark.parametrize("form", ["lenet", "resnet_padded", "shufflenet_v2"])
def test_bytes_of_drawn_plans_are_foreseen(form, tmp_path):
    ir.save(as_network(NETS[form](0)).model, tmp_path / "net.onnx")
    subject = prunable(prunus.load(tmp_path / "net.onnx"))
    cost = file_cost(host(), subject, "net.onnx")
    assert cost.counted == "bytes"
    draw = np.random.default_rng(0)
    for _ in range(3):
        keep = {
            group.name: choose_units(
                group, draw.random(group.size), int(draw.choice(feasible_counts(group)))
            )
            for group in subject.grouping.groups
        }
        ir.save(compact(subject.network, subject.grouping, keep).model, tmp_path / "small.onnx")
        size = (tmp_path / "small.onnx").stat().st_size
        assert cost.macs(cost.kept(keep)) == pytest.approx(size, rel=0.01)


def test_nothing_is_left_behind(lenet, tmp_path, monkeypatch):
    ir.save(lenet.model, tmp_path / "net.onnx")
    (tmp_path / "empty").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "empty"))
    file_cost(host(), prunable(prunus.load(tmp_path / "net.onnx")))
    assert not list((tmp_path / "empty").iterdir())
