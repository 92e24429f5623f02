"""Derivatives of a loss by weights, from its derivatives by the outputs."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import torch
from numpy.typing import NDArray

from prunus.plugin import Network
from prunus_torch.executor import Program

Arrays = Mapping[str, NDArray[np.float32]]


def derivatives(network: Network, weights: tuple[str, ...]) -> Callable[[Arrays, Arrays], Arrays]:
    """Prepare a network; BatchNormalization uses its stored statistics.

    Args:
        network: The network.
        weights: Initializers to differentiate by.

    Raises:
        ModelError: the graph holds an operator that torch does not run here.
    """
    outputs = [str(value.name) for value in network.model.graph.outputs]
    program = Program(network.model, outputs, variables=weights)
    stored = network.weights()
    variables = {
        name: torch.from_numpy(np.array(stored[name], np.float32)).requires_grad_()
        for name in weights
    }

    def derive(inputs: Arrays, cotangents: Arrays) -> Arrays:
        """Of the sum over outputs of cotangent times output."""
        given = {name: torch.from_numpy(np.array(array)) for name, array in inputs.items()}
        found = program.run(given, variables)
        pairs = [
            (found[name], torch.from_numpy(np.array(array, np.float32)))
            for name, array in cotangents.items()
            if found[name].requires_grad
        ]
        if not pairs:
            return {}
        gradients = torch.autograd.grad(
            [output for output, _ in pairs],
            list(variables.values()),
            [cotangent for _, cotangent in pairs],
            allow_unused=True,
        )
        named = zip(variables, gradients, strict=True)
        return {name: gradient.numpy() for name, gradient in named if gradient is not None}

    return derive
