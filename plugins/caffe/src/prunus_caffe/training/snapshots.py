"""Which of Caffe's snapshots are whole and belong to a job."""

from __future__ import annotations

import math
from pathlib import Path

import attrs

from prunus.plugin import StaleError, TrainingJob, job_digests, joined, read_json, write_json

PREFIX = "compact"
"""Start of their names. Caffe adds the solver's name to a prefix that is a directory."""


@attrs.frozen
class Snapshot:
    """A snapshot that Caffe wrote.

    Attributes:
        iteration: Updates done.
        state: The solverstate; it names the caffemodel beside it.
        loss: Smoothed loss.
    """

    iteration: int
    state: Path
    loss: float = math.nan


@attrs.frozen
class _Facts:
    """Contents of ``compact_iter_N.json``."""

    iteration: int
    digest: str
    loss: float | None


@attrs.frozen
class Snapshots:
    """``compact_iter_N.caffemodel`` and ``.solverstate`` of one directory.

    Caffe does not write them in one step: ``compact_iter_N.json`` appears when both are whole.

    Attributes:
        directory: Where they are.
        digest: What a snapshot must agree with to be continued.
    """

    directory: Path
    digest: str

    def record(self, iteration: int, loss: float) -> None:
        """Mark the snapshot of an iteration as whole."""
        facts = _Facts(iteration, self.digest, loss if math.isfinite(loss) else None)
        write_json(self.directory / f"{PREFIX}_iter_{iteration}.json", attrs.asdict(facts))

    def newest(self, iterations: int) -> Snapshot | None:
        """The last snapshot of at most ``iterations`` updates.

        Raises:
            StaleError: it belongs to another job.
        """
        stored = [read_json(path, _Facts) for path in self._records()]
        for facts in sorted(stored, key=lambda facts: -facts.iteration):
            iteration = facts.iteration
            state = self.directory / f"{PREFIX}_iter_{iteration}.solverstate"
            if iteration > iterations or not state.exists():
                continue
            if facts.digest != self.digest:
                raise StaleError(
                    f"{state}: the snapshot belongs to another network, solver, data set or seed; "
                    "train without --resume"
                )
            return Snapshot(iteration, state, math.nan if facts.loss is None else facts.loss)
        return None

    def forget(self) -> None:
        """Snapshots of earlier trainings are not continued any more; their files stay."""
        for path in self._records():
            path.unlink()

    def _records(self) -> list[Path]:
        return list(self.directory.glob(f"{PREFIX}_iter_*.json"))


def job_digest(job: TrainingJob, net: str, solver: str) -> str:
    """Digest of all that decides the numbers: compact network, texts, samples."""
    digests = job_digests(job)
    return joined(digests["network"], net, solver, digests["data set"])
