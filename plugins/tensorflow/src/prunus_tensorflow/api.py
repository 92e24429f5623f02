"""Keras models in memory: from Python to Python, no files.

    from prunus_tensorflow.api import prune

    small = prune(model, rate=0.5)

The steps apart: `network_of`, then anything of the core, then `model_of`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from prunus.errors import DataError, PlanError
from prunus.host import start
from prunus.network import Network
from prunus.planning.budget import Budget
from prunus.planning.choose import choose
from prunus.proof.plan import prove_plan
from prunus.prunable import prunable
from prunus.pruning import carry_out
from prunus_tensorflow.keras_.lower import lower_model
from prunus_tensorflow.keras_.rebuild import model_of

__all__ = ["model_of", "network_of", "prune"]


def network_of(
    model: Any,
    *,
    input_shapes: Sequence[tuple[int, ...]] = (),
    custom_objects: Mapping[str, Any] | None = None,
) -> Network:
    """The neutral network of a Functional or Sequential Keras model.

    Args:
        model: The model; it is never changed.
        input_shapes: Shapes without the batch, for inputs that leave sizes open.
        custom_objects: Functions the model needs besides Keras' own (layer classes are found).

    Raises:
        ModelError: the model has no call graph, or open sizes.
    """
    return lower_model(model, None, input_shapes, custom_objects)


def prune(
    model: Any,
    rate: float,
    *,
    criterion: str = "l1",
    allocation: str = "uniform",
    exclude: Sequence[str] = (),
    multiple: int = 2,
    seed: int = 0,
    samples: NDArray[np.float32] | None = None,
    custom_objects: Mapping[str, Any] | None = None,
) -> Any:
    """A smaller Keras model with the same layer names, proved equal to the masked one.

    Args:
        model: Functional or Sequential; compile settings are kept, with a fresh optimizer.
        rate: Share of the multiply-adds to remove.
        criterion: As ``--criterion``.
        allocation: ``uniform`` or ``global``; measured sensitivity needs the command line.
        exclude: Native names of layers that stay whole.
        multiple: Kept channels are rounded up to this.
        seed: Of everything drawn.
        samples: Some inputs ``(N, ...)`` of a model with one input: for criteria that look at
            activations, and to refit the weights that read removed channels.
        custom_objects: See `network_of`.

    Raises:
        PlanError: the rate is out of reach, or nothing can be removed.
        ProofError: the smaller network does not equal the masked one.
    """
    host = start()
    network = network_of(model, custom_objects=custom_objects)
    feed = None if samples is None else _feed(network, samples)
    subject = prunable(network, tuple(exclude))
    budget = Budget(rate, None, multiple, seed)
    keep = choose(host, subject, budget, criterion=criterion, allocation=allocation, samples=feed)
    if not keep:
        raise PlanError("the plan removes nothing: no group allows it; raise the rate")
    masked, smaller = carry_out(subject, keep, {}, feed, seed)
    prove_plan(subject, keep, masked, smaller, feed)
    return model_of(masked, smaller)


def _feed(network: Network, samples: NDArray[np.float32]) -> dict[str, NDArray[np.float32]]:
    names = [value.name or "" for value in network.model.graph.inputs]
    if len(names) != 1:
        raise DataError(f"the model has inputs {', '.join(names)}: samples= serves one input")
    return {names[0]: np.asarray(samples, np.float32)}
