from __future__ import annotations

import attrs
import pytest

from prunus.descriptors import Trainer
from prunus.hookspecs import hookimpl
from prunus.host import Host
from prunus.settings import Settings
from prunus.steps.prune import prune
from prunus.steps.pruning_report import next_command, notes_of


class Offers:
    def __init__(self, *trainers):
        self.trainers = trainers

    @hookimpl
    def prunus_register(self):
        return self.trainers


@pytest.mark.parametrize(
    ("trainers", "command"),
    [
        ((), "prunus transform"),
        ((Trainer("kiln", "", formats=("clay",)),), "prunus transform"),
        ((Trainer("mine", ""),), "prunus finetune --trainer mine"),
        ((Trainer("mine", ""), Trainer("torch", "")), "prunus finetune"),
    ],
)
def test_the_next_command_works_with_the_installed_trainers(trainers, command):
    assert next_command(Host([(Offers(*trainers), "a 1.0")]), "torch", "onnx") == command


@pytest.mark.parametrize(("asked", "told"), [(7, True), (4, False), (1, False), ("auto", False)])
def test_a_multiple_that_fits_no_engine_is_told(lenet, asked, told):
    notes = notes_of(Settings(rate=0.4, multiple=asked), None, True, lenet)
    note = (
        "--multiple 7 is no power of two, and engines compute in vectors of 4, 8 or 16: it gains "
        "nothing from them; 'auto' chooses one for each group"
    )
    assert (note in notes) is told


def test_prune_without_a_trainer_goes_on_with_transform(host, settings, trainer):
    asked = attrs.evolve(settings, rate=0.4, data=None)
    assert prune(host, asked).report.next == "prunus finetune --train-data SAMPLES"
    plugins = dict.fromkeys((entry.plugin, entry.distribution) for entry in host.registered)
    without = Host([one for one in plugins if one[0] is not trainer])
    assert prune(without, asked).report.next == "prunus transform"
