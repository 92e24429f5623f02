"""Choosing the channels, or the single weights, that stay."""

from __future__ import annotations

from collections.abc import Mapping
from os import PathLike
from pathlib import Path

from prunus.api.samples import evaluator_for, inputs_of
from prunus.costs.choice import priced
from prunus.costs.clock import Clock
from prunus.engines.known import DEFAULT
from prunus.errors import NoSamplesError
from prunus.granularity import CHANNEL, granularity_of
from prunus.network import Network
from prunus.planning.budget import Budget, aimed, check_budget
from prunus.planning.choose import Keep, chooser_of, default_allocation
from prunus.planning.limits import limits_of
from prunus.planning.multiple import number_of, preferred
from prunus.planning.scores import default_criterion
from prunus.planning.sizes import bytes_of
from prunus.planning.verdict import verdict
from prunus.plans import Plan, plan_of
from prunus.promise import Carried, check_bound, halved, promised
from prunus.prunable import names_of, prunable
from prunus.pruning import carry_out
from prunus.results import host
from prunus.samples import Samples
from prunus.sensitivity import Sensitivity


def plan(
    network: Network,
    *,
    rate: float | None = None,
    threshold: float | None = None,
    density: Mapping[str, float] | None = None,
    params: float | None = None,
    bytes: int | str | None = None,
    latency: float | None = None,
    engine: str = DEFAULT,
    max_loss: float | None = None,
    times: str | PathLike[str] | None = None,
    held_out: Samples = None,
    metric: str | None = None,
    data: Samples = None,
    sensitivity: Sensitivity | None = None,
    criterion: str | None = None,
    allocation: str | None = None,
    exclude: str | tuple[str, ...] = (),
    granularity: str = CHANNEL,
    multiple: int | str | None = None,
    best_effort: bool = False,
    seed: int = 0,
) -> Plan:
    """Choose the channels, or the single weights, that stay.

    A budget is one of ``rate``, ``params``, ``bytes``, ``latency`` and ``max_loss``, or several, of
    which the plan meets all; or else ``threshold``, or ``density``. A pattern of single weights
    needs none: it then holds in every layer it fits.

    Args:
        network: The network.
        rate: Share of its MACs to remove, in [0, 1); of single weights, share of the weights of its
            convolutions and fully connected layers.
        threshold: Metric loss each group alone may cause.
        density: Layer or group -> share of its units that stay; others stay whole.
        params: Share of the network's parameters to remove, in [0, 1).
        bytes: Size of the weights file to come down to: a number of bytes, or ``"2MB"``.
        latency: Share of the time of one sample to save, in [0, 1), by times that are measured on
            this machine.
        engine: Name of the engine that ``latency`` is measured in.
        times: File of these times: used again where it is of this network and machine, written
            otherwise.
        max_loss: Metric that the whole network may lose, compensated with ``data``.
        held_out: Samples that ``max_loss`` is measured on, the network's own without it: half of
            them choose, half check what was chosen.
        metric: What ``max_loss`` counts in, as for `evaluate`.
        data: Samples for criteria that look at activations; no labels are needed.
        sensitivity: Measured curves (`analyze`).
        criterion: Name of the criterion that scores units. Without it, ``block-obs`` scores
            channels with samples and ``l1`` without any; ``magnitude`` scores weights.
        allocation: Name of the allocation that divides the target among the groups. Without it,
            ``given`` for densities; of channels ``search`` for a rate with samples; ``sensitivity``
            where curves are given, else ``slow-first`` for time and ``uniform``.
        exclude: Native names of layers that stay whole, or one.
        granularity: ``channel``, ``weight``, or a pattern of single weights: ``2:4``.
        multiple: Kept units are rounded up to this. Without it, or with ``"auto"``, channels are
            rounded to 2, 4, 8 or 16, the more the wider their group is, as long as that meets the
            budget; single weights are not rounded.
        best_effort: Take the nearest plan, however far from the target it is.
        seed: Of everything drawn.

    Raises:
        PlanError: the target is out of reach, or nothing can be removed.
        UsageError: not exactly one target, or one out of range.
    """
    units = granularity_of(granularity)
    asked = Budget(
        rate,
        threshold,
        number_of(units, multiple),
        seed,
        best_effort,
        density=density,
        params=params,
        bytes=bytes_of(bytes),
        latency=latency,
        max_loss=max_loss,
    )
    subject = prunable(network, names_of(exclude), units)
    budget = aimed(asked, subject.grouping.groups, units)
    check_budget(budget, counted=units.counted)
    inputs = inputs_of(network, data)
    scored = criterion or default_criterion(units, sampled=inputs is not None)
    chosen = allocation or default_allocation(budget, sensitivity, units, inputs)
    chooser = chooser_of(
        host(),
        subject,
        budget,
        criterion=scored,
        allocation=chosen,
        samples=inputs,
        sensitivity=sensitivity,
        multiples=preferred(units, multiple, subject.grouping.groups),
    )
    chooser, costs = priced(
        chooser, Clock(host(), engine), times=None if times is None else Path(times)
    )
    limits = limits_of(budget, costs)
    if max_loss is None:
        keep = chooser.plan(limits)
    else:
        evaluator = evaluator_for(network, held_out, metric, None)
        if evaluator is None:
            raise NoSamplesError("a bound of the loss needs held-out samples: give held_out=")
        check_bound(evaluator, max_loss)

        def carry(keep: Keep) -> Carried:
            return Carried(keep, *carry_out(subject, keep, {}, inputs, seed))

        keep = promised(chooser, limits, halved(evaluator), carry)[0].keep
    verdict(subject, budget, keep, {}, limits, owner=chooser.owner)
    return plan_of(subject, keep, budget, scored, chosen)
