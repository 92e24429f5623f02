from __future__ import annotations

import numpy as np
import pytest

from prunus.evaluation.agreement import Agreement
from prunus.evaluation.collapse import CollapseWatch
from prunus.evaluation.metrics import Top

DRAW = np.random.default_rng(0)
TOP = Agreement(Top(1))


def scores(classes, count=10):
    """Scores whose highest one is of these classes."""
    noise = DRAW.standard_normal((len(classes), count)).astype(np.float32) / 10
    return {"y": noise + np.eye(count, dtype=np.float32)[classes] * 4}


def sign(outputs, reference, agreement=TOP, batch=7):
    watch = CollapseWatch(agreement)
    total = len(next(iter(reference.values())))
    for start in range(0, total, batch):
        parts = [{n: a[start : start + batch] for n, a in o.items()} for o in (outputs, reference)]
        watch.see(*parts)
    return watch.sign()


MANY = DRAW.integers(0, 10, 64)


def test_constant_outputs():
    same = {"y": np.repeat(DRAW.standard_normal((1, 10)), 64, 0).astype(np.float32)}
    said = "its outputs are the same for all 64 samples"
    assert sign(same, scores(MANY)) == said
    assert sign(same, scores(MANY), None) == said
    assert sign(same, same) is None


def test_an_output_that_never_changed_is_left_aside():
    fixed = np.ones((64, 3), np.float32)
    alive = scores(MANY)
    assert sign({**alive, "z": fixed}, {**alive, "z": fixed}, None) is None
    dead = {"y": np.ones((64, 10), np.float32), "z": fixed}
    assert sign(dead, {**alive, "z": fixed}, None) == "its outputs are the same for all 64 samples"


def test_one_class_for_all():
    assert sign(scores(np.full(64, 3)), scores(MANY)) == (
        "all 64 samples get class 3, where the original finds 10 classes"
    )


def test_one_class_is_no_sign_where_it_may_be_chance():
    few = np.array([3, 3, 3, 3, 3, 3, 3, 1])
    assert sign(scores(np.full(8, 3)), scores(few)) is None
    assert sign(scores(np.full(64, 3)), scores(np.full(64, 3))) is None


def test_agreement_near_chance():
    found = sign(scores(DRAW.permutation(np.repeat(np.arange(10), 20))), scores(np.repeat(np.arange(10), 20)))  # fmt: skip
    assert found is not None
    assert found.startswith("it agrees with the original's class for ")
    assert found.endswith("% of 200 samples, and chance alone gives 10.0%")


def test_a_network_that_agrees_mostly_is_well():
    changed = MANY.copy()
    changed[:20] = (changed[:20] + 1) % 10
    assert sign(scores(changed), scores(MANY)) is None


class Detector:
    """As many boxes as the output says."""

    def truth(self, outputs):
        return [np.zeros((int(n), 5)) for n in outputs["n"][:, 0]]


@pytest.mark.parametrize(
    ("found", "wanted", "said"),
    [
        (0, 3, "it detects nothing in 20 samples, where the original detects 60 objects"),
        (2, 3, None),
        (0, 0, None),
    ],
)
def test_detections(found, wanted, said):
    count = np.arange(20, dtype=np.float32)[:, None] / 100
    outputs = ({"n": count + number} for number in (found, wanted))
    assert sign(*outputs, Detector()) == said


def test_few_detections_of_many():
    wanted = np.full((20, 1), 3.0) + np.arange(20)[:, None] / 100
    found = np.arange(20)[:, None] / 100
    found[4] = 2
    assert sign({"n": found}, {"n": wanted}, Detector()) == (
        "it detects 2 in 20 samples, where the original detects 60 objects"
    )
