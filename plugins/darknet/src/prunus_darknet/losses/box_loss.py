"""Darknet's box losses for the torch trainer: ``prunus_darknet.losses.box_loss:box_loss``."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from prunus.plugin import DataError, UsageError
from prunus_darknet.boxes.head import BoxHead
from prunus_darknet.losses.region import region_deltas
from prunus_darknet.losses.yolo import Array, Deltas, yolo_deltas

if TYPE_CHECKING:
    from torch import Tensor

_DELTAS: Mapping[str, Callable[[BoxHead, Array, Sequence[Array]], Deltas]] = {
    "yolo": yolo_deltas,
    "gaussian_yolo": yolo_deltas,
    "region": region_deltas,
}


def box_loss(outputs: Mapping[str, Tensor], labels: Any, parameters: Mapping[str, Any]) -> Tensor:
    """Cost of one box-decoding layer, divided by the batch size.

    Its gradient is minus Darknet's ``delta``, which is not the derivative of the reported cost:
    Darknet hands ``delta`` on as it is (``backward_yolo_layer``).

    Args:
        outputs: Graph output name -> ``(N, C, h, w)``.
        labels: For each sample ``(boxes, 5)``: class, centre x, centre y, width, height,
            relative to the network input.
        parameters: ``head``: the `BoxHead`.

    Raises:
        DataError: there are no labels.
        UsageError: Darknet's loss of this layer is not supported here.
    """
    from prunus_darknet.losses.gradient import given_gradient

    head: BoxHead = parameters["head"]
    if labels is None:
        raise DataError(
            f"the loss of {head.kind} layer {head.index} needs boxes and the samples have none; "
            "use --distill"
        )
    if head.kind not in _DELTAS:
        raise UsageError(
            f"layer {head.index}: training a {head.kind} layer is not supported; use --distill"
        )
    raw = outputs[head.output]
    count = len(raw)
    truths = [np.asarray(boxes, np.float64).reshape(-1, 5) for boxes in labels]
    found = _DELTAS[head.kind](head, raw.detach().cpu().numpy(), truths)
    return given_gradient(raw, found.cost / count, -found.values / count)
