"""Fit of one consumer: sums over drawn positions, solved; in rounds where a rectifier follows."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence

import attrs
import numpy as np
from numpy.typing import NDArray

from prunus.recovery.design import Design
from prunus.recovery.importance import Importance
from prunus.recovery.moments import Array, Moments, together
from prunus.recovery.positions import Positions, chunks, draw_positions, points
from prunus.recovery.regression import Problem, Solution, solve_again, solve_problem

_ROWS = 2**18
"""Most positions in the fit, over all samples."""

_WORK = 10**11
"""Bound on the MACs of the sums of products of one consumer: seconds on two cores."""

_CHUNK = 2**24
"""Bytes of the rows that are held at once."""

_CHECKED = 4
"""One sample of so many is not fitted at first: it tells how far the fit can be trusted."""

_ROUNDS = 2
"""Rounds behind a rectifier, after the first."""

_STEP = 1.8
"""Share of a round's change that is taken. A round assumes that no error is cut off, where about
half is: its changes are too small by about as much."""

Rows = NDArray[np.float32]


def fit(
    design: Design,
    inputs: Sequence[Rows],
    target: Rows,
    samples: int,
    draw: np.random.Generator,
    importance: Importance | None = None,
) -> list[Solution]:
    """Weights and constants, one solution a block.

    Args:
        design: The consumer.
        inputs: Values of `Design.inputs`.
        target: The target's value in the original network.
        samples: Number of samples all hold; their first axes may hold more.
        draw: Chooses positions.
        importance: Weights of the samples' places; all the same without it.
    """
    ordered = [np.moveaxis(value, design.axis, 1) for value in (target, *inputs)]
    other = ordered[2] if len(ordered) > 2 else None
    found = _Fit(design, ordered[0], ordered[1], other, importance)
    positions = draw_positions(ordered[0], found.affordable(), draw)
    checked = positions[0] * samples // len(target) % _CHECKED == _CHECKED - 1
    problems = found.problems(_chosen(positions, ~checked), _chosen(positions, checked))
    solutions = [solve_problem(problem) for problem in problems]
    if design.target.rectifier is None or design.mask is not None:
        return solutions
    for number in range(_ROUNDS):
        sums = found.missing(positions, solutions)
        new = [
            solve_again(problem, solution, *missing)
            for problem, solution, missing in zip(problems, solutions, sums, strict=True)
        ]
        step = 1.0 if number == _ROUNDS - 1 else _STEP
        solutions = [_between(*pair, step) for pair in zip(solutions, new, strict=True)]
    return solutions


@attrs.frozen(eq=False)
class _Fit:
    """Values of one consumer, channels on axis 1."""

    design: Design
    target: Rows
    data: Rows
    other: Rows | None
    importance: Importance | None

    def affordable(self) -> int:
        """Number of positions whose products can be afforded."""
        work = sum(len(start) ** 2 for start in self.design.starts())
        if self.design.target.rectifier is not None:
            work += sum(2 * _ROUNDS * start.size for start in self.design.starts())
        return min(_ROWS, max(_WORK // max(work, 1), 1))

    def problems(self, fitted: Positions, checked: Positions) -> list[Problem]:
        """One regression a block."""
        design = self.design
        return [
            Problem(fitted, checked, start, reader, design.centred, mask)
            for fitted, checked, start, reader, mask in zip(
                self._moments(fitted),
                self._moments(checked),
                design.starts(),
                design.readers(),
                design.masks(),
                strict=True,
            )
        ]

    def missing(
        self, positions: Positions, solutions: Sequence[Solution]
    ) -> list[tuple[Array, Array]]:
        """Sums `Moments.missing` and `Moments.crossed` of every block, as a rectifier sees them."""
        rectifier, target = self.design.target.rectifier, self.design.target
        assert rectifier is not None
        starts = self._starts
        sums = [(np.zeros(s.shape[1]), np.zeros(s.shape)) for s in self.design.starts()]
        for rows, whole, other, weights in self._parts(positions):
            pairs = zip(rows, solutions, strict=True)
            given = [x @ s.weights.astype("f4") + s.constant.astype("f4") for x, s in pairs]
            reached = target.values(np.concatenate(given, 1) + self._bias, other)
            wanted = self._wanted(rectifier.aim(whole, reached), other)
            for block, (x, y) in enumerate(zip(rows, wanted, strict=True)):
                left = y - x @ starts[block]
                left = left if weights is None else left * weights[:, None]
                missing, crossed = sums[block]
                sums[block] = (missing + left.sum(0, np.float64), crossed + x.T @ left)
        return sums

    def _moments(self, positions: Positions) -> Iterable[Moments | None]:
        sums: list[Moments | None] = [None] * self.design.blocks
        starts = self._starts
        for rows, whole, other, weights in self._parts(positions):
            wanted = self._wanted(whole, other)
            for block, (x, y) in enumerate(zip(rows, wanted, strict=True)):
                with np.errstate(over="ignore", invalid="ignore"):  # the solution refuses them
                    found = Moments.of(x, y - x @ starts[block], weights)
                sums[block] = together(sums[block], found)
        return sums

    def _parts(
        self, positions: Positions
    ) -> Iterator[tuple[list[Rows], Rows, Rows | float, Rows | None]]:
        """Chunk by chunk: kept features, the target, the other branch, and weights of the rows."""
        size = 4 * math.prod(self.design.kept().shape)
        for part, chunk in chunks(positions, max(1, _CHUNK // size)):
            rows = self.design.kept_rows(self.data[part], chunk)
            other = 0.0 if self.other is None else points(self.other[part], chunk)
            whole = (chunk[0] + part.start, *chunk[1:])
            weights = (
                None if self.importance is None else self.importance.at(whole, self.target.shape)
            )
            yield rows, points(self.target[part], chunk), other, weights

    def _wanted(self, values: Rows, other: Rows | float) -> list[Rows]:
        """What the features of every block have to give ``(n, M)``."""
        outputs = self.design.target.outputs(values, other) - self._bias
        return np.split(outputs, self.design.blocks, 1)

    @property
    def _bias(self) -> NDArray[np.float32] | np.float32:
        """Constant of the output, where the fit is to the output."""
        bias = 0.0 if self.design.window is None else self.design.bias
        return np.asarray(bias, np.float32)

    @property
    def _starts(self) -> list[Rows]:
        return [start.astype(np.float32) for start in self.design.starts()]


def _chosen(positions: Positions, which: NDArray[np.bool_]) -> Positions:
    return tuple(part[which] for part in positions)


def _between(old: Solution, new: Solution, step: float) -> Solution:
    """A solution ``step`` times as far from the old one as the new one is."""
    return attrs.evolve(
        new,
        weights=old.weights + step * (new.weights - old.weights),
        constant=old.constant + step * (new.constant - old.constant),
    )
