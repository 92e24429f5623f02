"""Write-back: only numbers change in the text, only blobs in the weights."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from prunus.compaction import compact
from prunus.evaluation.random_inputs import random_inputs
from prunus.evaluation.session import Session
from prunus.grouping import find_groups
from prunus.masking import mask
from prunus.network import Compact, Destination, Network, Source, Written
from prunus.selection import choose_units
from prunus_caffe.caffemodel import read_weights
from prunus_caffe.plain import plain_text
from prunus_caffe.read import load
from prunus_caffe.schema import message
from prunus_caffe.testing import CaffeJob, relative_error, run_caffe
from prunus_caffe.write import write

ODD = """# A file as people write them.\r
name :'odd'   input:"data"
input_dim:1 input_dim : 2   # two channels
input_dim: 8,input_dim: 8;
layer{name:"first"type:"Convolution"bottom:"data"top:"first"
   convolution_param{num_output:8 # eight
     kernel_size:[3,3]bias_term:false future_field { num_output: 8 } } }
layer { name: "n" type: "BatchNorm" bottom: "first" top: "first" }
layer <name: "s" type: "Scale" bottom: "first" top: "first" scale_param < bias_term: true > >
layer { name: "r" type: "ReLU" bottom: "first" top: "first" }

layer { name: "dw" type: "Convolution" bottom: "first" top: "dw"
\tconvolution_param { group: 8
\t\tnum_output   :   8\tkernel_size: 3 } }
layer { name: "point" type: "Convolution" bottom: "dw" top: "point"
  convolution_param: { num_output: 0x06 kernel_size: 1 } }
layer { name: "rows" type: "Reshape" bottom: "point" top: "rows"
  reshape_param { shape { dim: 0 dim: 6 dim: -1 } } }
layer { name: "back" type: "Reshape" bottom: "rows" top: "back"
  reshape_param { shape { dim: 0 dim: 0 dim: 4 dim: 4 } } }
layer { name: "cut" type: "Slice" bottom: "back" top: "left" top: "right"
  slice_param { slice_point: 2 } }
layer { name: "lf" type: "InnerProduct" bottom: "left" top: "lf" inner_product_param { num_output: 4 } }
layer { name: "rf" type: "InnerProduct" bottom: "right" top: "rf" inner_product_param { num_output: 3 } }
layer { name: "custom" type: "Mystery" bottom: "lf" top: "custom" mystery_param { num_output: 4 } }
layer { name: "aux" type: "InnerProduct" bottom: "rf" top: "aux" include { phase: TRAIN }
  inner_product_param { num_output: 3 } }
"""
V1 = """input: "data" input_dim: 1 input_dim: 2 input_dim: 8 input_dim: 8
layers { name: "c" type: CONVOLUTION bottom: "data" top: "c" blobs_lr: 1
  convolution_param { num_output: 6 kernel_size: 3 group: 2 } }
