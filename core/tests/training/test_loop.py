"""What happens between two updates, seen by a trainer that makes up its losses."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import attrs
import pytest

from prunus.errors import UsageError
from prunus.task import Measurement, Recipe
from prunus.testing.trainer_job import small_job
from prunus.training import Progress
from prunus.training.loop import TrainingLoop


@attrs.define
class Seen:
    """What a loop called."""

    lines: list[Progress] = attrs.field(factory=list)
    saved: list[int] = attrs.field(factory=list)
    evaluated: list[Any] = attrs.field(factory=list)


def loop_of(tmp_path: Path, seen: Seen, stop: int | None = None, **recipe: Any) -> TrainingLoop:
    def evaluate(weights: Any) -> Measurement:
        seen.evaluated.append(weights)
        return Measurement(len(seen.evaluated) / 10)

    job = attrs.evolve(
        small_job(tmp_path),
        recipe=Recipe(**recipe),
        evaluate=evaluate,
        report=seen.lines.append,
    )
    loop = TrainingLoop(
        job,
        dict,
        lambda iteration, _: seen.saved.append(iteration),
        lambda: loop.iteration == stop,
    )
    return loop


def test_intervals_and_the_end(tmp_path: Path) -> None:
    seen = Seen()
    loop = loop_of(tmp_path, seen, iterations=7, snapshot=3, test_interval=2)
    while not loop.done:
        loop.advance(1.0, 0.1)
    assert [line.iteration for line in seen.lines] == list(range(1, 8))
    assert seen.saved == [3, 6, 7]
    values = [None if line.metric is None else line.metric.value for line in seen.lines]
    assert values == [None, 0.1, 0.1, 0.2, 0.2, 0.3, 0.4]


def test_the_loss_is_smoothed_from_the_first_one(tmp_path: Path) -> None:
    seen = Seen()
    loop = loop_of(tmp_path, seen, iterations=3)
    for loss in (2.0, 4.0, 4.0):
        loop.advance(loss, 0.1)
    assert [line.loss for line in seen.lines] == pytest.approx([2.0, 2.1, 2.195])


@pytest.mark.parametrize("loss", [math.nan, math.inf])
def test_divergence(tmp_path: Path, loss: float) -> None:
    seen = Seen()
    loop = loop_of(tmp_path, seen, iterations=3, snapshot=1)
    loop.advance(1.0, 0.5)
    with pytest.raises(UsageError) as caught:
        loop.advance(loss, 0.5)
    assert str(caught.value) == (
        f"training diverged at iteration 2: the loss is {loss}; lower the learning rate "
        "(now 0.5, --learning-rate)"
    )
    assert seen.saved == [1]


def test_ctrl_c_saves_first(tmp_path: Path) -> None:
    seen = Seen()
    loop = loop_of(tmp_path, seen, stop=2, iterations=5)
    loop.advance(1.0, 0.1)
    with pytest.raises(
        KeyboardInterrupt, match=r"^stopped after 2 iterations; --resume continues$"
    ):
        loop.advance(1.0, 0.1)
    assert seen.saved == [2]


def test_ctrl_c_in_the_last_update_ends_as_usual(tmp_path: Path) -> None:
    seen = Seen()
    loop = loop_of(tmp_path, seen, stop=1, iterations=1)
    loop.advance(1.0, 0.1)
    assert loop.done
    assert seen.saved == [1]
