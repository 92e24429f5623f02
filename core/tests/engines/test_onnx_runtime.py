from __future__ import annotations

from prunus.engines.hold import Runnable, held
from prunus.evaluation.random_inputs import random_inputs
from prunus.results import host
from prunus.testing.nets import NETS, as_network


def test_steps_are_told_by_the_values_they_make():
    """Convolutions too, which the engine fuses with what follows and keeps in another layout."""
    network = as_network(NETS["resnet_padded"](0))
    model = network.model
    with held(host(), "onnxruntime", Runnable.whole(network), 1) as running:
        times = running.steps(random_inputs(model, 1, 0))
    values = {value.name for node in model.graph for value in node.outputs}
    assert times.keys() - {""} <= values
    assert all(ms >= 0 for ms in times.values())
    assert sum(times.values()) > 0
    made = {node.outputs[0].name for node in model.graph if node.op_type in ("Conv", "Gemm")}
    behind = {user.outputs[0].name for node in model.graph for value in node.outputs if value.name in made for user, _ in value.uses()}  # fmt: skip
    assert len((made | behind) & times.keys()) >= len(made) / 2
