from __future__ import annotations

from pathlib import Path

import attrs
import numpy as np
import onnx_ir as ir
import pytest

from prunus.errors import StaleError
from prunus.steps.known_mask import mask_of
from prunus.steps.loaded import load
from prunus.steps.prune import prune
from prunus.steps.transform import transform
from prunus.steps.workspace import Workspace

PLAN = Path("ws/rate_0.4/plan.json")


@pytest.fixture
def pruned(host, settings):
    return prune(host, attrs.evolve(settings, rate=0.4))


def masked(host, settings, pruned):
    return attrs.evolve(settings, model=pruned.written.model, weights=pruned.written.weights)


def change(path, name, position, value):
    """Set some numbers of an initializer."""
    model = ir.load(path)
    stored = model.graph.initializers[name]
    array = stored.const_value.numpy().copy()
    array[position] = value
    stored.const_value = ir.Tensor(array, name=name)
    ir.save(model, path)


def silence(path, position):
    """A channel that nothing makes and nothing reads, as training may leave one."""
    change(path, "ip1/weight", position, 0)
    change(path, "ip1/bias", position, 0)
    change(path, "ip2/weight", (slice(None), position), 0)


def test_the_plan_is_the_mask(host, settings, pruned):
    loaded = load(host, masked(host, settings, pruned))
    found = mask_of(Workspace(Path("ws")), loaded)
    wanted = {name: units for name, units in pruned.keep.items() if not units.all()}
    assert found.keys() == wanted.keys()
    assert all(np.array_equal(found[name], wanted[name]) for name in wanted)


def test_channels_that_happen_to_be_zero_stay(host, settings, pruned):
    alive = int(np.flatnonzero(pruned.keep["ip1"])[0])
    silence(pruned.written.model, alive)
    loaded = load(host, masked(host, settings, pruned))
    assert mask_of(Workspace(Path("ws")), loaded)["ip1"][alive]
    assert not mask_of(None, loaded)["ip1"][alive]
    report = transform(host, masked(host, settings, pruned), None, measure=False).report
    kept = {row.group: row.kept for row in report.groups}
    assert kept["ip1"] == pruned.keep["ip1"].sum()


def test_weights_that_lost_a_part_of_the_mask(host, settings, pruned):
    gone = int(np.flatnonzero(~pruned.keep["ip1"])[0])
    change(pruned.written.model, "ip2/weight", (slice(None), gone), 1)
    with pytest.raises(StaleError) as caught:
        transform(host, masked(host, settings, pruned), None, measure=False)
    assert str(caught.value) == (
        f"{pruned.written.model}: group 'ip1' does not hold the mask of {PLAN.absolute()}; run "
        "'prunus prune' again, or give --model and --weights without --workspace"
    )


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("{", "damaged (Input data was truncated); remove it and run the step again"),
        ("{}", "not a plan of this version ('groups'); plan again"),
    ],
)
def test_a_damaged_plan(host, settings, pruned, text, why):
    PLAN.write_text(text)
    with pytest.raises(StaleError) as caught:
        mask_of(Workspace(Path("ws")), load(host, masked(host, settings, pruned)))
    assert str(caught.value) == f"{PLAN.absolute()}: {why}"


def test_without_a_plan_the_weights_tell(host, settings, pruned):
    PLAN.unlink()
    found = mask_of(Workspace(Path("ws")), load(host, masked(host, settings, pruned)))
    assert np.array_equal(found["ip1"], pruned.keep["ip1"])


def test_a_round_that_excludes_more_than_the_last(host, settings, pruned):
    again = attrs.evolve(masked(host, settings, pruned), exclude=("ip1",), rate=0.5)
    second = prune(host, again)
    assert "ip1" not in second.keep
    stored = load(host, masked(host, settings, second))
    assert np.array_equal(mask_of(None, stored)["ip1"], pruned.keep["ip1"])
