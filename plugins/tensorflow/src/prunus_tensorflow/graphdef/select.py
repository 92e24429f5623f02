"""Where the network begins and ends in a graph that may hold training, input queues and copies."""

from __future__ import annotations

from collections.abc import Sequence

import attrs

from prunus.plugin import ModelError
from prunus_tensorflow.graphdef.entries import entries, weighted_layers
from prunus_tensorflow.graphdef.names import split
from prunus_tensorflow.graphdef.steps import Steps
from prunus_tensorflow.graphdef.terminals import Terminals


@attrs.frozen
class Ends:
    """Chosen ends of the network.

    Attributes:
        inputs: Input tensors.
        outputs: Output tensors.
        notes: What was left aside.
    """

    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    notes: tuple[str, ...] = ()


def choose_ends(steps: Steps, inputs: Sequence[str] = (), outputs: Sequence[str] = ()) -> Ends:
    """Ends of the network: what the user names, else what the graph shows.

    Inputs are the values that weighted layers read first, traced back over known ops:
    placeholders, or outputs of ops that are no network layers (queues, audio front ends).
    Outputs are the last tensors computed from them alone.

    Raises:
        ModelError: a given node does not exist, or the graph has no layer.
    """
    for name in (*inputs, *outputs):
        _exists(steps, name)
    weighted = weighted_layers(steps, outputs)
    if not weighted:
        raise ModelError("the graph has no convolution or fully connected layer with weights")
    chosen = tuple(inputs) or entries(steps, weighted)
    if not chosen:
        raise ModelError("no input was found in the graph: give --input_nodes")
    if outputs:
        return Ends(chosen, tuple(outputs))
    found, notes = Terminals(steps).find(chosen, weighted)
    if not found:
        raise ModelError("no output was found in the graph: give --output_nodes")
    return Ends(chosen, found, notes)


def _exists(steps: Steps, name: str) -> None:
    if split(name)[0] not in steps:
        from difflib import get_close_matches

        near = get_close_matches(split(name)[0], steps, n=1)
        hint = f" (did you mean '{near[0]}'?)" if near else ""
        raise ModelError(f"the graph has no node '{split(name)[0]}'{hint}")
