from __future__ import annotations

import numpy as np
import pytest

from prunus.analysis import sweep
from prunus.analysis.analysis import Analysis
from prunus.analysis.journal import Journal
from prunus.evaluation.data import ArrayDataset
from prunus.evaluation.evaluator import Evaluator
from prunus.evaluation.metrics import Fidelity
from prunus.grouping import find_groups


def job(lenet, ratios, journal=None, report=lambda done, total: None):
    grouping = find_groups(lenet)
    samples = np.random.default_rng(1).standard_normal((12, 1, 12, 12)).astype(np.float32)
    evaluator = Evaluator(lenet, ArrayDataset("data", samples), Fidelity(), None, 16)
    scores = {group.name: np.arange(group.size, dtype=float) for group in grouping.groups}
    return Analysis(grouping, evaluator, scores, ratios, journal or Journal(None, {}), {"k": "1"}, report)  # fmt: skip


@pytest.mark.parametrize(
    ("ratios", "kept"),
    [
        ((0.25, 0.5), [6, 4]),
        ((0.01,), []),  # nothing goes
        ((0.5, 0.52), [4]),  # the same channels
        ((0.99,), [1]),  # one stays
    ],
)
def test_trials_are_what_differs(lenet, ratios, kept):
    analysis = job(lenet, ratios)
    trials = analysis.trials(analysis.grouping.group("conv1"))
    assert [int(keep.sum()) for _, keep in trials] == kept
    assert all(keep[-count:].all() for (_, keep), count in zip(trials, kept, strict=True))


def test_killed_and_resumed_equals_uninterrupted(lenet, tmp_path):
    whole = sweep.analyze(lenet, job(lenet, (0.5,)))
    journal = Journal(tmp_path / "partial.jsonl", {"k": "1"})

    class KilledError(Exception):
        pass

    def kill(done, total):
        assert total == 3
        if done == 2:
            raise KilledError

    with pytest.raises(KilledError):
        sweep.analyze(lenet, job(lenet, (0.5,), journal, kill))
    assert len(journal.read()) == 2
    again = sweep.analyze(lenet, job(lenet, (0.5,), journal))
    assert again.to_json() == whole.to_json()
    assert again.key == {"k": "1"}
