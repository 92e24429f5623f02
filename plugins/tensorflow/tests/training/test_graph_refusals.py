"""What cannot be trained says so in one line and what to do."""

from __future__ import annotations

from pathlib import Path

import attrs
import numpy as np
import pytest

from prunus.errors import DataError, UsageError
from prunus.task import LearningRate
from prunus_tensorflow import train
from prunus_tensorflow.testing.graph_job import build, files, job

tf = pytest.importorskip("tensorflow", reason="TensorFlow is not installed")
tf1 = tf.compat.v1
pytestmark = pytest.mark.tensorflow

OWN = """
def train(session, graph, batches, step):
    pass
"""


@pytest.fixture
def own(tmp_path: Path) -> Path:
    path = tmp_path / "own.py"
    path.write_text(OWN)
    return path


def test_refusals_name_what_to_do(own: Path, tmp_path: Path) -> None:
    one = job(tmp_path)
    option = {"train-fn": f"{own}:train"}
    with pytest.raises(UsageError, match=r"^--train-fn and --distill are two ways to train"):
        train.finetune(attrs.evolve(one, options=option, teacher=one.network))
    with pytest.raises(UsageError, match=r"^--train-fn nonsense: write FILE\.py:function or"):
        train.finetune(attrs.evolve(one, options={"train-fn": "nonsense"}))
    high = attrs.evolve(one.training, labels=np.full(64, 7))
    with pytest.raises(DataError, match=r"^a training label is 7, and the model has classes 0 to"):
        train.finetune(attrs.evolve(one, training=high))
    real = attrs.evolve(one.training, labels=np.zeros(64, np.float32))
    with pytest.raises(DataError, match=r"^the training labels are no class numbers: give --train"):
        train.finetune(attrs.evolve(one, training=real))
    odd = attrs.evolve(one.recipe, solver="AdaDelta")
    with pytest.raises(UsageError, match=r"^graphs are trained by SGD, Nesterov, Adam with a"):
        train.finetune(attrs.evolve(one, recipe=odd))
    fast = attrs.evolve(one.recipe, learning_rate=LearningRate(base=1e30))
    with pytest.raises(UsageError, match="training diverged at iteration"):
        train.finetune(attrs.evolve(one, recipe=fast))
    with pytest.raises(UsageError, match="read from TensorFlow's files"):
        train.finetune(attrs.evolve(one, network=attrs.evolve(one.network, origin=None)))


def test_batch_size_of_the_graph_is_asked_for(tmp_path: Path) -> None:
    source = files(tmp_path, lambda: build(keep="none", fixed=4))
    with pytest.raises(UsageError) as caught:
        train.finetune(job(tmp_path, source))
    assert str(caught.value) == (
        "input 'x' takes batches of shape [4, 8, 8, 3]: give --batch-size 4"
    )


def test_several_outputs_need_a_function(tmp_path: Path) -> None:
    def two() -> None:
        build()
        graph = tf1.get_default_graph()
        tf.nn.tanh(graph.get_tensor_by_name("scores:0"), name="more")

    source = files(tmp_path, two)
    with pytest.raises(UsageError) as caught:
        train.finetune(job(tmp_path, source))
    assert str(caught.value) == (
        "the graph has outputs classes, more, and a sample has one label: give --train-fn, or use "
        "--distill"
    )
