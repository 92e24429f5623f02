"""Masks of single weights in torch: held at zero, or chosen anew while they are trained."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import attrs
import torch
from torch import Tensor

from prunus.plugin import TrainingJob


@attrs.frozen(eq=False)
class Masks:
    """Masks of a training.

    Attributes:
        kept: Variable name -> mask of its shape in float32: 1 for weights that stay.
        dense: Masked weights keep a value of their own and may come back (``--regrow``).
    """

    kept: Mapping[str, Tensor] = attrs.field(factory=dict)
    dense: bool = False

    def applied(self, weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The weights that the network runs with.

        A masked weight that may come back gets the gradient it has at zero (Guo, Yao, Chen,
        NIPS 2016, eq. 3).
        """
        if not self.dense:
            return dict(weights)
        return {
            name: _Masked.apply(tensor, self.kept[name])  # type: ignore[no-untyped-call]
            if name in self.kept
            else tensor
            for name, tensor in weights.items()
        }

    @torch.no_grad()
    def hold(self, weights: Mapping[str, Tensor], history: Mapping[str, Sequence[Tensor]]) -> None:
        """After an update: masked weights are zero again, and so is the solver's memory of them."""
        if self.dense:
            return
        for name, mask in self.kept.items():
            for tensor in (weights[name], *history.get(name, ())):
                tensor.mul_(mask)

    @torch.no_grad()
    def choose(self, job: TrainingJob, weights: Mapping[str, Tensor]) -> None:
        """Choose the weights that stay anew, by the values of all."""
        assert job.splicing is not None
        values = {name: weights[name].detach().cpu().numpy() for name in self.kept}
        for name, mask in job.splicing.choose(values).items():
            self.kept[name].copy_(torch.from_numpy(mask))


def masks_of(job: TrainingJob, device: torch.device) -> Masks:
    """The masks of a job."""
    kept = {
        name: torch.from_numpy(mask).to(device, torch.float32) for name, mask in job.masks.items()
    }
    return Masks(kept, job.splicing is not None)


class _Masked(torch.autograd.Function):
    """Zero where the mask is; the gradient passes whole."""

    @staticmethod
    def forward(ctx: Any, weight: Tensor, mask: Tensor) -> Tensor:
        return weight * mask

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        return gradients[0], None
