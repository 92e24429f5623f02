from __future__ import annotations

from pathlib import Path

import attrs
import numpy as np
import onnx
import onnxruntime
import pytest

from prunus.errors import DataError, UsageError
from prunus.steps.inspect import evaluate, export, statistics


def test_statistics_by_hand(host, settings):
    found = statistics(host, settings)
    rows = [(row.layer, row.operator, row.output, row.params, row.macs) for row in found.layers]
    assert rows == [
        ("conv1", "Conv", (8, 10, 10), 8 * 9 + 8, 100 * 8 * 9),
        ("conv2", "Conv", (12, 4, 4), 12 * 32 + 12, 16 * 12 * 32),
        ("ip1", "Gemm", (20,), 20 * 192 + 20, 20 * 192),
        ("ip2", "Gemm", (4,), 4 * 20 + 4, 4 * 20),
    ]
    assert found.macs == sum(row[4] for row in rows)
    assert found.params == sum(row[3] for row in rows)
    assert [(line.group, line.channels) for line in found.groups] == [
        ("conv1", 8), ("conv2", 12), ("ip1", 20)
    ]  # fmt: skip
    assert [(p.layer, p.channels, p.reason) for p in found.protected] == [
        ("ip2", 4, "graph output")
    ]
    assert found.to_json()["layers"][0]["layer"] == "conv1"


def test_statistics_print_as_text(host, settings):
    found = statistics(host, settings)
    assert repr(found) == "Statistics(4,420 params, 17,264 MACs, 3 groups, 1 protected layer)"
    assert str(found).splitlines() == [
        "4,420 params, 17,264 MACs, 3 groups, 1 protected layer",
        "  conv1 (Conv): 8×10×10, 80 params, 7,200 MACs",
        "  conv2 (Conv): 12×4×4, 396 params, 6,144 MACs",
        "  ip1 (Gemm): 20, 3,860 params, 3,840 MACs",
        "  ip2 (Gemm): 4, 84 params, 80 MACs",
        "  group conv1: 8 channels",
        "  group conv2: 12 channels",
        "  group ip1: 20 channels",
        "  protected ip2: 4 channels, graph output",
    ]


def test_few_samples_decide_little(host, settings):
    few = evaluate(host, attrs.evolve(settings, samples=6)).warnings
    assert few == ("top-1 on 6 samples decides little: give some hundred",)
    assert evaluate(host, attrs.evolve(settings, samples=32)).warnings == ()


def test_excluded_layers_are_listed_with_the_reason(host, settings):
    found = statistics(host, attrs.evolve(settings, exclude=("conv2",)))
    assert ("conv2", "excluded") in {(p.layer, p.reason) for p in found.protected}


def test_evaluation(host, settings):
    report = evaluate(host, attrs.evolve(settings, samples=17))
    assert report.metric == "top-1"
    assert report.facts["samples"] == 17
    assert report.facts["engine"].startswith("onnxruntime ")
    value = report.stages[0].metric.value
    assert value * 17 == pytest.approx(round(value * 17))
    assert evaluate(host, attrs.evolve(settings, metric="fidelity")).stages[0].metric.value == 1


def test_evaluation_without_samples(host, settings):
    with pytest.raises(DataError) as caught:
        evaluate(host, attrs.evolve(settings, data=None))
    assert str(caught.value) == "no samples to evaluate on: give --data"


def test_exported_files_compute_the_same(host, settings, draw):
    report = export(host, settings, Path("deep/er/out.onnx"))
    assert report.files == (Path("deep/er/out.onnx"),)
    onnx.checker.check_model(onnx.load("deep/er/out.onnx"), full_check=True)
    inputs = {"data": draw.standard_normal((3, 1, 12, 12)).astype(np.float32)}
    first, second = (
        onnxruntime.InferenceSession(path).run(None, inputs)[0]
        for path in ("net.onnx", "deep/er/out.onnx")
    )
    assert np.array_equal(first, second)


def test_export_replaces_neither_the_network_nor_a_directory(host, settings):
    before = Path("net.onnx").read_bytes()
    Path("mine").mkdir()
    Path("mine/precious").touch()
    for output, message in (
        (
            "net.onnx",
            "net.onnx: would be replaced by what is made from it; choose another --output",
        ),
        ("mine", "--output mine: is a directory; name a file, mine/net.onnx"),
    ):
        with pytest.raises(UsageError) as caught:
            export(host, settings, Path(output))
        assert str(caught.value) == message
    assert Path("net.onnx").read_bytes() == before
    assert Path("mine/precious").exists()
