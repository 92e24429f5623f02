"""What only AlexeyAB's fork has: OpenCV DNN where it reads it, the formulas where it does not."""

from __future__ import annotations

import numpy as np
import pytest

from prunus.grouping import find_groups
from prunus.network import Source
from prunus.testing import cut
from prunus_darknet.read import load
from prunus_darknet.testing.compare import random_input, run_graph
from prunus_darknet.testing.opencv import compare_with_opencv
from prunus_darknet.testing.pruning import written

CONV = "[convolutional]\nfilters={n}\nsize=3\nstride={s}\npad=1\nactivation={a}\n"
FORMULAS = {
    "relu6": lambda x: np.clip(x, 0, 6),
    "swish": lambda x: x / (1 + np.exp(-x)),
    "mish": lambda x: x * np.tanh(np.log1p(np.exp(x))),
    "hard_mish": lambda x: np.where(x > 0, x, np.where(x > -2, x * x / 2 + x, 0)),
    "gelu": lambda x: 0.5 * x * (1 + np.tanh(0.797885 * x + 0.035677 * x**3)),
}


def conv(n: int, s: int = 1, a: str = "leaky") -> str:
    return CONV.format(n=n, s=s, a=a)


def values(files, *names):
    network = load(Source(*files))
    data = random_input(network.origin.structure.input, 0)[None]
    found = run_graph(network.model, {"data": data}, list(names))
    return [data, *(found[name] for name in names)]


@pytest.mark.parametrize("activation", FORMULAS)
def test_activations(activation, make_files):
    layers = conv(8, a="linear") + f"[activation]\nactivation={activation}\n"
    model, weights = make_files(layers)
    scaled = np.fromfile(weights, np.float32)
    scaled[5:] *= 4
    scaled.tofile(weights)
    _, before, after = values((model, weights), "0:convolutional", "1:activation")
    assert before.min() < -4
    assert before.max() > 4
    wanted = FORMULAS[activation](before.astype(np.float64))
    np.testing.assert_allclose(after, wanted, rtol=1e-5, atol=1e-6)


@pytest.mark.opencv
@pytest.mark.parametrize(
    "layers",
    {
        "mish": conv(6, a="mish") + conv(4),
        "swish": conv(6, a="swish") + conv(4),
        "logistic": conv(6, a="logistic") + conv(4),
        "sam": conv(6) + conv(6, a="logistic") + "[sam]\nfrom=-2\nactivation=linear\n" + conv(4),
        "scale_channels": conv(6)
        + "[avgpool]\n"
        + "[convolutional]\nfilters=6\nsize=1\nactivation=logistic\n"
        + "[scale_channels]\nfrom=-3\nactivation=linear\n"
        + conv(4),
        "route-groups": conv(8) + "[route]\nlayers=-1\ngroups=2\ngroup_id=1\n" + conv(4),
        "reorg": conv(8) + "[reorg]\nstride=2\n" + conv(4),
        "depthwise": conv(8) + conv(8).replace("size", "groups=8\nsize") + conv(4),
        "upsample": conv(8, 2) + "[upsample]\nstride=2\n" + conv(4),
    }.items(),
    ids=lambda item: item[0],
)
def test_layers_equal_opencv(layers, make_files):
    pytest.importorskip("cv2", reason="OpenCV is not installed")
    model, weights = make_files(layers[1])
    network = load(Source(model, weights, {"normalization": "opencv"}))
    difference = compare_with_opencv(network, model, weights)
    assert difference.error <= 1e-5, difference


def test_dilation_pads_as_much(make_files):
    """``pad * dilation`` on each side: the output keeps the input's size."""
    layer = "[convolutional]\nfilters=1\nsize=3\npad=1\ndilation=2\nactivation=linear\n"
    files = make_files(layer, c=1, h=7, w=7)
    data, found = values(files, "0:convolutional")
    stored = np.fromfile(files[1], np.float32)[5:]
    kernel, padded = stored[1:].reshape(3, 3), np.pad(data[0, 0], 2)
    wanted = stored[0] + sum(
        kernel[i, j] * padded[2 * i : 2 * i + 7, 2 * j : 2 * j + 7] for i, j in np.ndindex(3, 3)
    )
    np.testing.assert_allclose(found[0, 0], wanted, rtol=1e-5, atol=1e-6)


