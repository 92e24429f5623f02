"""Trainers add their own options to the commands that train."""

from __future__ import annotations

import click
import pytest

from prunus import cli
from prunus.cli import training_options
from prunus.cli.training_options import TrainingCommand, check_trainer_options, tuning_options
from prunus.descriptors import Trainer
from prunus.errors import UsageError
from prunus.hookspecs import hookimpl
from prunus.host import Host
from prunus.settings import Settings


class Trainers:
    """Two trainers that share an option."""

    @hookimpl
    def prunus_register(self):
        return (
            Trainer("abacus", "by hand", options={"beads": "how many [10]", "rods": "how many"}),
            Trainer("slide-rule", "by eye", options={"rods": "one is enough"}),
        )


HOST = Host([(Trainers(), "test 1.0")])


@pytest.fixture
def command(monkeypatch):
    monkeypatch.setattr(training_options, "start", lambda: HOST)
    seen = []

    @click.command(cls=TrainingCommand)
    @tuning_options
    def train(**given):
        seen.append(training_options.tuning_from(given))

    train.seen = seen
    return train


def run(command, *arguments):
    command.main(list(arguments), standalone_mode=False)
    return command.seen[-1]


def test_options_of_trainers_reach_the_job(command):
    assert run(command, "--beads", "7", "--epochs", "2").options == {"beads": "7"}
    assert run(command).options == {}


def test_help_says_whose_an_option_is(command):
    text = command.get_help(click.Context(command, terminal_width=200, max_content_width=200))
    assert "--beads TEXT" in text
    assert "how many [10] (trainer abacus)" in text
    assert "how many (trainer abacus); one is enough (trainer slide-rule)" in text


def test_an_option_of_another_trainer_is_refused(command):
    tuning = run(command, "--beads", "7")
    check_trainer_options(HOST, Settings(trainer="abacus"), tuning)
    with pytest.raises(UsageError) as caught:
        check_trainer_options(HOST, Settings(trainer="slide-rule"), tuning)
    assert str(caught.value) == (
        "--beads is an option of trainer abacus, and trainer slide-rule was chosen; "
        "add --trainer abacus"
    )


def test_two_lengths_of_a_training(capsys):
    assert cli.run(["finetune", "--epochs", "1", "--iterations", "5"]) == 2
    assert capsys.readouterr().err == (
        "error: --epochs and --iterations both say how long to train; give one of them\n"
    )
