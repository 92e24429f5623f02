"""The promise of the core on every common form: masked equals compact, whatever is removed."""

from __future__ import annotations

from functools import cache

import numpy as np
import onnx_ir as ir
import pytest

from prunus.compaction import compact
from prunus.evaluation.random_inputs import random_inputs
from prunus.evaluation.session import Session
from prunus.formats.onnx_read import read_onnx
from prunus.graph.macs import cost_model
from prunus.grouping import find_groups
from prunus.masking import mask
from prunus.proof import compare, relative_error
from prunus.testing import random_plan
from prunus.testing.nets import NETS, as_network

RATIOS = (0.3, 0.5, 0.7)
SEEDS = (0, 1, 2)


@cache
def loaded(name, seed, directory):
    """The network as a user has it: read from an .onnx file."""
    path = directory / f"{name}-{seed}.onnx"
    ir.save(NETS[name](seed), path)
    network = read_onnx(path, None)
    return network, find_groups(network)


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    return tmp_path_factory.mktemp("forms")


@pytest.mark.parametrize("ratio", RATIOS)
@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("name", NETS)
def test_masked_equals_compact(name, seed, ratio, directory):
    network, grouping = loaded(name, seed, directory)
    groups = [group for group in grouping.groups if group.exact]
    keep = random_plan(groups, ratio, seed)
    masked = mask(network, grouping, keep)
    smaller = compact(masked, grouping, keep)
    proof = compare(masked.model, smaller.model)
    assert proof.error <= 1e-5, proof
    assert sum(units.sum() for units in keep.values()) < sum(group.size for group in groups)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("name", NETS)
def test_masked_equals_compact_with_a_ratio_for_each_group(name, seed, directory):
    """Parts of a Split or rows of a concat that were equal are so no longer."""
    network, grouping = loaded(name, seed, directory)
    draw = np.random.default_rng(seed)
    keep = {}
    for group in grouping.groups:
        if group.exact:
            keep |= random_plan([group], draw.choice((0.1, 0.3, 0.5, 0.8)), seed)
    masked = mask(network, grouping, keep)
    proof = compare(masked.model, compact(masked, grouping, keep).model)
    assert proof.error <= 1e-5, proof


@pytest.mark.parametrize("name", NETS)
def test_what_is_removed_is_gone(name, directory):
    """The compact network has as many weights and MACs as the plan says, and differs."""
    network, grouping = loaded(name, 0, directory)
    keep = random_plan(grouping.groups, 0.5, 7)
    smaller = compact(mask(network, grouping, keep), grouping, keep)
    again = find_groups(as_network(smaller.model))
    model = cost_model(network.model, grouping)
    assert cost_model(smaller.model, again).total == pytest.approx(model.macs(model.kept(keep)))
    inputs = random_inputs(network.model, 2, 0)
    before, after = Session(network.model).run(inputs), Session(smaller.model).run(inputs)
    assert all(relative_error(before[name], after[name]) > 1e-3 for name in before)


@pytest.mark.parametrize("name", NETS)
def test_the_proof_sees_a_single_wrong_channel(name, directory):
    """Compacting other channels than those masked does not pass."""
    network, grouping = loaded(name, 0, directory)
    group = next(group for group in grouping.groups if group.exact)
    keep = random_plan([group], 0.5, 0)
    other = {group.name: keep[group.name][::-1].copy()}
    if np.array_equal(keep[group.name], other[group.name]):
        other = {group.name: np.roll(keep[group.name], 1)}
    smaller = compact(mask(network, grouping, keep), grouping, other)
    assert compare(network.model, smaller.model).error > 1e-5
    assert compare(mask(network, grouping, keep).model, smaller.model).error > 1e-5


@pytest.mark.parametrize("name", NETS)
def test_everything_is_prunable_or_protected_with_a_reason(name, directory):
    network, grouping = loaded(name, 0, directory)
    makers = {
        node.name
        for node in network.model.graph
        if node.op_type in ("Conv", "ConvTranspose", "Gemm")
        or (node.op_type == "MatMul" and node.inputs[1].is_initializer())
    }
    grouped = {layer for group in grouping.groups for layer in group.layers}
    reasons = {protected.layer: protected.reason for protected in grouping.protected}
    assert makers == grouped | set(reasons)
    assert all(reasons.values())


EXPECTED = {
    "resnet_identity": {("conv1+conv3+conv5+conv7", 12)},
    "resnet_projection": {("conv6+conv8+conv10", 12), ("conv11+conv13+conv15", 16)},
    "resnet_padded": {
        ("conv1+conv3+conv5+conv7+conv9+conv11", 8),
        ("conv5+conv7+conv9+conv11", 4),
        ("conv9+conv11", 4),
    },
    "mobilenet_v1": {("conv1+dw1", 8), ("conv2+dw2", 12)},
    "mobilenet_v2": {("conv1+conv3", 8), ("conv2+dw1", 16)},
    "se_conv": {("conv1+conv3+conv5+conv7+conv9", 12), ("conv4", 6)},
    "se_gemm": {("conv1+conv3+fc2+conv5+fc4", 12), ("fc1", 6)},
    "resnext": {("conv2", 16), ("conv3", 16)},
    "densenet": {("conv3", 4), ("conv8", 10)},
    "unet": {("deconv1", 12), ("conv2", 8)},
    "vit": {("linear1", 12), ("linear1 heads", 3), ("linear3", 20), ("linear5 heads", 2)},
    "bert": {("linear1+linear2", 12), ("linear3", 12), ("linear1+linear2+linear3 heads", 3)},
    "yolov2": {("conv4", 6)},
    "yolov2_reshape": {("conv4", 6)},
    "yolov3": {("conv1+conv3", 8), ("conv10", 8)},
    "lenet": {("conv1", 8), ("conv2", 12), ("fc1", 20)},
}


@pytest.mark.parametrize("name", EXPECTED)
def test_channels_are_tied_as_the_architecture_ties_them(name, directory):
    grouping = loaded(name, 0, directory)[1]
    assert EXPECTED[name] <= {(group.name, group.size) for group in grouping.groups}


def test_normalisation_across_channels_is_not_comparable(directory):
    """LRN windows shift: its groups say so, and masked and compact do differ."""
    network, grouping = loaded("alexnet_lrn", 0, directory)
    inexact = [group for group in grouping.groups if not group.exact]
    assert [group.name for group in inexact] == ["conv1", "conv2"]
    keep = random_plan(inexact, 0.5, 0)
    masked = mask(network, grouping, keep)
    assert compare(masked.model, compact(masked, grouping, keep).model).error > 1e-5
