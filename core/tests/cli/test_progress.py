from __future__ import annotations

import logging

from rich.console import Console
from rich.progress import Progress as RichProgress

from prunus.cli.progress import Bars, Lines, counting, every, shown, training_progress
from prunus.progress import LOGGER, tell, told
from prunus.training import Progress


class Clock:
    """Seconds as the test says."""

    now = 0.0

    def __call__(self):
        return self.now


def test_short_work_leaves_nothing_in_a_pipe(capsys):
    with counting("analyse") as report:
        report(1, 2)
    with training_progress() as report:
        report(Progress(1, 2, 0.5, 0.01))
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", "")


def test_a_line_tells_the_newest_work_and_the_time_left():
    clock = Clock()
    lines = Lines("prune", clock)
    clock.now = 12.0
    assert lines.line() == "prune: 12 s"
    lines.show("training", 0, 2000, "")
    clock.now = 22.0
    lines.show("training", 100, 2000, "loss 0.5000, lr 0.01")
    assert lines.line() == "training: 100 of 2,000, loss 0.5000, lr 0.01, 3 min left"
    lines.show("evaluation", 1, 16, "")
    assert lines.line() == "evaluation: 1 of 16"
    lines.show("evaluation", 16, 16, "")
    lines.show("training", 200, 2000, "")
    clock.now = 32.0
    assert lines.line() == "training: 200 of 2,000, 3 min left"
    lines.show("training", 2000, 2000, "")
    clock.now = 7300.0
    assert lines.line() == "prune: 2.0 h"


def test_lines_come_at_every_interval_until_the_end(capsys):
    class Stop:
        def __init__(self):
            self.waits = []

        def wait(self, seconds):
            self.waits.append(seconds)
            return len(self.waits) > 2

    stop = Stop()
    every(10.0, lambda: "training: 1 of 2", stop)
    assert stop.waits == [10.0] * 3
    assert capsys.readouterr().err == "training: 1 of 2\n" * 2


def test_a_bar_goes_when_its_work_is_done():
    console = Console(width=80, force_terminal=True, quiet=True)
    with RichProgress(console=console) as progress:
        bars = Bars(progress)
        bars.show("training", 1, 4, "loss 1")
        bars.show("evaluation", 1, 2, "")
        assert [task.description for task in progress.tasks] == ["training", "evaluation"]
        bars.show("evaluation", 2, 2, "")
        bars.show("training", 2, 4, "loss 2")
        (task,) = progress.tasks
        assert (task.completed, task.total, task.fields["state"]) == (2, 4, "loss 2")


def test_the_core_tells_and_the_command_line_listens(caplog):
    with shown("prune") as display:
        tell("compensation", 3, 20)
        assert display.line() == "compensation: 3 of 20"
        tell("search", 4, 20, "loss 0.1")
        assert display.line() == "search: 4 of 20, loss 0.1"
        tell("search", 20, 20, "loss 0.1")
        assert list(told("scores", ["a", "b"])) == ["a", "b"]
        assert display.line() == "compensation: 3 of 20"
    assert caplog.records == []
    assert LOGGER.level == logging.NOTSET
    assert LOGGER.handlers == []
    with caplog.at_level(logging.INFO, "prunus"):
        assert list(told("scores", ["a"])) == ["a"]
    assert [record.getMessage() for record in caplog.records] == [
        "scores: 0 of 1", "scores: 1 of 1"
    ]  # fmt: skip
