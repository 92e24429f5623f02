"""Networks timed side by side in several engines."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack

import attrs

from prunus.descriptors import Engine
from prunus.engines.hold import Runnable, held
from prunus.engines.known import lack_of
from prunus.engines.timing import SECONDS, Timing, timed
from prunus.errors import ModelError, UsageError
from prunus.evaluation.random_inputs import random_inputs
from prunus.host import Host


@attrs.frozen
class EngineTime:
    """Time of one sample of one network in one engine.

    Attributes:
        engine: Name of the engine.
        network: Name of the network.
        timing: Medians and quartiles; shares are of the first network.
    """

    engine: str
    network: str
    timing: Timing


@attrs.frozen
class Benched:
    """Times of networks in engines.

    Attributes:
        times: Engine by engine, the networks in their order.
        refused: Engine that was not asked for by name -> why it cannot run a network.
    """

    times: tuple[EngineTime, ...]
    refused: dict[str, str]


def bench(
    host: Host,
    networks: Sequence[tuple[str, Runnable]],
    engines: Sequence[str] | None,
    threads: int,
    seconds: float = SECONDS,
) -> Benched:
    """Run networks in turns in each engine.

    Args:
        host: Plugins.
        networks: Names and networks; the first is what others are compared with.
        engines: Names of engines; every one that is installed without it.
        threads: Threads of one run.
        seconds: Time for one network in one engine.

    Raises:
        UsageError: an engine is unknown or not installed, or there is none.
        ModelError: an engine that was asked for refuses a network; or all of them do.
    """
    found: list[EngineTime] = []
    refused: dict[str, str] = {}
    for engine in installed(host) if engines is None else engines:
        try:
            times = in_turns(host, engine, [one for _, one in networks], threads, seconds)
        except (ModelError, UsageError) as error:
            if engines is not None:
                raise
            refused[engine] = str(error)
            continue
        names = (name for name, _ in networks)
        found += [EngineTime(engine, *pair) for pair in zip(names, times, strict=True)]
    if not found:
        said = "; ".join(f"{name}: {text}" for name, text in refused.items())
        raise ModelError(f"no engine runs these networks: {said or 'none is installed'}")
    return Benched(tuple(found), refused)


def in_turns(
    host: Host, engine: str, networks: Sequence[Runnable], threads: int, seconds: float = SECONDS
) -> list[Timing]:
    """Times of one random sample in each network; shares are of the first."""
    with ExitStack() as stack:
        return timed(
            [
                (
                    stack.enter_context(held(host, engine, network, threads)),
                    random_inputs(network.compact.model, 1, 0),
                )
                for network in networks
            ],
            seconds,
        )


def installed(host: Host) -> list[str]:
    """Names of the engines that can run here."""
    return [engine.name for engine in host.all(Engine) if lack_of(engine) is None]
