"""Engines that networks run in, as far as planning for speed needs them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import onnx_ir as ir


class Engine(Protocol):
    """Runs graphs and tells how long they take.

    Attributes:
        name: As shown to users.
    """

    name: str

    @property
    def identity(self) -> str:
        """Version, threads and processor: times hold where all of them are the same."""

    def layer_times(self, models: Sequence[ir.Model]) -> list[Mapping[str, float]]:
        """Milliseconds of one sample in the parts of each graph.

        Returns:
            For each graph: value -> time of the step that makes it, with all that the engine does
            in the same step. What belongs to no value of the graph counts under ``""``.
        """

    def latencies(self, models: Sequence[ir.Model]) -> list[float]:
        """Milliseconds of one sample in each graph: medians of runs that take turns."""
