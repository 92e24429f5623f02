"""Times of OpenVINO's steps, by its own counters, for the values of the neutral graph."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from prunus.plugin import Network, Sample

if TYPE_CHECKING:
    import openvino

_SECONDS, _FEWEST, _MOST = 1.0, 5, 200
"""Time for the profile of one network, and runs at least and at most."""

_ORIGINAL = "originalLayersNames"
"""Which layers a step does together, in their order, with commas between."""


def steps_of(
    compiled: openvino.CompiledModel, network: Network, sample: Sample
) -> Mapping[str, float]:
    """Value of the neutral graph -> least time of the step that makes it, in milliseconds.

    OpenVINO counts whole microseconds: a step that takes less than one has time zero.

    Args:
        compiled: A model with counters (``PERF_COUNT``).
        network: The network in the neutral graph.
        sample: A sample.
    """
    request = compiled.create_infer_request()
    given = {name: np.ascontiguousarray(array) for name, array in sample.items()}
    least: dict[str, float] = {}
    runs, end = 0, time.perf_counter() + _SECONDS
    while runs < _FEWEST or (time.perf_counter() < end and runs < _MOST):
        request.infer(given)
        for step in request.profiling_info:
            took = step.real_time.total_seconds() * 1e3
            if step.status == step.Status.EXECUTED:
                least[step.node_name] = min(least.get(step.node_name, took), took)
        runs += 1
    made, found = _made(compiled, network), defaultdict[str, float](float)
    for name, took in least.items():
        found[made.get(name, "")] += took
    return dict(found)


def _made(compiled: openvino.CompiledModel, network: Network) -> dict[str, str]:
    """Step -> the value that it makes: that of the last of its layers which the graph knows."""
    values = {node.name or "": node.outputs[0].name or "" for node in network.model.graph}
    values |= {v.name: v.name for node in network.model.graph for v in node.outputs if v.name}
    found: dict[str, str] = {}
    for step in compiled.get_runtime_model().get_ordered_ops():
        layers = str(step.rt_info[_ORIGINAL].value).split(",") if _ORIGINAL in step.rt_info else []
        known = [values[name] for name in layers if name in values]
        if known:
            found[step.get_friendly_name()] = known[-1]
    return found
