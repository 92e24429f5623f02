"""Shared values that are trained (Han, Mao, Dally 2016, section 3.3).

All weights of one value follow the sum of their gradients, so they stay equal; zeros stay zeros.
The codes never change, the values do, and so do biases and the statistics of normalisations.
"""

from __future__ import annotations

import attrs
import numpy as np
from numpy.typing import NDArray

from prunus.compression.shared import MOST_BITS, Shared, shared_exactly, short
from prunus.descriptors import Trainer
from prunus.errors import PluginError, UsageError
from prunus.host import Host
from prunus.network import Network
from prunus.training.job import TrainingJob, Weights
from prunus.training.scatter import scatter

_APART = 1e-3
"""Relative distance of weights of one value above which a trainer did not keep them equal."""


def check_shares(host: Host, trainer: str) -> None:
    """Refuse a trainer that cannot keep weights equal.

    Raises:
        UsageError: it is one; names those that can.
    """
    found = host.find(Trainer, trainer).descriptor
    assert isinstance(found, Trainer)
    if not found.shares_weights:
        able = " or ".join(one.name for one in host.all(Trainer) if one.shares_weights)
        mend = f"use --trainer {able}, or " if able else ""
        raise UsageError(
            f"trainer {trainer} cannot train shared values; {mend}leave --epochs and --iterations "
            "out"
        )


def train_shared(
    host: Host, trainer: str, job: TrainingJob, shared: dict[str, Shared]
) -> tuple[Network, dict[str, Shared]]:
    """Train the values of a network whose weights are shared.

    Args:
        host: Plugins.
        trainer: Name of the trainer.
        job: The training of that network, which is its own compact form.
        shared: Shared form of its tensors.

    Returns:
        The trained network, and the shared form of its tensors.

    Raises:
        UsageError: the trainer cannot train shared values.
        PluginError: the trainer failed, or weights of one value are not equal any more.
    """
    check_shares(host, trainer)
    owner = str(host.find(Trainer, trainer))
    numbers = {name: _numbers(one) for name, one in shared.items()}
    weights = host.call(Trainer, trainer, "prunus_finetune", job=attrs.evolve(job, shared=numbers))
    found = scatter(job.network, job.compact, weights, owner)
    after = {
        name: _after(owner, name, one, numbers[name], found) if name in found else one
        for name, one in shared.items()
    }
    found.update((name, one.weights()) for name, one in after.items())
    return job.network.with_weights(found), after


def _numbers(shared: Shared) -> NDArray[np.int16]:
    numbers = shared.codes.astype(np.int16)
    if shared.zero is not None:
        numbers[shared.codes == shared.zero] = -1
    return numbers


def _after(
    owner: str, name: str, before: Shared, numbers: NDArray[np.int16], found: Weights
) -> Shared:
    """The shared form of trained weights, which are equal but for rounding: their means.

    Raises:
        PluginError: they are not.
    """
    trained = np.asarray(found[name], np.float64)
    held = numbers >= 0
    counts = np.maximum(np.bincount(numbers[held], minlength=before.codebook.size), 1)
    sums = np.bincount(numbers[held], trained[held], minlength=before.codebook.size)
    values = short((sums / counts).astype(before.codebook.dtype))
    equal = values[numbers] * held
    apart = np.abs(equal - trained).max(initial=0) > _APART * np.abs(trained).max(initial=0)
    if apart or not np.isfinite(values).all():
        raise PluginError(
            f"{owner} did not keep the shared weights of '{name}' equal; leave --epochs and "
            "--iterations out, and report it to its authors"
        )
    weights = equal.astype(before.codebook.dtype)
    shared = shared_exactly(weights, 2**MOST_BITS)
    assert shared is not None
    return shared