layers { name: "f" type: INNER_PRODUCT bottom: "c" top: "f" inner_product_param { num_output: 3 } }
"""


def pruned(network: Network, share: float = 0.5) -> tuple[Network, Compact]:
    grouping = find_groups(network)
    draw = np.random.default_rng(4)
    keep = {
        g.name: choose_units(g, draw.random(g.size), round(g.size * share)) for g in grouping.groups
    }
    masked = mask(network, grouping, keep)
    return masked, compact(masked, grouping, keep)


def out(
    folder: Path, network: Network, small: Compact, stage: str, name: str | None = None
) -> Written:
    directory = folder / stage
    directory.mkdir(exist_ok=True)
    return write(network, small, Destination(directory, stage, name))


def made(folder: Path, text: str) -> tuple[Path, Network]:
    """A network read from files, its weights written by ourselves."""
    model = folder / "net.prototxt"
    model.write_bytes(text.encode())
    drawn = load(Source(model, None, {"weights": "random"}))
    written = write(drawn, Compact(drawn.model, {}), Destination(folder, "masked"))
    return model, load(Source(model, written.weights))


def test_nothing_changed_gives_the_same_bytes(tmp_path: Path) -> None:
    model, network = made(tmp_path, ODD)
    written = out(tmp_path, network, Compact(network.model, {}), "compact")
    assert written.model.read_bytes() == model.read_bytes()
    assert written.weights.read_bytes() == (tmp_path / "sparse.caffemodel").read_bytes()


def test_only_numbers_change(tmp_path: Path) -> None:
    model, network = made(tmp_path, ODD)
    masked, small = pruned(network)
    written = out(tmp_path, masked, small, "compact")
    before, after = model.read_bytes().decode(), written.model.read_bytes().decode()
    split = re.compile(r"((?<![\w.])(?:0x[0-9a-f]+|\d+)(?![\w.]))")
    old, new = split.split(before), split.split(after)
    assert old[::2] == new[::2]  # everything between the numbers
    changed = {
        (old[i - 1].split()[-1] if old[i - 1].split() else "", old[i], new[i])
        for i in range(1, len(old), 2)
        if old[i] != new[i]
    }
    fields = {name.split("{")[-1].strip(" :\t") or "num_output" for name, _, _ in changed}
    assert fields <= {"num_output", "group", "dim", "slice_point"}
    first = network.model.graph.initializers["first/weight"].shape[0]
    kept = small.model.graph.initializers["first/weight"].shape[0]
    assert kept < first
    assert f"num_output:{kept} # eight" in after
    assert "future_field { num_output: 8 }" in after
    assert "mystery_param { num_output: 4 }" in after
    assert f"group: {kept}\n" in after


def test_compact_files_load_and_equal_the_masked_network(tmp_path: Path) -> None:
    _, network = made(tmp_path, ODD)
    masked, small = pruned(network)
    written = out(tmp_path, masked, small, "compact")
    again = load(Source(written.model, written.weights))
    inputs = random_inputs(network.model, 2, 0)
    ours, theirs = Session(masked.model).run(inputs), Session(again.model).run(inputs)
    assert ours.keys() == theirs.keys()
    for name, array in ours.items():
        assert relative_error(theirs[name], array) <= 1e-5


def test_masked_stage_keeps_the_structure_and_foretells_the_compact_one(tmp_path: Path) -> None:
    model, network = made(tmp_path, ODD)
    masked, small = pruned(network)
    first, second = out(tmp_path, masked, small, "masked"), out(tmp_path, masked, small, "compact")
    assert first.model == tmp_path / "masked" / model.name
    assert first.model.read_bytes() == model.read_bytes()
    assert first.weights == tmp_path / "masked" / "sparse.caffemodel"
    assert (tmp_path / "masked" / "final.prototxt").read_bytes() == second.model.read_bytes()
    again = load(Source(first.model, first.weights))
    for name in again.bindings:
        array = again.weights()[name]
        np.testing.assert_array_equal(array, masked.weights()[name])


@pytest.mark.parametrize(
    ("name", "model", "weights"),
    [
        (None, "final.prototxt", "transformed.caffemodel"),
        ("small.caffemodel", "final.prototxt", "small.caffemodel"),
        ("small", "small.prototxt", "small.caffemodel"),
        ("small.prototxt", "small.prototxt", "small.caffemodel"),
    ],
)
def test_names(name: str | None, model: str, weights: str, tmp_path: Path) -> None:
    _, network = made(tmp_path, V1)
    written = out(tmp_path, network, Compact(network.model, {}), "compact", name)
    assert (written.model.name, written.weights.name) == (model, weights)


@pytest.mark.parametrize("text", [ODD, V1])
def test_layers_inside_the_caffemodel_get_the_numbers_too(text: str, tmp_path: Path) -> None:
    """As a file saved by Caffe: it repeats every layer's parameters."""
    model = tmp_path / "net.prototxt"
    model.write_text(text)
    drawn = load(Source(model, None, {"weights": "random"}))
    written = write(drawn, Compact(drawn.model, {}), Destination(tmp_path, "masked"))
    proto = message("NetParameter").FromString(written.weights.read_bytes())
    saved = message("NetParameter")()
    for layer in proto.layer:
        record = next(r for r in drawn.origin.net.layers if r.name == layer.name)
        full = (saved.layers if record.v1 else saved.layer).add()
        full.CopyFrom(record.params)
        full.blobs.extend(layer.blobs)
    (tmp_path / "saved.caffemodel").write_bytes(saved.SerializeToString())
    network = load(Source(model, tmp_path / "saved.caffemodel"))
    masked, small = pruned(network)
    compacted = out(tmp_path, masked, small, "compact")
    again = message("NetParameter").FromString(compacted.weights.read_bytes())
    layers = {layer.name: layer for layer in [*again.layer, *again.layers]}
    for record in load(Source(compacted.model, compacted.weights)).origin.net.layers:
        stored = layers[record.name]
        assert stored.convolution_param == record.params.convolution_param
        assert stored.inner_product_param == record.params.inner_product_param
        assert stored.slice_param == record.params.slice_param


def test_equal_slices_that_become_unequal_get_their_points(tmp_path: Path) -> None:
    text = V1.replace("group: 2", "").replace(
        "layers { name: \"f\"", "layers { name: \"s\" type: SLICE bottom: \"c\" top: \"a\" top: \"b\" }\n"
        "layers { name: \"g\" type: INNER_PRODUCT bottom: \"b\" top: \"g\""
        " inner_product_param { num_output: 2 } }\nlayers { name: \"f\"",
    ).replace('bottom: "c" top: "f"', 'bottom: "a" top: "f"')  # fmt: skip
    model, network = made(tmp_path, text)
    grouping = find_groups(network)
    keep = {
        g.name: np.arange(g.size) < (1 if index else 3) for index, g in enumerate(grouping.groups)
    }
    assert [group.size for group in grouping.groups] == [3, 3]
    masked = mask(network, grouping, keep)
    written = out(tmp_path, masked, compact(masked, grouping, keep), "compact")
    changed = written.model.read_text()
    assert changed == model.read_text().replace("num_output: 6", "num_output: 4").replace(
        'top: "a" top: "b" }', 'top: "a" top: "b" slice_param { slice_point: 3 } }'
    )
    inputs = random_inputs(network.model, 1, 0)
    again = load(Source(written.model, written.weights))
    for name, array in Session(masked.model).run(inputs).items():
        assert relative_error(Session(again.model).run(inputs)[name], array) <= 1e-5


