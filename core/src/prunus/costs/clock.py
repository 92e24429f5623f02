"""An engine as planning for speed needs it: times of graphs of one network."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

import attrs

from prunus.descriptors import Engine
from prunus.engines.bench import in_turns
from prunus.engines.hold import Runnable, held
from prunus.engines.known import DEFAULT, default_threads, engine_named, identity
from prunus.engines.running import Sample
from prunus.engines.timing import Timing, timed
from prunus.evaluation.random_inputs import random_inputs
from prunus.host import Host


@attrs.frozen(eq=False)
class Clock:
    """An engine and how many threads it gets.

    Attributes:
        host: Plugins.
        name: Name of the engine.
        threads: Threads of one run.
    """

    host: Host
    name: str = DEFAULT
    threads: int = attrs.field(factory=default_threads)

    @property
    def engine(self) -> Engine:
        """The descriptor.

        Raises:
            UsageError: it is unknown, or not installed.
        """
        return engine_named(self.host, self.name)

    @property
    def identity(self) -> str:
        """Version, threads and processor: times hold where all of them are the same."""
        return identity(self.engine, self.threads)

    def steps(self, runnable: Runnable) -> Mapping[str, float] | None:
        """Milliseconds of one sample in the parts of a graph.

        Returns:
            Value -> time of the step that makes it, with all that the engine does in the same step.
            What belongs to no value of the graph counts under ``""``. ``None`` where the engine has
            no profile.
        """
        with held(self.host, self.name, runnable, self.threads) as running:
            return None if running.steps is None else running.steps(one_sample(runnable))

    def timings(self, networks: Sequence[Runnable]) -> list[Timing]:
        """Times of one sample in each network, in turns; shares are of the first."""
        return in_turns(self.host, self.name, networks, self.threads)

    def shares(self, whole: Runnable, others: Iterable[Callable[[], Runnable]]) -> Iterator[float]:
        """Times of other networks as shares of the whole one's, each in turns with it.

        By the clock, as users of the engine see it: processor time counts threads that spin until
        others are ready, and misses those that sleep. The lower quartiles are compared: runs that
        another program disturbed do not count.
        """
        with held(self.host, self.name, whole, self.threads) as first:
            sample = one_sample(whole)
            for make in others:
                other = make()
                with held(self.host, self.name, other, self.threads) as second:
                    before, after = timed([(first, sample), (second, one_sample(other))])
                    yield after.low / before.low


def one_sample(runnable: Runnable) -> Sample:
    """A random input for each input of a network."""
    return random_inputs(runnable.compact.model, 1, 0)
