"""Kernels of size 1 that skip points: oneDNN's own weight gradient of them is never run.

It writes past its buffer (github.com/uxlfoundation/oneDNN/issues/6035), which shows in a run
only by chance: oneDNN's report of the kernels it ran shows it always.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys

import numpy as np
import pytest
import torch
from onnx import helper

from prunus_torch.executor import Program
from prunus_torch.testing.graphs import Array, model_of

CHANNELS = 4
STEPS = """
import test_torch_convolution as t
for op in ("Conv", "ConvTranspose"):
    t.gradients(op, (2, 2), (0, 0, 0, 0))
    t.gradients(op, (1, 2), (0, 0, 0, 0))
    t.gradients(op, (2, 2), (1, 1, 1, 1))
"""


def gradients(op: str, strides: tuple[int, ...], pads: tuple[int, ...]) -> list[Array]:
    """Output ``(16, 4, h, w)`` of a node with channels last, gradients of input and weights."""
    draw = np.random.default_rng(0)
    shape = (16, CHANNELS, 32, 32)
    weight = draw.standard_normal((CHANNELS, CHANNELS, 1, 1)).astype(np.float32)
    extra = {"output_padding": [step - 1 for step in strides]} if op == "ConvTranspose" else {}
    node = helper.make_node(
        op, ["x", "w"], ["y"], kernel_shape=(1, 1), strides=strides, pads=pads, **extra
    )
    program = Program(model_of([node], {"x": shape}, ["y"], {"w": weight}), ["y"], variables=["w"])
    x = torch.from_numpy(draw.standard_normal(shape).astype(np.float32))
    x = x.to(memory_format=torch.channels_last).requires_grad_()
    w = torch.from_numpy(weight).requires_grad_()
    y = program.run({"x": x}, {"w": w})["y"]
    y.square().sum().backward()  # type: ignore[no-untyped-call]
    assert x.grad is not None
    assert w.grad is not None
    return [y.detach().numpy(), x.grad.numpy(), w.grad.numpy()]


@pytest.mark.parametrize("isa", ["AVX2", "ALL"])
def test_the_kernel_that_writes_past_its_buffer_is_not_run(isa: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", STEPS],
        capture_output=True,
        text=True,
        check=True,
        env={
            **os.environ,
            "DNNL_VERBOSE": "1",
            "DNNL_MAX_CPU_ISA": isa,
            "OMP_NUM_THREADS": "1",
            "PYTHONPATH": os.path.dirname(__file__),
        },
    )
    runs = [line for line in done.stdout.splitlines() if "backward_weights" in line]
    if not runs:
        pytest.skip("torch has no oneDNN here")
    assert len(runs) == 6
    strides = [re.search(r"kh1sh(\d).*kw1sw(\d)", run) for run in runs]
    assert {found and found.groups() for found in strides} == {("1", "1")}, runs


@pytest.mark.parametrize("strides", [(2, 2), (1, 3)])
def test_gradients_of_points(strides: tuple[int, int]) -> None:
    """Against the sums they are, in double precision."""
    draw = np.random.default_rng(0)
    weight = draw.standard_normal((CHANNELS, CHANNELS, 1, 1)).astype(np.float32)[:, :, 0, 0]
    x = draw.standard_normal((16, CHANNELS, 32, 32)).astype(np.float32).astype(np.float64)
    points = x[:, :, :: strides[0], :: strides[1]]
    y = np.einsum("oi,nihw->nohw", weight, points)
    dx = np.zeros_like(x)
    dx[:, :, :: strides[0], :: strides[1]] = np.einsum("oi,nohw->nihw", weight, 2 * y)
    wanted = [y, dx, np.einsum("nohw,nihw->oi", 2 * y, points)[:, :, None, None]]
    for found, exact in zip(gradients("Conv", strides, (0, 0, 0, 0)), wanted, strict=True):
        np.testing.assert_allclose(found, exact, rtol=0, atol=1e-5 * np.abs(exact).max())
