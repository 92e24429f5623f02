"""Masking what a plan removes, and removing what is masked."""

from __future__ import annotations

from prunus.api.samples import inputs_of
from prunus.compaction import compact as compact_graph
from prunus.granularity import granularity_of
from prunus.network import Network
from prunus.plans import Plan
from prunus.proof.plan import prove_plan
from prunus.prunable import prunable
from prunus.pruning import carry_out
from prunus.results import CompactNetwork, MaskedNetwork
from prunus.samples import Samples


def prune(network: Network, plan: Plan, *, data: Samples = None) -> MaskedNetwork:
    """Mask the channels or weights a plan removes, compensate their consumers, prove the result.

    Args:
        network: The network the plan was made for.
        plan: The channels that stay.
        data: Samples to compensate with; no labels are needed. Without samples the constant
            contribution of removed channels is folded into biases.

    Raises:
        StaleError: the plan is of another network.
        ProofError: masked and compact network do not give the same finite numbers.
    """
    subject = prunable(network, plan.exclude, granularity_of(plan.granularity))
    keep = plan.keep(subject)
    inputs = inputs_of(network, data)
    masked, smaller = carry_out(subject, keep, {}, inputs, plan.budget.seed)
    proof = prove_plan(subject, keep, masked, smaller, inputs)
    return MaskedNetwork(masked, network, plan, proof)


def compact(masked: MaskedNetwork, *, data: Samples = None) -> CompactNetwork:
    """Remove the masked channels, and prove the result equal before it is returned.

    Masks of single weights stay zeros: nothing becomes physically smaller.

    Args:
        masked: The masked network.
        data: Real inputs for the proof, beside random ones.

    Raises:
        ProofError: masked and compact network do not give the same finite numbers.
    """
    subject = masked.subject
    keep = masked.plan.keep(subject)
    smaller = compact_graph(masked.network, subject.grouping, keep)
    inputs = inputs_of(masked.network, data)
    return CompactNetwork(
        masked, smaller, prove_plan(subject, keep, masked.network, smaller, inputs)
    )
