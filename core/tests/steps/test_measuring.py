from __future__ import annotations

import attrs
import pytest

from prunus.errors import DataError
from prunus.steps.continued import newest
from prunus.steps.loaded import load
from prunus.steps.measuring import measured_if_possible
from prunus.steps.prune import prune
from prunus.steps.transform import transform
from prunus.task import Task

GONE = "/data/test_lmdb: no such database"


def nowhere():
    raise DataError(GONE)


@pytest.fixture
def without_data(settings, host, monkeypatch):
    """Files that name a database on another machine."""
    import prunus.steps.loaded as steps

    read = steps.read_as

    def named(host, found, source):
        return attrs.evolve(read(host, found, source), task=Task(evaluation=nowhere))

    monkeypatch.setattr(steps, "read_as", named)
    return attrs.evolve(settings, data=None, rate=0.4)


def test_steps_go_on_without_measuring_and_say_so(host, without_data):
    report = prune(host, without_data).report
    assert report.unmeasured == f"accuracy is not measured: {GONE}"
    assert [stage.metric for stage in report.stages] == [None, None]
    small = transform(host, newest(without_data), None, measure=True).report
    assert small.unmeasured == f"accuracy is not measured: {GONE}"


@pytest.mark.parametrize(
    "wish", [{"metric": "top-1"}, {"samples": 10}, {"threshold": 0.1}, {"data": "none.npz"}]
)
def test_what_was_asked_for_is_refused(host, without_data, wish):
    settings = attrs.evolve(without_data, **wish)
    loaded = load(host, settings)
    with pytest.raises(DataError):
        measured_if_possible(loaded, settings, loaded.network)
