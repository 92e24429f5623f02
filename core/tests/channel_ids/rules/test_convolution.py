from __future__ import annotations

import numpy as np
import pytest


def ones(*shape):
    return np.ones(shape, np.float32)


def records(found, node):
    return {
        (r.initializer, r.role, r.axis): r.labels for r in found.found.records if r.node == node
    }


def test_a_convolution_reads_and_makes(label, after_conv):
    node = ("Conv", ["c", "d/weight", "d/bias"], ["d"], {})
    found = label(
        after_conv([node], {"d": (5, 4, 4)}, {"d/weight": ones(5, 6, 1, 1), "d/bias": ones(5)})
    )
    own = records(found, "d")
    assert set(own) == {("d/weight", "filter", 0), ("d/weight", "input", 1), ("d/bias", "bias", 0)}
    assert found.found.roots[own["d/weight", "input", 1]].tolist() == found.channels("c")
    assert own["d/bias", "bias", 0].tolist() == own["d/weight", "filter", 0].tolist()
    assert not set(found.channels("c")) & set(found.channels("d"))


def test_depthwise_follows_its_input(label, after_conv):
    node = ("Conv", ["c", "d/weight"], ["d"], {"group": 6})
    found = label(after_conv([node], {"d": (6, 4, 4)}, {"d/weight": ones(6, 1, 1, 1)}))
    assert found.channels("d") == found.channels("c")


def test_depthwise_with_a_multiplier_repeats_its_input(label, after_conv):
    node = ("Conv", ["c", "d/weight"], ["d"], {"group": 6})
    found = label(after_conv([node], {"d": (12, 4, 4)}, {"d/weight": ones(12, 1, 1, 1)}))
    assert found.channels("d") == np.repeat(found.channels("c"), 2).tolist()


def test_groups_must_lose_equally(label, after_conv):
    node = ("Conv", ["c", "d/weight"], ["d"], {"group": 2})
    found = label(after_conv([node], {"d": (8, 4, 4)}, {"d/weight": ones(8, 3, 1, 1)}))
    first, second = (rows.labels for rows in found.found.rows)
    assert found.found.roots[first].tolist() == np.reshape(found.channels("c"), (2, 3)).tolist()
    assert found.found.roots[second].tolist() == np.reshape(found.channels("d"), (2, 4)).tolist()
    assert records(found, "d")["d/weight", "input", 1].shape == (2, 3)


@pytest.mark.parametrize("level", [1, 2])
def test_rows_that_failed_are_held_more_strictly(label, after_conv, level):
    node = ("Conv", ["c", "d/weight"], ["d"], {"group": 2})
    network = after_conv([node], {"d": (8, 4, 4)}, {"d/weight": ones(8, 3, 1, 1)})
    found = label(network, levels={("d", 2): level})
    assert found.found.rows == ()
    if level == 1:  # channel i of every group goes with channel i of the others
        assert found.channels("c")[:3] == found.channels("c")[3:]
    else:
        assert found.frozen("c") == {"'d' orders channels by their number"}


def test_a_transposed_convolution_has_its_axes_the_other_way(label, after_conv):
    node = ("ConvTranspose", ["c", "d/weight", "d/bias"], ["d"], {})
    weights = {"d/weight": ones(6, 5, 1, 1), "d/bias": ones(5)}
    found = label(after_conv([node], {"d": (5, 4, 4)}, weights))
    assert set(records(found, "d")) == {
        ("d/weight", "filter", 1), ("d/weight", "input", 0), ("d/bias", "bias", 0)
    }  # fmt: skip


def test_a_depthwise_transposed_convolution_follows_its_input(label, after_conv):
    node = ("ConvTranspose", ["c", "d/weight"], ["d"], {"group": 6})
    found = label(after_conv([node], {"d": (6, 4, 4)}, {"d/weight": ones(6, 1, 1, 1)}))
    assert found.channels("d") == found.channels("c")


def test_a_grouped_transposed_convolution_blocks(label, after_conv):
    node = ("ConvTranspose", ["c", "d/weight"], ["d"], {"group": 2})
    found = label(after_conv([node], {"d": (8, 4, 4)}, {"d/weight": ones(6, 4, 1, 1)}))
    assert found.frozen("c") == {"feeds grouped transposed convolution 'd'"}


def test_a_computed_weight_blocks(label, after_conv):
    nodes = [("Relu", ["w"], ["made"], {}), ("Conv", ["c", "made"], ["d"], {})]
    found = label(after_conv(nodes, {"d": (5, 4, 4)}, {"w": ones(5, 6, 1, 1)}))
    assert found.frozen("c") == {"feeds 'd', whose weight is computed"}


def test_one_weight_twice_ties_what_it_reads_and_makes(label, after_conv):
    nodes = [
        ("Conv", ["c", "d/weight"], ["d"], {}),
        ("Conv", ["e", "d/weight"], ["f"], {}),
        ("Add", ["d", "f"], ["y"], {}),
    ]
    other = ("Conv", ["x", "e/weight"], ["e"], {})
    weights = {"d/weight": ones(5, 6, 1, 1), "e/weight": ones(6, 2, 1, 1)}
    found = label(after_conv([other, *nodes], {"y": (5, 4, 4)}, weights))
    assert found.channels("e") == found.channels("c")
    assert found.channels("d") == found.channels("f")
