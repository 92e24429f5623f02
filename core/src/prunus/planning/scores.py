"""Scores of channels or of single weights, by one criterion for every group."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from prunus.descriptors import Criterion, Trainer
from prunus.errors import DataError, PluginError, UsageError
from prunus.gradients import Derivatives, Gradients
from prunus.granularity import CHANNEL, Granularity
from prunus.groups import Group
from prunus.host import DIFFERENTIATES, Host
from prunus.network import Network
from prunus.progress import told
from prunus.prunable import Prunable
from prunus.task import Array
from prunus.third_party import contained, shown, wrong_answer

DEFAULT_CRITERION = "l1"
"""Criterion of channels where the user names none."""

DEFAULT_FOR_WEIGHTS = "magnitude"


def default_criterion(granularity: Granularity, *, sampled: bool) -> str:
    """The criterion that is used unless another one is asked for.

    Of channels ``block-obs`` with samples and ``l1`` without; of single weights ``magnitude``.
    """
    if granularity.unit != CHANNEL:
        return DEFAULT_FOR_WEIGHTS
    return "block-obs" if sampled else DEFAULT_CRITERION


def criterion_of(host: Host, name: str, granularity: Granularity) -> Criterion:
    """The descriptor of a criterion that scores units of a granularity.

    Raises:
        UsageError: nobody offers it, or it scores other units.
    """
    descriptor = host.find(Criterion, name).descriptor
    assert isinstance(descriptor, Criterion)
    if descriptor.unit != granularity.unit:
        able = [one.name for one in host.all(Criterion) if one.unit == granularity.unit]
        raise UsageError(
            f"criterion '{name}' scores {descriptor.unit}s, and the granularity is {granularity}; "
            f"use {', '.join(able)}"
        )
    return descriptor


def scores_of(
    host: Host,
    criterion: str,
    subject: Prunable,
    samples: Mapping[str, NDArray[np.float32]] | None,
    seed: int,
) -> dict[str, NDArray[np.float64]]:
    """Scores of every group: group name -> ``(C,)``, higher is kept.

    Args:
        host: Plugins.
        criterion: Name of the criterion.
        subject: The network and its groups.
        samples: Graph input name -> ``(N, ...)`` inputs, or ``None``.
        seed: Of everything drawn.

    Raises:
        DataError: the criterion needs samples and there are none.
        PluginError: it gave something else than one finite number a unit, or it needs derivatives
            and no trainer is installed that computes some.
        UsageError: it scores other units.
    """
    owner = host.find(Criterion, criterion)
    descriptor = criterion_of(host, criterion, subject.granularity)
    if descriptor.needs_samples and samples is None:
        raise DataError(f"criterion '{criterion}' needs samples; give --data")
    groups = subject.grouping.groups
    answers = ranked(host, descriptor, subject.network, groups, samples, seed)
    hook, scores = rank_hook(descriptor), {}
    for group in groups:
        found = answers[group.name]
        numbers = _numbers(found)
        if numbers.shape != (group.size,) or not np.isfinite(numbers).all():
            fits = numbers.shape == (group.size,)
            said = "NaN or infinite numbers" if fits else shown(found)
            wanted = f"one finite number for each of the {group.size} {group.unit}s"
            raise wrong_answer(str(owner), hook, said, f"{wanted} of group '{group.name}'")
        scores[group.name] = numbers
    return scores


def rank_hook(descriptor: Criterion) -> str:
    """Name of the hook that a criterion answers."""
    return "prunus_rank_all" if descriptor.together else "prunus_rank"


def ranked(
    host: Host,
    descriptor: Criterion,
    network: Network,
    groups: Sequence[Group],
    samples: Mapping[str, NDArray[np.float32]] | None,
    seed: int,
) -> Mapping[str, object]:
    """Answers of a criterion as they come, by group name: in one call, or one a group.

    Args:
        host: Plugins.
        descriptor: The criterion.
        network: The network whose weights are scored.
        groups: Groups to score.
        samples: Graph input name -> ``(N, ...)`` inputs, or ``None``.
        seed: Of everything drawn.

    Raises:
        PluginError: it needs derivatives, and no installed trainer computes them; or an answer to
            ``prunus_rank_all`` leaves a group out or names another.
    """
    hook = rank_hook(descriptor)
    gradients = None
    if descriptor.needs_gradients and samples is not None:
        gradients = gradients_of(host, descriptor.name, network, groups, samples, seed)
    asked = {"network": network, "samples": samples, "seed": seed, "gradients": gradients}
    if descriptor.together:
        found: Mapping[str, object] = host.call(
            Criterion, descriptor.name, hook, groups=groups, **asked
        )
        _check_names(str(host.find(Criterion, descriptor.name)), found, groups)
        return found
    return {
        group.name: host.call(Criterion, descriptor.name, hook, group=group, **asked)
        for group in told("scores", groups)
    }


def _check_names(owner: str, found: Mapping[str, object], groups: Sequence[Group]) -> None:
    names = [group.name for group in groups]
    missing = [name for name in names if name not in found]
    strange = [name for name in found if name not in names]
    if missing:
        answer = f"a mapping that has no group '{missing[0]}'"
    elif strange:
        answer = f"a mapping that names '{strange[0]}', which is no group asked for,"
    else:
        return
    raise wrong_answer(owner, "prunus_rank_all", answer, "one entry for each group asked for")


def gradients_of(
    host: Host,
    criterion: str,
    network: Network,
    groups: Sequence[Group],
    samples: Mapping[str, NDArray[np.float32]],
    seed: int,
) -> Gradients:
    """Derivatives for a criterion, by the first trainer that computes them for the format.

    Raises:
        PluginError: no trainer does.
    """
    able = [
        one.name
        for one in host.all(Trainer)
        if one.differentiates and network.format in (one.formats or [network.format])
    ]
    if not able:
        raise PluginError(
            f"criterion '{criterion}' needs derivatives of the loss, and no installed trainer "
            f"computes them for format {network.format}: pip install {DIFFERENTIATES}"
        )
    owner = str(host.find(Trainer, able[0]))

    def differentiate(weights: tuple[str, ...]) -> Derivatives:
        derive = host.call(
            Trainer, able[0], "prunus_differentiate", network=network, weights=weights
        )
        if not callable(derive):
            raise wrong_answer(owner, "prunus_differentiate", shown(derive), "a function")

        def contained_derivatives(
            inputs: Mapping[str, Array], cotangents: Mapping[str, Array]
        ) -> Mapping[str, Array]:
            with contained(owner, "its derivatives"):
                return dict(derive(inputs, cotangents))

        return contained_derivatives

    return Gradients(network, groups, samples, seed, differentiate)


def _numbers(found: object) -> NDArray[np.float64]:
    """The numbers a criterion gave; none where it gave something else."""
    try:
        return np.asarray(found, np.float64)
    except (TypeError, ValueError):
        return np.empty(0)
