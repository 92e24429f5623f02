"""One node as the operator builders see it: attributes and constants, read once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import onnx_ir as ir
import torch
from numpy.typing import NDArray
from torch import Tensor

from prunus.plugin import ModelError

Operation = Callable[..., Any]
"""Takes the node's inputs in order (``None`` for an absent one), gives a tensor or a tuple."""

Integers = Callable[[Tensor | None], tuple[int, ...]]
"""Reads an operand of integers: the tensor of the run is ignored where it is constant."""


class Node:
    """Attributes and constant operands of one node."""

    def __init__(
        self,
        node: ir.Node,
        constants: Mapping[str, NDArray[np.generic]],
        statistics: float | None = None,
    ) -> None:
        """Wrap a node.

        Args:
            node: The node.
            constants: Value name -> array, for values no run changes.
            statistics: Share of new batch statistics in the running ones; ``None`` to
                normalise by the running statistics (inference, frozen).
        """
        self.operator = node.op_type
        self.name = node.name or (node.outputs[0].name if node.outputs else "") or "?"
        self.statistics = statistics
        self.outputs = len(node.outputs)
        self._inputs = [None if value is None else value.name or None for value in node.inputs]
        self._attributes: dict[str, Any] = {
            key: attribute.value for key, attribute in node.attributes.items()
        }
        self._constants = constants

    def get(self, name: str, default: Any = None) -> Any:
        """An attribute, or the default ONNX gives it."""
        return self._attributes.get(name, default)

    def has(self, index: int) -> bool:
        """Whether operand ``index`` is connected."""
        return index < len(self._inputs) and self._inputs[index] is not None

    def constant(self, index: int) -> NDArray[np.generic] | None:
        """Operand ``index`` if no run can change it."""
        name = self._inputs[index] if self.has(index) else None
        return None if name is None else self._constants.get(name)

    def number(self, index: int, attribute: str, default: float | None) -> float | None:
        """A scalar that newer operator sets take as operand, older ones as attribute.

        Raises:
            ModelError: it is computed at run time.
        """
        if not self.has(index):
            value = self.get(attribute, default)
            return None if value is None else float(value)
        return float(np.asarray(self._fixed(index)).reshape(-1)[0])

    def integers(self, index: int, attribute: str | None = None) -> Integers | None:
        """Integers given as operand, or as attribute in older operator sets."""
        if not self.has(index):
            given = None if attribute is None else self.get(attribute)
            if given is None:
                return None
            fixed = tuple(int(number) for number in given)
            return lambda _: fixed
        array = self.constant(index)
        if array is None:
            return _from_tensor
        known = tuple(int(number) for number in np.asarray(array).reshape(-1))
        return lambda _: known

    def floats(self, index: int) -> tuple[float, ...] | None:
        """Constant numbers given as operand; ``None`` where absent or empty.

        Raises:
            ModelError: they are computed at run time.
        """
        if not self.has(index):
            return None
        array = np.asarray(self._fixed(index)).reshape(-1)
        return tuple(float(number) for number in array) or None

    def refuse(self, what: str) -> ModelError:
        """An error that names this node."""
        return ModelError(
            f"node '{self.name}' ({self.operator}): the torch trainer has no {what}; "
            "use the trainer of the model's own framework (prunus methods lists them)"
        )

    def _fixed(self, index: int) -> NDArray[np.generic]:
        array = self.constant(index)
        if array is None:
            raise self.refuse(f"support for operand {index} computed at run time")
        return array


Builder = Callable[[Node], Operation]


def plain(function: Operation) -> Builder:
    """A builder for an operator that has nothing to prepare."""
    return lambda _: function


def pairs(pads: tuple[int, ...]) -> list[tuple[int, int]]:
    """ONNX's ``(begin…, end…)`` as (begin, end) of each axis."""
    half = len(pads) // 2
    return list(zip(pads[:half], pads[half:], strict=True))


def torch_pads(sides: list[tuple[int, int]]) -> list[int]:
    """(begin, end) of each axis in the order ``torch.nn.functional.pad`` takes: last axis first."""
    return [size for side in reversed(sides) for size in side]


def _from_tensor(tensor: Tensor | None) -> tuple[int, ...]:
    assert tensor is not None
    return tuple(int(number) for number in torch.flatten(tensor).tolist())
