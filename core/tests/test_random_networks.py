"""Masked equals compact on networks and plans that hypothesis makes up."""

from __future__ import annotations

import numpy as np
import onnx
import onnx_ir as ir
from hypothesis import HealthCheck, given, settings, strategies as st

from prunus.compaction import compact
from prunus.grouping import find_groups
from prunus.masking import mask, masked_units
from prunus.proof import compare
from prunus.selection import choose_units, feasible_counts
from prunus.testing.strategies import networks, plans, transformers

quick = settings(
    max_examples=120,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


@quick
@given(st.data())
def test_masked_equals_compact(data):
    network = data.draw(networks())
    grouping = find_groups(network)
    keep = data.draw(plans(grouping.groups))
    masked = mask(network, grouping, keep)
    smaller = compact(masked, grouping, keep)
    onnx.checker.check_model(ir.to_proto(smaller.model), full_check=True)
    proof = compare(masked.model, smaller.model)
    assert proof.error <= 1e-5, proof


@quick
@given(st.data())
def test_whatever_the_planner_may_choose_can_be_removed(data):
    """Planner and selector agree on numbers, and every number compacts."""
    network = data.draw(networks())
    groups = find_groups(network)
    keep = {}
    for group in groups.groups:
        counts = feasible_counts(group)
        assert len(counts) > 1, f"{group.name} is no group: it can lose nothing"
        count = data.draw(st.sampled_from(counts.tolist()))
        scores = np.random.default_rng(count).random(group.size)
        keep[group.name] = choose_units(group, scores, count)
        assert keep[group.name].sum() == count
    masked = mask(network, groups, keep)
    assert {n: k.tolist() for n, k in masked_units(masked, groups).items()} == {
        name: units.tolist() for name, units in keep.items() if not units.all()
    }
    proof = compare(masked.model, compact(masked, groups, keep).model)
    assert proof.error <= 1e-5, proof


@settings(quick, max_examples=40)
@given(st.data())
def test_transformers_lose_heads_width_and_perceptrons(data):
    network = data.draw(transformers())
    grouping = find_groups(network)
    keep = data.draw(plans(grouping.groups))
    masked = mask(network, grouping, keep)
    smaller = compact(masked, grouping, keep)
    onnx.checker.check_model(ir.to_proto(smaller.model), full_check=True)
    proof = compare(masked.model, smaller.model)
    assert proof.error <= 1e-5, proof
    again = grouping.kept_channel_ids(masked_units(masked, grouping))
    assert np.array_equal(again, grouping.kept_channel_ids(keep))


@quick
@given(networks())
def test_every_layer_is_grouped_or_has_a_reason(network):
    grouping = find_groups(network)
    makers = {
        node.name
        for node in network.model.graph
        if node.op_type in ("Conv", "ConvTranspose", "Gemm")
    }
    named = {layer for group in grouping.groups for layer in group.layers}
    named |= {protected.layer for protected in grouping.protected if protected.reason}
    assert makers == named
