from __future__ import annotations

import numpy as np
import pytest

from prunus.analysis.analysis import Analysis
from prunus.analysis.journal import Journal
from prunus.analysis.probe import Prefix, Probe
from prunus.evaluation.data import ArrayDataset
from prunus.evaluation.evaluator import Evaluator
from prunus.evaluation.metrics import Fidelity
from prunus.grouping import find_groups
from prunus.masking import mask
from prunus.task import Batch


@pytest.fixture
def job(lenet, draw):
    grouping = find_groups(lenet)
    samples = draw.standard_normal((8, 1, 12, 12)).astype(np.float32)
    evaluator = Evaluator(lenet, ArrayDataset("data", samples), Fidelity())
    scores = {group.name: draw.random(group.size) for group in grouping.groups}
    return Analysis(grouping, evaluator, scores, (0.25, 0.5), Journal(None, {}), {}, lambda *_: None)  # fmt: skip


def test_bytes_are_those_of_the_weights_behind_the_group(lenet, job):
    size = {name: array.nbytes for name, array in lenet.weights().items()}
    found = {g.name: Probe(lenet, job, g).nbytes() for g in job.grouping.groups}
    fully = size["ip1/weight"] + size["ip1/bias"] + size["ip2/weight"] + size["ip2/bias"]
    last = size["ip2/weight"]
    # of a consumer that all trials pass together only the weight is needed: its bias cancels out
    assert found["ip1"] == last
    assert found["conv2"] == fully - size["ip1/bias"]
    assert found["conv1"] == size["conv2/weight"] + fully


def test_trials_are_the_masked_network(lenet, job):
    group = job.grouping.group("conv2")
    probe = Probe(lenet, job, group)
    assert probe.replaced() == ("flat",)
    batch = Batch(job.evaluator.calibration())
    values, whole = Prefix(lenet.model, probe.values()).run(batch)
    (shape,) = {values[name].numpy().shape for name in probe.replaced()}
    zero = {"flat": np.zeros((1, shape[1]), np.float32)}
    for (_, keep), found in zip(probe.trials, probe.load(zero).run(values), strict=True):
        plan = {group.name: keep}
        masked = mask(lenet, job.grouping, plan)
        _, wanted = Prefix(masked.model, ()).run(batch)
        assert np.allclose(found["ip2"], wanted["ip2"], atol=1e-5)
        assert not np.allclose(found["ip2"], whole["ip2"], atol=1e-2)
