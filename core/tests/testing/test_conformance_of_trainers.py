"""The torch trainer passes the kit; the kit catches trainers that do not train."""

from __future__ import annotations

import json

import numpy as np
import pytest

from prunus.descriptors import Trainer
from prunus.errors import DataError
from prunus.hookspecs import hookimpl
from prunus.host import Host
from prunus.testing import trainer_checks
from prunus.training import Progress

NAMES = [check.name for check in trainer_checks("torch")]


@pytest.mark.parametrize("name", NAMES)
def test_torch(name):
    pytest.importorskip("prunus_torch", reason="prunus-torch is not installed")
    next(check for check in trainer_checks("torch") if check.name == name)()


class Lazy:
    """Reports progress and gives the weights back as they were."""

    __name__ = json.__name__

    @hookimpl
    def prunus_register(self):
        return (Trainer("lazy", "does nothing"),)

    @hookimpl
    def prunus_finetune(self, trainer, job):
        if job.teacher is None and job.training.read(np.arange(1), None).labels is None:
            raise DataError("give samples with labels")
        for iteration in range(1, job.recipe.iterations + 1):
            job.report(Progress(iteration, job.recipe.iterations, 1.0, 0.1))
        graph = job.compact.model.graph
        return {name: value.const_value.numpy() for name, value in graph.initializers.items()}


class Loner(Lazy):
    """Makes all outputs smaller, whoever teaches: nearer to any teacher, and learnt from none."""

    @hookimpl
    def prunus_finetune(self, trainer, job):
        weights = super().prunus_finetune(trainer, job)
        return {
            name: weights[name] * np.float32(0.9 if binding.role == "weight" else 1)
            for name, binding in job.network.bindings.items()
        }


def test_a_trainer_that_ignores_its_teacher_is_caught():
    checks = trainer_checks("lazy", host=Host([(Loner(), "test 1.0")]))
    (check,) = [check for check in checks if check.name == "lazy-distills-without-labels"]
    with pytest.raises(AssertionError) as caught:
        check()
    assert str(caught.value) == "two teachers give the same weights: the teacher is ignored"


def test_a_trainer_that_does_nothing_is_caught():
    caught = []
    for check in trainer_checks("lazy", host=Host([(Lazy(), "test 1.0")])):
        try:
            check()
        except AssertionError:
            caught.append(check.name.removeprefix("lazy-"))
    assert set(caught) >= {
        "gives-compact-weights",
        "learns",
        "resumes-exactly",
        "distills-without-labels",
    }
