"""The public functions: every step on values; nothing is written unless asked.

network = prunus.load("net.onnx")
plan = prunus.plan(network, rate=0.5, data=samples)
masked = prunus.prune(network, plan, data=samples)
small = prunus.compact(masked)
small.save("smaller/")
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from os import PathLike
from pathlib import Path
from typing import Any

import onnx_ir as ir

from prunus.analysis.journal import Journal
from prunus.analysis.measure import (
    DEFAULT_RATIOS,
    Method,
    default_analysis,
    measure_sensitivity,
    sensitivity_key,
)
from prunus.compaction import compact as compact_graph
from prunus.descriptors import Format
from prunus.errors import NoSamplesError, PlanError, UsageError
from prunus.evaluation.choice import CALIBRATION, evaluator_on, some_inputs
from prunus.evaluation.evaluator import Evaluator
from prunus.evaluation.registered import registered_metrics
from prunus.loading import read_network
from prunus.network import Network, Source
from prunus.planning.budget import Budget, check_budget
from prunus.planning.choose import choose, default_allocation
from prunus.planning.scores import DEFAULT_CRITERION
from prunus.planning.verdict import verdict
from prunus.plans import Plan, plan_of
from prunus.proof.plan import prove_plan
from prunus.prunable import prunable
from prunus.pruning import carry_out
from prunus.results import CompactNetwork, MaskedNetwork, format_named, host
from prunus.samples import Samples, dataset_of
from prunus.sensitivity import Sensitivity
from prunus.statistics import Statistics, statistics_of
from prunus.storage.files import make_directory
from prunus.storage.staging import staged
from prunus.task import Array, Dataset, Measurement


def load(
    model: Any,
    weights: str | PathLike[str] | None = None,
    *,
    options: Mapping[str, str] | None = None,
) -> Network:
    """Load a network.

    Args:
        model: A file or directory of an installed format, or a live model of a framework (an
            ``onnx.ModelProto``, say), which is never changed.
        weights: Weights file, where the format keeps weights apart.
        options: Format options by name (``prunus methods`` lists them).

    Raises:
        ModelError: files are missing, broken or do not fit each other.
        UsageError: no installed format knows such a model.
    """
    found = dict(options or {})
    if isinstance(model, str | os.PathLike):
        source = Source(Path(model), None if weights is None else Path(weights), found)
        return read_network(host(), source)
    for descriptor in host().all(Format):
        if descriptor.in_memory is not None and descriptor.in_memory(model):
            network = host().call(
                Format, descriptor.name, "prunus_lower", model=model, options=found
            )
            assert isinstance(network, Network)
            return network
    raise UsageError(
        f"no installed format knows a model of type {type(model).__module__}."
        f"{type(model).__qualname__}; give a file, or install the framework's plugin"
    )


def stat(network: Network, *, exclude: tuple[str, ...] = ()) -> Statistics:
    """Count a network, list its groups and the protected channels with reasons.

    Args:
        network: The network.
        exclude: Native names of layers that stay whole.
    """
    return statistics_of(prunable(network, tuple(exclude)))


def evaluate(
    network: Network | MaskedNetwork | CompactNetwork,
    data: Samples = None,
    *,
    metric: str | None = None,
    samples: int | None = None,
) -> Measurement:
    """Measure a network on samples.

    Args:
        network: The network; a pruned one is compared with its original by ``fidelity``.
        data: Held-out samples (`prunus.samples.Samples`); the network's own without it.
        metric: Name of the metric; the network's own without it, else top-1 with labels and
            fidelity without.
        samples: How many samples to use; all without it.

    Raises:
        NoSamplesError: there are no samples.
        DataError: the samples do not fit the network.
    """
    plain = network if isinstance(network, Network) else network.network
    masked = network.masked if isinstance(network, CompactNetwork) else network
    original = masked.original if isinstance(masked, MaskedNetwork) else plain
    evaluator = _evaluator(original, data, metric, samples)
    if evaluator is None:
        raise NoSamplesError("no samples to evaluate on: give data=")
    return evaluator.measure(plain.model)


def analyze(
    network: Network,
    data: Samples = None,
    *,
    metric: str | None = None,
    samples: int | None = None,
    analysis: str | None = None,
    criterion: str = DEFAULT_CRITERION,
    ratios: tuple[float, ...] = DEFAULT_RATIOS,
    exclude: tuple[str, ...] = (),
    seed: int = 0,
    report: Callable[[int, int], None] = lambda done, total: None,
) -> Sensitivity:
    """Measure how much each group of channels matters.

    Args:
        network: The network.
        data: Held-out samples; the network's own without it.
        metric: As for `evaluate`.
        samples: How many samples to use; all without it.
        analysis: Name of the way to measure; ``exact`` without it.
        criterion: Name of the criterion by which channels go.
        ratios: Shares of a group's channels to remove, in (0, 1).
        exclude: Native names of layers that stay whole.
        seed: Of everything drawn.
        report: Called with done and total work units.

    Raises:
        NoSamplesError: there are no samples.
        PlanError: nothing is prunable.
    """
    subject = prunable(network, tuple(exclude))
    if not subject.grouping.groups:
        raise PlanError("no prunable group: every channel is protected; stat() lists the reasons")
    evaluator = _evaluator(network, data, metric, samples)
    if evaluator is None:
        raise NoSamplesError("no samples to analyse with: give data=")
    ways = Method(analysis or default_analysis(evaluator), criterion, tuple(sorted(ratios)), seed)
    key = sensitivity_key(subject, evaluator, ways)
    return measure_sensitivity(host(), subject, evaluator, ways, Journal(None, key), report)


def plan(
    network: Network,
    *,
    rate: float | None = None,
    threshold: float | None = None,
    data: Samples = None,
    sensitivity: Sensitivity | None = None,
    criterion: str = DEFAULT_CRITERION,
    allocation: str | None = None,
    exclude: tuple[str, ...] = (),
    multiple: int = 2,
    best_effort: bool = False,
    seed: int = 0,
) -> Plan:
    """Choose the channels that stay.

    Args:
        network: The network.
        rate: Share of its MACs to remove, in [0, 1).
        threshold: Metric loss each group alone may cause; exactly one of both is given.
        data: Samples for criteria that look at activations; no labels are needed.
        sensitivity: Measured curves (`analyze`).
        criterion: Name of the criterion that scores channels.
        allocation: Name of the allocation that divides the target among the groups; ``sensitivity``
            where curves are given, else ``uniform``.
        exclude: Native names of layers that stay whole.
        multiple: Kept channels are rounded up to this.
        best_effort: Take the nearest plan, however far from the target it is.
        seed: Of everything drawn.

    Raises:
        PlanError: the target is out of reach, or nothing can be removed.
        UsageError: not exactly one target, or one out of range.
    """
    budget = Budget(rate, threshold, multiple, seed, best_effort)
    check_budget(budget)
    subject = prunable(network, tuple(exclude))
    chosen = allocation or default_allocation(budget, sensitivity)
    keep = choose(
        host(),
        subject,
        budget,
        criterion=criterion,
        allocation=chosen,
        samples=_inputs(network, data),
        sensitivity=sensitivity,
    )
    verdict(subject, budget, keep, {})
    return plan_of(subject, keep, budget, criterion, chosen)


def prune(network: Network, plan: Plan, *, data: Samples = None) -> MaskedNetwork:
    """Mask the channels a plan removes, compensate their consumers, prove the result.

    Args:
        network: The network the plan was made for.
        plan: The channels that stay.
        data: Samples to compensate with; no labels are needed. Without samples the constant
            contribution of removed channels is folded into biases.

    Raises:
        StaleError: the plan is of another network.
        ProofError: masked and compact network do not give the same finite numbers.
    """
    subject = prunable(network, plan.exclude)
    keep = plan.keep(subject)
    inputs = _inputs(network, data)
    masked, smaller = carry_out(subject, keep, {}, inputs, plan.budget.seed)
    proof = prove_plan(subject, keep, masked, smaller, inputs)
    return MaskedNetwork(masked, network, plan, proof)


def compact(masked: MaskedNetwork, *, data: Samples = None) -> CompactNetwork:
    """Remove the masked channels, and prove the result equal before it is returned.

    Args:
        masked: The masked network.
        data: Real inputs for the proof, beside random ones.

    Raises:
        ProofError: masked and compact network do not give the same finite numbers.
    """
    subject = masked.subject
    keep = masked.plan.keep(subject)
    smaller = compact_graph(masked.network, subject.grouping, keep)
    inputs = _inputs(masked.network, data)
    return CompactNetwork(
        masked, smaller, prove_plan(subject, keep, masked.network, smaller, inputs)
    )


def export(network: Network | MaskedNetwork | CompactNetwork, path: str | PathLike[str]) -> Path:
    """Write the graph of any network as an ONNX file.

    Returns:
        The file.
    """
    plain = network if isinstance(network, Network) else network.network
    file = Path(path)
    make_directory(file.parent)
    with staged(file.parent) as stage:
        ir.save(plain.model, stage / file.name)
    return file


def _evaluator(
    network: Network, data: Samples, metric: str | None, samples: int | None
) -> Evaluator | None:
    descriptor = format_named(network.format)
    found = dataset_of(descriptor, network, data)
    known = registered_metrics(host())
    return evaluator_on(found, descriptor, network, network, metric, samples, registered=known)


def _inputs(network: Network, data: Samples) -> Mapping[str, Array] | None:
    """Some inputs; the network's own data set is not read unless asked for."""
    if data is None:
        return None
    found: Dataset | None = dataset_of(format_named(network.format), network, data, training=True)
    return None if found is None else some_inputs(found, network, CALIBRATION)
