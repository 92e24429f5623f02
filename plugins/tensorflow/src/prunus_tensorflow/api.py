"""Keras models in memory, in one call.

    from prunus_tensorflow.api import prune

    small = prune(model, rate=0.5)

The steps apart are those of `prunus`: ``load(model)``, ``plan``, ``prune``, ``compact``, and the
``native`` model of the result.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import prunus
from prunus.plugin import Network
from prunus_tensorflow.keras_model.lower import lower_model
from prunus_tensorflow.keras_model.rebuild import model_of

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
    samples: Any = None,
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
        samples: Some inputs ``(N, ...)`` of a model with one input, or a dict of them by input
            name: for criteria that look at activations, and to compensate the consumers of
            removed channels.
        custom_objects: See `network_of`.

    Raises:
        PlanError: the rate is out of reach, or nothing can be removed.
        ProofError: the smaller network does not equal the masked one.
    """
    network = network_of(model, custom_objects=custom_objects)
    plan = prunus.plan(
        network,
        rate=rate,
        data=samples,
        criterion=criterion,
        allocation=allocation,
        exclude=tuple(exclude),
        multiple=multiple,
        seed=seed,
    )
    masked = prunus.prune(network, plan, data=samples)
    return prunus.compact(masked, data=samples).native
