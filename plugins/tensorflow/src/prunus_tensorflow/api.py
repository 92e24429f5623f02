"""Keras models in memory, in one call.

    from prunus_tensorflow.api import prune

    small = prune(model, rate=0.5).model

The steps apart are those of `prunus`: ``load(model)``, ``plan``, ``prune``, ``compact``, and the
``native`` model of the result.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import attrs

import prunus
from prunus.plugin import Network
from prunus_tensorflow.keras_model.lower import lower_model
from prunus_tensorflow.keras_model.rebuild import model_of

__all__ = ["Pruned", "model_of", "network_of", "prune"]


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


@attrs.frozen(eq=False)
class Pruned:
    """A smaller Keras model, and how it came about.

    Attributes:
        model: The model, with the layer names of the original.
        plan: The channels that stay, the criterion and the allocation.
        proof: How well the model agrees with the masked one.
        before, after: Layers, multiply-adds and parameters of both (`prunus.stat`).
    """

    model: Any
    plan: prunus.Plan
    proof: prunus.Proof
    before: prunus.Statistics
    after: prunus.Statistics

    def __repr__(self) -> str:
        """The report in four lines."""
        rows = [
            f"{name} {before:,} -> {after:,} ({after / before - 1:+.1%})"
            for name, before, after in (
                ("MACs", self.before.macs, self.after.macs),
                ("params", self.before.params, self.after.params),
            )
        ]
        return "\n".join(
            [
                *rows,
                f"criterion {self.plan.criterion}, allocation {self.plan.allocation}",
                f"proof: equal to the masked model, largest relative error {self.proof.error:.1e}",
            ]
        )


def prune(
    model: Any,
    rate: float | None = None,
    *,
    samples: Any = None,
    exclude: Sequence[str] = (),
    custom_objects: Mapping[str, Any] | None = None,
    **options: Any,
) -> Pruned:
    """A smaller Keras model with the same layer names, proved equal to the masked one.

    Args:
        model: Functional or Sequential; compile settings are kept, with a fresh optimizer.
        rate: Share of the multiply-adds to remove.
        samples: Some inputs ``(N, ...)`` of a model with one input, or a dict of them by input
            name: for criteria that look at activations, and to compensate the consumers of
            removed channels.
        exclude: Names of layers that stay whole.
        custom_objects: See `network_of`.
        options: Others of `prunus.plan`: further budgets, ``criterion``, ``allocation``,
            ``sensitivity``, ``multiple``, ``seed``; the same defaults.

    Raises:
        PlanError: a budget is out of reach, or nothing can be removed.
        UsageError: no budget is given, or a name is unknown.
        ProofError: the smaller network does not equal the masked one.
    """
    network = network_of(model, custom_objects=custom_objects)
    plan = prunus.plan(network, rate=rate, data=samples, exclude=tuple(exclude), **options)
    masked = prunus.prune(network, plan, data=samples)
    small = prunus.compact(masked, data=samples)
    after = prunus.stat(small.network)
    return Pruned(small.native, plan, small.proof, prunus.stat(network), after)
