"""Conformance of engines."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import attrs
import numpy as np

from prunus.descriptors import Engine
from prunus.engines.agree import TOLERANCE, compared
from prunus.engines.hold import Runnable, given, held, opened
from prunus.engines.known import lack_of
from prunus.engines.running import Running
from prunus.errors import PrunusError
from prunus.evaluation.random_inputs import random_inputs
from prunus.host import Host, start
from prunus.network import Network
from prunus.testing.check import Check, ExpectedFailures, named_checks
from prunus.testing.checks_plugin import plugin_checks
from prunus.testing.nets import NETS, as_network

SMALL = ("lenet", "resnet_projection", "mobilenet_v2", "squeezenet")
"""Networks that an engine must run where none are given."""

_SAMPLES = 8
"""Inputs by which int8 is calibrated."""

_NOISE = 0.5
"""Largest difference of int8 numbers, relative to the largest of their output: random weights are
the worst that can be quantised."""


@attrs.frozen(eq=False)
class _Subject:
    """The engine under test, and networks that it must run."""

    name: str
    host: Host | None
    networks: Mapping[str, Network]

    @property
    def plugins(self) -> Host:
        return self.host or start()

    @property
    def engine(self) -> Engine:
        found = self.plugins.find(Engine, self.name).descriptor
        assert isinstance(found, Engine)
        return found

    @contextmanager
    def running(self, network: Network, threads: int = 1) -> Iterator[Running]:
        """A network in the engine.

        Raises:
            AssertionError: it cannot be held, or it lacks outputs.
        """
        try:
            with held(self.plugins, self.name, Runnable.whole(network), threads) as found:
                yield found
        except PrunusError as error:
            raise AssertionError(f"{self.name}: {error}") from error


def engine_checks(
    name: str,
    host: Host | None = None,
    networks: Mapping[str, Network] | None = None,
    expected_failures: ExpectedFailures | None = None,
) -> list[Check]:
    """Everything an engine promises (hooks ``prunus_convert``, ``_open``, ``_quantize``).

    Args:
        name: As given to ``--engine``.
        host: Where to look it up; the host of everything installed without it.
        networks: Networks that it must run, by name; small ONNX networks without it. An engine
            that reads native files alone needs some of its own.
        expected_failures: Short name of a check -> its `ExpectedFailure`.
    """
    own = {form: as_network(NETS[form](0)) for form in SMALL} if networks is None else networks
    subject = _Subject(name, host, own)
    hooks: tuple[str, ...] = ("prunus_convert", "prunus_open")
    if subject.engine.quantizes:
        hooks = (*hooks, "prunus_quantize")
    bodies: list[tuple[str, Callable[[], None]]] = [
        *plugin_checks(Engine, name, hooks, host),
        ("is-here", lambda: check_here(subject)),
        ("computes-the-networks-numbers", lambda: check_numbers(subject)),
        ("repeats-itself", lambda: check_repeats(subject)),
        ("leaves-its-input-alone", lambda: check_pure(subject)),
        ("runs-two-at-once", lambda: check_two(subject)),
        ("tells-positive-times", lambda: check_times(subject)),
    ]
    if subject.engine.quantizes:
        bodies.append(("quantises", lambda: check_int8(subject)))
    return named_checks(name, bodies, expected_failures)


def check_here(subject: _Subject) -> None:
    """It tells its version, and takes a format that is known."""
    lack = lack_of(subject.engine)
    assert lack is None, f"{subject.name} cannot run here: {lack}"
    assert subject.engine.version(), f"{subject.name}: the version is empty"
    assert subject.engine.formats, f"{subject.name} takes no format"


def check_numbers(subject: _Subject) -> None:
    """Every output of every network, in the layout and the digits of the neutral graph."""
    for form, network in subject.networks.items():
        with subject.running(network) as running:
            samples = [random_inputs(network.model, 1, seed) for seed in range(2)]
            found = compared(network, running, samples)
        assert found.error <= TOLERANCE, f"{subject.name}, {form}: relative error {found.error:.1e}"


def check_repeats(subject: _Subject) -> None:
    """The same sample gives the same numbers after another one."""
    for form, network in subject.networks.items():
        first, other = (random_inputs(network.model, 1, seed) for seed in range(2))
        with subject.running(network) as running:
            before = {name: np.array(array) for name, array in running.run(first).items()}
            running.run(other)
            after = running.run(first)
        for name, array in before.items():
            same = np.allclose(array, after[name], rtol=1e-5, atol=1e-6 * np.abs(array).max())
            assert same, f"{subject.name}, {form}: other numbers for the same sample in '{name}'"


def check_pure(subject: _Subject) -> None:
    """The sample is the same afterwards."""
    for form, network in subject.networks.items():
        sample = random_inputs(network.model, 1, 0)
        before = {name: array.tobytes() for name, array in sample.items()}
        with subject.running(network) as running:
            running.run(sample)
        assert before == {name: array.tobytes() for name, array in sample.items()}, (
            f"{subject.name}, {form}: modified its input"
        )


def check_two(subject: _Subject) -> None:
    """Two networks live side by side, as the core times them."""
    network = next(iter(subject.networks.values()))
    sample = random_inputs(network.model, 1, 0)
    with subject.running(network, 2) as one, subject.running(network) as other:
        first, second = one.run(sample), other.run(sample)
        for name, array in first.items():
            assert np.allclose(array, second[name], rtol=1e-4, atol=1e-5 * np.abs(array).max()), (
                f"{subject.name}: two networks at once disturb each other"
            )


def check_times(subject: _Subject) -> None:
    """Its own clock, and the times of its steps, where it has them."""
    network = next(iter(subject.networks.values()))
    sample = random_inputs(network.model, 1, 0)
    with subject.running(network) as running:
        if running.milliseconds is not None:
            assert running.milliseconds(sample) > 0, f"{subject.name}: a run took no time"
        steps = {} if running.steps is None else running.steps(sample)
    assert all(ms >= 0 for ms in steps.values()), f"{subject.name}: a step took negative time"
    values = {value.name for node in network.model.graph for value in node.outputs}
    strange = sorted(steps.keys() - values - {""})
    assert not strange, f"{subject.name}: steps of no value: {', '.join(strange)}"


def check_int8(subject: _Subject) -> None:
    """Quantised files run, and are near the network."""
    form, network = next(iter(subject.networks.items()))
    plugins = subject.plugins
    samples = random_inputs(network.model, _SAMPLES, 0)
    with TemporaryDirectory(prefix="prunus-check-") as directory:
        work = Path(directory)
        files = given(plugins, subject.name, Runnable.whole(network), work, "net")
        small = plugins.call(
            Engine,
            subject.name,
            "prunus_quantize",
            network=network,
            files=files,
            samples=samples,
            directory=work,
        )
        with opened(plugins, subject.name, network, small, 1) as running:
            found = compared(network, running, [random_inputs(network.model, 1, 0)])
    assert found.error <= _NOISE, f"{subject.name}, {form}: int8 is {found.error:.2f} away"