def test_strides_of_their_own(make_files):
    layer = "[convolutional]\nfilters=2\nsize=1\nstride_x=3\nstride_y=2\nactivation=linear\n"
    data, found = values(make_files(layer, c=1), "0:convolutional")
    assert found.shape == (1, 2, 6, 4)
    flat = data[0, 0, ::2, ::3].ravel()
    assert np.corrcoef(found[0, 0].ravel(), flat)[0, 1] ** 2 > 0.999


def test_shortcut_of_several_layers(make_files):
    layers = conv(4) * 3 + "[shortcut]\nfrom=-2,-3\nactivation=linear\n"
    names = [f"{index}:convolutional" for index in range(3)]
    _, *parts, total = values(make_files(layers), *names, "3:shortcut")
    np.testing.assert_allclose(total, sum(parts), rtol=1e-5, atol=1e-6)


def test_reorg3d_is_plain_space_to_depth(make_files):
    _, before, after = values(
        make_files(conv(3) + "[reorg3d]\nstride=2\n"), "0:convolutional", "1:reorg3d"
    )
    wanted = np.concatenate([before[:, :, i::2, j::2] for i, j in np.ndindex(2, 2)], 1)
    np.testing.assert_array_equal(after, wanted)


def test_local_avgpool_counts_real_pixels(make_files):
    files = make_files("[local_avgpool]\nsize=3\nstride=1\n", c=1, h=4, w=4)
    data, found = values(files, "0:local_avgpool")
    assert found[0, 0, 0, 0] == pytest.approx(data[0, 0, :2, :2].mean(), rel=1e-5)
    assert found[0, 0, 1, 1] == pytest.approx(data[0, 0, :3, :3].mean(), rel=1e-5)


def test_shared_weights_are_one_initializer(make_files, tmp_path):
    layers = conv(6) * 2 + conv(6).replace("filters", "share_index=-1\nfilters") + conv(2)
    model, weights = make_files(layers)
    network = load(Source(model, weights))
    assert not [name for name in network.bindings if name.startswith("2:")]
    pruned = cut(network, 0.5)
    files = written(pruned, tmp_path / "out")
    again = load(Source(files.model, files.weights))
    data = {"data": random_input(network.origin.structure.input, 0)[None]}
    first, second = run_graph(pruned.masked.model, data), run_graph(again.model, data)
    np.testing.assert_allclose(second["3:convolutional"], first["3:convolutional"], rtol=1e-4)
    assert files.model.read_text().count("filters=3") == 3


def test_weighted_shortcut_is_a_barrier_and_keeps_its_weights(make_files, tmp_path):
    layers = (
        conv(4) * 2
        + "[shortcut]\nfrom=0\nweights_type=per_channel\nweights_normalization=relu\n"
        + conv(6)
        + conv(2)
    )
    network = load(Source(*make_files(layers)))
    reason = "feeds opaque layer 2 of type 'shortcut' with weights_type=per_channel"
    assert network.frozen == {"1:convolutional": reason, "0:convolutional": reason}
    assert [value.name for value in network.model.graph.inputs] == ["data", "2:shortcut"]
    assert network.notes[-1].endswith(
        "is not lowered: what feeds it is kept whole, what it gives is a graph input"
    )
    files = written(cut(network, 0.5), tmp_path / "out")
    again = load(Source(files.model, files.weights))
    assert np.array_equal(again.origin.slots[2, 0], network.origin.slots[2, 0])


def test_excluded_by_plain_index(make_files):
    network = load(Source(*make_files(conv(4) * 3)))
    names = [group.name for group in find_groups(network).groups]
    assert names == ["0:convolutional", "1:convolutional"]
    assert [group.name for group in find_groups(network, ("1",)).groups] == ["0:convolutional"]


@pytest.mark.opencv
@pytest.mark.parametrize("variance", [-7e-44, -5e-7])
def test_variances_just_below_zero_have_a_root_in_opencv(variance, make_files):
    pytest.importorskip("cv2", reason="OpenCV is not installed")
    model, weights = make_files(conv(4).replace("size", "batch_normalize=1\nsize"))
    stored = np.fromfile(weights, np.float32)
    stored[5 + 12 + 2] = variance
    stored.tofile(weights)
    network = load(Source(model, weights, {"normalization": "opencv"}))
    assert compare_with_opencv(network, model, weights).error < 1e-4
