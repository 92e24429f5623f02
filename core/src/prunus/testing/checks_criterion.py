"""Conformance of criteria."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache

import attrs
import numpy as np
from numpy.typing import NDArray

from prunus.descriptors import Criterion
from prunus.errors import UsageError
from prunus.evaluation.random_inputs import random_inputs
from prunus.granularity import WEIGHT, granularity_of
from prunus.graph.digest import structure_digest, weights_digest
from prunus.grouping import find_groups
from prunus.grouping.weights import find_weights
from prunus.groups import Group, Member
from prunus.host import Host, start
from prunus.network import Network
from prunus.planning.scores import rank_hook, ranked
from prunus.testing.check import Check, ExpectedFailures, named_checks
from prunus.testing.checks_plugin import one_line, plugin_checks
from prunus.testing.nets import NETS, as_network

FORMS = ("lenet", "vgg_bn", "resnet_padded", "mobilenet_v2", "resnext", "shufflenet_v2", "unet")
"""Networks whose groups are scored: with and without BatchNorm, joined, depthwise, grouped."""

SMALL = ("lenet", "resnext")
"""Networks whose single weights are scored: plain, and with grouped convolutions."""

Scores = NDArray[np.float64]


@attrs.frozen
class _Subject:
    """The criterion under test."""

    name: str
    host: Host | None

    @property
    def descriptor(self) -> Criterion:
        """As it was registered."""
        found = (self.host or start()).find(Criterion, self.name).descriptor
        assert isinstance(found, Criterion)
        return found

    @property
    def unit(self) -> str:
        """The units it scores."""
        return self.descriptor.unit

    def rank(self, network: Network, group: Group, seed: int = 0) -> Scores | None:
        """Scores, or ``None`` where the criterion says that it cannot score the group."""
        descriptor = self.descriptor
        samples = random_inputs(network.model, 4, 0) if descriptor.needs_samples else None
        try:
            found = ranked(self.host or start(), descriptor, network, [group], samples, seed)
        except UsageError as error:
            one_line(error, group.name)
            return None
        scores: Scores = found[group.name]  # type: ignore[assignment]  # the checks look at it
        return scores

    def scored(self) -> Iterator[tuple[Network, Group, Scores]]:
        """Every group of every form that it scores, of channels or of single weights."""
        for form in SMALL if self.unit == WEIGHT else FORMS:
            network, groups = _form(form, self.unit)
            for group in groups:
                scores = self.rank(network, group)
                if scores is not None:
                    yield network, group, scores


def criterion_checks(
    name: str, host: Host | None = None, expected_failures: ExpectedFailures | None = None
) -> list[Check]:
    """Everything a criterion promises (`prunus_rank`, or `prunus_rank_all`).

    Args:
        name: As given to ``--criterion``.
        host: Where to look it up; the host of everything installed without it.
        expected_failures: Short name of a check -> its `ExpectedFailure`, e.g.
            ``{"follows-a-permutation": ExpectedFailure("it draws by position", "off by")}``.
    """
    subject = _Subject(name, host)
    bodies: list[tuple[str, Callable[[], None]]] = [
        *plugin_checks(Criterion, name, (_hook(subject),), host),
        ("scores-something", lambda: check_scores_something(subject)),
        ("gives-finite-float64-per-unit", lambda: check_scores(subject)),
        ("repeats-with-the-seed", lambda: check_deterministic(subject)),
        ("follows-a-permutation", lambda: check_permutation(subject)),
        ("leaves-its-input-alone", lambda: check_pure(subject)),
    ]
    return named_checks(name, bodies, expected_failures)


def _hook(subject: _Subject) -> str:
    """The hook of a criterion; the usual one where none is registered, as its checks then tell."""
    try:
        return rank_hook(subject.descriptor)
    except UsageError:
        return "prunus_rank"


def check_scores_something(subject: _Subject) -> None:
    """There is a group it can score; elsewhere it gives a `UsageError` that names the group."""
    assert any(True for _ in subject.scored()), f"{subject.name} scores no group of {FORMS}"


def check_scores(subject: _Subject) -> None:
    """float64 ``(C,)``, finite."""
    for _, group, scores in subject.scored():
        said = f"{subject.name}, group '{group.name}'"
        _check_array(said, scores)
        assert scores.dtype == np.float64, f"{said}: gave {scores.dtype}"
        assert scores.shape == (group.size,), f"{said}: shape {scores.shape}, C={group.size}"
        assert np.isfinite(scores).all(), f"{said}: not finite: {scores}"


def _check_array(said: str, scores: object) -> None:
    assert isinstance(scores, np.ndarray), f"{said}: gave a {type(scores).__name__}"


def check_deterministic(subject: _Subject) -> None:
    """The same seed gives the same numbers, bit by bit."""
    for network, group, scores in subject.scored():
        again = subject.rank(network, group)
        assert again is not None, f"{subject.name} refuses '{group.name}' the second time"
        assert np.array_equal(scores, again), f"{subject.name}: '{group.name}' differs: {again}"


def check_permutation(subject: _Subject) -> None:
    """Units in another order get the same scores in that order."""
    for network, group, scores in subject.scored():
        if group.rows or group.unit == WEIGHT:
            continue  # units of other rows, or weights of other inputs, cannot be exchanged
        order = np.random.default_rng(1).permutation(group.size)
        permuted = subject.rank(permute(network, group, order), group)
        assert permuted is not None, f"{subject.name} refuses '{group.name}' when permuted"
        for answer in (scores, permuted):
            _check_array(f"{subject.name}, group '{group.name}'", answer)
        scale = float(np.abs(scores).max()) or 1.0
        error = float(np.abs(permuted - scores[order]).max()) / scale
        assert error <= 1e-5, f"{subject.name}: '{group.name}' off by {error:.1e} when permuted"


def check_pure(subject: _Subject) -> None:
    """The network is the same afterwards."""
    unit = subject.unit
    before = {form: _digests(_form(form, unit)[0]) for form in FORMS}
    for _ in subject.scored():
        pass
    for form in FORMS:
        assert _digests(_form(form, unit)[0]) == before[form], f"{subject.name} modified '{form}'"


def permute(network: Network, group: Group, order: NDArray[np.int64]) -> Network:
    """The same function with the units of a group in another order."""
    changed: dict[str, NDArray[np.generic]] = {}
    for member in group.members:
        array = changed.get(member.initializer)
        if array is None:
            array = changed[member.initializer] = network.weights()[member.initializer].copy()
        _permute(array, member, order)
    return network.with_weights(changed)


def _permute(array: NDArray[np.generic], member: Member, order: NDArray[np.int64]) -> None:
    sizes = [array.shape[axis] for axis in member.axes]
    view = np.moveaxis(array, member.axes, range(len(member.axes)))
    to = np.unravel_index(member.positions, sizes)
    source = np.unravel_index(member.positions[order], sizes)
    view[to] = view[source].copy()


def _digests(network: Network) -> tuple[str, str]:
    return structure_digest(network), weights_digest(network)


@cache
def _form(form: str, unit: str) -> tuple[Network, tuple[Group, ...]]:
    network = as_network(NETS[form](0))
    if unit == WEIGHT:
        return network, find_weights(network, granularity_of(unit)).groups
    return network, find_groups(network).groups
