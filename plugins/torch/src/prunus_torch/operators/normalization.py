"""BatchNormalization and the other normalisations."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from prunus_torch.operators.node import Builder, Node, Operation
from prunus_torch.processes import processes_now, together


def _batch_normalization(node: Node) -> Operation:
    """Running statistics in inference; batch statistics in training, updating the running ones.

    The rule of training, in place on the two statistics tensors, with m values a channel:
    ``mean += share * (batch mean - mean)`` and ``variance += share * (batch variance *
    m/(m-1) - variance)``; the batch itself is normalised by the variance without that
    factor. It is Caffe's (``BatchNormLayer::Forward_cpu``) once its scale factor blob has
    settled at ``1/(1 - moving_average_fraction)``. Of several processes the batch is that of all.
    """
    epsilon = node.get("epsilon", 1e-5)
    share = node.statistics

    def run(x: Tensor, scale: Tensor, shift: Tensor, mean: Tensor, variance: Tensor) -> Tensor:
        if share is not None and processes_now().count > 1:
            return _normalized_together(x, scale, shift, (mean, variance), share, epsilon)
        # A single value a channel has no variance: Caffe would give zeros, which trains nothing.
        training = share is not None and x.numel() > x.shape[1]
        return torch.batch_norm(
            x, scale, shift, mean, variance, training, share or 0.0, epsilon, False
        )

    return run


def _normalized_together(
    x: Tensor,
    scale: Tensor,
    shift: Tensor,
    running: tuple[Tensor, Tensor],
    share: float,
    epsilon: float,
) -> Tensor:
    """The rule of training with the batches of all processes (torch's own needs a GPU)."""
    axes, shape = (0, *range(2, x.ndim)), (1, -1, *(1,) * (x.ndim - 2))
    processes = processes_now()
    variance, mean = torch.var_mean(x, axes, correction=0)
    mean, variance = together(mean, variance, processes)
    count = processes.count * x.numel() // x.shape[1]
    with torch.no_grad():
        running[0].lerp_(mean, share)
        running[1].lerp_(variance * (count / (count - 1)), share)
    factor = scale * torch.rsqrt(variance + epsilon)
    return x * factor.reshape(shape) + (shift - mean * factor).reshape(shape)


def _lrn(node: Node) -> Operation:
    """``x / (bias + alpha * mean)^beta`` with the mean of ``size`` squares along the channels.

    Channels that are not there count as 0; of an even window the longer half lies behind.
    """
    size = node.get("size")
    alpha, beta, bias = node.get("alpha", 1e-4), node.get("beta", 0.75), node.get("bias", 1.0)
    before, after = (size - 1) // 2, size - 1 - (size - 1) // 2

    def run(x: Tensor) -> Tensor:
        squares = functional.pad(
            (x * x).reshape(x.shape[0], 1, x.shape[1], -1), [0, 0, before, after]
        )
        mean = functional.avg_pool2d(squares, (size, 1), 1).reshape(x.shape)
        return x / torch.pow(bias + alpha * mean, beta)

    return run


def _lp_normalization(node: Node) -> Operation:
    """Over the p-norm of an axis; zeros stay zeros, as in ONNX Runtime."""
    axis, p = node.get("axis", -1), node.get("p", 2)

    def run(x: Tensor) -> Tensor:
        norm = torch.linalg.vector_norm(x, p, dim=axis, keepdim=True)
        safe: Tensor = torch.where(norm == 0, torch.ones_like(norm), norm)
        scaled: Tensor = x / safe
        return scaled

    return run


def _mean_variance(node: Node) -> Operation:
    axes = tuple(node.get("axes", (0, 2, 3)))

    def run(x: Tensor) -> Tensor:
        centred = x - x.mean(axes, keepdim=True)
        # The 1e-9 is in ONNX's own definition of the function.
        return centred / ((centred * centred).mean(axes, keepdim=True).sqrt() + 1e-9)

    return run


def _layer_normalization(node: Node) -> Operation:
    if node.outputs > 1:
        raise node.refuse("further outputs (Mean, InvStdDev)")
    axis, epsilon = node.get("axis", -1), node.get("epsilon", 1e-5)

    def run(x: Tensor, scale: Tensor, shift: Tensor | None = None) -> Tensor:
        y = functional.layer_norm(x, x.shape[axis:], None, None, epsilon) * scale
        return y if shift is None else y + shift

    return run


def _instance_normalization(node: Node) -> Operation:
    epsilon = node.get("epsilon", 1e-5)

    def run(x: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
        axes = tuple(range(2, x.ndim))
        shape = (1, -1, *(1,) * len(axes))
        centred = x - x.mean(axes, keepdim=True)
        variance = (centred * centred).mean(axes, keepdim=True)
        scaled = centred * torch.rsqrt(variance + epsilon) * scale.reshape(shape)
        return scaled + shift.reshape(shape)

    return run


BUILDERS: dict[str, Builder] = {
    "BatchNormalization": _batch_normalization,
    "InstanceNormalization": _instance_normalization,
    "LRN": _lrn,
    "LayerNormalization": _layer_normalization,
    "LpNormalization": _lp_normalization,
    "MeanVarianceNormalization": _mean_variance,
}
