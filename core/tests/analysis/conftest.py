"""A network with groups that no mask shows."""

from __future__ import annotations

import attrs
import numpy as np
import pytest

from prunus.analysis.analysis import Analysis
from prunus.analysis.journal import Journal
from prunus.evaluation.data import ArrayDataset
from prunus.evaluation.evaluator import Evaluator
from prunus.evaluation.metrics import Fidelity
from prunus.grouping import find_groups
from prunus.network import Network
from prunus.testing.nets import NETS, as_network


@attrs.frozen(eq=False)
class BehindLrn:
    """Removal shifts the windows of cross-channel LRN.

    Attributes:
        network: Some of its groups feed an LRN.
        job: The analysis of all groups.
        seen: Done and total work units, as the analysis tells them.
    """

    network: Network
    job: Analysis
    seen: list[tuple[int, int]]


@pytest.fixture
def behind_lrn() -> BehindLrn:
    network = as_network(NETS["alexnet_lrn"](0))
    draw = np.random.default_rng(0)
    samples = draw.standard_normal((24, 3, 24, 24)).astype(np.float32)
    data = ArrayDataset(network.model.graph.inputs[0].name, samples)
    grouping, seen = find_groups(network), []
    scores = {group.name: draw.random(group.size) for group in grouping.groups}
    job = Analysis(
        grouping,
        Evaluator(network, data, Fidelity(), None, 16),
        scores,
        (0.25, 0.5, 0.75),
        Journal(None, {}),
        {},
        lambda *now: seen.append(now),
    )
    return BehindLrn(network, job, seen)
