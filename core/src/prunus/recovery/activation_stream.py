"""The activation stream: values of a network in order, each computed once, as weights change."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from prunus.channel_ids.labelling import Labelling
from prunus.evaluation.session import Session

Array = NDArray[np.float32]


class ActivationStream:
    """An activation stream: gives asked values step by step and keeps the values still needed."""

    def __init__(
        self,
        model: ir.Model,
        labelling: Labelling,
        samples: Mapping[str, Array],
        asked: Sequence[Sequence[str]],
    ) -> None:
        """Begin at the inputs.

        Args:
            model: The graph; it is copied.
            labelling: Knows how large values are.
            samples: Graph input name -> ``(N, ...)``.
            asked: Names of the values of every step; what a later step asks for follows from
                weights that no earlier step changes, or from changed ones.
        """
        self._model = model.clone()
        self._labelling = labelling
        self._known = dict(samples)
        self._asked = list(asked)
        self._count = len(next(iter(samples.values())))
        self._values = {v.name or "": v for node in self._model.graph for v in node.outputs}

    def next(self) -> list[Array]:
        """The values of the next step, for all samples."""
        names = self._asked.pop(0)
        for name in names:
            if name not in self._known:
                self._known[name] = self._compute(name)
        found = [self._known[name] for name in names]
        needed = self._bounds([name for step in self._asked for name in step])
        self._known = {name: array for name, array in self._known.items() if name in needed}
        return found

    def change(
        self, weights: Mapping[str, NDArray[np.generic]], values: Mapping[str, Array]
    ) -> None:
        """Take other weights for what is not computed yet.

        Args:
            weights: Initializer -> array.
            values: Those of the last step that the weights change.
        """
        self._known |= {name: array for name, array in values.items() if name in self._known}
        for name, array in weights.items():
            value = self._model.graph.initializers[name]
            value.const_value = ir.Tensor(np.asarray(array, order="C"), name=name)

    def _compute(self, name: str) -> Array:
        bounds = sorted(self._bounds([name]))
        for value in (self._values.get(bound) for bound in (*bounds, name)):
            if value is not None and value.type is None:
                value.type = ir.TensorType(ir.DataType.FLOAT)
        graph = ir.convenience.extract(self._model.graph, bounds, [name])
        for value in (value for node in graph for value in node.outputs):
            if value.name in bounds:  # known already, made again beside another part of a Split
                value.name = f"{value.name}/again"
        model = ir.Model(graph, ir_version=self._model.ir_version)
        session = Session(model, arena=False, samples=self._count)
        size = self._labelling.samples_at_once([*bounds, name])
        found = np.empty(0, np.float32)
        for start in range(0, self._count, size):
            stop = min(start + size, self._count)
            part = session.run({b: self._part(b, start, stop) for b in bounds})[name]
            rows = len(part) // (stop - start)
            if not start:  # filled part by part: all parts beside the whole would hold it twice
                found = np.empty((rows * self._count, *part.shape[1:]), part.dtype)
            found[start * rows : stop * rows] = part
        return found

    def _part(self, name: str, start: int, stop: int) -> Array:
        """Some samples of a known value, whose first axis may hold several rows a sample."""
        array = self._known[name]
        rows = len(array) // self._count
        return array[start * rows : stop * rows]

    def _bounds(self, names: Sequence[str]) -> set[str]:
        """The known values that others follow from."""
        found: set[str] = set()
        seen: set[str] = set()
        stack = list(names)
        while stack:
            name = stack.pop()
            if name in self._known:
                found.add(name)
            elif name in self._values and name not in seen:
                seen.add(name)
                node = self._values[name].producer()
                assert node is not None
                stack += [value.name or "" for value in node.inputs if value is not None]
        return found


def weights_behind(model: ir.Model, values: Iterable[str]) -> set[str]:
    """Initializers that some values follow from.

    Args:
        model: The graph.
        values: Names; inputs of the graph follow from none.
    """
    made = {value.name or "" for node in model.graph for value in node.outputs}
    asked = sorted(made.intersection(values))
    if not asked:
        return set()
    given = [v.name or "" for v in model.graph.inputs if v.name not in model.graph.initializers]
    return set(ir.convenience.extract(model.graph, given, asked).initializers)
