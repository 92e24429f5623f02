"""Weights that share a value: they follow the sum of their gradients (Han, Mao, Dally 2016)."""

from __future__ import annotations

from collections.abc import Mapping

import attrs
import numpy as np
import torch
from torch import Tensor

from prunus.plugin import TrainingJob


@attrs.frozen(eq=False)
class SharedValues:
    """Which weights of which parameters are equal.

    Attributes:
        places: Parameter name -> number of the value of each weight ``(n,)``; zeros that stay have
            the last number.
        counts: Parameter name -> number of values, without that of the zeros.
    """

    places: Mapping[str, Tensor]
    counts: Mapping[str, int]

    @torch.no_grad()
    def sum_gradients(self, parameters: Mapping[str, Tensor]) -> None:
        """Give every weight the sum of the gradients of all weights equal to it; zeros get none.

        Equal weights with equal gradients and an equal memory of the solver stay equal.
        """
        for name, places in self.places.items():
            gradient = parameters[name].grad if name in parameters else None
            if gradient is None:
                continue
            count = self.counts[name]
            sums = gradient.new_zeros(count + 1)
            sums.index_add_(0, places, gradient.reshape(-1))
            sums[count] = 0
            gradient.copy_(sums[places].view(gradient.shape))


def shared_values(job: TrainingJob, device: torch.device) -> SharedValues:
    """The shared values of a job; none where its weights are free."""
    counts = {name: int(numbers.max(initial=-1)) + 1 for name, numbers in job.shared.items()}
    places = {
        name: torch.from_numpy(np.where(numbers < 0, counts[name], numbers).reshape(-1).astype(int))
        for name, numbers in job.shared.items()
    }
    return SharedValues({name: place.to(device) for name, place in places.items()}, counts)
