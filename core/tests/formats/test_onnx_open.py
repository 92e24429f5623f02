"""Height and width that a file leaves open stay open in what is written."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import helper

from prunus.compaction import compact
from prunus.compaction.compact import identity
from prunus.formats import onnx_file
from prunus.formats.onnx_read import read_onnx
from prunus.grouping import find_groups
from prunus.masking import mask
from prunus.network import Destination
from prunus.testing.exported import FIRST, LAST, conv, original, save, whole


def size_of(value, axis, name):
    """Nodes that read one size off a value, as (1,)."""
    return [
        helper.make_node("Shape", [value], [f"{name}_shape"]),
        helper.make_node("Gather", [f"{name}_shape", f"axis{axis}"], [name]),
    ]


SIZES = [
    *size_of("x", 0, "n"),
    *size_of("a", 1, "c"),
    *size_of("a", 2, "h"),
    *size_of("a", 3, "w_"),
]
AXES = [whole(f"axis{axis}", [axis]) for axis in range(4)]


def flattened():
    """(N, C, H, W) -> (N, C, H·W) and back, all sizes read off the data."""
    return [
        *SIZES,
        helper.make_node("Mul", ["h", "w_"], ["hw"]),
        helper.make_node("Concat", ["n", "c", "hw"], ["rows"], axis=0),
        helper.make_node("Reshape", ["a", "rows"], ["r"]),
        helper.make_node("Softmax", ["r"], ["s"], axis=2),
        helper.make_node("Concat", ["n", "c", "h", "w_"], ["back"], axis=0),
        helper.make_node("Reshape", ["s", "back"], ["m"]),
    ], []


def enlarged():
    """Resized to twice the size of the data, channels stated too."""
    return [
        *SIZES,
        helper.make_node("Mul", ["h", "two"], ["h2"]),
        helper.make_node("Mul", ["w_", "two"], ["w2_"]),
        helper.make_node("Concat", ["n", "c", "h2", "w2_"], ["larger"], axis=0),
        helper.make_node("Resize", ["a", "", "", "larger"], ["m"], mode="nearest"),
    ], [whole("two", [2])]


def shuffled():
    """Channels in two rows that change places, as constants beside computed sizes."""
    return [
        *SIZES,
        helper.make_node("Concat", ["n", "two", "two", "h", "w_"], ["rows"], axis=0),
        helper.make_node("Reshape", ["a", "rows"], ["r"]),
        helper.make_node("Transpose", ["r"], ["t"], perm=[0, 2, 1, 3, 4]),
        helper.make_node("Concat", ["n", "c", "h", "w_"], ["back"], axis=0),
        helper.make_node("Reshape", ["t", "back"], ["m"]),
    ], [whole("two", [2])]


@pytest.mark.parametrize("middle", [flattened, enlarged, shuffled], ids=lambda f: f.__name__)
@pytest.mark.parametrize("stage", ["masked", "compact"])
def test_other_sizes_than_the_one_given(tmp_path, stage, middle):
    nodes, weights = middle()
    path = save(
        tmp_path / "m.onnx",
        [conv("x", "w", "a"), *nodes, conv("m", "w2", "y")],
        [FIRST, LAST, *AXES, *weights],
        ["n", 3, "height", "width"],
    )
    network = read_onnx(path, "1x3x6x4")
    grouping = find_groups(network)
    (group,) = grouping.groups
    keep = {group.name: np.array([True, False] * (group.size // 2))}
    masked = mask(network, grouping, keep)
    (tmp_path / "masked").mkdir()
    (tmp_path / "out").mkdir()
    whole_file = onnx_file.prunus_compact(
        "onnx", masked, identity(masked), Destination(tmp_path / "masked", "masked")
    ).model
    smaller = identity(masked) if stage == "masked" else compact(masked, grouping, keep)
    written = onnx_file.prunus_compact(
        "onnx", masked, smaller, Destination(tmp_path / "out", stage)
    ).model
    model = onnx.load(written)
    sizes = [dim.dim_param for dim in model.graph.input[0].type.tensor_type.shape.dim]
    assert sizes == ["N", "", "height", "width"]
    channels = {i.name: list(i.dims) for i in model.graph.initializer}["w"][0]
    assert channels == (4 if stage == "masked" else 2)
    for shape in ((1, 3, 6, 4), (2, 3, 10, 8), (3, 3, 7, 5)):
        inputs = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
        wanted = original(whole_file, inputs, 0)
        found = original(written, inputs, 0)
        assert found.shape == wanted.shape
        assert np.abs(found - wanted).max() <= 1e-5 * np.abs(wanted).max()
