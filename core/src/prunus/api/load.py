"""Loading a network, from files or from a live model."""

from __future__ import annotations

import os
from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from typing import Any

from prunus.descriptors import Format
from prunus.errors import UsageError
from prunus.loading import read_network
from prunus.network import Network, Source, TaskNames
from prunus.results import host


def load(
    model: Any,
    weights: str | PathLike[str] | None = None,
    *,
    solver: str | PathLike[str] | None = None,
    metric: str | None = None,
    data: str | None = None,
    options: Mapping[str, str] | None = None,
    example_inputs: Any = None,
) -> Network:
    """Load a network.

    Args:
        model: A file or directory of an installed format, or a live model of a framework (an
            ``onnx.ModelProto``, say), which is never changed.
        weights: Weights file, where the format keeps weights apart.
        solver: Training recipe file of the framework's own, for `finetune`.
        metric: Native name of the network's metric, where it has several.
        data: Samples in the format's own terms: the network's own for `evaluate`, `analyze` and
            `finetune`.
        options: Format options by name (``prunus methods`` lists them).
        example_inputs: What a live model is called with, where its format has to call it: one
            array of the framework, a tuple of them, or a dict of arguments by name.

    Raises:
        ModelError: files are missing, broken or do not fit each other.
        UsageError: no installed format knows such a model; or it is a live one, which takes no
            ``solver``, ``metric`` and ``data``; or ``example_inputs`` are missing, or are given for
            what needs none.
    """
    found = dict(options or {})
    if isinstance(model, str | os.PathLike):
        if example_inputs is not None:
            raise UsageError("example_inputs= is for live models; a file says its inputs itself")
        task = TaskNames(None if solver is None else Path(solver), metric, data)
        source = Source(Path(model), None if weights is None else Path(weights), found, task)
        return read_network(host(), source)
    if (solver, metric, data) != (None, None, None):
        raise UsageError(
            "solver=, metric= and data= are for files; a live model is trained and measured with "
            "what evaluate() and finetune() are given"
        )
    for descriptor in host().all(Format):
        if descriptor.in_memory is not None and descriptor.in_memory(model):
            _check_inputs(descriptor, example_inputs)
            network = host().call(
                Format,
                descriptor.name,
                "prunus_lower",
                model=model,
                options=found,
                example_inputs=example_inputs,
            )
            assert isinstance(network, Network)
            return network
    raise UsageError(
        f"no installed format knows a model of type {type(model).__module__}."
        f"{type(model).__qualname__}; give a file, or install the framework's plugin"
    )


def _check_inputs(descriptor: Format, example_inputs: object) -> None:
    """Inputs of a live model are given where its format needs them, and nowhere else."""
    if descriptor.takes_inputs and example_inputs is None:
        raise UsageError(
            f"a live model of format {descriptor.name} is called once to be read; give "
            "example_inputs=, what you call it with"
        )
    if example_inputs is not None and not descriptor.takes_inputs:
        raise UsageError(
            f"example_inputs=: a live model of format {descriptor.name} is read without them; "
            "leave them out"
        )
