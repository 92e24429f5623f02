"""Exported transformers lose heads, the width of heads, and that of the layers behind them."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch

from prunus.compaction import compact
from prunus.evaluation.session import Session
from prunus.formats.onnx_read import read_onnx
from prunus.graph.macs import cost_model, layer_macs
from prunus.graph.shapes import infer_shapes
from prunus.grouping import find_groups
from prunus.masking import mask
from prunus.proof import compare
from prunus.testing import random_plan
from prunus_torch.executor import evaluate
from prunus_torch.testing.transformers import transformers

NETWORKS = transformers()

NEWER = ("fused", "scaled")
"""Networks that the newer exporter writes too: it takes seconds."""

CASES = [*((name, False) for name in NETWORKS), *((name, True) for name in NEWER)]


def export(network, path, newer):
    """Write a file that takes any number of samples."""
    if newer:
        pytest.importorskip("onnxscript", reason="torch.onnx.export(dynamo=True) needs onnxscript")
        free = {"dynamic_shapes": ({0: torch.export.Dim("n")},), "external_data": False}
    else:
        free = {"dynamic_axes": {"x": {0: "n"}}}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        how = {"dynamo": newer, "verbose": False, "input_names": ["x"], **free}
        torch.onnx.export(network, (torch.zeros(2, 5, 24),), path, **how)
    return path


@pytest.fixture(scope="module", params=CASES, ids=[n + "-newer" * newer for n, newer in CASES])
def exported(request, tmp_path_factory):
    """A network, what is read from its file, and its name."""
    name, newer = request.param
    path = tmp_path_factory.mktemp("exported") / "network.onnx"
    return NETWORKS[name], read_onnx(export(NETWORKS[name], path, newer), None), name


def test_numbers_are_those_of_pytorch(exported):
    network, read, _ = exported
    x = np.random.default_rng(0).standard_normal((3, 5, 24)).astype(np.float32)
    with torch.no_grad():
        wanted = network(torch.from_numpy(x)).numpy()
    (found,) = Session(read.model).run({"x": x}).values()
    (trained,) = evaluate(read.model, {"x": x}).values()
    for numbers in (found, trained):
        assert np.abs(numbers - wanted).max() <= 1e-5 * max(1, np.abs(wanted).max())


@pytest.mark.parametrize("seed", [0, 1])
def test_masked_equals_compact_and_has_the_macs_that_are_counted(exported, seed):
    _, read, name = exported
    grouping = find_groups(read)
    keep = random_plan(grouping.groups, 0.5, seed)
    masked = mask(read, grouping, keep)
    smaller = compact(masked, grouping, keep)
    proof = compare(masked.model, smaller.model)
    assert proof.error <= 1e-5, proof
    cost = cost_model(read.model, grouping)
    counted = layer_macs(smaller.model, infer_shapes(smaller.model))
    assert sum(counted.values()) == pytest.approx(cost.macs(cost.kept(keep))), name


HEADS, WIDTHS, INNER = 3, 24, 40

GROUPS = {
    "separate": [WIDTHS, WIDTHS, INNER, WIDTHS, WIDTHS, INNER, HEADS, HEADS],
    "fused": [WIDTHS, INNER, HEADS],  # what is unbound along an axis has one width
    "library": [WIDTHS, INNER, HEADS],
    "rotary": [4, WIDTHS, INNER, HEADS],  # pairs of places, the same in all heads
    "normalised": [WIDTHS, INNER, HEADS],  # the width of queries and keys is normalised
    "positive": [WIDTHS, INNER, HEADS],  # and here it is not zero once removed
    "shared": [12, 12, INNER, 2],  # keys and values, each with two heads of queries
}
"""Network -> sizes of its groups; the others have those of `USUAL`."""

USUAL = [WIDTHS, WIDTHS, INNER, HEADS]


def test_heads_their_width_and_inner_layers_are_groups(exported):
    _, read, name = exported
    grouping = find_groups(read)
    assert [group.size for group in grouping.groups] == GROUPS.get(name, USUAL)
    heads = [group.size for group in grouping.groups if group.unit == "head"]
    assert heads == [size for size in GROUPS.get(name, USUAL) if size < 4]


STAY = {
    "positive": "still counts in the product '/blocks/blocks.0/attention/MatMul' once removed",
    "normalised": None,
}
"""Network -> why its queries keep their width; where they lose heads nothing is said."""


def test_why_the_width_of_queries_stays(exported):
    _, read, name = exported
    found = {one.layer: one.reason for one in find_groups(read).protected}
    if name in STAY:
        assert found.get("/blocks/blocks.0/attention/query/MatMul") == STAY[name]
    else:
        assert not [layer for layer in found if "query" in layer or "qkv" in layer]
