"""The structure of one file with the weights of another: ``--model BASE --weights FINETUNED``."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from prunus.errors import ModelError
from prunus.formats.onnx_open import Origin
from prunus.network import Network


def taken(base: Network, path: Path, other: Network) -> Network:
    """A network with the weights of another of the same structure.

    Args:
        base: The structure.
        path: The file of the other one, for messages.
        other: The network whose weights are taken, by their names.

    Raises:
        ModelError: a weight is missing, or of another shape.
    """
    assert isinstance(base.origin, Origin)
    own, weights = base.origin.path, other.weights()
    found: dict[str, NDArray[np.generic]] = {}
    for name, array in base.weights().items():
        if array.dtype.kind != "f":
            continue  # operands that state sizes belong to the structure
        if name not in weights:
            raise ModelError(
                f"{path}: has no initializer '{name}', which {own} has; "
                "give the file that was pruned or finetuned from it"
            )
        if weights[name].shape != array.shape:
            ours, theirs = (
                "x".join(map(str, shape)) for shape in (array.shape, weights[name].shape)
            )
            raise ModelError(
                f"{path}: initializer '{name}' is {theirs}, in {own} {ours}; "
                "give the file that was pruned or finetuned from it"
            )
        found[name] = weights[name]
    return base.with_weights(found)
