from __future__ import annotations

import numpy as np
import pytest


@pytest.mark.parametrize(("kind", "gates"), [("LSTM", 4), ("GRU", 3), ("RNN", 1)])
def test_recurrent_layers_keep_what_they_read_and_make(label, after_conv, kind, gates):
    nodes = [
        ("Flatten", ["c"], ["f"], {"axis": 2}),
        ("Unsqueeze", ["f", "axes"], ["u"], {}),
        (kind, ["u", "r/w", "r/r"], ["y"], {"hidden_size": 3}),
    ]
    weights = {
        "axes": np.array([1]),
        "r/w": np.ones((1, 3 * gates, 16), np.float32),
        "r/r": np.ones((1, 3 * gates, 3), np.float32),
    }
    found = label(after_conv(nodes, {"y": (1, 1, 3)}, weights))
    assert found.frozen("c") == {f"feeds recurrent layer 'y' ({kind})"}
    assert found.frozen("y") == {f"made by 'y' of type '{kind}'"}
