"""Runs of the original network on pieces of the samples, kept in memory while there is room."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import attrs
import numpy as np
from numpy.typing import NDArray

from prunus.analysis.probe import Prefix
from prunus.evaluation.evaluator import Evaluator
from prunus.evaluation.session import Held
from prunus.task import Array


@attrs.frozen(eq=False)
class OriginalRun:
    """One run of the original network.

    Attributes:
        samples: How many.
        values: What other graphs start from, by name.
        reference: Its outputs: graph output name -> ``(N, ...)``.
        observe: What the metric sees in another network's outputs (`Evaluator.observer`).
    """

    samples: int
    values: Mapping[str, Array | Held]
    reference: dict[str, Array]
    observe: Callable[[Mapping[str, Array]], Any]

    @property
    def nbytes(self) -> int:
        """Bytes of the values."""
        return sum(
            value.nbytes if isinstance(value, np.ndarray) else value.tensor_size_in_bytes()
            for value in self.values.values()
        )


class OriginalRuns:
    """Runs on the pieces of the samples: the same whether they are kept or made again."""

    def __init__(
        self,
        evaluator: Evaluator,
        prefix: Prefix,
        pieces: Sequence[NDArray[np.int64]],
        size: int,
        room: int,
    ) -> None:
        """Nothing runs yet.

        Args:
            evaluator: Samples and metric.
            prefix: The original network.
            pieces: Positions of every piece in the data set.
            size: Samples of a run, at most.
            room: Bytes of values that are kept for the next time; pieces beyond run again.
        """
        self._evaluator, self._prefix, self._pieces = evaluator, prefix, pieces
        self._size, self._room = size, room
        self._kept: dict[int, list[OriginalRun]] = {}

    def of(self, number: int) -> Iterator[OriginalRun]:
        """The runs on one piece, in order."""
        if number in self._kept:
            yield from self._kept[number]
            return
        piece, runs, room = self._pieces[number], list[OriginalRun](), self._room
        for start in range(0, len(piece), self._size):
            run = self._made(piece[start : start + self._size])
            room -= run.nbytes
            if room >= 0:
                runs.append(run)
            else:  # of a piece that does not fit nothing is kept
                runs.clear()
            yield run
        if room >= 0:
            self._kept[number], self._room = runs, room

    def _made(self, positions: NDArray[np.int64]) -> OriginalRun:
        batch = self._evaluator.data.read(positions, None)
        values, reference = self._prefix.run(batch)
        observe = self._evaluator.observer(reference, batch)
        return OriginalRun(len(batch), values, reference, observe)