BN = """input: "data" input_dim: 1 input_dim: 4 input_dim: 6 input_dim: 6
layer { name: "c" type: "Convolution" bottom: "data" top: "c" convolution_param { num_output: 4 kernel_size: 3 } }
layer { name: "n" type: "BatchNorm" bottom: "c" top: "n" }
layer { name: "f" type: "InnerProduct" bottom: "n" top: "f" inner_product_param { num_output: 2 } }
"""


def scaled(folder: Path, factor: float) -> tuple[Path, Path]:
    """BatchNorm statistics as Caffe accumulates them: times the third blob."""
    model, _ = made(folder, BN)
    path = folder / "sparse.caffemodel"
    proto = message("NetParameter").FromString(path.read_bytes())
    for blob in proto.layer[1].blobs:
        numbers = np.array(blob.data, np.float32) * np.float32(factor)
        blob.ClearField("data")
        blob.data.extend(numbers.tolist())
    path.write_bytes(proto.SerializeToString())
    return model, path


def test_batch_norm_factor_keeps_its_bytes(tmp_path: Path) -> None:
    model, weights = scaled(tmp_path, 999.98236)
    network = load(Source(model, weights))
    assert 0.4 < network.weights()["n/variance"].min() < 1.6
    written = out(tmp_path, network, Compact(network.model, {}), "masked")
    assert written.weights.read_bytes() == weights.read_bytes()
    masked, small = pruned(network)
    stored = read_weights(out(tmp_path, masked, small, "compact").weights)
    blobs = stored.layer("n").blobs
    assert stored.array(blobs[2])[0] == np.float32(999.98236)
    assert stored.array(blobs[0]).size == 2


def test_changed_statistics_are_written_with_factor_one(tmp_path: Path) -> None:
    model, weights = scaled(tmp_path, 999.98236)
    network = load(Source(model, weights))
    mean = np.array([1, 2, 3, 4], np.float32)
    changed = network.with_weights({"n/mean": mean})
    written = out(tmp_path, changed, Compact(changed.model, {}), "masked")
    stored = read_weights(written.weights)
    mean_blob, variance, factor = map(stored.array, stored.layer("n").blobs)
    assert factor[0] == 1
    np.testing.assert_array_equal(mean_blob, mean)
    np.testing.assert_array_equal(variance, network.weights()["n/variance"])


def test_zero_factor_means_zero_statistics(tmp_path: Path) -> None:
    model, weights = scaled(tmp_path, 0)
    network = load(Source(model, weights))
    assert not network.weights()["n/variance"].any()
    written = out(tmp_path, network, Compact(network.model, {}), "masked")
    assert written.weights.read_bytes() == weights.read_bytes()


@pytest.mark.caffe
@pytest.mark.parametrize("factor", [0, 0.5, 999.98236])
def test_batch_norm_factor_in_real_caffe(factor: float, tmp_path: Path, caffe: str) -> None:
    model, weights = scaled(tmp_path, factor)
    network = load(Source(model, weights))
    inputs = random_inputs(network.model, 1, 0)
    (theirs,) = run_caffe([CaffeJob(model, weights, inputs, ("n",))], caffe)
    assert relative_error(Session(network.model, ("n",)).run(inputs)["n"], theirs["n"]) <= 1e-5


def test_full_disk_and_missing_directory(tmp_path: Path) -> None:
    from prunus.errors import ModelError

    _, network = made(tmp_path, V1)
    with pytest.raises(ModelError, match=r"final.prototxt: cannot be written \(No such file"):
        write(network, Compact(network.model, {}), Destination(tmp_path / "no", "masked"))


@pytest.mark.caffe
def test_odd_file_in_real_caffe(tmp_path: Path, caffe: str) -> None:
    """Without its two layers that no Caffe knows, the odd text and its compact form run there."""
    text = "\n".join(line for line in ODD.splitlines() if "Mystery" not in line)
    text = text.replace("future_field { num_output: 8 }", "")
    _, network = made(tmp_path, text)
    masked, small = pruned(network)
    big, little = out(tmp_path, masked, small, "masked"), out(tmp_path, masked, small, "compact")
    plain = tmp_path / "plain.prototxt"
    plain.write_text(plain_text(load(Source(little.model, little.weights))))
    inputs = random_inputs(network.model, 1, 0)
    names = tuple(value.name for value in network.model.graph.outputs)
    jobs = [CaffeJob(m, w, inputs, names)
            for m, w in ((big.model, big.weights), (little.model, little.weights), (plain, little.weights))]  # fmt: skip
    first, second, third = run_caffe(jobs, caffe)
    for name in names:
        assert relative_error(second[name], first[name]) <= 1e-5
        assert relative_error(third[name], first[name]) <= 1e-5
