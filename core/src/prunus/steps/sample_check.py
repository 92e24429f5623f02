"""Samples that do not look like what the network was trained on: said first, or refused."""

from __future__ import annotations

import numpy as np

from prunus.errors import DataError
from prunus.evaluation.data import ArrayDataset
from prunus.evaluation.images import ImageDataset
from prunus.evaluation.sample_transform import parse_spec
from prunus.graph.inputs import sample_inputs
from prunus.likeness import SAMPLES, judge
from prunus.network import Network
from prunus.task import Dataset


def sample_warning(
    network: Network, data: Dataset, spec: str | None, option: str = "--data"
) -> str | None:
    """A sentence for the user where samples look wrong; ``None`` where nothing is known to be.

    Args:
        network: The unpruned network where it is known: its weights are those of the training.
        data: Samples that feed every input.
        spec: How the user named them; ``None`` for the network's own.
        option: The option they were named with.

    Raises:
        DataError: there is no doubt, and the user did not say how pixels become numbers.
    """
    positions = np.linspace(0, len(data) - 1, min(SAMPLES, len(data))).round().astype(np.int64)
    inputs = list(data.read(positions, None).inputs.items())
    fed = sample_inputs(network.model)
    if len(fed) != 1 or fed[0].name not in dict(inputs):
        return None
    verdict = judge(network, dict(inputs)[fed[0].name])
    if verdict is None:
        return None
    name = "the network's own samples" if spec is None else f"{option} {spec}"
    text = f"{name} do not look like what the network was trained on: {verdict.text}"
    if verdict.sure and spec is not None and _unsaid(spec, data):
        raise DataError(f"{text} If they are meant so, say it: :scale=1 behind the path")
    return text


def _unsaid(spec: str, data: Dataset) -> bool:
    """Whether the user could say mean, scale and order of channels, and did not."""
    return isinstance(data, ArrayDataset | ImageDataset) and not parse_spec(spec)[1].says_values
