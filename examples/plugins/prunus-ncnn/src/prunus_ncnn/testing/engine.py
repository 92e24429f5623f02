"""Networks in the real engine, the package ``ncnn`` of pip."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from types import MappingProxyType

import numpy as np

_INEXACT = (
    "use_fp16_packed use_fp16_storage use_fp16_arithmetic use_bf16_storage use_bf16_packed "
    "use_winograd_convolution"
).split()
"""Options that trade digits for speed."""

PLAIN = {"use_packing_layout": False, "use_sgemm_convolution": False}
"""Options for loops in another order, whose sums round in another way."""


def run_in_ncnn(
    model: Path, weights: Path, inputs: Mapping[str, np.ndarray], blobs: Iterable[str],
    options: Mapping[str, bool] = MappingProxyType({}),
) -> dict[str, np.ndarray]:  # fmt: skip
    """Blob -> ``(N, …)``, computed in float32, one sample after the other.

    Args:
        model: The ``.param`` file.
        weights: The ``.bin`` file.
        inputs: Input blob -> ``(N, …)``.
        blobs: Blobs to give.
        options: More settings of the engine.
    """
    import ncnn

    net = ncnn.Net()
    net.opt.num_threads = 1
    for option, value in {**dict.fromkeys(_INEXACT, False), **options}.items():
        setattr(net.opt, option, value)
    assert net.load_param(str(model)) == 0, f"ncnn cannot read {model.name}"
    assert net.load_model(str(weights)) == 0, f"ncnn cannot read {weights.name}"
    found: dict[str, list[np.ndarray]] = {blob: [] for blob in blobs}
    for row in range(len(next(iter(inputs.values())))):
        extractor = net.create_extractor()
        for name, array in inputs.items():
            extractor.input(name, ncnn.Mat(np.ascontiguousarray(array[row])).clone())
        for blob, rows in found.items():
            code, mat = extractor.extract(blob)
            assert code == 0, f"ncnn cannot compute {blob} of {model.name}"
            rows.append(np.array(mat))
    return {blob: np.stack(rows) for blob, rows in found.items()}
