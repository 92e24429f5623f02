from __future__ import annotations

from pathlib import Path

import attrs
import numpy as np
import pytest

from prunus.errors import DataError, ModelError, UsageError
from prunus.evaluation.data import ArrayDataset
from prunus.network import TaskNames
from prunus.steps.loaded import evaluator_for, load
from prunus.task import Task


def test_weights_beside_a_file_that_holds_its_own(host, settings):
    Path("some.weights").touch()
    with pytest.raises(UsageError) as caught:
        load(host, attrs.evolve(settings, weights=Path("some.weights")))
    assert str(caught.value) == (
        "--weights some.weights: no .onnx file; a network's weights come from its own file, or "
        "from another .onnx file of the same structure"
    )


def test_missing_weights(host, settings):
    with pytest.raises(ModelError) as caught:
        load(host, attrs.evolve(settings, weights=Path("no.weights")))
    assert str(caught.value) == "no.weights: no such file; check --weights"


@pytest.mark.parametrize("name", ["model", "weights", "solver"])
@pytest.mark.parametrize("path", [":", "no", "no.onnx", "a/../b"])
def test_a_missing_file_that_a_configuration_names(host, settings, name, path):
    named = attrs.evolve(settings, **{name: Path(path)}, origins={name: Path("prune.cfg")})
    with pytest.raises(ModelError) as caught:
        load(host, named)
    assert str(caught.value) == (
        f"prune.cfg: {name} = '{path}': no such file; correct the path there or give --{name}"
    )


@pytest.mark.parametrize("name", ["conv9", "conv", ""])
def test_layers_that_are_not_there_cannot_be_excluded(host, settings, name):
    with pytest.raises(UsageError) as caught:
        load(host, attrs.evolve(settings, exclude=("conv1", name)))
    near = "; did you mean 'conv2'?" if name else ""
    assert str(caught.value) == (
        f"--exclude {name}: the network has no such layer{near}; 'prunus stat' lists them"
    )


def test_options_the_format_does_not_have(host, settings):
    with pytest.raises(UsageError) as caught:
        load(host, attrs.evolve(settings, options={"input_shape": "1x1x12x12"}))
    assert str(caught.value) == (
        "--option input_shape: format onnx has no such option; it has input-shape"
    )
    assert load(host, attrs.evolve(settings, options={"input-shape": "1x1x12x12"}))


def test_the_recipe_the_metric_and_the_data_reach_the_format(host, settings):
    earlier = TaskNames(Path("old.prototxt"), "top-1", "x.data")
    now = attrs.evolve(settings, solver=Path("s.prototxt"), data=None, earlier=earlier)
    wanted = TaskNames(Path("s.prototxt"), "top-1", "x.data")
    assert load(host, now).source.task == wanted
    assert load(host, settings).source.task == TaskNames(data="test.npz")


def samples(labels=True):
    return ArrayDataset("data", np.zeros((6, 1, 12, 12)), np.zeros(6, np.int64) if labels else None)


def with_task(loaded, **task):
    return attrs.evolve(loaded, network=attrs.evolve(loaded.network, task=Task(**task)))


def test_how_many_samples_are_measured(host, settings):
    loaded = with_task(load(host, settings), batch_size=8)

    def count(**changes):
        return evaluator_for(loaded, attrs.evolve(settings, **changes), loaded.network).count

    assert count() == 40
    assert count(samples=7) == 7
    assert count(samples=700) == 40
    assert count(batches=3) == 24
    assert count(batches=3, samples=7) == 7
    assert evaluator_for(loaded, attrs.evolve(settings, data=None), loaded.network) is None


def test_the_networks_own_samples_give_way_to_the_users(host, settings):
    loaded = with_task(load(host, settings), evaluation=samples)
    own = evaluator_for(loaded, attrs.evolve(settings, data=None), loaded.network)
    assert own.count == 6
    assert evaluator_for(loaded, settings, loaded.network).count == 40


def test_an_empty_data_set(host, settings):
    loaded = with_task(
        load(host, settings), evaluation=lambda: ArrayDataset("data", np.zeros((0, 1, 12, 12)))
    )
    with pytest.raises(DataError, match="^no samples: the data set is empty$"):
        evaluator_for(loaded, attrs.evolve(settings, data=None), loaded.network)


def test_missing_data_is_missed_in_the_configuration_that_names_it(host, settings):
    loaded = load(host, settings)
    named = attrs.evolve(settings, data=":", origins={"data": Path("prune.cfg")})
    with pytest.raises(DataError) as caught:
        evaluator_for(loaded, named, loaded.network)
    assert str(caught.value) == (
        "prune.cfg: data: :: no such file or directory; --data takes .npz, an image folder or a "
        "list file, and settings behind it as FILE:scale=0.004,mean=1,2,3"
    )
