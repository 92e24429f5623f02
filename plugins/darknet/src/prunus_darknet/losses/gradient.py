"""A torch value with a gradient that was computed elsewhere; needs torch, unlike its callers."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


class _Given(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, raw: Tensor, value: Tensor, gradient: Tensor) -> Tensor:
        ctx.save_for_backward(gradient)
        return value

    @staticmethod
    def backward(ctx: Any, *outer: Tensor) -> tuple[Tensor, None, None]:
        (gradient,) = ctx.saved_tensors
        return outer[0] * gradient, None, None


def given_gradient(raw: Tensor, value: float, gradient: NDArray[np.float64]) -> Tensor:
    """A scalar of the given value whose gradient with respect to ``raw`` is ``gradient``."""
    cost = raw.new_tensor(value)
    result = _Given.apply(raw, cost, raw.new_tensor(gradient))  # type: ignore[no-untyped-call]
    assert isinstance(result, Tensor)
    return result
