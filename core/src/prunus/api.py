"""The public functions: every step on values; nothing is written unless asked.

network = prunus.load("net.onnx")
plan = prunus.plan(network, rate=0.5, data=samples)
masked = prunus.prune(network, plan, data=samples)
small = prunus.compact(masked)
small.save("smaller/")
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Any

from prunus.analysis.journal import Journal
from prunus.analysis.measure import (
    DEFAULT_RATIOS,
    Method,
    criterion_of,
    default_analysis,
    measure_sensitivity,
    sensitivity_key,
)
from prunus.compaction import compact as compact_graph
from prunus.compression.bits import Bits
from prunus.compression.compress import Compressed, compress_network
from prunus.compression.decompress import decompress as unpack
from prunus.compression.share import DEFAULT_SHARING
from prunus.costs.choice import priced
from prunus.costs.engine import Clock
from prunus.descriptors import Format
from prunus.engines.bench import Benched, bench as bench_networks
from prunus.engines.hold import Runnable
from prunus.engines.known import DEFAULT, default_threads
from prunus.errors import NoSamplesError, PlanError, UsageError
from prunus.evaluation.choice import calibration_count, evaluator_on, some_inputs
from prunus.evaluation.evaluator import Evaluator
from prunus.evaluation.registered import registered_metrics
from prunus.formats.onnx_save import save_standalone
from prunus.granularity import CHANNEL, granularity_of
from prunus.loading import read_network
from prunus.network import Compact, Network, Source, TaskNames, Written
from prunus.planning.budget import Budget, aimed, check_budget
from prunus.planning.choose import Keep, chooser_of, default_allocation
from prunus.planning.limits import limits_of
from prunus.planning.multiple import number_of, preferred
from prunus.planning.scores import default_criterion
from prunus.planning.sizes import bytes_of
from prunus.planning.verdict import verdict
from prunus.plans import Plan, plan_of
from prunus.promise import Carried, check_bound, halved, promised
from prunus.proof.plan import prove_plan
from prunus.prunable import names_of, prunable
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
    solver: str | PathLike[str] | None = None,
    metric: str | None = None,
    data: str | None = None,
    options: Mapping[str, str] | None = None,
    example_inputs: Any = None,
) -> Network:
    """Load a network.

    Args:
        model: A file or directory of an installed format, or a live model of a framework (an
            ``onnx.ModelProto``, say), which is never changed.
        weights: Weights file, where the format keeps weights apart.
        solver: Training recipe file of the framework's own, for `finetune`.
        metric: Native name of the network's metric, where it has several.
        data: Samples in the format's own terms: the network's own for `evaluate`, `analyze` and
            `finetune`.
        options: Format options by name (``prunus methods`` lists them).
        example_inputs: What a live model is called with, where its format has to call it: one
            array of the framework, a tuple of them, or a dict of arguments by name.

    Raises:
        ModelError: files are missing, broken or do not fit each other.
        UsageError: no installed format knows such a model; or it is a live one, which takes no
            ``solver``, ``metric`` and ``data``; or ``example_inputs`` are missing, or are given for
            what needs none.
    """
    found = dict(options or {})
    if isinstance(model, str | os.PathLike):
        if example_inputs is not None:
            raise UsageError("example_inputs= is for live models; a file says its inputs itself")
        task = TaskNames(None if solver is None else Path(solver), metric, data)
        source = Source(Path(model), None if weights is None else Path(weights), found, task)
        return read_network(host(), source)
    if (solver, metric, data) != (None, None, None):
        raise UsageError(
            "solver=, metric= and data= are for files; a live model is trained and measured with "
            "what evaluate() and finetune() are given"
        )
    for descriptor in host().all(Format):
        if descriptor.in_memory is not None and descriptor.in_memory(model):
            _check_inputs(descriptor, example_inputs)
            network = host().call(
                Format,
                descriptor.name,
                "prunus_lower",
                model=model,
                options=found,
                example_inputs=example_inputs,
            )
            assert isinstance(network, Network)
            return network
    raise UsageError(
        f"no installed format knows a model of type {type(model).__module__}."
        f"{type(model).__qualname__}; give a file, or install the framework's plugin"
    )


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
    evaluator = _evaluator(network, data, metric, samples)
    if evaluator is None:
        raise NoSamplesError("no samples to analyse with: give data=")
    way = analysis or default_analysis(evaluator)
    ways = Method(way, criterion or criterion_of(way, units), tuple(sorted(ratios)), seed)
    key = sensitivity_key(subject, evaluator, ways)
    return measure_sensitivity(host(), subject, evaluator, ways, Journal(None, key), report)


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
            where curves are given, else ``uniform``.
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
    inputs = _inputs(network, data)
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
        evaluator = _evaluator(network, held_out, metric, None)
        if evaluator is None:
            raise NoSamplesError("a bound of the loss needs held-out samples: give held_out=")
        check_bound(evaluator, max_loss)

        def carry(keep: Keep) -> Carried:
            return Carried(keep, *carry_out(subject, keep, {}, inputs, seed))

        keep = promised(chooser, limits, halved(evaluator), carry)[0].keep
    verdict(subject, budget, keep, {}, limits, owner=chooser.owner)
    return plan_of(subject, keep, budget, scored, chosen)


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
    inputs = _inputs(network, data)
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
        save_standalone(plain.model, stage / file.name)
    return file


def bench(
    *networks: Network | MaskedNetwork | CompactNetwork,
    engines: str | Sequence[str] | None = None,
    threads: int | None = None,
    seconds: float = 1.0,
) -> Benched:
    """Time networks side by side, one sample at a time, warmed up and in turns.

    Args:
        networks: The networks; the first is what others are compared with.
        engines: Name of an engine, or several; all that are installed without it.
        threads: Threads of one run; one for each processor without it.
        seconds: Time for one network in one engine.

    Raises:
        UsageError: an engine is unknown or not installed.
        ModelError: an engine that was asked for refuses a network.
    """
    named = [(str(number), _runnable(network)) for number, network in enumerate(networks, 1)]
    asked = [engines] if isinstance(engines, str) else engines
    return bench_networks(host(), named, asked, threads or default_threads(), seconds)


def _runnable(network: Network | MaskedNetwork | CompactNetwork) -> Runnable:
    if isinstance(network, CompactNetwork):
        return Runnable(network.masked.network, network.compact)
    return Runnable.whole(network if isinstance(network, Network) else network.network)


def compress(
    network: Network | MaskedNetwork | CompactNetwork,
    *,
    bits: Bits = None,
    sharing: str = DEFAULT_SHARING,
    exclude: str | tuple[str, ...] = (),
) -> Compressed:
    """Share the weights of each layer and code them; nothing is written.

    Args:
        network: The network; zeros among its weights stay zeros.
        bits: The weights of a layer share two to the power of this many values, zero among them:
            one number, or numbers by a layer's name, ``conv`` or ``fc``; without it 8 for
            convolutions and 5 for fully connected layers. A layer with no more values stays as it
            is.
        sharing: Name of the sharing, which chooses the values.
        exclude: Native names, or one, of layers that keep their weights; these are compressed
            without loss.

    Raises:
        UsageError: ``bits``, ``sharing`` or ``exclude`` cannot be used.
        ModelError: the network's format cannot write it.
        ProofError: the native files do not give the numbers of the network with shared weights.
    """
    if isinstance(network, CompactNetwork):
        plain, smaller = network.masked.network, network.compact
    else:
        plain = network if isinstance(network, Network) else network.network
        smaller = Compact(plain.model, {})
    return compress_network(
        host(), plain, smaller, bits=bits, sharing=sharing, exclude=names_of(exclude)
    )


def decompress(path: str | PathLike[str], directory: str | PathLike[str]) -> Written:
    """Write the native files that a container holds, bit by bit those of the compressed network.

    Needs no plugin and no framework.

    Args:
        path: The container.
        directory: Where the files go; all of them or none.

    Returns:
        The files: ``prunus.load(written.model, written.weights)``.

    Raises:
        ModelError: the container is missing or damaged.
    """
    return unpack(Path(path), Path(directory))


def _check_inputs(descriptor: Format, example_inputs: object) -> None:
    """Inputs of a live model are given where its format needs them, and nowhere else."""
    if descriptor.takes_inputs and example_inputs is None:
        raise UsageError(
            f"a live model of format {descriptor.name} is called once to be read; give "
            "example_inputs=, what you call it with"
        )
    if example_inputs is not None and not descriptor.takes_inputs:
        raise UsageError(
            f"example_inputs=: a live model of format {descriptor.name} is read without them; "
            "leave them out"
        )


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
    return None if found is None else some_inputs(found, network, calibration_count(network))
