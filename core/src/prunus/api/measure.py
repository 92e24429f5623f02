"""Counting, evaluating and analysing a network."""

from __future__ import annotations

from collections.abc import Callable

from prunus.analysis.journal import Journal
from prunus.analysis.measure import (
    DEFAULT_RATIOS,
    Method,
    criterion_of,
    default_analysis,
    measure_sensitivity,
    sensitivity_key,
)
from prunus.api.samples import evaluator_for
from prunus.errors import NoSamplesError, PlanError
from prunus.granularity import CHANNEL, granularity_of
from prunus.network import Network
from prunus.prunable import names_of, prunable
from prunus.results import CompactNetwork, MaskedNetwork, host
from prunus.samples import Samples
from prunus.sensitivity import Sensitivity
from prunus.statistics import Statistics, statistics_of
from prunus.task import Measurement


def stat(network: Network, *, exclude: str | tuple[str, ...] = ()) -> Statistics:
    """Count a network, list its groups and the protected channels with reasons.

    Args:
        network: The network.
        exclude: Native names of layers that stay whole, or one.
    """
    return statistics_of(prunable(network, names_of(exclude)))


def evaluate(
    network: Network | MaskedNetwork | CompactNetwork,
    data: Samples = None,
    *,
    metric: str | None = None,
    samples: int | None = None,
) -> Measurement:
    """Measure a network on samples.

    Args:
        network: The network; a pruned one is compared with its original where the metric
            needs no labels (``agreement``, ``divergence``, ``fidelity``).
        data: Held-out samples: an array ``(N, ...)``, a dict of them by input, a pair with class
            numbers, a path or a data set; the network's own without it.
        metric: Name of the metric; the network's own without it, else top-1 with labels; without
            labels agreement with the original in classes or detections, where the network is known
            to give some, else fidelity.
        samples: How many samples to use; all without it.

    Raises:
        NoSamplesError: there are no samples.
        DataError: the samples do not fit the network.
    """
    plain = network if isinstance(network, Network) else network.network
    masked = network.masked if isinstance(network, CompactNetwork) else network
    original = masked.original if isinstance(masked, MaskedNetwork) else plain
    evaluator = evaluator_for(original, data, metric, samples)
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
    criterion: str | None = None,
    ratios: tuple[float, ...] = DEFAULT_RATIOS,
    exclude: str | tuple[str, ...] = (),
    granularity: str = CHANNEL,
    seed: int = 0,
    report: Callable[[int, int], None] = lambda done, total: None,
) -> Sensitivity:
    """Measure how much each group of channels matters.

    Args:
        network: The network.
        data: Held-out samples; the network's own without it.
        metric: As for `evaluate`.
        samples: How many samples to use; all without it.
        analysis: Name of the way to measure; ``fast`` without it, ``sweep`` for a metric function.
        criterion: Name of the criterion by which channels go. Without it ``block-obs`` for
            ``fast`` and ``l1`` for others; ``magnitude`` for single weights.
        ratios: Shares of a group's channels to remove, in (0, 1).
        exclude: Native names of layers that stay whole, or one.
        granularity: ``channel``, ``weight``, or a pattern of single weights: ``2:4``.
        seed: Of everything drawn.
        report: Called with done and total work units.

    Raises:
        NoSamplesError: there are no samples.
        PlanError: nothing is prunable.
    """
    units = granularity_of(granularity)
    subject = prunable(network, names_of(exclude), units)
    if not subject.grouping.groups:
        raise PlanError("no prunable group: every channel is protected; stat() lists the reasons")
    evaluator = evaluator_for(network, data, metric, samples)
    if evaluator is None:
        raise NoSamplesError("no samples to analyse with: give data=")
    way = analysis or default_analysis(evaluator)
    ways = Method(way, criterion or criterion_of(way, units), tuple(sorted(ratios)), seed)
    key = sensitivity_key(subject, evaluator, ways)
    return measure_sensitivity(host(), subject, evaluator, ways, Journal(None, key), report)
