"""Runs of the original network on pieces of the samples."""

from __future__ import annotations

import numpy as np
import pytest

from prunus.analysis.original_runs import OriginalRuns
from prunus.analysis.probe import Prefix
from prunus.evaluation.data import ArrayDataset
from prunus.evaluation.evaluator import Evaluator
from prunus.evaluation.metrics import Fidelity


class Counted(Prefix):
    """Counts its runs."""

    count = 0

    def run(self, batch):
        self.count += 1
        return super().run(batch)


@pytest.fixture
def made(lenet, draw):
    samples = draw.standard_normal((12, 1, 12, 12)).astype(np.float32)
    evaluator = Evaluator(lenet, ArrayDataset("data", samples), Fidelity())

    def make(room):
        prefix = Counted(lenet.model, ("relu3",))
        pieces = np.array_split(np.arange(12), [8])
        return OriginalRuns(evaluator, prefix, pieces, 4, room), prefix

    return make


def test_what_is_kept_is_what_a_run_gives(made):
    kept, prefix = made(1 << 20)
    again, other = made(0)
    for number in (0, 1, 0, 1):
        for one, two in zip(kept.of(number), again.of(number), strict=True):
            assert one.samples == two.samples == 4
            assert np.array_equal(one.values["relu3"].numpy(), two.values["relu3"].numpy())
            assert np.array_equal(one.reference["ip2"], two.reference["ip2"])
            assert one.observe(one.reference) == pytest.approx(two.observe(two.reference))
    assert prefix.count == 3
    assert other.count == 6


def test_a_piece_beyond_the_room_runs_again(made):
    size = next(made(0)[0].of(0)).nbytes
    runs, prefix = made(size)
    for number in (0, 0, 1, 1):
        assert len(list(runs.of(number))) == (2, 1)[number]
    assert prefix.count == 2 + 2 + 1
