"""The hooks of prunus: one to register, nine verbs, three for live models, three of engines.

``prunus_register`` is asked of every plugin; the others are called on the
owner of the named descriptor only, with wrappers of any plugin around it.
Implementations take arguments by these names, without defaults.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pluggy

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from prunus.analysis.analysis import Analysis
    from prunus.descriptors import Descriptor
    from prunus.engines.running import Running
    from prunus.gradients import Derivatives, Gradients
    from prunus.groups import Group
    from prunus.network import Compact, Destination, Network, Source, Written
    from prunus.planning.budget import Budget, Planning
    from prunus.sensitivity import Sensitivity
    from prunus.training import TrainingJob, Weights

hookspec = pluggy.HookspecMarker("prunus")
hookimpl = pluggy.HookimplMarker("prunus")
"""Decorator of the functions of a plugin that are hooks."""


@hookspec
def prunus_register() -> Iterable[Descriptor]:  # type: ignore[empty-body]
    """Declare formats, criteria, allocations, analyses, metrics, sharings, trainers and engines.

    Args:
        (none)

    Returns:
        Frozen descriptors; an empty iterable if the plugin only wraps hooks.

    Raises:
        Nothing: an exception marks the plugin as broken.

    When it is called:
        Once for every plugin when the host starts; must import nothing heavy.
    """


@hookspec(firstresult=True)
def prunus_load(format: str, source: Source) -> Network | None:
    """Read native files into the neutral graph.

    Args:
        format: Name of the format, one this plugin registered.
        source: Paths and options.

    Returns:
        The network. ``None`` is a defect of the plugin.

    Raises:
        ModelError: files missing, broken or not fitting each other.

    When it is called:
        At the start of every step and again after writing, for the proof.
    """


@hookspec(firstresult=True)
def prunus_lower(
    format: str, model: object, options: Mapping[str, str], example_inputs: object
) -> Network | None:
    """Express a live model of the framework as a neutral graph.

    Args:
        format: Name of the format, one whose descriptor has ``in_memory``.
        model: The model; it must not be changed.
        options: Format options by name.
        example_inputs: What the user calls the model with, in the framework's own terms; ``None``
            for a format whose descriptor has no ``takes_inputs``.

    Returns:
        The network. ``None`` is a defect of the plugin.

    Raises:
        ModelError: the model cannot be expressed.

    When it is called:
        By `prunus.load` for anything but a path.
    """


@hookspec(firstresult=True)
def prunus_rebuild(format: str, network: Network, compact: Compact) -> object | None:
    """Make a live model of the compact network.

    Args:
        format: Name of the format, one whose descriptor has ``in_memory``.
        network: The masked network, as ``prunus_lower`` gave it, with the weights of today.
        compact: Its compact form.

    Returns:
        A model of the framework. ``None`` is a defect of the plugin.

    Raises:
        ModelError: the framework cannot build the compact network (names the layer).

    When it is called:
        By ``CompactNetwork.native``.
    """


@hookspec(firstresult=True)
def prunus_infer(
    format: str, network: Network, model: object, inputs: Mapping[str, NDArray[np.generic]]
) -> Mapping[str, NDArray[np.generic]] | None:
    """Run a rebuilt model in its framework, as the graph is run.

    Args:
        format: Name of the format.
        network: The masked network the model was rebuilt from.
        model: What ``prunus_rebuild`` gave; it must not be changed.
        inputs: Graph input name -> ``(N, ...)``, any number of samples.

    Returns:
        Graph output name -> array, of every output. ``None`` is a defect of the plugin.

    Raises:
        ModelError: the model does not run.

    When it is called:
        By ``CompactNetwork.native``, to prove the rebuilt model equal to the compact graph. A
        plugin may leave it out; nothing is proven in the framework then.
    """


@hookspec(firstresult=True)
def prunus_analyze(policy: str, network: Network, analysis: Analysis) -> Sensitivity | None:
    """Measure how much each group matters.

    Args:
        policy: Name of the analysis.
        network: The network under test.
        analysis: Groups, samples, metric, ratios and the store of partial results.

    Returns:
        One curve a group. ``None`` is a defect of the plugin.

    Raises:
        DataError: the samples do not fit.

    When it is called:
        Once by ``prunus ana``.
    """


@hookspec(firstresult=True)
def prunus_rank(
    criterion: str,
    network: Network,
    group: Group,
    samples: Mapping[str, NDArray[np.float32]] | None,
    seed: int,
    gradients: Gradients | None,
) -> NDArray[np.float64] | None:
    """Score the units of one group; higher means keep.

    Args:
        criterion: Name of the criterion.
        network: The network whose weights are scored.
        group: The units; ``group.size`` is C.
        samples: Graph input name -> ``(N, ...)`` calibration inputs where there are any, else
            ``None``; never ``None`` for a criterion that needs samples.
        seed: For criteria that draw.
        gradients: Weights times derivatives of the loss, for a criterion that needs them, else
            ``None``.

    Returns:
        Numbers ``(C,)``, finite; ties are broken by position. ``None`` is a
        defect of the plugin.

    Raises:
        UsageError: the criterion cannot score this group (says why).

    When it is called:
        Once for every group, by ``prune`` and by each analysis that removes channels in the
        order of a criterion; never for a criterion that scores all groups ``together``.
    """


@hookspec(firstresult=True)
def prunus_rank_all(
    criterion: str,
    network: Network,
    groups: Sequence[Group],
    samples: Mapping[str, NDArray[np.float32]] | None,
    seed: int,
    gradients: Gradients | None,
) -> Mapping[str, NDArray[np.float64]] | None:
    """Score the units of all groups in one call; higher means keep.

    Args:
        criterion: Name of the criterion.
        network: The network whose weights are scored.
        groups: The units of each; one alone may be asked for.
        samples: Graph input name -> ``(N, ...)`` calibration inputs where there are any, else
            ``None``; never ``None`` for a criterion that needs samples.
        seed: For criteria that draw.
        gradients: As for ``prunus_rank``.

    Returns:
        Group name -> numbers ``(C,)``, finite, for each of the groups; ties are broken by
        position. ``None`` is a defect of the plugin.

    Raises:
        UsageError: the criterion cannot score one of the groups (says why).

    When it is called:
        Once, in place of ``prunus_rank``, for a criterion that scores all groups ``together``.
    """


@hookspec(firstresult=True)
def prunus_mask(
    policy: str, planning: Planning, budget: Budget
) -> Mapping[str, NDArray[np.bool_]] | None:
    """Choose the units to keep.

    Args:
        policy: Name of the allocation.
        planning: Groups, their scores, cost model and sensitivity if measured.
        budget: Rate or threshold, multiple, seed.

    Returns:
        Group name -> ``(C,)`` bool, True for kept; groups left out stay whole.
        ``None`` is a defect of the plugin.

    Raises:
        PlanError: the budget cannot be met (with the nearest reachable value).
        UsageError: the allocation does not take this kind of budget (names ``--rate`` or
            ``--threshold``).

    When it is called:
        Once a plan: by ``prune`` and by `prunus.plan`. The core checks the plan against the
        budget afterwards, and the user's ``--best-effort``.
    """


@hookspec(firstresult=True)
def prunus_finetune(trainer: str, job: TrainingJob) -> Weights | None:
    """Train the compact network.

    Args:
        trainer: Name of the trainer.
        job: Network, compact graph, recipe, samples, where to snapshot.

    Returns:
        Initializer name -> array with the compact graph's shapes; initializers
        left out keep their value. ``None`` is a defect of the plugin.

    Raises:
        DataError: samples are missing or do not fit.
        PluginError: the training framework is missing or failed.

    When it is called:
        Once by ``prunus finetune``; the core scatters the result back.
    """


@hookspec(firstresult=True)
def prunus_differentiate(
    trainer: str, network: Network, weights: tuple[str, ...]
) -> Derivatives | None:
    """Prepare derivatives of the network's outputs by some of its weights.

    Args:
        trainer: Name of the trainer, one with ``differentiates``.
        network: The network; it must not be changed.
        weights: Names of initializers.

    Returns:
        A function of inputs (graph input name -> ``(N, ...)``) and of derivatives of a loss by the
        outputs (graph output name -> array of the output's shape). It gives initializer name ->
        derivative of the loss, summed over samples, in the shape of the weight; weights on which no
        output depends may be left out. BatchNormalization uses its stored statistics. ``None`` is a
        defect of the plugin.

    Raises:
        ModelError: the graph holds an operator that cannot be run here.

    When it is called:
        Once for every criterion with ``needs_gradients``, before it scores the first group.
    """


@hookspec(firstresult=True)
def prunus_compact(
    format: str, network: Network, compact: Compact, destination: Destination
) -> Written | None:
    """Write native files.

    Args:
        format: Name of the format, one this plugin registered.
        network: The network with the weights to write, full structure.
        compact: Its compact form (identity where nothing is removed).
        destination: Directory and stage: ``masked`` writes ``network``'s weights in
            the original structure, ``compact`` writes ``compact``.

    Returns:
        The written paths, loadable again, all in the destination; of a masked network the model
        may be the structure file that was read. ``None`` is a defect of the plugin.

    Raises:
        ModelError: the format cannot express the compact network (names the layer).

    When it is called:
        By ``prune`` and ``finetune`` (masked) and by ``transform`` (compact). The
        directory is a fresh one: the core moves the files to their final path after
        the proof.
    """


@hookspec(firstresult=True)
def prunus_share(
    sharing: str, weight: str, values: NDArray[np.floating], count: int
) -> NDArray[np.floating] | None:
    """Choose the few values that the weights of one tensor share.

    Args:
        sharing: Name of the sharing.
        weight: Name of the tensor, for messages.
        values: Its weights other than zero ``(n,)``, finite, in any order; more than ``count``
            of them differ. They must not be changed.
        count: Number of values to choose at most, at least 1.

    Returns:
        Values ``(1..count,)``, finite, none of them zero. Every weight becomes the nearest one, and
        zeros stay zeros. ``None`` is a defect of the plugin.

    Raises:
        UsageError: the tensor cannot be shared (says why).

    When it is called:
        Once for every shared tensor, by ``prunus compress`` and `prunus.compress`. A tensor that
        has no more than ``count`` values already is not asked about, and stays as it is.
    """


@hookspec(firstresult=True)
def prunus_convert(
    engine: str, network: Network, files: Written, directory: Path
) -> Written | None:
    """Turn files into those that an engine runs, by its own converter where there is one.

    Args:
        engine: Name of the engine.
        network: What the files hold: names and shapes of inputs and outputs are in its graph.
        files: Native files of a format that the engine names (``Engine.formats``), or an ONNX file
            of the neutral graph with a batch of one.
        directory: Where to write; nothing else of the same name lies there.

    Returns:
        The files to run: ``files`` as they are where the engine reads them. ``None`` is a defect of
        the plugin.

    Raises:
        ModelError: the engine cannot hold the network (in its own words, and the layer where it
            says so).
        UsageError: the converter is not installed.

    When it is called:
        Before ``prunus_open``, by ``bench``, ``--measure``, ``--engine`` and ``export --to``.
    """


@hookspec(firstresult=True)
def prunus_open(engine: str, network: Network, files: Written, threads: int) -> Running | None:
    """Load files into an engine, ready to run one sample after the other.

    Args:
        engine: Name of the engine.
        network: What the files hold, as for ``prunus_convert``.
        files: What ``prunus_convert`` or ``prunus_quantize`` gave.
        threads: Threads of one run, at least 1; an engine that cannot have so many takes fewer.

    Returns:
        The network, computing in float32 unless it is quantised. ``None`` is a defect of the
        plugin.

    Raises:
        ModelError: the engine refuses the files (in its own words).

    When it is called:
        Behind ``prunus_convert``. The core runs and times what it gives, with others in turns, and
        closes it.
    """


@hookspec(firstresult=True)
def prunus_quantize(
    engine: str,
    network: Network,
    files: Written,
    samples: Mapping[str, NDArray[np.float32]],
    directory: Path,
) -> Written | None:
    """Quantise a network to int8 by the engine's own tools, after training.

    Args:
        engine: Name of an engine that ``quantizes``.
        network: What the files hold, as for ``prunus_convert``.
        files: As for ``prunus_convert``: the files before they are converted.
        samples: Graph input name -> ``(N, ...)`` inputs by which ranges of activations are chosen.
        directory: Where to write.

    Returns:
        Files of the quantised network for ``prunus_open``. ``None`` is a defect of the plugin.

    Raises:
        ModelError: the engine cannot quantise the network.
        UsageError: the tool is not installed.

    When it is called:
        By ``prunus export --int8``.
    """
