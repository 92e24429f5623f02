"""The four steps' view of ``.onnx`` files: weights of another file, files that belong together."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from prunus.errors import ModelError
from prunus.formats import onnx_file
from prunus.network import Source, Written
from prunus.steps.report import size_on_disk
from prunus.testing.exported import FIRST, LAST, conv, original, save, weight

NODES = [conv("x", "w", "a"), helper.make_node("Relu", ["a"], ["r"]), conv("r", "w2", "y")]


def halved(name, array):
    return numpy_helper.from_array(numpy_helper.to_array(array) / 2, name)


def test_the_weights_of_another_file_in_the_structure_of_the_model(tmp_path):
    base = save(tmp_path / "base.onnx", NODES, [FIRST, LAST], ["N", 3, 4, 4])
    tuned = save(tmp_path / "tuned.onnx", NODES, [halved("w", FIRST), LAST], ["N", 3, 4, 4])
    network = onnx_file.prunus_load("onnx", Source(base, tuned))
    assert network.origin.path == base
    assert np.array_equal(network.weights()["w"], numpy_helper.to_array(FIRST) / 2)
    inputs = np.ones((1, 3, 4, 4), np.float32)
    assert not np.array_equal(original(base, inputs, 0), original(tuned, inputs, 0))


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        (
            [weight("w", 4, 3, 1, 1), weight("w3", 2, 4, 1, 1)],
            "{other}: has no initializer 'w2', which {base} has; give the file that was pruned or "
            "finetuned from it",
        ),
        (
            [weight("w", 6, 3, 1, 1), weight("w2", 2, 6, 1, 1)],
            "{other}: initializer 'w' is 6x3x1x1, in {base} 4x3x1x1; give the file that was pruned "
            "or finetuned from it",
        ),
    ],
)
def test_weights_of_another_network(tmp_path, weights, message):
    base = save(tmp_path / "base.onnx", NODES, [FIRST, LAST], ["N", 3, 4, 4])
    last = conv("r", weights[1].name, "y")
    other = save(tmp_path / "other.onnx", [*NODES[:2], last], weights, ["N", 3, 4, 4])
    with pytest.raises(ModelError) as caught:
        onnx_file.prunus_load("onnx", Source(base, other))
    assert str(caught.value) == message.format(base=base, other=other)


def test_weights_beside_the_model_count(tmp_path):
    how = {"save_as_external_data": True, "location": "m.bin", "size_threshold": 0}
    path = save(tmp_path / "m.onnx", NODES, [FIRST, LAST], ["N", 3, 4, 4], **how)
    (format_,) = onnx_file.prunus_register()
    whole = path.stat().st_size + (tmp_path / "m.bin").stat().st_size
    assert size_on_disk(Written(path, None), format_) == whole
    assert onnx.load(path).graph.initializer[0].raw_data
