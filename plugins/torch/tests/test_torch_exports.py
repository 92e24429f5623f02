"""What PyTorch exports: the file's own numbers, masked equals compact, and it trains on."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch

from prunus.compaction import compact
from prunus.errors import ModelError
from prunus.evaluation.session import Session
from prunus.formats.onnx_read import read_onnx
from prunus.grouping import find_groups
from prunus.masking import mask
from prunus.proof import compare
from prunus.testing import random_plan
from prunus_torch.executor import evaluate
from prunus_torch.testing.exported import networks

NETWORKS = networks()


AXES = {"any": {"x": {0: "n"}}, "one": None}
"""What the exporter is told about the batch."""

CASES = [(name, batch) for name in NETWORKS for batch in AXES if (name, batch) != ("tokens", "one")]


def export(name, batch, folder):
    """The file of a network."""
    path = folder / f"{name}.onnx"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter that needs no further package is the old one
        torch.onnx.export(
            NETWORKS[name],
            (torch.zeros(1, 3, 16, 16),),
            path,
            dynamo=False,
            input_names=["x"],
            dynamic_axes=AXES[batch],
        )
    return path


@pytest.fixture(scope="module", params=CASES, ids="-".join)
def exported(request, tmp_path_factory):
    """A network and what is read from its file."""
    name, batch = request.param
    path = export(name, batch, tmp_path_factory.mktemp("exported"))
    return NETWORKS[name], read_onnx(path, None)


def test_any_batch_gives_pytorch_s_numbers(exported):
    network, read = exported
    x = np.random.default_rng(0).standard_normal((3, 3, 16, 16)).astype(np.float32)
    with torch.no_grad():
        wanted = network(torch.from_numpy(x)).numpy()
    (found,) = Session(read.model).run({"x": x}).values()
    (trained,) = evaluate(read.model, {"x": x}).values()
    for numbers in (found, trained):
        assert np.abs(numbers - wanted).max() <= 1e-5 * max(1, np.abs(wanted).max())


NEWER = [("resolutions", 18, True), ("pyramid", 21, False), ("partial", 20, True)]


@pytest.mark.parametrize(("name", "opset", "free"), NEWER)
def test_files_of_the_newer_exporter(tmp_path, name, opset, free):
    """It writes shapes of everything, sizes as zeros that are meant, and a newer opset."""
    pytest.importorskip("onnxscript", reason="torch.onnx.export(dynamo=True) needs onnxscript")
    path = tmp_path / f"{name}.onnx"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            NETWORKS[name],
            (torch.zeros(2 if free else 1, 3, 16, 16),),
            path,
            dynamo=True,
            verbose=False,
            external_data=False,
            input_names=["x"],
            opset_version=opset,
            dynamic_shapes=({0: torch.export.Dim("n")},) if free else None,
        )
    test_any_batch_gives_pytorch_s_numbers((NETWORKS[name], read_onnx(path, None)))


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_masked_equals_compact_with_a_ratio_for_each_group(exported, seed):
    _, read = exported
    grouping = find_groups(read)
    assert grouping.groups
    draw = np.random.default_rng(seed)
    keep = {}
    for group in grouping.groups:
        keep |= random_plan([group], draw.choice((0.2, 0.4, 0.6)), seed)
    masked = mask(read, grouping, keep)
    smaller = compact(masked, grouping, keep)
    proof = compare(masked.model, smaller.model)
    assert proof.error <= 1e-5, proof


PROTECTED = {
    "ghost": 0, "cascade": 0, "partial": 0, "gated": 0, "focus": 0, "shuffle": 0, "normalised": 0,
    "positions": 0, "resolutions": 0, "pyramid": 0, "windows": 3, "tokens": 3,
}  # fmt: skip
"""Network -> layers beside the output that cannot lose channels: those a LayerNorm reads."""


def test_all_but_normalised_sums_and_the_output_is_prunable(exported, request):
    _, read = exported
    protected = find_groups(read).protected
    name = request.node.callspec.params["exported"][0]
    reasons = [found.reason for found in protected if found.reason != "graph output"]
    assert len(reasons) == PROTECTED[name], protected


def test_a_batch_that_cannot_be_freed(tmp_path):
    """With one sample, (places, 1, heads) and (places, heads) look the same: which axis grows?"""
    path = export("tokens", "one", tmp_path)
    with pytest.raises(ModelError) as error:
        read_onnx(path, None)
    assert str(error.value) == (
        f"{path}: layer '/layer/Add' fits the exported batch size only; "
        "export the model with a dynamic batch axis"
    )
